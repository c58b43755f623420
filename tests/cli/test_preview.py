from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api.previews import _normalised
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
        ({"epochs": 3}, "epochs= has no meaning here: preview takes .* augment, normalize, resize"),
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


def test_normalised_pictures_are_shown_as_the_network_receives_them() -> None:
    """Centred and scaled by one linear map, whose ends the title tells."""
    recipe = transfer.Recipe(backbone="dnn", image_size=16, normalize="featurewise_std")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 2, 16, 16, 3), dtype=np.uint8)
    train = pictures[:, 0].astype(np.float32)
    shown, meaning = _normalised(pictures, recipe, [train[:1], train[1:]])
    values = (pictures - train.mean(axis=(0, 1, 2))) / train.std(axis=(0, 1, 2))
    low, high = np.percentile(values, [1, 99])
    wanted = ((values - low) / (high - low) * 255).clip(0, 255)
    np.testing.assert_allclose(shown, wanted, atol=1)
    assert shown.dtype == np.uint8
    assert meaning == f"black is {low:.2g}, white {high:.2g}"


@pytest.mark.parametrize("normalize", ["samplewise_std", "zca=0.1,samplewise_center"])
def test_every_normalisation_is_drawn(
    make_folder: MakeFolder, tmp_path: Path, normalize: str
) -> None:
    folder = make_folder(per_class=3)
    (folder / "red" / "0.png").write_bytes(b"<html>")
    knobs = {"backbone": "dnn", "augment": "rotate=30,fill=reflect", "seed": 1}
    plain = transfer.preview(folder, tmp_path / "plain.png", **knobs)
    other = transfer.preview(folder, tmp_path / "other.png", normalize=normalize, **knobs)
    with Image.open(plain) as one, Image.open(other) as two:
        assert np.asarray(one).shape[0] == np.asarray(two).shape[0]
        assert np.abs(np.asarray(one)[60:, 300:500] - np.asarray(two)[60:, 300:500]).any()
