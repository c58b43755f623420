"""Pictures of more than 8 bits: which values they hold, and how these become 0..255."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFile import ImageFile

from transfer.images.wide import declared_bits, is_inverse, is_wide, missing_value, wide_values
from transfer.recipe import LARGEST
from transfer.settings import Decoding

Levels = tuple[float, float]
FULL: Levels = (0.0, 65535.0)
_KEPT = ("icc_profile", "exif", "xmp")  # and no transparent colour, which has another depth
_BAND = 1 << 20  # values that are scaled at a time
_SAMPLE, _ENDS = 1 << 18, (0.5, 99.5)  # pixels and percentiles: without single hot pixels


@dataclass(frozen=True)
class Span:
    """The values of one picture of more than 8 bits.

    Attributes:
        low: The lowest value. Infinite ones, and those beyond `transfer.recipe.LARGEST`, with which
            files mark places without a value, do not count.
        high: The highest, by the same rule.
        bits: Depth that the file declares; 0 where it declares none.
        floats: Whether they are floating-point numbers.
    """

    low: float
    high: float
    bits: int = 0
    floats: bool = False


def levels_of(spans: Iterable[Span]) -> Levels:
    """Return which values become 0 and 255, for pictures that are read by one rule.

    Integers are taken by their depth: the one that the files declare if all values fit in it, else
    the smallest of 8, 10, 12, 14, 16... bits that holds them all. Where there are negative values,
    and for floating-point numbers, the lowest and the highest value count; but numbers from 0 to
    1 that fill more than half of that range are taken as they are.

    Args:
        spans: Of one picture or more, all of integers or all of floating-point numbers.
    """
    spans = list(spans)
    low, high = min(each.low for each in spans), max(each.high for each in spans)
    if low < 0 or spans[0].floats:
        return (0.0, 1.0) if low >= 0 and 0.5 < high <= 1 else (low, high)
    bits = max(each.bits for each in spans)
    if not bits or high >= 2**bits:
        needed = int(high).bit_length()
        bits = max(8, needed + needed % 2)
    return (0.0, 2.0**bits - 1)


def choose_decoding(spans: Iterable[Span], profiles: str = "convert") -> Decoding:
    """Return the one rule by which the pictures of a run are read.

    Args:
        spans: Of its training images of more than 8 bits.
        profiles: ``convert`` or ``ignore``.
    """
    spans = list(spans)
    integers = [each for each in spans if not each.floats]
    floats = [each for each in spans if each.floats]
    return Decoding(
        levels_of(integers) if integers else None, levels_of(floats) if floats else None, profiles
    )


@dataclass(frozen=True)
class Deep:
    """A picture of more than 8 bits.

    Attributes:
        image: It in 8 bits, as Pillow decodes it.
        read: Returns its values: (h, w) or (h, w, 3), integers or floating-point numbers.
        span: The lowest and highest of them.
        inverse: Whether low values are light.
        clear: The value, or the three, of pixels that are transparent; None without.
    """

    image: Image.Image
    read: Callable[[], np.ndarray]
    span: Span
    inverse: bool = False
    clear: float | tuple[float, ...] | None = None

    @cached_property
    def values(self) -> np.ndarray:
        """The values: (h, w) or (h, w, 3)."""
        return self.read()

    def scaled(self, levels: Levels) -> Image.Image:
        """Return the picture in 8 bits, with `levels` as black and white."""
        if self.image.mode in ("RGB", "RGBA") and levels == FULL and self.clear is None:
            return self.image  # the high bytes, as in versions whose features may be kept
        result = np.empty(self.values.shape, np.uint8)
        for rows in _bands(self.values):
            scaled = _scale(self.values[rows], levels)
            result[rows] = 255 - scaled if self.inverse else scaled
        image = Image.fromarray(result)
        if self.image.mode == "RGBA":
            image.putalpha(self.image.getchannel("A"))
        elif self.clear is not None:
            seen = self.values != np.asarray(self.clear)
            seen = seen.any(axis=-1) if seen.ndim == 3 else seen
            image.putalpha(Image.fromarray(np.where(seen, 255, 0).astype(np.uint8)))
        image.info = {name: self.image.info[name] for name in _KEPT if name in self.image.info}
        return image

    def stretched(self) -> Image.Image:
        """Return the picture in 8 bits so that as much as possible can be seen."""
        step = max(1, int((self.values.shape[0] * self.values.shape[1] / _SAMPLE) ** 0.5))
        sample = _counted(self.values[::step, ::step].astype(np.float64))
        black, white = np.percentile(sample, _ENDS) if sample.size else (0.0, 0.0)
        whole = (self.span.low, self.span.high)
        return self.scaled((float(black), float(white)) if black < white else whole)


class DeepFile(ImageFile):
    """A file that another package decodes, whose values Pillow may have no mode for.

    Attributes:
        bits: In which each value is stored.
        declared: Depth that the file declares; 0 where it declares none.
        floats: Whether they are floating-point numbers.
        inverse: Whether low values are light.
        missing: The number that marks places without a value; None without.
    """

    missing: float | None = None
    bits = 8
    declared = 0
    floats = False
    inverse = False

    @cached_property
    def values(self) -> np.ndarray:
        """The values: (h, w) or (h, w, 3); uint8 where they need no scaling."""
        return self._values()

    def _values(self) -> np.ndarray:
        raise NotImplementedError

    def load(self) -> Any:
        """Decode the file, by its own depth."""
        if self._im is None:
            deep = None if self.bits == 8 else _deep_of(self)
            levels = None if deep is None else levels_of([deep.span])
            image = deep.scaled(levels) if deep and levels else Image.fromarray(self.values)
            self._im, self._mode, self._size = image.im, image.mode, image.size
        return super().load()


def bits_of(image: Image.Image) -> int:
    """Return how many bits each sample is stored in: 8 (or less), 16, 32 or 64."""
    if isinstance(image, DeepFile):
        return image.bits
    if image.mode.startswith("I;16") or is_wide(image):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def is_float(image: Image.Image) -> bool:
    """Return whether the values of a file are floating-point numbers."""
    return image.floats if isinstance(image, DeepFile) else image.mode == "F"


def read_deep(image: Image.Image) -> Deep | None:
    """Decode a picture of more than 8 bits; None, without decoding, for any other."""
    if bits_of(image) == 8:
        return None
    if isinstance(image, DeepFile):
        return _deep_of(image)
    bits = declared_bits(image)
    if is_wide(image):
        assert isinstance(image, ImageFile)
        high, read = wide_values(image)
        # That of the high bytes alone tells that all 16 bits are used.
        span = Span(0.0, 256.0 * high + 255, 16) if high >= 64 else _span(read(), bits, False)
        return Deep(image, read, span, clear=_clear(image))
    image.load()
    values = _filled(np.asarray(image), missing_value(image))
    span = _span(values, bits, is_float(image))
    return Deep(image, lambda: values, span, is_inverse(image), _clear(image))


def special_values(image: Image.Image) -> list[str]:
    """Return in words which values of a file of more than 8 bits are missing or transparent."""
    missing = image.missing if isinstance(image, DeepFile) else missing_value(image)
    words = [] if missing is None else [f"missing {missing:g}"]
    return words + ([] if _clear(image) is None else ["transparent colour"])


def _clear(image: Image.Image) -> float | tuple[float, ...] | None:
    """Return the transparent colour of a PNG file of 16 bits."""
    clear = image.info.get("transparency") if getattr(image, "format", "") == "PNG" else None
    return clear if isinstance(clear, int | tuple) else None


def _filled(values: np.ndarray, missing: float | None) -> np.ndarray:
    """Return values with the lowest one in places that are marked as missing."""
    if missing is None or np.isnan(missing):
        return values
    marked = values == missing
    if not marked.any() or marked.all():
        return values
    return np.where(marked, values[~marked].min(), values)


def _deep_of(image: DeepFile) -> Deep:
    plain = Image.new("L", (1, 1))
    plain.info = image.info
    values = _filled(image.values, image.missing)
    span = _span(values, image.declared, is_float(image))
    return Deep(plain, lambda: values, span, image.inverse)


def _span(values: np.ndarray, bits: int, floats: bool) -> Span:
    ends = [_ends(values[rows]) for rows in _bands(values)]
    return Span(min(low for low, _ in ends), max(high for _, high in ends), bits, floats)


def _bands(values: np.ndarray) -> Iterator[slice]:
    """Yield the rows of an array, a part at a time."""
    rows = max(1, _BAND // values[0].size)
    for top in range(0, len(values), rows):
        yield slice(top, top + rows)


def _ends(values: np.ndarray) -> Levels:
    if values.dtype.kind == "f":
        values = _counted(values.astype(np.float64))
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _counted(values: np.ndarray) -> np.ndarray:
    """Return those of some float64 values that are measured, and no mark for a missing one."""
    return np.asarray(values[np.abs(values) <= LARGEST])


def _scale(values: np.ndarray, levels: Levels) -> np.ndarray:
    black, white = levels
    if values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float64), nan=black).clip(black, white)
    factor = 255 / (white - black) if white > black else 0.0
    return np.asarray(np.rint(((values - black) * factor).clip(0, 255)), np.uint8)
