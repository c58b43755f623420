"""Feature maps and filters as a grid of small pictures with a caption."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from transfer.evaluation.explained.overlay import GAP, INK, LINE, MARGIN, SOFT, fonts

WIDTH = 900  # pixels
LARGEST, SMALLEST = 96, 40  # of one small picture
_SPACE = 4
_NUMBERS_FROM = 56  # pixels of a small picture that holds its number


def grid(
    title: str, caption: str, tiles: np.ndarray, numbers: tuple[int, ...], first: Image.Image | None
) -> Image.Image:
    """Return small pictures in rows, with a title above and a caption below them.

    Args:
        title: One line.
        caption: One line, what black and white mean.
        tiles: uint8 array (n, h, w) or (n, h, w, 3).
        numbers: Of the tiles.
        first: A picture shown before them; None for none.
    """
    font, small = fonts()
    count = len(tiles) + (first is not None)
    columns = min(count, 9 if first is not None else 8)
    side = int(np.clip(WIDTH // columns - _SPACE, SMALLEST, LARGEST))
    rows = -(-count // columns)
    words = max(round(font.getlength(title)), round(small.getlength(caption)))
    width = 2 * MARGIN + max(columns * (side + _SPACE) - _SPACE, words)
    top = MARGIN + LINE
    height = top + rows * (side + _SPACE) + GAP + LINE
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), title, INK, font)
    pictures = [Image.fromarray(tile).convert("RGB") for tile in tiles]
    labels = [str(number) for number in numbers]
    if first is not None:
        pictures, labels = [first, *pictures], ["", *labels]
    for place, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        row, column = divmod(place, columns)
        x, y = MARGIN + column * (side + _SPACE), top + row * (side + _SPACE)
        sheet.paste(_fitted(picture, side), (x, y))
        if label and side >= _NUMBERS_FROM:
            draw.text((x + 3, y + 1), label, "white", small, stroke_width=2, stroke_fill="black")
    draw.text((MARGIN, height - LINE - 2), caption, SOFT, small)
    return sheet


def gray_levels(values: np.ndarray) -> np.ndarray:
    """Return channels (n, h, w) as uint8, each from its smallest value to its largest."""
    low = values.min(axis=(1, 2), keepdims=True)
    span = values.max(axis=(1, 2), keepdims=True) - low
    levels = 255 * (values - low) / np.where(span > 0, span, 1)
    return np.asarray(np.rint(levels), np.uint8)


def colours_of(filters: np.ndarray) -> np.ndarray:
    """Return filters (n, h, w, 3) as uint8, each from its smallest weight to its largest."""
    low = filters.min(axis=(1, 2, 3), keepdims=True)
    span = filters.max(axis=(1, 2, 3), keepdims=True) - low
    levels = 255 * (filters - low) / np.where(span > 0, span, 1)
    return np.asarray(np.rint(levels), np.uint8)


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture of a square's size: cells stay sharp where they are few."""
    small = max(picture.size) < side
    how = Image.Resampling.NEAREST if small else Image.Resampling.BOX
    return picture.resize((side, side), how)
