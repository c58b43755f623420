from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.evaluation.grid import LARGEST, Row, draw_grid

NAMES = ("猫科の動物", "שלום", "$x^{2$ \\frac", "n" * 60, "new\nline", "_", "tulips")


def rows(names: tuple[str, ...], groups: int = 2, each: int = 4, size: int = 32) -> list[Row]:
    picture = np.full((groups, each, size, size, 3), (200, 30, 60), np.uint8)
    return [Row(name, i, "1,234 images", picture) for i, name in enumerate(names)]


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.case("R03")
@pytest.mark.parametrize("size", [16, 224, 999])
def test_pictures_stand_beside_the_names(tmp_path: Path, size: int) -> None:
    draw_grid(rows(NAMES, size=size), "title", "footer", tmp_path / "g.png")
    with Image.open(tmp_path / "g.png") as opened:
        image = np.asarray(opened)
    red = (image == (200, 30, 60)).all(axis=2)
    side = LARGEST if size >= LARGEST else LARGEST // size * size
    assert red.sum() == len(NAMES) * 8 * side * side
    first = int(red.any(axis=0).argmax())
    ink = (image[:, :first] < 128).any(axis=(1, 2))
    lines = red[:, first]
    assert (ink & lines).any()
    assert not (image[:, first - 8 : first] < 128).any()  # no name runs into its pictures


def test_many_or_few_pictures_keep_the_sheet_in_bounds(tmp_path: Path) -> None:
    for number, (groups, each) in enumerate([(1, 1), (12, 4), (12, 1)]):
        path = tmp_path / f"{number}.png"
        draw_grid(rows(("a", "b"), groups, each), "title", "", path)
        assert size_of(path)[0] < 4000


def test_a_class_without_pictures_keeps_its_row(tmp_path: Path) -> None:
    full, empty = rows(("full", "empty"))
    empty = Row(empty.name, empty.index, "no images", empty.pictures[:0])
    draw_grid([full, empty], "title", "", tmp_path / "g.png")
    assert size_of(tmp_path / "g.png")[1] > 2 * LARGEST


@pytest.mark.case("R06")
def test_same_input_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        draw_grid(rows(NAMES), "title", "footer", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
