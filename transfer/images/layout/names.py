"""What the names of folders tell: series, wrappers, negatives, and names that are slips."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from transfer.errors import option
from transfer.images.layout.describe import Survey
from transfer.images.layout.plan import Plan, in_words, readable
from transfer.images.layout.splitnames import words_of
from transfer.system.names import nfc

_GENERAL = {"images", "image", "imgs", "img", "photos", "photo", "pictures", "pics", "data"}
_GENERAL |= {"dataset", "datasets", "jpegimages", "jpg", "jpeg", "png", "all", "raw", "input"}
_GENERAL |= {"files", "samples", "default", "dcim", "rgb", "all_images", "original", "originals"}
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
_PARTS = {"part", "parts", "batch", "chunk", "fold", "shard", "volume", "vol", "disk", "block"}
_PEOPLE = {"patient", "patients", "subject", "subjects", "case", "cases", "person", "visit"}
_CAMERA = re.compile(r"\d{3}[A-Z0-9_]{5}|[A-Z]{5}MSC")  # of the standard for DCIM; Canon's own
_DATE = re.compile(r"(?:19|20)\d\d([-_. ]?)(?:0\d|1[0-2])\1(?:[0-2]\d|3[01])(?!\d)")
_NAMES_FILE = re.compile(
    r".*(?:names?|classes|labels|words|synsets?|mapping|class_index).*\.(?:txt|csv|json)", re.I
)
_CODE = re.compile(r"n\d{8}")  # of WordNet


def is_general(name: str) -> bool:
    """Return whether the name of a folder says nothing but that it holds images."""
    return name.lower() in _GENERAL


def is_series(names: Iterable[str]) -> bool:
    """Return whether names differ in a number alone: patient01, patient02; 1, 2; s1a, s2b."""
    stems = {re.sub(r"\d+", "0", name.lower()) for name in names}
    return len(stems) == 1 and "0" in next(iter(stems))


def named_by(names: Iterable[str]) -> str:
    """Return what has named folders, where that is not what their photos show; ``""`` for nothing.

    A camera (100APPLE, 101CANON), dates (2024-05-01), numbered parts (images_part_1, fold2) or
    patients (patient01, subject_2).
    """
    names = list(names)
    if all(map(_CAMERA.fullmatch, names)):
        return "a camera"
    if all(map(_DATE.match, names)):
        return "dates"
    if len(names) > 1 and is_series(names):
        words = set(words_of(names[0]))
        return "numbered parts" if words & _PARTS else "patients" * bool(words & _PEOPLE)
    return ""


def is_code(names: Sequence[str]) -> bool:
    """Return whether class names are numbers or codes of WordNet."""
    return all(name.isdigit() or _CODE.fullmatch(name) for name in names)


def confusable(classes: Sequence[str]) -> list[list[str]]:
    """Return the groups of class names that differ only in case, spaces or Unicode form."""
    groups: dict[str, list[str]] = {}
    for name in classes:
        key = re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
        groups.setdefault(key, []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def remark_on_names(plan: Plan) -> None:
    """Add remarks on classes whose names look like negatives, or like slips."""
    sizes: dict[str, int] = dict.fromkeys(plan.classes, 0)
    for _, name, _ in plan.rows:
        sizes[name] += 1
    negatives = [name for name in sizes if _NEGATIVES.fullmatch(name.strip())]
    if negatives and len(negatives) < len(sizes):
        apart = option("negatives", _given(negatives[0]))
        shown = ", ".join(f"{readable(name)} ({sizes[name]:,} images)" for name in negatives)
        plan.remark(
            "negatives",
            f"{shown} looks like negatives, images of none of the classes; it is trained as a class"
            f" of its own. If it should not be: {apart} keeps it out of the classes, and has"
            " predictions on such images refused.",
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


def _given(name: str) -> str:
    """Return the name of a class as negatives; ``none`` alone means that there are none."""
    return f"{name}/" if name == "none" else name


def remark_on_tables(plan: Plan, survey: Survey) -> None:
    """Add remarks on what lies beside the classes: copies, tables, documents, lists of names."""
    if survey.copies:
        copies = in_words([f"{path}/" for path in survey.copies], 4)
        text = f"Left out {copies}: the same images lie outside it, in folders of the same names."
        plan.remark("copies", text, serious=True)
    top = [path for path in survey.tables if "/" not in path and not path.endswith(".txt")]
    if top:
        text = f"Not read: {in_words(top, 4)}. If it says the classes, give the file as DATA."
        plan.remark("tables", text)
    inside = {
        folder for names in plan.folders.values() for each in names.values() for folder in each
    }
    beside = {folder.rpartition("/")[0] for folder in inside}
    if shown := [each for each in survey.documents if each.rpartition("/")[0] in beside]:
        words = in_words([f"{each}/" for each in shown], 4)
        text = f"Not read as classes, since their files are no images: {words}."
        plan.remark("documents", text, serious=True)
    if not is_code(plan.classes) or "named by" in plan.text:
        return
    names = sorted(each.name for each in survey.root.parent.glob("*"))
    near = [name for name in names if _NAMES_FILE.fullmatch(name)]
    within = [path for path in survey.tables if _NAMES_FILE.fullmatch(path.rpartition("/")[2])]
    if found := [*within, *(f"../{name}" for name in near)]:
        text = f"The classes are numbers or codes. If {found[0]} names them:"
        text += f" {option('class_names')}."
        plan.remark("codes", text)
