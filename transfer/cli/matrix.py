"""The confusion matrix in the terminal: coloured blocks, plain text where it is piped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transfer.system.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MOST = 20  # classes
_NAME, _LEAST_NAME = 28, 8  # columns of a terminal
_GROUND, _RIGHT, _WRONG = (38, 45, 54), (31, 111, 178), (178, 60, 40)


def tell_matrix(metrics: Mapping[str, Any]) -> None:
    """Print the confusion matrix on stdout, where there is one of at most 20 classes.

    The rows are the true classes; the columns are the predicted ones, by the numbers of the rows. A
    block is the darker the more of its row it has: blue on the diagonal, red beside it. NO_COLOR is
    honoured.

    Args:
        metrics: As in metrics.json.
    """
    counts = metrics.get("confusion_matrix", [])
    if not 0 < len(counts) <= MOST:
        return
    from rich.console import Console

    console = Console(highlight=False)
    names = [visible(row["class"]) for row in metrics["per_class"]]
    lines = draw(names, counts, console.width if console.is_terminal else None)
    for line in lines:
        _print(console, line)
    if not lines:
        _print(console, "The terminal is too narrow for the confusion matrix: see the report.")


def _print(console: Console, line: Text | str) -> None:
    if console.is_terminal:
        console.print(line, markup=False, soft_wrap=True)
    else:
        console.print(str(line).rstrip(), markup=False, soft_wrap=True)


def draw(names: Sequence[str], counts: Sequence[Sequence[int]], width: int | None) -> list[Text]:
    """Return the lines of a matrix, none where `width` is too small.

    Args:
        names: Of the classes.
        counts: (classes, classes): rows are true, columns predicted.
        width: Columns of the terminal; None for no limit.
    """
    from rich.cells import cell_len
    from rich.text import Text

    digits = len(str(len(names)))
    cell = max(3, 2 + max(len(f"{count}") for row in counts for count in row))
    room = min(_NAME, max(map(cell_len, names)))
    if width is not None:
        room = min(room, width - len(names) * cell - digits - 2)
    if room < min(_LEAST_NAME, max(map(cell_len, names))):
        return []
    room = max(room, len("true") - digits - 1)
    margin = " " * (digits + 1 + room + 1)
    columns = "".join(str(number + 1).rjust(cell - 1) + " " for number in range(len(names)))
    lines = [
        Text("Confusion matrix: rows are the true classes, columns what is predicted"),
        Text("true".ljust(len(margin)) + columns, style="bold"),
    ]
    for number, (name, row) in enumerate(zip(names, counts, strict=True)):
        line = Text(f"{number + 1:>{digits}} {fit(name, room)} ")
        for other, count in enumerate(row):
            shown = (str(count) if count else ".").rjust(cell - 1) + " "
            line.append(shown, style=_style(count, sum(row), other == number))
        lines.append(line)
    return lines


def fit(name: str, room: int) -> str:
    """Return a name in `room` columns, padded or without its middle; wide letters take two."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= room:
        return set_cell_size(name, room)
    tail = name[-(room // 3) :]
    while cell_len(tail) > room // 3:
        tail = tail[1:]
    head = set_cell_size(name, room - cell_len(tail) - 1).rstrip()
    return set_cell_size(f"{head}…{tail}", room)


def _style(count: int, whole: int, right: bool) -> str:
    if not count:
        return "dim"
    share = (count / whole) ** 0.5  # a few mistakes are seen, too
    end = _RIGHT if right else _WRONG
    mixed = [round(a + (b - a) * share) for a, b in zip(_GROUND, end, strict=True)]
    return f"bold rgb(255,255,255) on rgb({','.join(map(str, mixed))})"
