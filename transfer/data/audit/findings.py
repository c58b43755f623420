"""Findings of an audit: what is wrong, how serious it is, and what to do."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transfer.data.audit.clean import REMARKS, Audit, remarks
from transfer.data.copies import hint_at_sources
from transfer.errors import call, either, option
from transfer.images.folder import EXPECTED, ImageFolder
from transfer.images.formats import FORMATS, listed
from transfer.images.layout.differences import difference_in_words
from transfer.images.layout.names import confusable
from transfer.images.levels import choose_decoding
from transfer.images.open import Header
from transfer.recipe import is_uneven

SEVERITIES = {
    "error": "training is refused",
    "problem": "left out or doubtful; refused if strict",
    "warning": "worth a look",
    "note": "good to know",
}

Items = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: Machine-readable, such as ``unusable`` or ``near-across-splits``.
        severity: ``error`` (training is refused), ``problem`` (training leaves it out or
            takes it as it is, and refuses it with ``on_bad="fail"``), ``warning`` or ``note``.
        title: What was found and how often, in a few words.
        advice: What to do.
        items: Where: paths (one, or a group of duplicates), or a name or path with details.
    """

    kind: str
    severity: str
    title: str
    advice: str
    items: Items

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON."""
        return dataclasses.asdict(self)


def find(
    folder: ImageFolder, audit: Audit, nameless: Sequence[str] = (), allow_empty: bool = False
) -> list[Finding]:
    """Return all findings, the worst first.

    Args:
        folder: All images that were indexed.
        audit: What was found in them.
        nameless: Paths that were left out because they are not UTF-8.
        allow_empty: Whether training accepts class folders without images.
    """
    found = [*_reading(folder), *_unusable(audit), *_classes(folder, audit), *_alike(folder, audit)]
    found += [*_pictures(folder, audit), *_skipped(folder, nameless)]
    if allow_empty:
        found = [replace(e, severity="note") if e.kind == "empty-class" else e for e in found]
    order = list(SEVERITIES)
    return sorted(found, key=lambda each: order.index(each.severity))


def _reading(folder: ImageFolder) -> Iterator[Finding]:
    """Yield what is to be known about how the folder was read, and about copies by name."""
    for remark in folder.remarks:
        severity = "warning" if remark.serious else "note"
        yield Finding(f"read-{remark.kind}", severity, remark.text.rstrip("."), "", ())
    if hint := hint_at_sources(folder):
        yield Finding("sources", "warning", hint.rstrip("."), "", ())


def _unusable(audit: Audit) -> Iterator[Finding]:
    if audit.bad:
        items = tuple((path, reason.rstrip(".")) for path, reason in audit.bad)
        title = f"{_count(items)} cannot be used"
        yield Finding("unusable", "problem", title, "Replace or remove them.", items)


def _classes(folder: ImageFolder, audit: Audit) -> Iterator[Finding]:
    if len(folder.classes) == 1:
        advice = "Make one folder per class, like DATA/cats/1.jpg and DATA/dogs/2.jpg."
        yield Finding("one-class", "error", "there is a single class", advice, (folder.classes,))
    indexed = folder.counts()
    usable = folder.keep([path in audit.sha256 for path in folder.paths]).counts()
    places: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for split, sizes in indexed.items():
        for name, size in sizes.items():
            left = usable.get(split, {}).get(name, 0)
            kind = "empty" if not size else "lost" if not left else "single" if left == 1 else ""
            if kind != "single" or split in ("", "train"):
                places[kind].append((f"{split}/{name}".lstrip("/"),))
    allow = option("allow_empty", True)
    owned = {split: [n for n in sizes if sizes[n]] for split, sizes in indexed.items()}
    differ = difference_in_words(owned)
    empty = f"{differ}. Or remove the folder" if differ else "Add some, remove the folder"
    for kind, severity, title, advice in (
        ("empty", "error", "no image", f"{empty}, or use {allow}."),
        ("lost", "error", "no usable image", "Replace the images, or remove the folder."),
        ("single", "warning", "one usable image", "Add more of them."),
    ):
        if places[kind]:
            items = tuple(places[kind])
            title = f"{_count(items, 'class folder')} with {title}"
            yield Finding(f"{kind}-class", severity, title, advice, items)
    if twins := confusable(folder.classes):
        advice = "Merge the folders where they mean the same."
        items = tuple(map(tuple, twins))
        title = f"{_count(items, 'group')} of class names that are easily confused"
        yield Finding("confusable-classes", "warning", title, advice, items)
    if folder.label_sets is None:
        yield from _imbalance(usable.get("train") or usable.get("") or {})


def _imbalance(sizes: Mapping[str, int]) -> Iterator[Finding]:
    numbers = [size for size in sizes.values() if size]
    if is_uneven(numbers):
        items = tuple((name, str(sizes[name])) for name in sorted(sizes, key=lambda n: sizes[n]))
        title = f"classes are uneven: {min(numbers):,} to {max(numbers):,} images"
        weights = option("balance", "weights")
        advice = f"Consider {weights}, and read macro-F1 rather than accuracy."
        yield Finding("imbalance", "warning", title, advice, items)


def _alike(folder: ImageFolder, audit: Audit) -> Iterator[Finding]:
    """Yield duplicates: identical files first, then groups of near duplicates."""
    split = dict(zip(folder.paths, folder.splits, strict=True))
    label = dict(zip(folder.paths, folder.labels, strict=True))
    dedupe = option("dedupe", True)
    for kind, words, keys in (
        ("copies", "that are identical files", audit.sha256),
        ("near", "that are near duplicates", audit.groups),
    ):
        places: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for group in _groups(keys):
            if kind == "near" and len({audit.sha256[path] for path in group}) == 1:
                continue
            splits, labels = ({side[path] for path in group} for side in (split, label))
            if len(splits) > 1:
                places["splits"].append(group)
            if len(labels) > 1:
                places["classes"].append(group)
            if len(splits) == len(labels) == 1:
                places["one class"].append(group)
        for place, severity, where, advice in (
            ("classes", "problem" if kind == "copies" else "warning", "in different classes",
             "Decide which class is right."),
            ("splits", "warning", "in different splits",
             f"Accuracy is optimistic: remove them from train, or use {dedupe}."),
            ("one class", "note", "in one class", "They add nothing; one of each is enough."),
        ):  # fmt: skip
            if items := tuple(places[place]):
                title = f"{_count(items, 'group')} of images {words} {where}"
                name = f"{kind}-in-one-class" if place == "one class" else f"{kind}-across-{place}"
                yield Finding(name, severity, title, advice, items)


def _groups(keys: Mapping[str, str]) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for path, key in keys.items():
        groups[key].append(path)
    return [tuple(sorted(group)) for group in groups.values() if len(group) > 1]


def _advice() -> dict[str, tuple[str, str]]:
    """Return the severity of each remark, and what to do."""
    fixes, pad = either("Checkup.write_fixes", "--fix-list"), option("resize", "pad")
    ignore = option("color_profiles", "ignore")
    pages = call("prepare", "DATA", "DEST", pages="all")
    return {
        "animated": ("note", "Only the first frame is used."),
        "pages": ("note", f"Those of TIFF files become images of their own with: {pages}."),
        "depth": ("note", "By the training images, {depth}."),
        "profile": ("note", f"They are converted to sRGB, unless with {ignore}."),
        "bad-profile": ("note", "They are read as sRGB."),
        "hdr": ("warning", "They are read as they are, pale or dark; save them as SDR."),
        "extension": ("note", f"Other tools may fail on them; {fixes} gives the right names."),
        "exif": ("note", "Other tools may show them rotated."),
        "tiny": ("warning", "They have little detail at a network's input size."),
        "huge": ("note", "Scale them down to read them faster."),
        "elongated": ("warning", f"They are stretched to a square; consider {pad}, or crop them."),
        "blank": ("warning", "They show nothing; remove them."),
    }


def _pictures(folder: ImageFolder, audit: Audit) -> Iterator[Finding]:
    paths: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    colours: dict[str, int] = defaultdict(int)
    for path, look in audit.looks.items():
        if look.header is None:
            continue
        for kind in remarks(path, look):
            paths[kind].append((path, *_details(kind, look.header)))
        colours[_colours(look.header)] += 1
    for kind, (severity, advice) in _advice().items():
        if items := tuple(paths[kind]):
            advice = advice.replace("{depth}", _depths(folder, audit))
            yield Finding(kind, severity, f"{_count(items)}: {REMARKS[kind]}", advice, items)
    if len(colours) > 1 or set(colours) - {"RGB"}:
        items = tuple((name, f"{colours[name]:,}") for name in sorted(colours))
        advice = "All become 8-bit RGB. If classes differ in it, a model can exploit that."
        yield Finding("colours", "note", "images differ in how colours are stored", advice, items)


def _depths(folder: ImageFolder, audit: Audit) -> str:
    """Say by which rule images of more than 8 bits would be read."""
    deep, split = audit.deep, "train" if "train" in folder.splits else ""
    decoding = choose_decoding(deep[path] for path in folder.select(split).paths if path in deep)
    rules = [each for each in (decoding.integers, decoding.floats) if each is not None]
    words = [f"{low:g} to {high:g} becomes 0 to 255" for low, high in rules]
    return " and ".join(words) or "each by itself"


def _details(kind: str, header: Header) -> tuple[str, ...]:
    if kind in ("tiny", "huge", "elongated"):
        return (f"{header.width} x {header.height} pixels",)
    if kind == "extension":
        return (f"{FORMATS[header.format].shown}: {FORMATS[header.format].suffixes[0]}",)
    return ()


def _colours(header: Header) -> str:
    name = {"1": "bilevel", "L": "gray", "LA": "gray", "P": "palette", "PA": "palette"}.get(
        header.mode, "gray" if header.mode in ("F", "La") or header.mode[0] == "I" else header.mode
    )
    name = "RGB" if header.mode in ("RGBA", "RGBX", "RGBa") else name
    name = f"{header.bits}-bit {name}" if header.bits > 8 else name
    return f"{name} with transparency" if header.transparent else name


def _skipped(folder: ImageFolder, nameless: Sequence[str]) -> Iterator[Finding]:
    if nameless:
        items: Items = tuple((path,) for path in nameless)
        title = f"{_count(items, 'file')} left out: the name is not UTF-8"
        yield Finding("file-name", "warning", title, "Rename them.", items)
    for expected, severity in ((True, "note"), (False, "warning")):
        items = tuple(each for each in folder.left_out if (each[1] in EXPECTED) is expected)
        if items:
            counts = Counter(reason for _, reason in items)
            title = f"{_count(items, 'file')} left out: {_in_words(counts)}"
            foreign = any(reason.startswith("unsupported") for reason in counts)
            advice = f"{listed('and')} are read." * foreign
            yield Finding("skipped" if expected else "left-out", severity, title, advice, items)


def _in_words(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in sorted(counts.items()))


def _count(items: Items, word: str = "image") -> str:
    return f"{len(items):,} {word}{'s' * (len(items) != 1)}"
