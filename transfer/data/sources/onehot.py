"""Tells which columns of a table are a class each, with a 1 in the rows of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence


def one_hot(columns: Mapping[int, Sequence[str]], several: bool = False) -> tuple[int, ...]:
    """Return the columns of 0 and 1 that are a class each; none where they are something else.

    A column may be all 0 or all 1 beside others. Two columns or more are a class each where most
    rows have a 1.

    Args:
        columns: Cells by the index of their column.
        several: Whether a row may have any number of 1, and none.
    """
    bits = {n: [_bit(value) for value in cells] for n, cells in columns.items() if any(cells)}
    hot = [n for n, each in bits.items() if set(each) == {0, 1}]
    constant = [n for n, each in bits.items() if set(each) in ({0}, {1})]
    if not hot or len(hot + constant) < 2:
        return ()
    totals = [sum(map(bool, row)) for row in zip(*(bits[n] for n in hot + constant), strict=True)]
    if not several and len(hot) > 1 and 2 * sum(total > 0 for total in totals) < len(totals):
        return ()
    return tuple(sorted(hot + constant))


def is_hot(value: str) -> bool:
    """Return whether a cell of a column that is a class says that the row is of it."""
    return _bit(value.strip()) == 1


def _bit(value: str) -> int | None:
    word = re.sub(r"^([01])\.0+$", r"\1", value.lower())
    return {"0": 0, "1": 1, "": 0, "false": 0, "true": 1}.get(word)
