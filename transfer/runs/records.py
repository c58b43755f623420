"""The JSON files of a run as typed records. What does not fit becomes a RunError."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, TypeVar

import msgspec
from msgspec import Meta

from transfer.system.files import damaged

T = TypeVar("T")
Count = Annotated[int, Meta(ge=0, le=2**53)]
Share = Annotated[float, Meta(ge=-1e-9, le=1 + 1e-9)]  # rounding included
Interval = Annotated[list[Share], Meta(min_length=2, max_length=2)]


def as_record(raw: Any, kind: type[T], path: Path, hint: str) -> T:
    """Return the contents of a JSON file as a record; unknown keys are left out.

    Args:
        raw: What the file holds.
        kind: The record: a dataclass or a TypedDict.
        path: The file, for the message.
        hint: The way out, a sentence.

    Raises:
        RunError: A key is missing, or a value has another type or range; its place is named.
    """
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:  # keys that are no Unicode
        raise damaged(path, error, hint) from error


class Evaluation(TypedDict):
    """evaluation.json: what an evaluation on other images is about.

    Attributes:
        data: Absolute path of the folder.
        split: Name of the split; ``all`` where there is none.
        prior: The class frequencies that predictions are corrected to.
    """

    data: str
    split: str
    prior: NotRequired[dict[str, Any]]
