"""Reads the class in a cell of a table, and tells where a cell holds several."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from transfer.data.sources.cells import cell
from transfer.data.sources.columncells import key
from transfer.errors import option

_NAMES = {"name", "displayname", "label", "labels", "class", "classname", "category", "categories"}
_NAMES |= {"type", "choice", "choices"}
_BOXES = {"bbox", "bboxes", "box", "boxes", "boundingbox", "boundingboxes", "boundingpoly"}
_BOXES |= {"xmin", "ymin", "polygon", "polygons", "segmentation", "points", "vertices"}


def several_advice() -> str:
    """Return what to do about images with several labels."""
    return f"To train on several labels for each image: {option('task', 'multi-label')}."


def labels_in(text: str) -> list[str] | None:
    """Return the classes that a cell lists in JSON or Python; None where it is no list.

    Raises:
        ValueError: It is a list of something else, or an object.
    """
    try:
        value = _parsed(text)
        if value is None:
            return None
        values = list(value) if isinstance(value, list | tuple | set) else [value]
        if any(isinstance(each, Mapping) and _has_boxes(each) for each in values):
            raise ValueError("holds bounding boxes: this is a table for detection.")
        return [_label_of(each) for each in values]
    except RecursionError as error:
        raise ValueError("is nested too deeply.") from error


def label_in(text: str) -> str:
    """Return the class that a cell names.

    A list of one text, and an object with one text under name, label, class or the like, or with
    a single text, are that text. Any other text is itself.

    Raises:
        ValueError: It is a list or an object of another kind; the message says what is wrong.
    """
    value = _parsed(text)
    try:
        return text if value is None else _label_of(value)
    except RecursionError as error:
        raise ValueError("is nested too deeply.") from error


def several_in(labels: Collection[str], are_tags: bool = False) -> str | None:
    """Return a label that is made of several others; None where there is none.

    Words that stand in one name alone, as in "golden retriever", and those that combine by their
    place, as in "fresh apple" and "rotten apple", are names of one class.

    Args:
        labels: All labels of a table.
        are_tags: Whether the column is called tags or keywords.
    """
    for label in labels:
        if any(len(label.split(mark)) > 1 for mark in "|;"):
            return label
        if re.fullmatch(r"\d+( +\d+)+", label):
            return label
    commas = {each: [part.strip() for part in each.split(",")] for each in set(labels)}
    counts = Counter(part for parts in commas.values() for part in set(parts))
    for label in labels:
        if len(commas[label]) > 1 and all(counts[part] > 1 for part in commas[label]):
            return label
    return _combined({each: tuple(each.split()) for each in dict.fromkeys(labels)}, are_tags)


def _parsed(text: str) -> Any:
    """Return the list or object that a text is in JSON or Python; None where it is neither."""
    if text[:1] + text[-1:] not in ("[]", "{}"):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of backslashes in the texts
            # NumPy writes ['cat' 'dog'], which Python reads as one text
            return ast.literal_eval(re.sub(r"(['\"])\s+(?=['\"])", r"\1,", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        bare = text[0] == "[" and "," in text  # [cat, dog]
        return [part.strip() for part in text[1:-1].split(",")] if bare else None


def _label_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return _label_of_object(value)
    if isinstance(value, list | tuple | set):
        values = list(value)
        if len(values) == 1:
            return _label_of(values[0])
        if any(isinstance(each, Mapping) and _has_boxes(each) for each in values):
            raise ValueError("holds bounding boxes: this is a table for detection.")
        if values and all(isinstance(each, str | int | Mapping) for each in values):
            raise ValueError(f"holds several labels. {several_advice()}")
        raise ValueError(f"is a list of {len(values)} values. Expected one class.")
    if value is None or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"holds {value}. Expected one class.")
    return cell(value).strip()


def _label_of_object(value: Mapping[Any, Any]) -> str:
    if _has_boxes(value):
        raise ValueError("holds bounding boxes: this is a table for detection.")
    named = [each for name, each in value.items() if key(str(name)) in _NAMES]
    texts = [each for each in value.values() if isinstance(each, str) and not _is_number(each)]
    found = {_label_of(each) for each in named} or set(texts)
    if len(found) != 1:
        raise ValueError(f"is an object with {len(found)} texts that may be the class.")
    return found.pop()


def _has_boxes(value: Mapping[Any, Any]) -> bool:
    return any(key(str(name)) in _BOXES for name in value)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?|true|false|", text.strip().lower()))


def _combined(words: Mapping[str, tuple[str, ...]], are_tags: bool) -> str | None:
    """Return a label whose words combine freely with each other; None where there is none."""
    holding: dict[str, set[str]] = defaultdict(set)
    for label, parts in words.items():
        for part in parts:
            holding[part].add(label)
    longer = [label for label, parts in words.items() if len(parts) > 1]
    for label in longer:
        if all(part in words for part in words[label]):
            return label
    if are_tags and (shared := [e for e in longer if any(len(holding[p]) > 1 for p in words[e])]):
        return shared[0]
    recurring = all(len(holding[part]) > 1 for label in longer for part in words[label])
    firsts = {words[label][0] for label in longer}
    for label in longer:
        parts = words[label]
        others = set.intersection(*(holding[part] for part in parts)) - {label}
        if any(sorted(parts) == sorted(words[other]) for other in others):
            return label
        if (are_tags or recurring) and any(not _is_run(parts, words[other]) for other in others):
            return label
        if recurring and parts[-1] in firsts:
            return label
    return None


def _is_run(parts: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    """Return whether words stand in others one after the other."""
    return any(whole[n : n + len(parts)] == parts for n in range(len(whole)))
