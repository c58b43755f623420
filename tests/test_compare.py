from __future__ import annotations

import json
import re
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
from transfer.data.audit.clean import audit
from transfer.errors import DataError, UsageError
from transfer.evaluation.comparison import paired_p_value, plot_comparison, tell_winner
from transfer.images.folder import ImageFolder
from transfer.recipe import Recipe


def blind(input_shape: tuple[int, int, int]) -> Any:
    """A network that sees nothing: one number for every image."""
    import keras

    image = keras.Input(input_shape)
    pooled = keras.layers.AveragePooling2D(input_shape[0])(image)
    return keras.Model(image, keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(pooled))


@pytest.fixture
def make_gray(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of folders of gray pictures that are brighter above or below."""

    def make(side: int) -> Path:
        for name, bright in (("above", slice(0, side // 2)), ("below", slice(side // 2, side))):
            (tmp_path / "gray" / name).mkdir(parents=True)
            for number in range(12):
                noise = np.random.default_rng(number).normal(80, 20, (side, side))
                noise[bright] += 80
                picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
                picture.save(tmp_path / "gray" / name / f"{number}.png")
        return tmp_path / "gray"

    return make


def test_backbones_are_ranked(toy: str, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    transfer.register_backbone("blind", blind, image_size=32, min_size=16, overwrite=True)
    folder = make_folder(splits=("train", "test"))
    found = transfer.compare(folder, ["blind", toy], output=tmp_path / "c.png")
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
    assert best.p_value is None
    assert worst.p_value is not None
    assert worst.p_value < 0.001
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > 800
    assert not list(tmp_path.glob("runs"))


def test_groups_are_not_divided(
    toy: str,
    make_folder: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from transfer.experiments import compare

    given = []

    def noted(*arguments: Any, groups: np.ndarray, **options: Any) -> Any:
        given.append(groups)
        return cross_validate(*arguments, groups=groups, **options)

    cross_validate = compare.cross_validate
    monkeypatch.setattr(compare, "cross_validate", noted)
    transfer.compare(make_folder(), [toy], group_by=r"(\d)\.png")
    assert len(set(given[0])) == 10  # of 30 images
    options = ["--backbones", toy, "--group-by", "nowhere"]
    with pytest.raises(SystemExit):
        main(["compare", str(make_folder("other")), *options])
    assert "gives none of the 30 images a group" in " ".join(capsys.readouterr().err.split())


def test_an_augmentation_for_the_networks_from_scratch(
    make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(["compare", str(make_folder()), "--backbones", "dnn", "--augment", "light,flp=0"])
    assert done.value.code == 2
    assert "Unknown augmentation 'flp'. Did you mean 'flip'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([(0.9, 10), (0.8, 100), (0.85, 5)], [True, True, False]),
        ([(0.9, 10), (0.9, 20)], [False, True]),
        ([(0.9, 10), (0.9, 10)], [True, True]),
    ],
)
def test_who_is_unbeaten(figures: list[tuple[float, float]], expected: list[bool]) -> None:
    from transfer.experiments.compare import Measured

    results = [
        (
            Recipe(backbone="vgg16", seed=number),
            Measured(np.arange(100) < 100 * accuracy, tuple(map(str, range(100))), speed, 7),
        )
        for number, (accuracy, speed) in enumerate(figures)
    ]
    found = {
        (each.accuracy, each.images_per_second): each.unbeaten for each in comparison._rank(results)
    }
    assert [found[each] for each in figures] == expected


def test_the_command(
    toy: str, make_folder: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["compare", str(make_folder(per_class=5)), "--backbones", toy]
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
    with pytest.raises(UsageError, match="at least 18 for 'simple-cnn'"):
        transfer.compare(tmp_path, ["simple-cnn"], image_size=16)
    with pytest.raises(UsageError, match="at least one backbone"):
        transfer.compare(tmp_path, [])
    with pytest.raises(UsageError, match="at least 32"):
        transfer.compare(tmp_path, ["vgg16"], image_size=16)
    for name in ("no/c.png", "c.jpg"):
        with pytest.raises(UsageError, match=r"Expected output= as a \.png file in an"):
            transfer.compare(tmp_path, ["vgg16"], output=tmp_path / name)
    for knob in ("backbone", "head"):
        with pytest.raises(
            UsageError, match=f"{knob}= has no meaning here: a linear head is compared"
        ):
            transfer.compare(tmp_path, ["vgg16"], **{knob: "flatten"})


def test_a_class_of_one_image_is_named(toy: str, make_folder: Callable[..., Path]) -> None:
    folder = make_folder(per_class=3)
    for number in (1, 2):
        (folder / "red" / f"{number}.png").unlink()
    with pytest.raises(DataError, match="'red' has 1 different image"):
        transfer.compare(folder, [toy])
    for number in (1, 2):
        shutil.copy(folder / "red" / "0.png", folder / "red" / f"{number}.png")
    with pytest.raises(DataError, match="'red' has 1 different image"):
        transfer.compare(folder, [toy])


def test_test_images_are_left_out_as_finetune_would(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, said: Callable[[], str]
) -> None:
    folder = make_folder(per_class=20)
    (record,) = transfer.compare(folder, [toy], test=0.3)
    run = transfer.finetune(
        folder, output=tmp_path / "run", backbone=toy, test=0.3, unfreeze="none"
    )
    counts = {split: sum(each.values()) for split, each in run.info.counts.items()}
    assert record.images == counts["train"] + counts["val"] < 60
    assert "compare with test=0.1 too" not in said()
    transfer.compare(folder, [toy])
    assert "compare with test=0.1 too" in said()


@pytest.mark.parametrize("knob", ["folds", "epochs", "views", "unfreeze", "time", "augment"])
def test_knobs_without_meaning_are_refused(toy: str, tmp_path: Path, knob: str) -> None:
    with pytest.raises(UsageError, match=f"{knob}= has no meaning here: a linear head"):
        transfer.compare(tmp_path, [toy], **{knob: 3})
    with pytest.raises(UsageError, match="Unknown argument 'fold'"):
        transfer.compare(tmp_path, [toy], fold=3)


def test_without_pretrained_weights_a_backbone_is_compared_as_a_whole(
    toy: str, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.experiments.scratch_baseline.MINUTES", 0.0)
    (record,) = transfer.compare(make_folder(per_class=5), [toy], weights="none")
    assert record.scratch


def test_without_names_all_whose_weights_are_here(tmp_path: Path) -> None:
    assert comparison._at_hand(Recipe()) == ["mobilenetv2"]
    (tmp_path / "vgg16_notop.x.weights.h5").write_bytes(b"")
    assert comparison._at_hand(Recipe(weights=str(tmp_path))) == ["vgg16"]


def test_the_picture_of_one_backbone(tmp_path: Path) -> None:
    record = {"backbone": "toy", "scratch": False, "accuracy": 1.0, "low": 0.9, "high": 1.0}
    record["images"] = 5
    plot_comparison([record | {"images_per_second": 3.0, "unbeaten": True}], tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_a_name_may_be_in_capitals(toy: str, make_folder: Callable[..., Path]) -> None:
    (found,) = transfer.compare(make_folder(per_class=5), [toy.upper(), toy])
    assert found.backbone == toy


def test_a_rare_class_is_among_those_that_are_drawn() -> None:
    from transfer.experiments.compare import _sample

    labels = (0,) * 500 + (1,) * 6
    paths = tuple(f"{number}.png" for number in range(506))
    folder = ImageFolder(Path(), ("a", "b"), paths, labels, ("",) * 506)
    rows = _sample(folder, 10**9, 0)
    assert len(set(rows)) == len(rows) < 50
    assert np.count_nonzero(rows >= 500) >= 5
    np.testing.assert_array_equal(_sample(folder, 10, 0), np.arange(506))


def test_the_test_looks_at_the_common_images_that_one_alone_recognises() -> None:
    first = {str(i): i < 9 for i in range(20)}  # 0 to 8
    second = {str(i): 8 <= i < 10 for i in range(20)}  # 8 and 9: 8 to 1 are discordant
    assert paired_p_value(first, second) == pytest.approx(20 / 2**9)
    assert paired_p_value(second, first) == pytest.approx(20 / 2**9)  # two-sided
    assert paired_p_value(first, first) == 1.0
    some = {path: right for path, right in second.items() if int(path) < 5}  # 5 to 0
    assert paired_p_value(first, some | {"unknown": True}) == pytest.approx(2 / 2**5)
    assert paired_p_value(first, {"unknown": True}) is None


def test_intervals_that_overlap_hide_a_difference_that_pairs_show() -> None:
    from transfer.experiments.compare import Measured

    right = [np.arange(1000) < count for count in (900, 885)]  # the same images, but for 15
    results = [
        (Recipe(backbone=name), Measured(each, tuple(map(str, range(1000))), 1.0, 7))
        for name, each in zip(("vgg16", "vgg19"), right, strict=True)
    ]
    best, other = comparison._rank(results)
    assert other.high > best.low
    assert best.p_value is None
    assert other.p_value == pytest.approx(2 / 2**15)
    told = comparison.which_is_better([best, other])
    expected = "vgg16 gets 90.0 % where vgg19 gets 88.5 %: 1.2 times fewer errors (p < 0.001, "
    assert told == f"{expected}McNemar's test on the same images)."


def record(
    backbone: str, right: int, p_value: float | None = None, scratch: bool = False
) -> dict[str, Any]:
    return {
        "backbone": backbone,
        "scratch": scratch,
        "accuracy": right / 1000,
        "p_value": p_value,
    }


@pytest.mark.parametrize(
    ("own", "other", "p_value", "expected"),
    [
        (900, 600, 1e-9, "where lenet5, from scratch, gets 60.0 %: 4.0 times fewer errors (p < "),
        (1000, 600, 0.003, "gets 60.0 %: no errors (p = 0.003, McNemar's test on the same images)"),
        (900, 890, 0.214, "gets 89.0 %: too close to call (p = 0.21, McNemar's test on the same"),
        (600, 900, 1e-9, "gets 90.0 %: frozen features gain nothing on these images (p < 0.001, "),
        (900, 600, None, "gets 60.0 %, but on other images: it is open which is better."),
    ],
)
def test_what_transfer_buys(own: int, other: int, p_value: float | None, expected: str) -> None:
    pair = [record("vgg16", own), record("lenet5", other, scratch=True)]
    pair.sort(key=lambda each: -each["accuracy"])
    pair[1]["p_value"] = p_value
    worse = [record("resnet50", 550, 0.5), record("dnn", 500, 0.5, scratch=True)]
    found = tell_winner([*pair, *worse])
    assert found is not None
    assert found.startswith(f"vgg16 gets {own / 10:.1f} % where lenet5, from scratch, gets")
    assert expected in found


def test_of_one_kind_the_best_two_are_compared() -> None:
    found = tell_winner([record("a", 900), record("b", 850, 0.04), record("c", 600, 1e-9)])
    assert found is not None
    assert found.startswith("a gets 90.0 % where b gets 85.0 %: 1.5 times fewer errors (p = 0.04,")
    assert tell_winner([record("a", 900)]) is None


def test_a_network_from_scratch_beside_the_others(
    toy: str,
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "transfer.experiments.scratch_baseline.MINUTES", 0.0
    )  # a step of the first fold
    picture = tmp_path / "c.png"
    folder = make_folder(splits=("train", "test"))
    options = ["--backbones", toy, "--scratch", "-o", str(picture)]
    with pytest.raises(SystemExit) as done:
        main(["compare", str(folder), *options])
    assert done.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Chart: {picture}"
    assert re.match(r"toy gets 100.0 % where simple-cnn, from scratch, gets [\d.]+ %: ", lines[-2])
    rows = {line[3:].split("  ")[0]: line.split()[-5] for line in lines[1:-2]}
    assert rows == {"toy": "30", "simple-cnn, from scratch": "6"}
    assert picture.stat().st_size > 1000
    assert {path.name for path in tmp_path.iterdir()} <= {"colours", "c.png", "cache", "keras"}


def test_weights_are_for_those_that_have_some(tmp_path: Path) -> None:
    (tmp_path / "vgg16_notop.x.weights.h5").write_bytes(b"")
    found = comparison._recipes(["VGG16", "Simple-CNN"], {"weights": str(tmp_path), "seed": 3})
    assert {name: recipe.weights for name, recipe in found.items()} == {
        "vgg16": str(tmp_path),
        "simple-cnn": "none",
    }
    assert {recipe.seed for recipe in found.values()} == {3}


@pytest.mark.parametrize(("side", "expected"), [(28, "simple-cnn"), (65, "small-cnn")])
def test_the_network_that_suits_the_images(
    make_gray: Callable[..., Path], side: int, expected: str
) -> None:
    assert comparison._suited(audit(ImageFolder.index(make_gray(side)))) == expected


@pytest.mark.slow
def test_gray_pictures_of_28_pixels(
    make_gray: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.experiments.scratch_baseline.MINUTES", 0.0)
    names = ["dnn", "lenet5", "simple-cnn", "small-cnn", "mobilenetv2"]
    found = transfer.compare(make_gray(28), names)
    assert {each.backbone: each.image_size for each in found} == {
        "dnn": 32,
        "lenet5": 32,
        "simple-cnn": 32,
        "small-cnn": 180,
        "mobilenetv2": 224,
    }
    assert {each.images for each in found if each.scratch} == {5}
    assert found[0].accuracy == 1.0


def test_too_few_images_for_a_network_from_scratch(
    toy: str, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder(per_class=2)
    with pytest.raises(DataError, match=r"'blue' has 2 different image.*from scratch needs"):
        transfer.compare(folder, [toy, "dnn"])
