"""JSON files in which tools write the classes of images, as records of a path and a class.

A record may have several classes, in a list: what reads the records refuses that or takes them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from transfer.images.layout.splitnames import split_of

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Export:
    """What a tool has written about images.

    Attributes:
        tool: Its name, or that of the format; ``""`` for plain records.
        records: One for each image, or for each of its labels.
    """

    tool: str
    records: Sequence[Record]


def records_of(value: Any) -> Export | None:
    """Return what a JSON value says about images; None where it is nothing of the kind."""
    for tool, read in _READERS:
        try:
            records = read(value)
        except (KeyError, TypeError, IndexError, AttributeError, ValueError, StopIteration):
            continue
        if records:
            return Export(tool, records)
    return None


def _record(path: str, labels: Any, split: str | None = None) -> Record:
    """Return a record of one label or, where there are others, of a list of them."""
    if isinstance(labels, list | tuple | set):
        found = list(dict.fromkeys(labels))
        labels = found[0] if len(found) == 1 else found
    return {"path": path, "label": labels} | ({"split": split} if split else {})


def _coco(value: Any) -> list[Record]:
    """COCO, and what follows it: images, annotations and categories by number."""
    files = {each["id"]: each["file_name"] for each in value["images"]}
    names = {each["id"]: each["name"] for each in value.get("categories", ()) if "name" in each}
    pairs = {(each["image_id"], each["category_id"]) for each in value["annotations"]}
    records: list[Record] = [
        {"file_name": files[image], "label": names.get(label, label)}
        for image, label in sorted(pairs)
    ]
    bare = files.keys() - {image for image, _ in pairs}  # of none of the classes
    return records + [{"file_name": files[image], "label": ""} for image in sorted(bare)]


def _datumaro(value: Any) -> list[Record]:
    names = [each["name"] for each in value["categories"]["label"]["labels"]]
    return [
        _record(
            each.get("image", {}).get("path") or each["id"],
            [names[mark["label_id"]] for mark in each["annotations"]],
        )
        for each in value["items"]
    ]


def _fiftyone(value: Any) -> list[Record]:
    names, labels = value["classes"], value["labels"]
    return [_record(path, names[n]) for path, n in labels.items() if n is not None]


def _edge_impulse(value: Any) -> list[Record]:
    return [
        _record(each["path"], each["label"]["label"], split_of(each.get("category", "")))
        for each in value["files"]
    ]


def _label_studio(value: Any) -> list[Record]:
    records = []
    for task in value:
        first: Record = next(iter(task.get("annotations") or task["completions"]), {})
        marks = first.get("result", [])
        labels = [name for mark in marks for name in _studio_names(mark["value"])]
        path = next(text for text in task["data"].values() if _names_a_file(text))
        records.append(_record(_uploaded(path), labels))
    return records


def _studio_names(value: Record) -> list[str]:
    kinds = [kind for kind in value if kind == "choices" or kind.endswith("labels")]
    return [str(name) for kind in kinds for name in value[kind]]


def _names_a_file(text: object) -> bool:
    return isinstance(text, str) and 2 <= len(PurePosixPath(text.split("?")[0]).suffix) <= 6


def _uploaded(path: str) -> str:
    """Return the path of a file that Label Studio serves: ``/data/local-files/?d=a/1.jpg``."""
    return path.partition("?d=")[2] or path


def _via(value: Any) -> list[Record]:
    """VGG Image Annotator: what it exports, or its project."""
    records = []
    for each in value.get("_via_img_metadata", value).values():
        regions = each["regions"]
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        marks = [each["file_attributes"], *(region["region_attributes"] for region in regions)]
        names = [text for mark in marks for text in mark.values() if isinstance(text, str) and text]
        records.append(_record(each["filename"], names))
    return records


def _create_ml(value: Any) -> list[Record]:
    return [
        _record(each["image"], [mark["label"] for mark in each["annotations"]]) for each in value
    ]


def _manifest(value: Any) -> list[Record]:
    """Augmented manifest of SageMaker Ground Truth."""
    records = []
    for each in value:
        about = next(text for name, text in each.items() if name.endswith("-metadata"))
        records.append(_record(each["source-ref"], about["class-name"]))
    return records


def _lists_of_splits(value: Any) -> list[Record]:
    """``{"train": [["cat_1.jpg", 0, "cat"], ...], "test": ...}``, or ``[path, class]``."""
    if not all(split_of(name) for name in value):
        raise ValueError
    return [
        _record(path, label[-1], split_of(name))
        for name, rows in value.items()
        for path, *label in rows
    ]


def _lists_of_classes(value: Any) -> list[Record]:
    """``{"cat": ["1.jpg", "2.jpg"], "dog": ...}``."""
    if not all(isinstance(path, str) for paths in dict(value).values() for path in paths):
        raise ValueError
    if not all(isinstance(paths, list) for paths in value.values()):
        raise ValueError
    return [_record(path, name) for name, paths in value.items() for path in paths]


def _pairs(value: Any) -> list[Record]:
    """``{"1.jpg": "cat", "2.jpg": "dog"}``."""
    if not all(isinstance(label, str | int) for label in value.values()):
        raise ValueError
    return [_record(path, label) for path, label in value.items()]


def _plain(value: Any) -> list[Record]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValueError
    return value


# The first that finds records counts.
_READERS: Sequence[tuple[str, Callable[[Any], list[Record]]]] = (
    ("COCO", _coco),
    ("Datumaro", _datumaro),
    ("FiftyOne", _fiftyone),
    ("Edge Impulse", _edge_impulse),
    ("Label Studio", _label_studio),
    ("VIA", _via),
    ("Create ML", _create_ml),
    ("SageMaker", _manifest),
    ("", _lists_of_splits),
    ("", _lists_of_classes),
    ("", _pairs),
    ("", _plain),
)
