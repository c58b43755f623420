"""What the names of folders tell: series, wrappers, negatives, and names that are slips."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from transfer.images.layout.plan import Plan, in_words, readable
from transfer.system.names import nfc

_GENERAL = {"images", "image", "imgs", "img", "photos", "photo", "pictures", "pics", "data"}
_GENERAL |= {"dataset", "datasets", "jpegimages", "jpg", "jpeg", "png", "all", "raw", "input"}
_GENERAL |= {"files", "pictures", "samples", "dcim", "rgb", "all_images", "original", "originals"}
_NEGATIVES = re.compile(
    r"(?:background|bg|others?|negatives?|neg|unknown|none|nothing|misc|no[ _-]?class|clutter"
    r"|unlabell?ed|none[ _-]of[ _-]the[ _-]above|rest)(?:[ _-].*)?",
    re.I,
)
_SLIP = re.compile(
    r"new folder|untitled folder|copy of |.* - copy|.* copy(?: \d+)?$|.*\(\d+\)$|neuer ordner"
    r"|nouveau dossier|nueva carpeta|新建文件夹|새 폴더|新しいフォルダー",
    re.I,
)
_CODE = re.compile(r"n\d{8}")  # of WordNet


def is_general(name: str) -> bool:
    """Return whether the name of a folder says nothing but that it holds images."""
    return name.lower() in _GENERAL


def is_series(names: Iterable[str]) -> bool:
    """Return whether names differ in a number alone: patient01, patient02; 1, 2; s1a, s2b."""
    stems = {re.sub(r"\d+", "0", name.lower()) for name in names}
    return len(stems) == 1 and "0" in next(iter(stems))


def is_code(names: Sequence[str]) -> bool:
    """Return whether class names are numbers or codes of WordNet."""
    return all(name.isdigit() or _CODE.fullmatch(name) for name in names)


def remark_on_names(plan: Plan) -> None:
    """Add remarks on classes whose names look like negatives, or like slips."""
    sizes: dict[str, int] = dict.fromkeys(plan.classes, 0)
    for _, name, _ in plan.rows:
        sizes[name] += 1
    negatives = [name for name in sizes if _NEGATIVES.fullmatch(name.strip())]
    if negatives and len(negatives) < len(sizes):
        shown = ", ".join(f"{readable(name)} ({sizes[name]:,} images)" for name in negatives)
        plan.remark(
            "negatives",
            f"{shown} looks like negatives, images of none of the classes; it is trained as a class"
            " of its own. Move the folder out of DATA if it is not meant to be one.",
            serious=True,
        )
    for names in plan.folders.values():
        for name, folders in names.items():
            written = {folder.rpartition("/")[2] for folder in folders}
            if len(written) > 1 and {nfc(each) for each in written} == {name}:
                text = f"{len(written)} folders are one class, {readable(name)}: their names differ"
                plan.remark("merged", f"{text} in Unicode form alone.", serious=True)
    spaces = [name for name in sizes if name != name.strip()]
    slips = [name for name in sizes if name not in spaces and _SLIP.match(name)]
    if spaces:
        shown = in_words(spaces)
        plan.remark("spaces", f"Class names with spaces at an end: {shown}.", serious=True)
    if slips:
        shown = in_words(slips)
        text = f"Class names that look like slips of a file manager: {shown}. Are they classes?"
        plan.remark("slips", text, serious=True)
