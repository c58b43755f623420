"""The confusion matrix as a PNG file, and what all figures share."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import UsageError, option
from transfer.system.files import atomic, check_writable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = "DejaVu Sans"  # comes with matplotlib: the figure is the same everywhere
LONGEST_LABEL = 24
NUMBERS_UP_TO = 20  # classes; above that a number does not fit into its cell
MOST_LABELS = 130  # per axis; above that every second, fifth, tenth ... class is labelled
CONFUSION = ("Images", "Per cent of the true class", "predicted", "true")
RIGHT_TO_LEFT = ("R", "AL", "RLE", "RLO", "RLI")


def check_png(path: str | os.PathLike[str]) -> Path:
    """Return the path of a PNG file to write. Raises UsageError if it cannot be one."""
    path = Path(path).expanduser()
    if path.suffix.lower() != ".png" or path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(
            f"Expected {option('output')} as a .png file in an existing folder."
            f" Received: {str(path)!r}"
        )
    check_writable(path)
    return path


def import_matplotlib() -> ModuleType:
    """Import matplotlib, even where MPLBACKEND names a backend that it does not know.

    A shell that was started from a notebook may carry the backend of another environment. A
    backend that matplotlib knows is set as usual, since the user may draw later.
    """
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    finally:
        if backend:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


@contextmanager
def figure_at(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Yield an empty figure, whatever the user's style; save it if the block succeeds.

    Args:
        path: The PNG file to write. The same figure gives the same bytes.
        size: Width and height in inches, of 120 pixels each; empty margins are trimmed.
    """
    matplotlib = import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.family": [FONT], "text.parse_math": False})
        figure = Figure(figsize=size, dpi=120, layout="constrained")
        canvas = FigureCanvasAgg(figure)  # whatever backend the user has chosen
        yield figure
        # Through an open file, since Pillow cannot write to a pipe by its name.
        with atomic(path) as temporary, temporary.open("wb") as file:
            canvas.print_figure(
                file,
                format="png",
                metadata={"Software": None},
                bbox_inches="tight",
                pad_inches=0.2,
            )


def plot_confusion_matrix(
    matrix: Sequence[Sequence[int]] | np.ndarray,
    classes: Sequence[str],
    path: Path,
    words: tuple[str, str, str, str] = CONFUSION,
) -> None:
    """Draw a confusion matrix: counts on the left, shares of each true class on the right.

    Names that the font cannot draw (CJK, right-to-left scripts) are replaced by their index in
    `classes`, ``#3``; long names lose their middle. Up to 20 classes, cells contain numbers; with
    more they are only shaded, on a scale that shows single mistakes. The same input gives the same
    bytes.

    Args:
        matrix: Counts of shape (N, N); rows are true classes, columns predicted ones.
        classes: N class names.
        path: The PNG file to write.
        words: Titles of the counts and the shares, names of columns and rows.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(2.4 + 0.5 * len(classes), 3.6, 13.0))
    with figure_at(path, (2 * side + 1, side + 0.6)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        labels = [readable(name, index) for index, name in enumerate(classes)]
        _draw(left, counts, counts.max(initial=1), [[f"{c}" for c in row] for row in counts])
        _draw(right, shares, 1.0, [[_percent(s) for s in row] for row in shares])
        for axes, title in ((left, words[0]), (right, words[1])):
            axes.set_title(title, fontsize=12, pad=10)
            axes.set_xlabel(words[2], fontsize=11)
            _label_axes(axes, labels)
        left.set_ylabel(words[3], fontsize=11)


def _draw(axes: Axes, values: np.ndarray, highest: Any, texts: list[list[str]]) -> None:
    from matplotlib.colors import PowerNorm

    crowded = len(values) > NUMBERS_UP_TO
    norm = PowerNorm(0.4 if crowded else 1.0, vmin=0, vmax=highest)  # lets single mistakes show
    axes.imshow(values, cmap="Blues", norm=norm, interpolation="nearest")
    axes.spines[:].set_visible(False)
    if crowded:
        return
    size = 11 if len(values) <= 6 else 9 if len(values) <= 12 else 8
    for (row, column), value in ((ij, values[ij]) for ij in _cells(len(values))):
        dark = value > 0.55 * highest
        colour = "white" if dark else "#1b2733" if value else "#a9b4bf"
        axes.text(
            column, row, texts[row][column], ha="center", va="center", color=colour, fontsize=size
        )


def _cells(size: int) -> list[tuple[int, int]]:
    return [(row, column) for row in range(size) for column in range(size)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _label_axes(axes: Axes, labels: list[str]) -> None:
    count = len(labels)
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, count) if count / s <= MOST_LABELS)
    shown = range(0, count, step)
    upright = count <= 12 and max(map(len, labels)) * count <= 70
    size = 10 if count <= 20 else 8 if count <= 50 else 6.5
    axes.set_xticks(list(shown), [labels[i] for i in shown], fontsize=size)
    axes.tick_params(axis="x", rotation=0 if upright else 90, length=0)
    axes.set_yticks(list(shown), [labels[i] for i in shown], fontsize=size)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="#e4e9ee", linewidth=0.8 if count <= NUMBERS_UP_TO else 0.25)


def readable(name: str, index: int) -> str:
    """Return `name` as `FONT` can draw it: shortened, or ``#index`` where it lacks the glyphs."""
    if not _drawable(name):
        return f"#{index}"
    if len(name) <= LONGEST_LABEL:
        return name
    half = LONGEST_LABEL // 2  # names often differ only at their end
    return f"{name[:half].rstrip()}…{name[1 - half :].lstrip()}"


def _drawable(name: str) -> bool:
    import_matplotlib()
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=[FONT])))
    return bool(name.strip()) and all(
        font.get_char_index(ord(letter))
        and letter.isprintable()
        and unicodedata.bidirectional(letter) not in RIGHT_TO_LEFT
        for letter in name
    )
