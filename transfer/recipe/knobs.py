"""What records of knobs have in common: fields that are converted and checked as they are set."""

from __future__ import annotations

import dataclasses
import numbers
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from transfer.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Knobs:
    """A record whose fields are str, bool, int, float or, the last two, None.

    Attributes:
        CHOICES: The values of the fields with a fixed set of them.
        BOUNDS: Lowest and highest value of whole numbers.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    BOUNDS: ClassVar[Mapping[str, tuple[int, int]]] = {}

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
        expected: tuple[type, ...] = {
            "str": (str,),
            "int": (int,),
            "float": (float,),
            "bool": (bool,),
            "int | None": (int, type(None)),
            "float | None": (float, type(None)),
        }[annotation]
        if type(value) not in expected:
            raise unexpected(name, f"as {annotation}", repr(value))

    def _check_choice(self, name: str) -> None:
        value, choices = getattr(self, name), self.CHOICES.get(name)
        if choices is not None and value not in choices:
            raise UsageError(
                f"Unknown {{knob}} {value!r}.{did_you_mean(value, choices)}"
                f" Expected one of: {', '.join(choices)}.",
                knob=name,
            )
        low, high = self.BOUNDS.get(name, (0, 0))
        if name in self.BOUNDS and value is not None and not low <= value <= high:
            raise unexpected(name, f"between {low} and {high}", value)


def unexpected(knob: str, expected: str, received: object) -> UsageError:
    """Return the error for a knob whose value is not as expected."""
    return UsageError(f"Expected {{knob}} {expected}. Received: {received}", knob=knob)
