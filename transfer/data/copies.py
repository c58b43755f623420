"""Images that were made from one photo, by their names: augmented, rotated, copied by hand."""

from __future__ import annotations

from collections import defaultdict

from transfer.errors import option
from transfer.images.folder import ImageFolder
from transfer.images.layout.filenames import NUMBERED, source_of

_MOST_NUMBERED = 5  # cat (1) to cat (400) are not copies of one cat


def sources_of(folder: ImageFolder) -> dict[str, str]:
    """Return path to the name of its source, for images whose names say that they share one.

    ``NAME_jpg.rf.HASH``, ``NAME_aug3``, ``NAME_rot90``, ``NAME - Copy`` and ``Copy of NAME`` in one
    class are made from NAME, and so are ``NAME (2)`` to ``NAME (5)`` beside a ``NAME``.
    """
    labels = folder.label_names
    return {path: f"{labels[label]}/{name}" for (label, name), _, path in _members(folder)}


def hint_at_sources(folder: ImageFolder) -> str:
    """Return what to do about images that share a source; ``""`` where none do."""
    groups: dict[tuple[int, str], list[str]] = defaultdict(list)
    forms: dict[tuple[int, str], str] = {}
    for key, form, path in _members(folder):
        groups[key].append(path)
        forms[key] = forms.get(key) or form
    if not groups:
        return ""
    first = next(iter(groups))
    return (
        f"{sum(map(len, groups.values())):,} images are copies of {len(groups):,} photos by their"
        f" names ({forms[first]}), such as {', '.join(groups[first][:2])}. A photo in train whose"
        f" copy is in val makes the accuracy look better than it is: {option('group_by', 'source')}"
        " keeps them together."
    )


def _members(folder: ImageFolder) -> list[tuple[tuple[int, str], str, str]]:
    """Return the key of the source, the form of name and the path of each image that shares one."""
    found: dict[tuple[int, str], list[tuple[str, str]]] = defaultdict(list)
    for path, label in zip(folder.paths, folder.labels, strict=True):
        name, form = source_of(path)
        found[label, name].append((form, path))
    members = []
    for key, images in found.items():
        forms = {form for form, _ in images}
        if forms <= {"", NUMBERED}:
            within = {path.rpartition("/")[0] for form, path in images if form}
            images = [each for each in images if each[1].rpartition("/")[0] in within]
            plain = any(not form for form, _ in images)
            if not plain or not within or len(images) > _MOST_NUMBERED * len(within):
                continue
        if len(images) > 1:
            members += [(key, form, path) for form, path in images]
    return members
