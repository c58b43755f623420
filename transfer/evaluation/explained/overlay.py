"""A map over a photo, and the same with a legend that says what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from transfer.evaluation.fonts import FONT, import_matplotlib, readable
from transfer.images.placement import lay_over

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

LONGEST, SHORTEST = 640, 320  # pixels of the longer side of a photo in a picture with a legend
MARGIN, GAP, LINE = 16, 12, 22
BAR = (180, 12)  # pixels of the colour bar
INK, SOFT, UNSEEN = "#1b2733", "#5b6b7a", (200, 200, 200)
NAMES = {"cam": "CAM", "layercam": "LayerCAM", "occlusion": "occlusion"}
_VEIL = 0.8  # opacity of the strongest place
_PAPER = 0.25  # how far the photo beneath is lightened, so that colours stand out


@dataclass(frozen=True)
class Legend:
    """The words of a picture.

    Attributes:
        name: Of the photo.
        number: Stands for a name that the font cannot draw.
        label: What the photo is predicted as.
        confidence: Its probability, 0..1.
        class_name: The class that is explained.
        probability: Its probability, 0..1.
        classes: All class names; the index of one that the font cannot draw stands for it.
        method: ``cam``, ``layercam`` or ``occlusion``.
        layer: Whose feature map it is; ``""`` for none.
    """

    name: str
    number: int
    label: str
    confidence: float
    class_name: str
    probability: float
    classes: tuple[str, ...]
    method: str
    layer: str

    def title(self) -> str:
        """Return what the photo is and what it is predicted as."""
        text = f"{readable(self.name, self.number)}: predicted {self._class(self.label)}"
        text += f" {self.confidence:.2f}"
        if self.class_name != self.label:
            text += f"; explained: {self._class(self.class_name)} {self.probability:.2f}"
        return text

    def meaning(self, cells: tuple[int, ...], empty: bool) -> str:
        """Return what the colours mean."""
        where = f", layer {readable(self.layer, 0)}" if self.layer else ""
        method = f"({NAMES[self.method]}{where}, {cells[1]} x {cells[0]} cells)"
        verb = "nothing raises" if empty else "raises"
        return f"{verb} the logit of {self._class(self.class_name)} {method}"

    def _class(self, name: str) -> str:
        return readable(name, self.classes.index(name))


def overlay(photo: Image.Image, values: np.ndarray, resize: str) -> Image.Image:
    """Return a photo in gray under the places that raise the logit, in colour.

    Args:
        photo: RGB, upright.
        values: float32 array (h, w): the map over the network's square; what is 0 or below stays
            gray, the highest on the photo has the last colour.
        resize: How the photo became the square.

    Returns:
        An RGB image of the photo's size; even gray where the network does not see the photo.
    """
    heat = lay_over(values, photo.width, photo.height, resize)
    unseen = np.isnan(heat)
    share = np.clip(np.nan_to_num(heat), 0, None)
    share /= max(float(share.max()), np.finfo(np.float32).tiny)
    gray = np.asarray(photo.convert("L"), np.float32)[:, :, None]
    gray = gray + _PAPER * (255 - gray)
    veil = _VEIL * share[:, :, None]
    mixed = (1 - veil) * gray + veil * _colours()[np.rint(255 * share).astype(int)]
    mixed[unseen] = UNSEEN
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def with_legend(photo: Image.Image, values: np.ndarray, resize: str, legend: Legend) -> Image.Image:
    """Return a photo next to its overlay, with a colour bar that says which class and method."""
    photo = _sized(photo)
    over = overlay(photo, values, resize)
    font, small = fonts()
    empty = not (values > 0).any()
    title, meaning = legend.title(), legend.meaning(values.shape, empty)
    notes = ["gray: cut off, the model does not see it"] if resize == "crop" and _cut(photo) else []
    words = BAR[0] + 3 * GAP + round(small.getlength("0most"))
    wide = max(round(font.getlength(title)), words + round(small.getlength(meaning)))
    width = 2 * MARGIN + max(2 * photo.width + GAP, wide)
    below = MARGIN + LINE + photo.height + GAP
    height = below + (1 + len(notes)) * LINE + MARGIN // 2
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), title, INK, font)
    sheet.paste(photo, (MARGIN, MARGIN + LINE))
    sheet.paste(over, (MARGIN + photo.width + GAP, MARGIN + LINE))
    _draw_bar(sheet, draw, below, small)
    draw.text((MARGIN + words, below - 1), meaning, INK, small)
    for number, note in enumerate(notes, start=1):
        draw.text((MARGIN, below + number * LINE - 1), note, SOFT, small)
    return sheet


def thumbnail(photo: Image.Image, values: np.ndarray, resize: str, side: int) -> Image.Image:
    """Return the overlay alone, at most `side` pixels a side."""
    small = photo.copy()
    small.thumbnail((side, side))
    return overlay(small, values, resize)


def fonts() -> tuple[FreeTypeFont, FreeTypeFont]:
    """Return the fonts of a title and of notes."""
    import_matplotlib()
    from matplotlib.font_manager import FontProperties, findfont

    file = findfont(FontProperties(family=[FONT]))
    return ImageFont.truetype(file, 15), ImageFont.truetype(file, 12)


def _draw_bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, font: FreeTypeFont) -> None:
    """Draw the scale of the colours as they look over a middle gray."""
    share = np.linspace(0, 1, BAR[0], dtype=np.float32)[:, None]
    veil = _VEIL * share
    row = (1 - veil) * 170 + veil * _colours()[np.rint(255 * share[:, 0]).astype(int)]
    bar = np.broadcast_to(np.rint(row).astype(np.uint8), (BAR[1], *row.shape))
    draw.text((MARGIN, top - 1), "0", SOFT, font)
    left = MARGIN + round(font.getlength("0")) + GAP // 2
    sheet.paste(Image.fromarray(np.ascontiguousarray(bar)), (left, top + 1))
    draw.text((left + BAR[0] + GAP // 2, top - 1), "most", SOFT, font)


def _colours() -> np.ndarray:
    """Return the colours from weak to strong, float array (256, 3) of 0..255."""
    import_matplotlib()
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.linspace(0.25, 0.95, 256))[:, :3]) * 255


def _sized(photo: Image.Image) -> Image.Image:
    """Return a photo of a size that can be looked at."""
    longer = max(photo.size)
    wanted = min(max(longer, SHORTEST), LONGEST)
    if longer == wanted:
        return photo
    size = [max(1, round(each * wanted / longer)) for each in photo.size]
    return photo.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def _cut(photo: Image.Image) -> bool:
    return photo.width != photo.height
