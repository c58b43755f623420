"""Annotations in a file for each image, beside it or in a folder of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from transfer.data.sources.labelcells import several_advice
from transfer.data.sources.markup import read_xml
from transfer.data.sources.rows import Row, Table, label_flaw
from transfer.errors import DataError
from transfer.images.layout.describe import Survey
from transfer.images.layout.splitnames import split_of
from transfer.system.names import nfc

_MOST_BYTES = 50_000_000
_SAMPLE = 20
Names = tuple[str, ...]
Read = Callable[[Path], "Names | None"]


def find_sidecars(survey: Survey) -> Table | None:
    """Return the images that files of annotations say one class of each; None without such files.

    These are labelme (JSON), Pascal VOC (XML) and YOLO (text), with the names of YOLO's classes
    from data.yaml, obj.names or classes.txt.

    Raises:
        DataError: Some image has annotations of several classes.
    """
    names = _class_names(survey)
    readers: Sequence[tuple[str, str, Read]] = (
        ("labelme", ".json", _labelme),
        ("Pascal VOC", ".xml", _voc),
        ("YOLO", ".txt", lambda path: _yolo(path, names)),
    )
    for tool, suffix, read in readers:
        pairs = _pairs(survey, suffix)
        sample = [read(survey.root / each) is not None for each in list(pairs.values())[:_SAMPLE]]
        if sample and 2 * len(pairs) >= survey.top.total and 2 * sum(sample) > len(sample):
            return _table(survey, tool, pairs, read)
    return None


def _pairs(survey: Survey, suffix: str) -> dict[str, str]:
    """Return image -> its file of annotations: that of the same name, where only one has it."""
    found: dict[str, list[str]] = {}
    for path in survey.others:
        if path.lower().endswith(suffix):
            found.setdefault(PurePosixPath(path).stem, []).append(path)
    pairs = {}
    for image in survey.top.below():
        near = found.get(PurePosixPath(image).stem, [])
        if len(near) > 1:  # train/images/1.jpg and train/labels/1.txt, valid/images/1.jpg ...
            near = [each for each in near if _side(each) == _side(image)]
        if len(near) == 1:
            pairs[image] = near[0]
    return pairs


def _side(path: str) -> str:
    return next(filter(None, map(split_of, path.split("/")[:-1])), "")


def _table(survey: Survey, tool: str, pairs: Mapping[str, str], read: Read) -> Table:
    rows = []
    splits = {_side(image) for image in pairs}
    for image, path in pairs.items():
        names = read(survey.root / path)
        if not names:
            continue  # an image without annotations shows none of the classes
        if len(names) > 1:
            raise DataError(
                f"{str(survey.root)!r} holds annotations of {tool}, for detection: {image!r} has"
                f" several classes, {names[0]!r} and {names[1]!r} (in {path!r}). Cut out what is"
                f" annotated, one image for each box. Or: {several_advice()}"
            )
        if flaw := label_flaw(nfc(names[0])):
            raise DataError(f"{path!r}: the label {names[0]!r} {flaw}.")
        split = _side(image) if "" not in splits and len(splits) > 1 else ""
        rows.append(Row(1, image, survey.root / image, nfc(names[0]), split))
    if not rows:
        raise DataError(f"The annotations of {tool} in {str(survey.root)!r} name no class.")
    return Table(rows, f"annotations of {tool}, of one class in each image")


def _labelme(path: Path) -> Names | None:
    try:
        value = json.loads(path.read_text("utf-8-sig") if _is_small(path) else "{}")
        marks = [mark["label"] for mark in value["shapes"]]
        flags = [name for name, is_set in (value.get("flags") or {}).items() if is_set]
        return _once(marks + flags)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _voc(path: Path) -> Names | None:
    root = read_xml(path) if _is_small(path) else None
    if root is None or root.tag != "annotation":
        return None
    return _once([each.findtext("name", "") for each in root.iter("object")])


def _yolo(path: Path, names: Mapping[int, str]) -> Names | None:
    try:
        lines = path.read_text("utf-8-sig").split("\n") if _is_small(path) else ["?"]
    except (OSError, ValueError):
        return None
    lines = [line for line in lines if line.strip()]
    if not all(re.fullmatch(r"\s*\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*", line) for line in lines):
        return None
    numbers = [int(line.split()[0]) for line in lines]
    return _once([names.get(n, str(n)) for n in numbers])


def _once(names: Sequence[str]) -> Names:
    return tuple(dict.fromkeys(name for name in names if name))


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= _MOST_BYTES


def _class_names(survey: Survey) -> dict[int, str]:
    """Return the names of the classes by their YOLO numbers; none where no file has them."""
    for path in survey.others:
        name = PurePosixPath(path).name.lower()
        try:
            text = (survey.root / path).read_text("utf-8-sig") if name in _NAMES_FILES else ""
        except (OSError, ValueError):
            continue
        if name.endswith((".yaml", ".yml")):
            listed = re.search(r"^names:\s*[\[{](.*?)[\]}]", text, re.M | re.S)
            below = text.partition("names:")[2]
            entries = listed[1].split(",") if listed else re.findall(_ENTRY, below, re.M)
        else:
            entries = text.splitlines()
        if found := _numbered([each.strip() for each in entries if each.strip()]):
            return found
    return {}


def _numbered(entries: Sequence[str]) -> dict[int, str]:
    """Return names by the number before them, as in ``0: cat``, or by their place."""
    found = {}
    for place, entry in enumerate(entries):
        number, _, name = entry.partition(":")
        if number.strip().isdecimal() and name:
            place, entry = int(number), name
        found[place] = entry.removeprefix("- ").strip().strip("'\"")
    return found


_NAMES_FILES = ("data.yaml", "data.yml", "dataset.yaml", "obj.names", "classes.txt")
_ENTRY = r"^\s*((?:\d+:|-)\s*\S.*?)\s*$"  # 0: cat, or - cat
