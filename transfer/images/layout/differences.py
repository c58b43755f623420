"""Tells in which classes splits differ, and which names may mean the same class."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping

from transfer.images.layout.plan import in_words, readable
from transfer.images.layout.splitnames import split_of

_OF_SPLIT = re.compile(r"\W?[A-Z]{1,3}\d?[_\-. \])]")
_ALIKE = 0.8  # of the letters: dog and dogs, daisy and dasiy
Classes = Mapping[str, Collection[str]]  # names of the classes by split


def differences(classes: Classes) -> dict[str, list[str]]:
    """Return which classes of the others each split lacks, without splits that lack none."""
    everything = sorted({name for names in classes.values() for name in names})
    lacking = {split: [n for n in everything if n not in own] for split, own in classes.items()}
    return {split: names for split, names in lacking.items() if names}


def difference_in_words(classes: Classes) -> str:
    """Return what each split lacks, and which names may be one class; ``""`` for no difference."""
    lacking = differences(classes)
    if not lacking:
        return ""
    shown = "; ".join(f"{split}/ lacks {in_words(names)}" for split, names in lacking.items())
    pairs = _pairs_alike(classes, sorted({name for names in lacking.values() for name in names}))
    if pairs:
        return f"{shown}. If these are one class, rename one of each: {in_words(pairs, 6)}"
    return shown


def _pairs_alike(classes: Classes, names: list[str]) -> list[str]:
    pairs = []
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            apart = not any(name in own and other in own for own in classes.values())
            if apart and _are_alike(name, other):
                pairs.append(f"{readable(name)} and {readable(other)}")
    return pairs


def _are_alike(one: str, other: str) -> bool:
    """Return whether names differ in case, marks, an ending or a letter, and not in a number."""
    one, other = _plain(one), _plain(other)
    if one == other:
        return True
    if re.findall(r"\d+", one) != re.findall(r"\d+", other) or min(len(one), len(other)) < 3:
        return False
    return difflib.SequenceMatcher(None, one, other).ratio() >= _ALIKE


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", name).casefold())


def without_marks(classes: Classes) -> dict[str, dict[str, str]]:
    """Return by split the names of classes without the mark that each split puts before its own.

    ``TS_cat, TS_dog`` in one split and ``VS_cat, VS_dog`` in the other are cat and dog. Empty where
    the names do not agree so.
    """
    short = {}
    for split, names in classes.items():
        start = _common_mark(names)
        short[split] = {name: name[len(start) :] for name in names}
    found = [set(names.values()) for names in short.values()]
    apart = len({frozenset(names) for names in classes.values()}) > 1
    agree = apart and len(found) > 1 and all(each == found[0] and "" not in each for each in found)
    return short if agree else {}


def _common_mark(names: Collection[str]) -> str:
    """Return what all of several names begin with if that may be the mark of a split; else ``""``.

    A few capitals, or a word for a split: TS_ and VS_, train-; not red_ and green_.
    """
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    match = re.match(r".*[_\-. \])]", first[:common])
    mark = match[0] if match else ""
    return mark if _OF_SPLIT.fullmatch(mark) or split_of(mark) else ""
