from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import transfer
from transfer.api.images import warn_of_few
from transfer.errors import UsageError
from transfer.networks.backbones import get_backbone
from transfer.recipe import Recipe

MakeFolder = Callable[..., Path]


def test_a_layer_that_does_not_exist_is_told_before_anything_is_written(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no layer of that name\. Did you mean 'block_2'"):
        transfer.finetune(make_folder(per_class=4), backbone=toy, unfreeze="blok_2")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ({"train": 22, "val": 2}, ["val has 2 of 24 images, though val=0.2 was requested"]),
        ({"train": 21, "val": 3}, []),
        ({"train": 83, "val": 15, "test": 2}, ["test has 2 of 100 images, though test=0.1"]),
        ({"train": 22, "val": 2, "test given": 90}, ["val has 2 of 24 images"]),
        ({"train": 800, "val": 200, "test given": 1500}, []),
        ({"train": 980, "val given": 20}, []),
    ],
)
def test_a_side_that_chance_left_small_is_told(
    totals: dict[str, int], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    drawn = {"val", "test"} - {split.split()[0] for split in totals if "given" in split}
    sides = {split.split()[0]: images for split, images in totals.items()}
    warn_of_few(sides, Recipe(test=0.1), drawn)
    messages = [record.getMessage() for record in caplog.records]
    assert [text for text, hint in zip(messages, told, strict=True) if hint in text] == messages


def test_sides_that_folders_give_are_not_called_chance(
    toy: str, make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_folder(splits=("train", "val"))
    for photo in sorted(folder.glob("val/*/*"))[::2]:
        photo.unlink()
    transfer.finetune(folder, backbone=toy, unfreeze="none", val=0.9)
    assert not [each for each in caplog.records if "was requested" in each.getMessage()]


@pytest.mark.parametrize("unfreeze", ["none", "0", "1", "dense_1"])
def test_nothing_is_frozen_that_learned_nothing(unfreeze: str, make_folder: MakeFolder) -> None:
    with pytest.raises(
        UsageError, match="'dnn' has no pretrained weights here, so there is nothing"
    ):
        transfer.finetune(make_folder(), backbone="dnn", unfreeze=unfreeze)


def test_a_layer_that_keras_has_named(make_folder: MakeFolder) -> None:
    def network(input_shape: tuple[int, int, int]) -> Any:
        import keras

        image = keras.Input(input_shape)
        lower = keras.layers.Conv2D(4, 3, strides=2)(image)
        return keras.Model(image, keras.layers.Conv2D(4, 3, strides=2)(lower))

    transfer.register_backbone("named-by-keras", network, image_size=16, overwrite=True)
    run = transfer.finetune(make_folder(), backbone="named-by-keras", unfreeze="conv2d_1", epochs=1)
    assert run.info.settings.epochs == 1


def test_folds_too_small_for_an_update_are_refused(toy: str, make_folder: MakeFolder) -> None:
    few = {"batch_size": 8, "accumulate": 6, "epochs": 2, "folds": 2, "folds_finetune": True}
    with pytest.raises(UsageError, match="accumulate=6 never updates the weights: there are 4"):
        transfer.finetune(make_folder(), backbone=toy, **few)


def test_a_run_with_a_relative_path_of_weights_is_resumed_from_elsewhere(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    (tmp_path / "here").mkdir()
    get_backbone(toy).build().save_weights(tmp_path / "here" / "w.weights.h5")
    monkeypatch.chdir(tmp_path / "here")
    knobs = {"backbone": toy, "weights": "./w.weights.h5", "unfreeze": "none", "views": 0}
    folder = make_folder(per_class=4)
    with monkeypatch.context() as patch:
        patch.setattr("transfer.training.train.train", stop)
        with pytest.raises(KeyboardInterrupt):
            transfer.finetune(folder, output=tmp_path / "run", **knobs)
    monkeypatch.chdir(tmp_path)
    assert transfer.resume("run").info.status == "done"
    assert transfer.resume("run", weights="here/w.weights.h5").path == tmp_path / "run"


def test_activations_beyond_float16_do_not_end_a_run(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The run continues as with `trunk_cache=0`, since float16 was not requested."""
    folder = make_folder(per_class=4)
    knobs = {"backbone": toy, "unfreeze": "1", "views": 0, "epochs": 1, "augment": "none"}
    monkeypatch.setattr("transfer.features.extract.LARGEST", 1e-6)
    run = transfer.finetune(folder, output=tmp_path / "run", **knobs)
    assert "beyond the range of float16" in caplog.text
    assert (run.info.status, run.info.settings.cut) == ("done", "")
    assert "finetune" in run.info.phases


@pytest.mark.case("L13")
def test_names_of_classes_are_kept_with_the_run(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder("numbers", per_class=6)
    for number, name in enumerate(("blue", "green", "red")):
        (folder / name).rename(folder / str(number))
    (folder / "0" / "scan.nef").write_bytes(b"x")
    names = tmp_path / "names.txt"
    names.write_text("sea\nleaf\nr\u00f3se\n")
    knobs = {"backbone": toy, "views": 0, "unfreeze": "none", "head_epochs": 1}
    run = transfer.finetune(folder, output=tmp_path / "run", class_names=names, **knobs)
    assert run.classes == ("leaf", "r\u00f3se", "sea")
    assert run.info.read_as == "3 classes: 0, 1, 2; named by names.txt: 0 sea, 1 leaf, 2 r\u00f3se"
    assert run.info.left_out[0][0] == "0/scan.nef"
    names.unlink()
    assert run.evaluate(folder)["n"] == 18
    (folder / "2").rename(folder / "ro\u0301se")  # as a Mac writes it
    (folder / "1").rename(folder / "leaf")
    (folder / "0").rename(folder / "sea")
    assert run.evaluate(folder)["n"] == 18
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "3 classes: 0, 1, 2; named by names.txt" in page
    assert "0/scan.nef" in page
