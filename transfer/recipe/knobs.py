"""What records of knobs have in common: fields that are converted and checked as they are set."""

from __future__ import annotations

import dataclasses
import numbers
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transfer.errors import UsageError, did_you_mean, option

_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}


@dataclass(frozen=True)
class Knobs:
    """A record whose fields are str, bool, int, float or, the last two, None.

    Attributes:
        CHOICES: The values of the fields with a fixed set of them.
        BOUNDS: Lowest and highest value of whole numbers.
        RANGES: The same of all numbers, in words.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    BOUNDS: ClassVar[Mapping[str, tuple[int, int]]] = {}
    RANGES: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._convert(field.name, str(field.type))
            self._check_choice(field.name)

    def _convert(self, name: str, annotation: str) -> None:
        value = getattr(self, name)
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            value = value.item()  # a NumPy scalar, common in notebooks
        if not isinstance(value, bool):
            if annotation == "str" and isinstance(value, (int, os.PathLike)):
                value = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            elif annotation.startswith("int") and hasattr(value, "__index__"):
                value = operator.index(value)
            elif annotation.startswith("float") and isinstance(value, numbers.Real):
                value = float(value)
        object.__setattr__(self, name, value)
        kind = next(each for each in _KINDS if annotation.startswith(each.__name__))
        none = ", or None" * annotation.endswith("None")
        if type(value) is not kind and not (none and value is None):
            choices = ", ".join(self.CHOICES.get(name, ()))
            words = f"one of {choices}" if choices else _KINDS[kind]
            expected = f"as {words} {self.RANGES.get(name, '')}".rstrip() + none
            raise self._unexpected(name, repr(value), expected)

    def _check_choice(self, name: str) -> None:
        value, choices = getattr(self, name), self.CHOICES.get(name)
        if choices is not None and value not in choices:
            raise UsageError(
                f"Unknown {option(name, value)}.{did_you_mean(value, choices)}"
                f" Expected one of: {', '.join(choices)}."
            )
        low, high = self.BOUNDS.get(name, (0, 0))
        if name in self.BOUNDS and value is not None and not low <= value <= high:
            raise self._unexpected(name, value)

    def _unexpected(self, knob: str, received: object, expected: str = "") -> UsageError:
        expected = expected or self.RANGES[knob]
        return UsageError(f"Expected {option(knob)} {expected}. Received: {received}")
