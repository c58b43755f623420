from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from transfer.images.decode import decode
from transfer.images.placement import lay_over, square_on

SIZES = [(120, 60), (60, 120), (100, 100), (101, 33), (400, 1)]


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(("width", "height"), SIZES[:-1])
def test_it_undoes_what_decode_does(width: int, height: int, resize: str) -> None:
    """A bright spot of the photo is where the map of the square's brightness has its peak."""
    for x, y in ((0.5, 0.5), (0.4, 0.7), (0.6, 0.3)):
        photo = np.zeros((height, width), np.float32)
        columns, rows = np.arange(width) - x * width, np.arange(height) - y * height
        photo += np.exp(-(columns[None] ** 2 + rows[:, None] ** 2) / (2 * 6**2))
        picture = Image.fromarray(np.rint(255 * photo).astype(np.uint8)).convert("RGB")
        square = decode(picture, 64, resize)[:, :, 0].astype(np.float32)
        if resize == "pad":
            square[square == 255] = 0  # the white around the photo
        over = lay_over(square, width, height, resize)
        assert over.shape == (height, width)
        if resize == "crop" and not _inside(x * width, y * height, width, height):
            continue
        found = np.unravel_index(np.nanargmax(over), over.shape)
        wanted = np.unravel_index(photo.argmax(), photo.shape)
        assert np.abs(np.subtract(found, wanted)).max() <= 3, (x, y)


def _inside(x: float, y: float, width: int, height: int) -> bool:
    left, top, right, bottom = square_on(width, height, "crop")
    return left + 5 < x < right - 5 and top + 5 < y < bottom - 5


def test_what_is_cut_off_has_no_value() -> None:
    over = lay_over(np.ones((4, 4), np.float32), 100, 40, "crop")
    assert np.isnan(over[:, :30]).all()
    assert np.isnan(over[:, 70:]).all()
    assert (over[:, 30:70] == 1).all()
    for resize in ("stretch", "pad"):
        assert not np.isnan(lay_over(np.ones((4, 4), np.float32), 100, 40, resize)).any()


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_any_shape(width: int, height: int, resize: str) -> None:
    over = lay_over(np.arange(49.0).reshape(7, 7), width, height, resize)
    assert over.shape == (height, width)
    assert np.isfinite(over).any()
