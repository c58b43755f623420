from __future__ import annotations

import numpy as np
from PIL import Image

from transfer.evaluation.explained.channels import colours_of, gray_levels, grid


def test_each_channel_has_its_own_scale() -> None:
    values = np.array([[[0.0, 1.0]], [[-5.0, 5.0]], [[3.0, 3.0]]], np.float32)
    assert gray_levels(values).tolist() == [[[0, 255]], [[0, 255]], [[0, 0]]]
    filters = np.zeros((2, 1, 2, 3), np.float32)
    filters[0, 0, 0] = (-1, 0, 1)
    assert colours_of(filters)[0, 0].tolist() == [[0, 128, 255], [128, 128, 128]]
    assert not colours_of(filters)[1].any()


def test_a_grid_shows_all_and_is_the_same_again() -> None:
    tiles = np.full((64, 7, 7), 200, np.uint8)
    first = Image.new("RGB", (32, 32), "red")
    sheet = grid("title", "caption", tiles, tuple(range(64)), first)
    assert sheet.tobytes() == grid("title", "caption", tiles, tuple(range(64)), first).tobytes()
    red = (np.asarray(sheet) == (255, 0, 0)).all(axis=2).sum()
    pale = (np.asarray(sheet) == (200, 200, 200)).all(axis=2).sum()
    assert red > 60 * 60
    assert pale > 64 * 60 * 60
    assert grid("t", "c", tiles[:1], (0,), None).width > 100
