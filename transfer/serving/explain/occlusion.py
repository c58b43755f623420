"""Occlusion: what the model loses when a part of the image is covered. A check of the other maps.

M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transfer.features.engines import BATCH_SIZE, Engine

CELLS = 8  # of a side of the map
COVER = 2  # cells of a side of the square that covers


def occlusion(
    run: Engine, image: np.ndarray, number: int, advance: Callable[[int], None] | None = None
) -> np.ndarray:
    """Return by how much each place raises the log-odds of a class, on average.

    A square in the mean colour of the image, a quarter of its side, slides over the image in steps
    of half its side and over its edges, so that each cell of the map is covered four times.

    Args:
        run: From images (b, size, size, 3) to a list with the probabilities (b, classes).
        image: uint8 array (size, size, 3).
        number: Index of the class.
        advance: Called with the number of images that the model has seen; None for nothing.

    Returns:
        float32 array (8, 8), fewer for an image of fewer pixels; negative where the class becomes
        more probable under the cover.
    """
    size = len(image)
    cells = min(CELLS, size)
    edges = np.rint(np.linspace(0, size, cells + 1)).astype(int)
    starts = range(1 - COVER, cells)
    covers = [(row, column) for row in starts for column in starts]
    grey = image.reshape(-1, 3).mean(axis=0)

    def covered(row: int, column: int) -> np.ndarray:
        changed = image.astype(np.float32)
        (top, bottom), (left, right) = _span(row, cells), _span(column, cells)
        changed[edges[top] : edges[bottom], edges[left] : edges[right]] = grey
        return changed

    whole = log_odds(run(image[None].astype(np.float32))[0], number)[0]
    total, times = np.zeros((cells, cells)), np.zeros((cells, cells))
    for begin in range(0, len(covers), BATCH_SIZE):
        part = covers[begin : begin + BATCH_SIZE]
        found = log_odds(run(np.stack([covered(*each) for each in part]))[0], number)
        for (row, column), value in zip(part, found, strict=True):
            (top, bottom), (left, right) = _span(row, cells), _span(column, cells)
            total[top:bottom, left:right] += whole - value
            times[top:bottom, left:right] += 1
        if advance is not None:
            advance(len(part))
    return (total / times).astype(np.float32)


def _span(start: int, cells: int) -> tuple[int, int]:
    """Return the first cell under a cover, and the one after the last."""
    return max(0, start), min(cells, start + COVER)


def log_odds(probabilities: np.ndarray, number: int) -> np.ndarray:
    """Return log p / (1 - p) of a class, float64 (b,); finite also where p rounds to 0 or 1.

    Args:
        probabilities: float array (b, classes); rows that sum to 1 are those of one class each.
        number: Index of the class.
    """
    wide = np.asarray(probabilities, np.float64)
    own = wide[:, number]
    # The sum of the others keeps the digits that 1 - p has lost.
    alone = np.abs(wide.sum(axis=1) - 1) < 1e-3
    others = np.where(alone, np.delete(wide, number, axis=1).sum(axis=1), 1 - own)
    tiny = np.finfo(np.float32).tiny
    return np.asarray(np.log(np.maximum(own, tiny)) - np.log(np.maximum(others, tiny)))
