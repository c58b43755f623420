from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import transfer
from transfer.cli.main import main
from transfer.errors import UsageError

MakeFolder = Callable[..., Path]


def test_the_command_writes_a_picture_and_prints_its_path(
    make_folder: MakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make_folder(splits=("train", "val"))
    (folder / "train" / "red").rename(folder / "train" / "猫")
    (folder / "val" / "red").rename(folder / "val" / "猫")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["preview", str(folder), "--augment", "light", "--image-size", "32", "-o", "g.png"])
    captured = capsys.readouterr()
    assert stopped.value.code == 0
    assert captured.out == "g.png\n"
    assert "#2 is 猫" in captured.err
    with Image.open("g.png") as image:
        assert image.format == "PNG"


def test_what_is_advised_helps(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder, table = make_folder(per_class=1), tmp_path / "t" / "table.csv"
    table.parent.mkdir()
    rows = "".join(f"../colours/{name}/0.png,{name}\n" for name in ("red", "blue"))
    table.write_text(f"path,label\n{rows}")
    (folder / "void").mkdir()
    for data, option in ((table, "--follow-links"), (folder, "--allow-empty")):
        command = ["preview", str(data), "--augment", "none", "-o", str(tmp_path / "g.png")]
        for options, code in (([], 2), ([option], 0)):
            with pytest.raises(SystemExit) as stopped:
                main([*command, *options])
            assert stopped.value.code == code


def test_many_classes_are_cut_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(60):
        (tmp_path / "data" / f"{number:02d}").mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "data" / f"{number:02d}" / "1.png")
    path = transfer.preview(tmp_path / "data", tmp_path / "g.png", augment="none")
    assert "The first 40 of 60 classes are shown" in caplog.text
    with Image.open(path) as image:
        assert 5000 < image.height < 8000


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"count": 0}, "count= between 1 and 12. Received: 0"),
        ({"count": "2"}, "count= between 1 and 12. Received: '2'"),
        ({"epochs": 3}, "epochs= has no meaning here: preview takes augment, resize, image_size"),
        ({"output": "grid.jpg"}, r"\.png"),
        ({"output": "no/grid.png"}, "existing folder"),
        ({"augment": "flop"}, "Did you mean 'flip'"),
        ({"sed": 1}, "Did you mean 'seed'"),
    ],
)
def test_bad_knobs_write_nothing(
    make_folder: MakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    knobs: dict[str, object],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = make_folder(per_class=1)
    with pytest.raises(UsageError, match=words):
        transfer.preview(folder, **knobs)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == [folder]
