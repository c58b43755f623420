from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from transfer.evaluation.explained.overlay import UNSEEN, Legend, overlay, thumbnail, with_legend

CLASSES = ("猫", "<img src=x onerror=alert(1)>", "a" * 300)
LEGEND = Legend("rex.jpg", 0, "猫", 0.9, "猫", 0.9, CLASSES, "cam", "out_relu")


def photo(width: int = 200, height: int = 100) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(levels)


def corner() -> np.ndarray:
    values = np.full((7, 7), -1.0, np.float32)
    values[0, 0] = 2
    return values


def saturation(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image, np.int64)
    return pixels.max(axis=2) - pixels.min(axis=2)


def test_colour_is_where_the_map_is_above_zero() -> None:
    colour = saturation(overlay(photo(), corner(), "stretch"))
    assert colour[:7, :14].min() > 50
    assert colour[30:, :].max() == 0
    assert colour[:, 60:].max() == 0


def test_nothing_raises_the_logit() -> None:
    values = np.full((7, 7), -1.0, np.float32)
    assert saturation(overlay(photo(), values, "stretch")).max() == 0
    assert LEGEND.meaning((7, 7), empty=True).startswith("nothing raises the logit of #0")


def test_what_is_cut_off_is_plain() -> None:
    pixels = np.asarray(overlay(photo(), np.ones((7, 7), np.float32), "crop"))
    assert (pixels[:, :50] == UNSEEN).all()
    assert (pixels[:, 150:] == UNSEEN).all()
    assert saturation(Image.fromarray(pixels[:, 50:150])).min() > 50


def test_the_legend_says_class_and_method() -> None:
    assert LEGEND.title() == "rex.jpg: predicted #0 0.90"
    other = replace(LEGEND, class_name=CLASSES[1], probability=0.05, layer="", method="occlusion")
    assert other.title() == "rex.jpg: predicted #0 0.90; explained: <img src=x o…r=alert(1)> 0.05"
    wanted = "raises the logit of <img src=x o…r=alert(1)> (occlusion, 8 x 8 cells)"
    assert other.meaning((8, 8), empty=False) == wanted


def test_the_picture_holds_photo_and_overlay_at_any_size() -> None:
    for width, height in ((200, 100), (1, 400), (2000, 3), (640, 480)):
        sheet = with_legend(photo(width, height), corner(), "pad", LEGEND)
        again = with_legend(photo(width, height), corner(), "pad", LEGEND)
        assert sheet.tobytes() == again.tobytes()
        assert sheet.width >= 600
        assert saturation(sheet).max() > 50


def test_small_pictures_keep_the_shape() -> None:
    small = thumbnail(photo(400, 200), corner(), "stretch", 160)
    assert small.size == (160, 80)
    assert saturation(small)[:5, :10].min() > 50
