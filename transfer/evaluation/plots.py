"""The confusion matrix as PNG and SVG files, and what all figures share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from transfer.errors import UsageError, option
from transfer.evaluation.contrast import text_on
from transfer.evaluation.fonts import FONT, find_families, import_matplotlib, label
from transfer.system.files import atomic, check_writable
from transfer.system.progress import say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NUMBERS_UP_TO = 20  # classes; above that a number does not fit into its cell
MOST_LABELS = 130  # per axis; above that every second, fifth, tenth ... class is labelled
CONFUSION = ("Images", "Per cent of the true class", "predicted", "true")
SOFT = "#5b6875"  # of zeros


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


@contextmanager
def own_style(families: Sequence[str] = (FONT,)) -> Iterator[None]:
    """Draw in our own style in the block, whatever the user's."""
    matplotlib = import_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": list(families),
                "text.parse_math": False,
                "svg.hashsalt": "transfer",  # the same ids in each file
            }
        )
        yield


@contextmanager
def figure_at(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Yield an empty figure in our own style; save it if the block succeeds.

    Args:
        path: The PNG file to write. The same figure gives the same bytes.
        size: Width and height in inches, of 120 pixels each; empty margins are trimmed.
    """
    with own_style():
        figure = _new_figure(size)
        yield figure
        _save(figure, path)


def _new_figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=120, layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    """Save a figure as PNG or SVG, whatever backend the user has chosen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    kind = path.suffix.removeprefix(".")
    # Through an open file, since Pillow cannot write to a pipe by its name.
    with atomic(path) as temporary, temporary.open("wb") as file:
        FigureCanvasAgg(figure).print_figure(
            file,
            format=kind,
            metadata={"Software": None} if kind == "png" else {"Date": None, "Creator": None},
            bbox_inches="tight",
            pad_inches=0.2,
        )


def plot_confusion_matrix(
    matrix: Sequence[Sequence[int]] | np.ndarray,
    classes: Sequence[str],
    path: Path,
    words: tuple[str, str, str, str] = CONFUSION,
) -> None:
    """Draw a confusion matrix as a PNG file, and as an SVG file next to it.

    Names that no font here can draw are replaced by their index in `classes`, ``#3``, and the key
    to these is printed. The same input gives the same bytes, given the same fonts.

    Args:
        matrix: Counts of shape (N, N); rows are true classes, columns predicted ones.
        classes: N class names.
        path: The PNG file to write.
        words: Titles of the counts and the shares, names of columns and rows.
    """
    families = find_families(classes)
    figure = confusion_figure(matrix, classes, words)
    with own_style(families):
        for suffix in (".png", ".svg"):
            _save(figure, path.with_suffix(suffix))
    unknown = [i for i, name in enumerate(classes) if label(name, i, families) == f"#{i}" != name]
    if unknown:
        key = ", ".join(f"#{i} {classes[i]!r}" for i in unknown)
        say(f"No font here has the letters of some classes, which {path.name} shows as: {key}")


def confusion_figure(
    matrix: Sequence[Sequence[int]] | np.ndarray,
    classes: Sequence[str],
    words: tuple[str, str, str, str] = CONFUSION,
) -> Figure:
    """Return a confusion matrix: counts on the left, shares of each true class on the right.

    Names are drawn with a font of the system where `FONT` lacks their letters; long ones lose their
    middle. Up to 20 classes, cells contain numbers; with more they are only shaded, on a scale that
    shows single mistakes.

    Args:
        matrix: Counts of shape (N, N); rows are true classes, columns predicted ones.
        classes: N class names.
        words: Titles of the counts and the shares, names of columns and rows.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(2.4 + 0.5 * len(classes), 3.6, 13.0))
    families = find_families(classes)
    with own_style(families):
        figure = _new_figure((2 * side + 1, side + 0.6))
        left, right = figure.subplots(1, 2, sharey=True)
        labels = [label(name, index, families) for index, name in enumerate(classes)]
        _draw(left, counts, counts.max(initial=1), [[f"{c}" for c in row] for row in counts])
        _draw(right, shares, 1.0, [[_percent(s) for s in row] for row in shares])
        for axes, title in ((left, words[0]), (right, words[1])):
            axes.set_title(title, fontsize=12, pad=10)
            axes.set_xlabel(words[2], fontsize=11)
            _label_axes(axes, labels)
        left.set_ylabel(words[3], fontsize=11)
    return figure


def _draw(axes: Axes, values: np.ndarray, highest: Any, texts: list[list[str]]) -> None:
    from matplotlib.colors import PowerNorm

    crowded = len(values) > NUMBERS_UP_TO
    norm = PowerNorm(0.4 if crowded else 1.0, vmin=0, vmax=highest)  # lets single mistakes show
    image = axes.imshow(values, cmap="Blues", norm=norm, interpolation="none")
    axes.spines[:].set_visible(False)
    if crowded:
        return
    size = 11 if len(values) <= 6 else 9 if len(values) <= 12 else 8
    colours = image.cmap(norm(values), bytes=True)
    for row, column in _cells(len(values)):
        red, green, blue = map(int, colours[row, column, :3])
        ink = text_on((red, green, blue)) if values[row, column] else SOFT
        axes.text(
            column, row, texts[row][column], ha="center", va="center", color=ink, fontsize=size
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
