from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image

from transfer.evaluation.contrast import contrast
from transfer.evaluation.fonts import FONT, OTHERS, find_families, label, readable
from transfer.evaluation.plots import confusion_figure, figure_at, plot_confusion_matrix

NAMES = ["猫科の動物", "שלום", "$x^{2$ \\frac", "n" * 60, "new\nline", "_", "tulips"]


def draw(path: Path, classes: list[str]) -> Image.Image:
    rng = np.random.default_rng(3)
    matrix = rng.integers(0, 9, (len(classes), len(classes))) + 30 * np.eye(len(classes), dtype=int)
    plot_confusion_matrix(matrix, classes, path)
    with Image.open(path) as image:
        image.load()
        return image


@pytest.mark.case("R03")
@pytest.mark.parametrize("count", [1, 2, 200])
def test_any_number_of_classes(tmp_path: Path, count: int) -> None:
    image = draw(tmp_path / "m.png", [f"class {i}" for i in range(count)])
    assert image.format == "PNG"
    assert 600 <= image.width <= 4000


@pytest.mark.case("R03")
def test_names_that_cannot_be_drawn_become_their_index(tmp_path: Path) -> None:
    labels = [readable(name, i) for i, name in enumerate(NAMES)]
    assert labels[:3] == ["#0", "#1", NAMES[2]]
    assert labels[3] == "n" * 12 + "…" + "n" * 11
    assert labels[4:] == ["#4", "_", "tulips"]
    draw(tmp_path / "m.png", NAMES)  # a glyph that is missing would warn, and warnings are errors


@pytest.mark.case("R06")
def test_same_input_same_bytes_whatever_the_users_style(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", NAMES)
    with matplotlib.rc_context({"font.size": 30, "axes.titlecolor": "red"}):
        draw(tmp_path / "b.png", NAMES)
    for suffix in (".png", ".svg"):
        first, second = [(tmp_path / stem).with_suffix(suffix) for stem in ("a", "b")]
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.case("R03")
def test_a_font_of_the_system_draws_what_ours_lacks(tmp_path: Path) -> None:
    families = find_families(["tulip", "고양이"])
    assert families[0] == FONT
    if len(families) == 1:
        pytest.skip("no font for Korean is installed")
    assert families[1:] == [each for each in OTHERS if each == families[1]]
    assert label("고양이", 3, families) == "고양이"
    assert label("고양이" * 9, 3, families) == "고양이" * 2 + "…" + "이고양이고"[-5:]
    assert find_families(["tulip", "Тюльпан"]) == [FONT]
    draw(tmp_path / "a.png", ["고양이", "b"])
    draw(tmp_path / "b.png", ["강아지", "b"])
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_the_key_of_what_no_font_draws_is_printed(tmp_path: Path, said: Any) -> None:
    draw(tmp_path / "m.png", ["a", "\U000e0041\U000e0042"])
    assert "m.png shows as: #1 '" in said()
    assert "#0" not in said()


@pytest.mark.parametrize("count", [2, 20])
def test_the_numbers_can_be_read_on_each_shade(count: int) -> None:
    from matplotlib.colors import to_rgb

    matrix = np.arange(count * count).reshape(count, count)
    figure = confusion_figure(matrix, [str(i) for i in range(count)])
    for axes in figure.axes:
        [image] = axes.images
        shades = image.cmap(image.norm(image.get_array()), bytes=True)
        assert len(axes.texts) == count * count
        for text in axes.texts:
            column, row = map(int, text.get_position())
            ink = [round(255 * part) for part in to_rgb(text.get_color())]
            assert contrast(tuple(ink), tuple(map(int, shades[row, column, :3]))) >= 4.5


def test_the_same_as_vectors(tmp_path: Path) -> None:
    draw(tmp_path / "m.png", ["a", "b"])
    text = (tmp_path / "m.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml")
    assert "<dc:date>" not in text


def test_a_figure_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    draw(tmp_path / "m.png", ["a", "b"])
    before = (tmp_path / "m.png").read_bytes()
    with pytest.raises(ZeroDivisionError), figure_at(tmp_path / "m.png", (2, 2)) as figure:
        figure.subplots().plot([0, 1 / 0])
    assert (tmp_path / "m.png").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"m.png", "m.svg"}


@pytest.mark.case("R02")
def test_a_row_without_images(tmp_path: Path) -> None:
    plot_confusion_matrix([[0, 0], [1, 4]], ["absent", "x"], tmp_path / "m.png")
    assert (tmp_path / "m.png").stat().st_size > 5000


@pytest.mark.parametrize("backend", ["module://nowhere.backend_inline", "nonsense"])
def test_figures_need_no_backend_of_the_user(tmp_path: Path, backend: str) -> None:
    code = (
        "import os, numpy as np; from pathlib import Path;"
        "from transfer.evaluation.grid import Row, draw_grid;"
        "from transfer.evaluation.plots import plot_confusion_matrix;"
        "draw_grid([Row('a', 0, '', np.zeros((1, 1, 8, 8, 3), np.uint8))], '', '', Path('g.png'));"
        "plot_confusion_matrix([[3, 1], [0, 4]], ['a', 'b'], Path('m.png'));"
        "print(os.environ['MPLBACKEND'])"
    )
    environment = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == backend
    plot_confusion_matrix([[3, 1], [0, 4]], ["a", "b"], tmp_path / "here.png")
    assert (tmp_path / "m.png").read_bytes() == (tmp_path / "here.png").read_bytes()
