"""Where the square that a network sees lies on the photo that it was made from."""

from __future__ import annotations

import numpy as np
from PIL import Image

Box = tuple[float, float, float, float]


def square_on(width: int, height: int, resize: str) -> Box:
    """Return the part of a photo that `transfer.decode` makes a square of.

    Args:
        width: Of the photo, in pixels.
        height: Of the photo, in pixels.
        resize: ``stretch``, ``crop`` or ``pad``.

    Returns:
        (left, top, right, bottom) in pixels of the photo: all of it, its largest centred square,
        or the smallest square around it, which reaches over its edges.
    """
    if resize == "stretch":
        return 0.0, 0.0, float(width), float(height)
    side = min(width, height) if resize == "crop" else max(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def lay_over(values: np.ndarray, width: int, height: int, resize: str) -> np.ndarray:
    """Return a map over the network's square as a map over the photo, bilinear between its cells.

    Args:
        values: float array (h, w) of finite numbers over the whole square.
        width: Of the photo, in pixels.
        height: Of the photo, in pixels.
        resize: How the photo became the square.

    Returns:
        float32 array (height, width); NaN where the network does not see the photo.
    """
    left, top, right, bottom = square_on(width, height, resize)
    rows, columns = values.shape
    seen_left, seen_top = max(0, round(left)), max(0, round(top))
    seen_right, seen_bottom = min(width, round(right)), min(height, round(bottom))
    across, down = columns / (right - left), rows / (bottom - top)
    box = (
        max(0.0, -left * across),
        max(0.0, -top * down),
        min(float(columns), (width - left) * across),
        min(float(rows), (height - top) * down),
    )
    size = (max(1, seen_right - seen_left), max(1, seen_bottom - seen_top))
    grid = Image.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    result = np.full((height, width), np.nan, np.float32)
    part = np.asarray(grid.resize(size, Image.Resampling.BILINEAR, box=box))
    result[seen_top : seen_top + size[1], seen_left : seen_left + size[0]] = part
    return result
