"""A grid of pictures, class by class, as one PNG file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transfer.evaluation.fonts import FONT, import_matplotlib, readable
from transfer.system.files import atomic

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

WIDTH = 2000  # pixels that the pictures of a row share
LARGEST, SMALLEST = 160, 64  # pixels of one of them
GAP, WIDE_GAP, MARGIN, LINE = 4, 20, 24, 20
LABELS = 210  # pixels for the names of the classes
INK, SOFT = "#1b2733", "#5b6b7a"


@dataclass(frozen=True)
class Row:
    """One class of a grid.

    Attributes:
        name: Its name.
        index: Its number, which replaces a name that the font cannot draw.
        note: A few words below the name.
        pictures: uint8 array of shape (n, k, size, size, 3), RGB: n groups of k pictures that
            belong together.
    """

    name: str
    index: int
    note: str
    pictures: np.ndarray


def draw_grid(rows: Sequence[Row], title: str, footer: str, path: Path) -> None:
    """Write a grid with one class per row. The same input gives the same bytes.

    Args:
        rows: At least one; all with pictures of the same size and groups of the same length.
        title: Text above the grid.
        footer: Text below it; none where empty.
        path: The PNG file to write.
    """
    import_matplotlib()
    from matplotlib.font_manager import FontProperties, findfont
    from PIL import Image, ImageDraw, ImageFont

    file = findfont(FontProperties(family=[FONT]))
    font, small = ImageFont.truetype(file, 15), ImageFont.truetype(file, 12)
    groups = max(len(row.pictures) for row in rows)
    each = rows[0].pictures.shape[1]
    side = int(np.clip(WIDTH // (groups * each), SMALLEST, LARGEST))
    group = each * (side + GAP) - GAP
    body = LABELS + groups * (group + WIDE_GAP) - WIDE_GAP
    width = 2 * MARGIN + max(body, *(round(font.getlength(text)) for text in (title, footer)))
    top = MARGIN + LINE + MARGIN // 2
    height = top + len(rows) * (side + WIDE_GAP) + (LINE + MARGIN if footer else 0)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, font)
    for number, row in enumerate(rows):
        y = top + number * (side + WIDE_GAP)
        _label(draw, row, y + side // 2, font, small)
        for i, pictures in enumerate(row.pictures):
            x = MARGIN + LABELS + i * (group + WIDE_GAP)
            for j, picture in enumerate(pictures):
                sheet.paste(_fit(Image.fromarray(picture), side), (x + j * (side + GAP), y))
    if footer:
        draw.text((MARGIN, height - MARGIN - LINE // 2), footer, INK, font)
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)


def _label(draw: ImageDraw, row: Row, y: int, font: FreeTypeFont, small: FreeTypeFont) -> None:
    """Write name and note of a class around the height `y`, as large as fits."""
    text = readable(row.name, row.index)
    while font.size > 10 and font.getlength(text) > LABELS - WIDE_GAP:
        font = font.font_variant(size=font.size - 1)
    draw.text((MARGIN, y - 2), text, INK, font, anchor="ls")
    draw.text((MARGIN, y + 4), row.note, SOFT, small, anchor="la")


def _fit(picture: Image, side: int) -> Image:
    """Return a square of at most `side` pixels; small pictures grow in whole pixels."""
    from PIL.Image import Resampling

    if picture.width > side:
        return picture.resize((side, side), Resampling.BOX)
    times = side // picture.width
    return picture.resize((times * picture.width,) * 2, Resampling.NEAREST)
