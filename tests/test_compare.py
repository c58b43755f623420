from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api import comparison
from transfer.cli.main import main
from transfer.errors import DataError, UsageError
from transfer.evaluation.comparison import plot_comparison
from transfer.images.folder import ImageFolder
from transfer.recipe import Recipe


def blind(input_shape: tuple[int, int, int]) -> Any:
    """A network that sees nothing: one number for every image."""
    import keras

    image = keras.Input(input_shape)
    pooled = keras.layers.AveragePooling2D(input_shape[0])(image)
    return keras.Model(image, keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(pooled))


def test_backbones_are_ranked(toy: str, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    transfer.register_backbone("blind", blind, image_size=32, min_size=16, overwrite=True)
    folder = make_folder(splits=("train", "test"))
    found = transfer.compare(
        folder, ["blind", toy], picture=tmp_path / "c.png", weights="none", batch_size=4
    )
    assert [each.backbone for each in found] == [toy, "blind"]
    best, worst = found
    assert best.images == worst.images == 30  # without the test images
    assert best.accuracy == 1.0
    assert best.low < best.accuracy == best.high
    assert worst.accuracy < 0.6
    assert best.parameters == transfer.get_backbone(toy).build().count_params()
    assert best.megabytes == pytest.approx(4 * best.parameters / 1e6)
    assert best.images_per_second > 0
    assert best.unbeaten
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 800
    assert not list(tmp_path.glob("runs"))


def test_groups_are_not_divided(
    toy: str,
    make_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transfer.training import compare

    given = []

    def noted(*arguments: Any, groups: np.ndarray, **options: Any) -> Any:
        given.append(groups)
        return cross_validate(*arguments, groups=groups, **options)

    cross_validate = compare.cross_validate
    monkeypatch.setattr(compare, "cross_validate", noted)
    transfer.compare(make_folder(), [toy], weights="none", group_by=r"(\d)\.png")
    assert len(set(given[0])) == 10  # of 30 images
    options = ["--backbones", toy, "--weights", "none", "--group-by", "nowhere"]
    with pytest.raises(SystemExit):
        main(["compare", str(make_folder("other")), *options])
    assert "gives none of the 30 images a group" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([(0.9, 10), (0.8, 100), (0.85, 5)], [True, True, False]),
        ([(0.9, 10), (0.9, 20)], [False, True]),
        ([(0.9, 10), (0.9, 10)], [True, True]),
    ],
)
def test_who_is_unbeaten(figures: list[tuple[float, float]], expected: list[bool]) -> None:
    from transfer.training.compare import Measured

    results = [
        (
            Recipe(backbone="vgg16", seed=number),
            transfer.get_backbone("vgg16"),
            Measured(np.arange(100) < 100 * accuracy, speed, 7),
        )
        for number, (accuracy, speed) in enumerate(figures)
    ]
    found = {
        (each.accuracy, each.images_per_second): each.unbeaten
        for each in comparison._judge(results)
    }
    assert [found[each] for each in figures] == expected


def test_the_command(
    toy: str, make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["compare", str(make_folder(per_class=5)), "--backbones", toy, "--weights", "none"]
    with pytest.raises(SystemExit) as done:
        main(options)
    assert done.value.code == 0
    assert "*  toy" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*options, "--json"])
    (record,) = json.loads(capsys.readouterr().out)
    assert record["backbone"] == "toy"
    assert record["images"] == 15


def test_bad_words_are_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'vgg16'"):
        transfer.compare(tmp_path, ["vgg61"])
    with pytest.raises(UsageError, match="lenet5 has no pretrained weights"):
        transfer.compare(tmp_path, ["vgg16", "lenet5"])
    with pytest.raises(UsageError, match="at least one backbone"):
        transfer.compare(tmp_path, [])
    with pytest.raises(UsageError, match="at least 32"):
        transfer.compare(tmp_path, ["vgg16"], image_size=16)


def test_a_class_of_one_image_is_named(toy: str, make_folder: Callable[..., Path]) -> None:
    folder = make_folder(per_class=3)
    for number in (1, 2):
        (folder / "red" / f"{number}.png").unlink()
    with pytest.raises(DataError, match="'red' has fewer than 2 different images"):
        transfer.compare(folder, [toy], weights="none")
    for number in (1, 2):
        shutil.copy(folder / "red" / "0.png", folder / "red" / f"{number}.png")
    with pytest.raises(DataError, match="'red' has fewer than 2 different images"):
        transfer.compare(folder, [toy], weights="none")


def test_without_names_all_whose_weights_are_here(tmp_path: Path) -> None:
    assert comparison._at_hand(Recipe()) == ["mobilenetv2"]
    (tmp_path / "vgg16_notop.x.weights.h5").write_bytes(b"")
    assert comparison._at_hand(Recipe(weights=str(tmp_path))) == ["vgg16"]


def test_the_picture_of_one_backbone(tmp_path: Path) -> None:
    record = {"backbone": "toy", "accuracy": 1.0, "low": 0.9, "high": 1.0, "images": 5}
    plot_comparison([record | {"images_per_second": 3.0, "unbeaten": True}], tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_a_name_may_be_in_capitals(toy: str, make_folder: Callable[..., Path]) -> None:
    (found,) = transfer.compare(make_folder(per_class=5), [toy.upper(), toy], weights="none")
    assert found.backbone == toy


def test_a_rare_class_is_among_those_that_are_drawn() -> None:
    from transfer.training.compare import _some

    labels = (0,) * 500 + (1,) * 6
    paths = tuple(f"{number}.png" for number in range(506))
    folder = ImageFolder(Path(), ("a", "b"), paths, labels, ("",) * 506)
    rows = _some(folder, 10**9, 0)
    assert len(set(rows)) == len(rows) < 50
    assert np.count_nonzero(rows >= 500) >= 5
    np.testing.assert_array_equal(_some(folder, 10, 0), np.arange(506))
