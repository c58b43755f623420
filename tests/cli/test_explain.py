from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.api.run import Run
from transfer.cli.main import main


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["explain", *map(str, words)])
    return int(stopped.value.code or 0)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).normal((200, 50, 40), 25, (40, 60, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "rex.png")
    return tmp_path / "rex.png"


def test_a_picture_for_each_image(
    trained: Run, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(trained.path, photo) == 0
    captured = capsys.readouterr()
    file = "explanations/001-rex-red-cam.png"
    assert captured.out.startswith(f"{photo}  red ")
    assert captured.out.endswith(f"  {file}\n")
    with Image.open(file) as picture:
        assert picture.format == "PNG"
    assert "Wrote 1 picture and explanations.json to explanations" in captured.err


def test_bad_images_are_rows_and_the_others_go_on(
    trained: Run, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no")
    options = ["-o", tmp_path / "why", "--method", "layercam", "--class", "blue"]
    assert command(trained.path, tmp_path / "bad.jpg", photo, *options) == 2
    captured = capsys.readouterr()
    assert "1 of the images could not be read; the others were explained." in captured.err
    rows = json.loads((tmp_path / "why" / "explanations.json").read_text())
    assert [row.get("map") for row in rows] == ["002-rex-blue-layercam.png", None]
    assert "bad.jpg" in rows[1]["error"]
    assert command(trained.path, tmp_path / "bad.jpg", "-o", tmp_path / "no") == 2
    assert "nothing was explained" in capsys.readouterr().err


def test_without_images_the_report(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(run.path) == 0
    assert "Explained 3 images by cam" in capsys.readouterr().err
    assert (run.path / "explanations" / "index.json").is_file()
    for option in (["-o", "x"], ["--maps"], ["--class", "red"]):
        assert command(run.path, *option) == 2
        assert f"{option[0].replace('-o', '--output')} needs an IMAGE" in capsys.readouterr().err


def test_maps(trained: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(trained.path, photo, "--maps", "-o", "maps", "--layer", "stem") == 0
    assert capsys.readouterr().out == "maps/filters-stem.png\nmaps/001-rex-stem-maps.png\n"


def test_errors_in_one_line(trained: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(trained.path, photo, "--layer", "stam") == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "Error: Unknown --layer stam: toy has no layer of that name. Did you mean 'stem'?"
    )
    assert said.count("\n") == 1
    assert command(photo, trained.path) == 2
    assert "Did you mean: transfer explain" in capsys.readouterr().err
