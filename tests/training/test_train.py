"""Both phases on a toy backbone, with real Keras."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import transfer
from transfer.errors import TransferError, UsageError
from transfer.networks.backbones import get_backbone
from transfer.runs.run import Run

TOY: dict[str, Any] = {
    "backbone": "toy",
    "head_epochs": 3,
    "epochs": 2,
    "batch_size": 8,
    "views": 1,
    "unfreeze": "2",
    "learning_rate": 0.01,
}


def finetune(folder: Path, output: Path, **knobs: Any) -> Run:
    return transfer.finetune(folder, output=output, **TOY | knobs)


def by_name(base: keras.Model) -> dict[str, np.ndarray]:
    return {f"{x.name}/{w.name}": np.array(w) for x in base.layers for w in x.weights}


def what_moved(run: Run) -> set[str]:
    before = by_name(get_backbone("toy").build())
    after = by_name(keras.models.load_model(run.path / "model.keras").get_layer("toy"))
    assert before.keys() == after.keys()
    return {name for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.case("T16")
@pytest.mark.parametrize("trunk_cache", ["2GB", "0"])
def test_unfrozen_convolutions_move_and_batchnorm_does_not(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, trunk_cache: str
) -> None:
    # the monitor always improves, which keeps the fine-tuned model
    run = finetune(make_folder(), tmp_path / "run", trunk_cache=trunk_cache, monitor="loss")
    assert run.info.phase_kept == "finetune"
    assert what_moved(run) == {"down/kernel", "block_2/kernel"}


@pytest.mark.case("T17")
def test_a_backbone_without_batchnorm_is_fine_tuned_too(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    def plain(input_shape: tuple[int, int, int]) -> keras.Model:
        layers = keras.layers
        init = keras.initializers.GlorotUniform(1)
        return keras.Sequential(
            [
                keras.Input(input_shape),
                layers.Conv2D(8, 3, activation="relu", kernel_initializer=init, name="conv_1"),
                layers.MaxPooling2D(name="pool_1"),
                layers.Conv2D(8, 3, activation="relu", kernel_initializer=init, name="conv_2"),
                layers.MaxPooling2D(name="pool_2"),
            ]
        )

    transfer.register_backbone("toy", plain, image_size=32, min_size=16, overwrite=True)
    run = finetune(make_folder(), tmp_path / "run", monitor="loss", unfreeze="1")
    assert run.info.phase_kept == "finetune"
    assert what_moved(run) == {"conv_2/kernel", "conv_2/bias"}


def test_nothing_is_unfrozen_where_none_is_asked(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = finetune(make_folder(), tmp_path / "run", unfreeze="none")
    assert what_moved(run) == set()
    assert run.info.phase_kept == "head"
    assert list(run.info.phases) == ["head"]


def test_the_simpler_phase_is_kept_where_the_other_is_no_better(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = finetune(make_folder(), tmp_path / "run", head_epochs=40, monitor="val_accuracy")
    assert run.info.phases["head"]["val_accuracy"] == 1.0  # which cannot be beaten
    assert run.info.phase_kept == "head"
    assert what_moved(run) == set()
    head = run.info.phases["head"]
    assert run.metrics["log_loss"] == pytest.approx(head["val_loss"], abs=1e-3)


def test_history_holds_every_epoch(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    run = finetune(make_folder(), tmp_path / "run", head="avg,8")
    with (run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["phase"], row["epoch"]) for row in rows] == [
        ("head", "1"),
        ("head", "2"),
        ("head", "3"),
        ("finetune", "1"),
        ("finetune", "2"),
    ]
    assert all(float(row[name]) >= 0 for row in rows for name in ("loss", "val_accuracy"))


def test_the_same_seed_gives_the_same_model(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder()
    runs = [finetune(folder, tmp_path / str(i), augment="medium") for i in range(2)]
    one, two = (run.predictions().probabilities for run in runs)
    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.case("T08")
@pytest.mark.parametrize(
    ("rate", "phase"), [("head_learning_rate", "head"), ("learning_rate", "finetune")]
)
def test_a_training_that_diverges_is_stopped(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, rate: str, phase: str
) -> None:
    words = f"diverged.*phase '{phase}'.* with {rate}="
    with pytest.raises(TransferError, match=words) as caught:
        finetune(
            make_folder(), tmp_path / "run", head="avg,8", mixed_precision="on", **{rate: 1e38}
        )
    assert caught.value.exit_code == 1
    assert ("If float16 is too narrow" in str(caught.value)) is (phase == "finetune")
    run = Run(tmp_path / "run")
    assert run.info.status == "failed"
    if phase == "head":
        assert not (run.path / "model.keras").exists()
    else:
        for weight in keras.models.load_model(run.path / "model.keras").weights:
            assert np.isfinite(np.array(weight)).all()
    assert not list(run.path.glob(".*"))


def test_a_bad_unfreeze_is_told_before_the_features(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Unknown unfreeze='blok_2'"):
        finetune(make_folder(), tmp_path / "run", unfreeze="blok_2")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_every_knob_of_fine_tuning_at_once(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, optimizer: str
) -> None:
    run = finetune(
        make_folder(),
        tmp_path / "run",
        optimizer=optimizer,
        schedule="onecycle",
        layer_decay=0.5,
        weight_decay=0.01,
        label_smoothing=0.1,
        clip_norm=1.0,
        accumulate=2,
        mix="both",
        balance="weights",
        monitor="loss",
        epochs=4,
        head_learning_rate=1e-5,  # leaves something to do
    )
    assert run.info.phase_kept == "finetune"
    assert what_moved(run) == {"down/kernel", "block_2/kernel"}
    # no smoothing in what is evaluated
    assert run.info.phases["finetune"]["val_loss"] == pytest.approx(
        run.info.calibration.log_loss_before, rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.case("D37")
@pytest.mark.parametrize("balance", ["none", "weights", "sqrt", "oversample"])
def test_uneven_classes_are_told_and_monitored_by_macro_f1(
    toy: str,
    make_folder: Callable[..., Path],
    tmp_path: Path,
    balance: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = make_folder(per_class=17)
    for i in range(4, 17):
        (folder / "red" / f"{i}.png").unlink()
    run = finetune(folder, tmp_path / "run", balance=balance, trunk_cache="0", mix="both")
    assert re.search(
        r"Classes are uneven: 3 to 1\d training images\. The best epoch is chosen by", caplog.text
    )
    assert ("Consider balance='weights'" in caplog.text) is (balance == "none")
    assert run.info.settings.monitor == "val_macro_f1"
    assert run.recipe.monitor == "auto"
    kept = run.info.phases[run.info.phase_kept]
    assert kept["val_macro_f1"] == pytest.approx(run.metrics["macro_f1"], abs=1e-6)
    with (run.path / "history.csv").open() as file:
        assert all(0 <= float(row["val_macro_f1"]) <= 1 for row in csv.DictReader(file))


@pytest.mark.slow
def test_a_model_that_was_trained_whole_loads_without_this_package(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    whole = {"trunk_cache": "0", "monitor": "loss", "unfreeze": "1"}
    scratch = {"backbone": "dnn", "weights": "auto", "monitor": "loss", "unfreeze": "all"}
    runs = [
        finetune(make_folder(), tmp_path / "cut", **whole),
        finetune(tmp_path / "colours", tmp_path / "dnn", **scratch),
    ]
    assert [run.info.phase_kept for run in runs] == ["finetune"] * 2
    code = "import sys, keras\nfor path in sys.argv[1:]: keras.models.load_model(path)\n"
    code += "assert 'transfer' not in sys.modules"
    paths = [str(run.path / "model.keras") for run in runs]
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *paths], check=True)
