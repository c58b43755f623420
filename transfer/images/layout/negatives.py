"""Negatives: images of none of the classes, which are set apart from the classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transfer.errors import DataError, did_you_mean, option
from transfer.images.formats import READ
from transfer.images.layout.describe import Survey, describe
from transfer.images.layout.plan import Plan, of_classes
from transfer.images.layout.tree import Folder
from transfer.system.names import nfc


@dataclass(frozen=True)
class Negatives:
    """Where the negatives are.

    Attributes:
        root: Absolute path of a folder.
        paths: One path per image, relative to `root`, sorted.
        shown: Where they come from, for messages.
    """

    root: Path
    paths: tuple[str, ...]
    shown: str


def set_apart(
    survey: Survey, text: str, read: Callable[[Survey], Plan], follow_links: bool = False
) -> tuple[Survey, Negatives | None]:
    """Return what lies in a folder without the negatives, and these.

    Args:
        survey: What lies in the folder.
        text: The path of a folder, in the surveyed one or elsewhere; or, without a separator, the
            name of a class; ``none`` for no negatives.
        read: Says how a folder is read.
        follow_links: Follow links that lead out of a folder of negatives.

    Raises:
        DataError: It is neither, or both; or there is no image in it.
    """
    if text == "none":
        return survey, None
    name, folder = nfc(text.rstrip("/")), Path(text).expanduser()
    is_name, is_folder = not {"/", os.sep} & set(name), folder.is_dir()
    inside = _inside(survey, folder) if is_folder else None
    if is_folder and inside is not None:
        paths = [path for path in survey.top.below() if path.startswith(f"{inside}/")]
        return _apart(survey, paths, f"{inside}/")
    plan = read(survey) if is_name else Plan()
    named = [path for path, label, _ in plan.rows if label == name]
    if named and is_folder:
        raise DataError(
            f"{option('negatives', text)} is a folder here and a class of {str(survey.root)!r}."
            f" Say which: {option('negatives', f'./{name}')}, or the path of the other."
        )
    if named:
        return _apart(survey, named, f"the class {name}")
    if is_folder:
        return survey, _beside(folder, follow_links)
    known = f" of {str(survey.root)!r} ({of_classes(plan.classes)})" if is_name else ""
    raise DataError(
        f"Expected {option('negatives')} as a folder, or the name of a class{known}."
        f"{did_you_mean(name, plan.classes)} Received: {text!r}, which is neither."
    )


def without_folder(survey: Survey, text: str) -> Survey:
    """Return what lies in a folder without the folder of negatives in it, if `text` is one."""
    folder = Path(text).expanduser()
    inside = _inside(survey, folder) if text != "none" and folder.is_dir() else None
    if inside is None:
        return survey
    return _without(survey, {p for p in survey.top.below() if p.startswith(f"{inside}/")})


def _inside(survey: Survey, folder: Path) -> str | None:
    """Return the path of a folder relative to the surveyed one; None where it is elsewhere."""
    root, real = Path(os.path.realpath(survey.root)), Path(os.path.realpath(folder))
    if root.is_relative_to(real):
        raise DataError(
            f"The negatives are in {str(folder)!r}, which holds the classes too. Expected a folder"
            " of its own."
        )
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else None


def _apart(survey: Survey, paths: Sequence[str], shown: str) -> tuple[Survey, Negatives]:
    if not paths:
        raise _without_images(survey.root / shown)
    rest = _without(survey, set(paths))
    return rest, Negatives(survey.root, tuple(sorted(paths)), shown)


def _without(survey: Survey, images: Collection[str]) -> Survey:
    """Return what lies in a folder but for some images, and for folders that hold only these."""

    def rest(folder: Folder) -> Folder:
        folders = {name: rest(each) for name, each in folder.folders.items()}
        left = {n: each for n, each in folders.items() if each.total or not folder.folders[n].total}
        paths = [path for path in folder.images if path not in images]
        total = len(paths) + sum(each.total for each in left.values())
        return Folder(folder.path, left, paths, total)

    return replace(survey, top=rest(survey.top))


def _beside(folder: Path, follow_links: bool) -> Negatives:
    found = describe(folder, follow_links, masks_aside=False)
    paths = tuple(sorted(found.top.below()))
    if not paths:
        raise _without_images(folder)
    return Negatives(found.root, paths, str(folder))


def _without_images(folder: Path) -> DataError:
    return DataError(
        f"No usable image ({READ}) among the {option('negatives')} in {str(folder)!r}."
    )
