from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from toys import make_info, make_settings

import transfer
from transfer.data.dataset import Dataset
from transfer.errors import DataError, UsageError
from transfer.evaluation.folds import summarise_folds
from transfer.experiments import cross_validation
from transfer.experiments.cross_validation import cross_validate_run
from transfer.experiments.material import Material, Rows
from transfer.features.extract import Features
from transfer.images.folder import ImageFolder
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.run import Run
from transfer.system.csv import read_csv
from transfer.training.setup import Setup

MakeFolder = Callable[..., Path]
CLASSES = ("a", "b", "c")
TOY: dict[str, Any] = {
    "backbone": "toy",
    "head_epochs": 5,
    "epochs": 1,
    "batch_size": 8,
    "views": 1,
    "unfreeze": "2",
    "learning_rate": 0.01,
    "monitor": "loss",  # the fine-tuned model is always the one that is kept
    "folds": 2,
}


def material(
    vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, known: int, **knobs: Any
) -> Material:
    """Make features of an imaginary network: `known` training images, then validation images."""
    names = ["train"] * known + ["val"] * (len(labels) - known)
    paths = tuple(f"{split}/{i}.png" for i, split in enumerate(names))
    images = ImageFolder(Path("/no"), CLASSES, paths, tuple(labels.tolist()), tuple(names))
    keys = {path: f"{group:05d}" for path, group in zip(paths, groups, strict=True)}
    dataset = Dataset(images, dict.fromkeys(paths, ""), keys, {})
    none: Any = None
    settings = make_settings(**{"folds": 5} | knobs)
    setup = Setup(settings, dataset, Weights("own"), none, none, None, Path("/no"))
    return Material(
        setup,
        (features(vectors[:known], labels[:known]), features(vectors[known:], labels[known:])),
    )


def features(vectors: np.ndarray, labels: np.ndarray) -> Features:
    return Features(vectors.astype(np.float32), labels, None, 1)


def judged(tmp_path: Path, made: Material, name: str = "run") -> list[dict[str, str]]:
    directory = make_run_directory(tmp_path / name, "")
    run = Run.create(directory, Recipe(), CLASSES, make_info())
    cross_validate_run(run, made.setup, made.features, resumed=False)
    assert {item.name for item in run.path.iterdir()} == {
        "recipe.json",
        "classes.json",
        "folds.csv",
        "run.json",
    }
    return read_csv(run.path / "folds.csv")


def accuracy(rows: list[dict[str, str]]) -> float:
    return float(np.mean([row["label"] == row["predicted"] for row in rows]))


@pytest.mark.parametrize("count", [2, 5])
def test_every_image_is_judged_once_and_groups_are_undivided(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    vectors = rng.normal(size=(60, 4)) + 20 * np.eye(3, 4)[labels]
    groups = (np.arange(60) + 3 * rng.integers(0, 2, 60)) // 3 * 3 + labels
    made = material(vectors, labels, groups, 45, folds=count)
    rows = judged(tmp_path, made)
    assert sorted(row["path"] for row in rows) == sorted(made.dataset.paths)
    group_of = dict(zip(made.dataset.paths, groups, strict=True))
    homes = {(group_of[row["path"]], row["fold"]) for row in rows}
    assert len(homes) == len(set(groups)) < 60
    assert {row["fold"] for row in rows} == {str(number + 1) for number in range(count)}
    label_of = dict(zip(made.dataset.paths, labels, strict=True))
    assert all(row["label"] == CLASSES[label_of[row["path"]]] for row in rows)
    assert accuracy(rows) == 1.0
    assert min(float(row["confidence"]) for row in rows) > 0.5


@pytest.mark.parametrize("head", ["linear", pytest.param("avg,16", marks=pytest.mark.slow)])
def test_noise_in_groups_of_copies_is_judged_at_chance_level(tmp_path: Path, head: str) -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 4)
    vectors, labels = rng.normal(size=(60, 80))[groups], rng.integers(0, 3, 60)[groups]
    order = rng.permutation(240)  # copies on both sides
    knobs = {"head": head, "head_epochs": 15, "head_learning_rate": 0.03, "folds": 2}
    made = material(vectors[order], labels[order], groups[order], 180, **knobs)
    assert 0.2 < accuracy(judged(tmp_path, made)) < 0.47
    alone = material(vectors[order], labels[order], np.arange(240), 180, **knobs)
    assert accuracy(judged(tmp_path, alone, "alone")) > 0.65  # what a leak looks like


@pytest.mark.slow
@pytest.mark.parametrize("head", ["linear", "avg,8"])
def test_what_a_fold_holds_out_has_no_say_in_it(tmp_path: Path, head: str) -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(60) % 3
    vectors = rng.normal(size=(60, 6)) + np.eye(3, 6)[labels]
    knobs = {"head": head, "head_epochs": 10, "folds": 2}
    before = judged(tmp_path, material(vectors, labels, np.arange(60), 40, **knobs))
    place = {path: i for i, path in enumerate(material(vectors, labels, labels, 40).dataset.paths)}
    first = [row for row in before if row["fold"] == "1"]
    others = [place[row["path"]] for row in first[1:]]
    changed = vectors.copy()
    changed[others] = 9 * rng.normal(size=(len(others), 6))
    after = judged(tmp_path, material(changed, labels, np.arange(60), 40, **knobs), "after")
    assert after[0] == before[0]
    assert after[1 : len(first)] != before[1 : len(first)]


def test_features_of_both_sides_with_all_their_views() -> None:
    def side(count: int, views: int, start: int) -> Features:
        rows = start + np.arange(count * views, dtype=np.float32)
        labels = np.tile(np.arange(count) % 3, views)
        return Features(rows[:, None], labels, rows.astype(np.float16)[:, None, None], views)

    made = material(np.zeros((7, 1)), np.zeros(7, int), np.arange(7), 4)
    made = replace(made, features=(side(4, 2, 0), side(3, 1, 100)))
    taken = made.take(np.array([1, 3, 4, 6]), all_views=True)
    assert taken.views == 2
    assert taken.vectors[:, 0].tolist() == [1, 3, 100, 102, 5, 7, 100, 102]
    assert taken.labels.tolist() == [1, 0, 0, 2] * 2
    assert taken.activations is not None
    assert taken.activations.shape == (8, 1, 1)
    assert taken.activations[np.array([3, 4])][:, 0, 0].tolist() == [102, 5]
    plain = made.take(np.array([0, 6]))
    assert plain.vectors[:, 0].tolist() == [0, 102]


def test_rows_are_read_when_they_are_asked_for() -> None:
    one, other = np.arange(4.0)[:, None], 10 + np.arange(3.0)[:, None]
    rows = Rows((one, other), np.array([6, 0, 4]))
    assert rows[1:][:, 0].tolist() == [0, 10]
    other[2] = 99
    assert rows[:1][0, 0] == 99


def unnamed(input_shape: tuple[int, int, int]) -> keras.Model:
    """A network whose layers get new names from Keras in each build."""
    image = keras.Input(input_shape)
    x = image
    for filters in (8, 8):
        init = keras.initializers.GlorotUniform(filters)
        x = keras.layers.Conv2D(filters, 3, activation="relu", kernel_initializer=init)(x)
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(image, x)


@pytest.mark.slow
@pytest.mark.parametrize("trunk_cache", ["2GB", "0"])
def test_fine_tuning_in_each_fold_is_more_than_the_head(
    make_folder: MakeFolder, tmp_path: Path, trunk_cache: str
) -> None:
    transfer.register_backbone("toy", unnamed, image_size=32, min_size=16, overwrite=True)
    knobs = TOY | {"unfreeze": "1", "trunk_cache": trunk_cache, "test": 0.2}
    folder = make_folder()
    head, whole = (
        transfer.finetune(folder, output=tmp_path / str(tuned), folds_finetune=tuned, **knobs)
        for tuned in (False, True)
    )
    assert [run.info.folds.phase for run in (head, whole)] == ["head", "finetune"]
    split = {row["path"]: row["split"] for row in read_csv(head.path / "split.csv")}
    tables = [read_csv(run.path / "folds.csv") for run in (head, whole)]
    dealt = [[(row["path"], row["fold"]) for row in table] for table in tables]
    assert dealt[0] == dealt[1]
    known = [path for path in split if split[path] != "test"]
    assert sorted(path for path, _ in dealt[0]) == sorted(known) != sorted(split)
    assert tables[0] != tables[1]
    models = [keras.models.load_model(run.path / "model.keras") for run in (head, whole)]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)  # the run's own is unchanged


def test_networks_from_scratch_are_trained_whole_or_refused(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(  # no point between random and trained weights is worth keeping
        "transfer.experiments.cross_validation.keep_the_best", None
    )
    folder, knobs = make_folder(), {"backbone": "dnn", "image_size": 16, "epochs": 2, "folds": 2}
    with pytest.raises(UsageError, match=r"'dnn' has no pretrained.*add folds_finetune=True"):
        transfer.finetune(folder, output=tmp_path / "run", **knobs)
    assert not (tmp_path / "run").exists()
    run = transfer.finetune(folder, output=tmp_path / "run", folds_finetune=True, **knobs)
    assert (run.info.folds.phase, run.info.folds.n) == ("finetune", 30)


def test_too_few_images_are_told_before_anything_is_trained(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"at least 20 different images.*Received: 9\."):
        transfer.finetune(make_folder(per_class=3), output=tmp_path / "run", **TOY | {"folds": 20})
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_was_interrupted_in_its_folds_is_trained_once(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="transfer")
    folder, told = make_folder(), cross_validation.say

    def stop(message: str) -> None:
        told(message)
        if message.startswith("Fold 1"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cross_validation, "say", stop)
        with pytest.raises(KeyboardInterrupt):
            transfer.finetune(folder, output=tmp_path / "run", folds_finetune=True, **TOY)
    run = Run(tmp_path / "run")
    first = read_csv(run.path / "folds.csv")
    assert {row["fold"] for row in first} == {"1"}
    assert run.info.folds is None
    files = [run.path / "model.keras", run.path / "history.csv"]
    before = [file.read_bytes() for file in files]
    caplog.clear()
    transfer.resume(run)
    assert "in 2 folds, 1 of which are done" in caplog.text
    assert "Fold 2 of 2" in caplog.text
    assert "Fold 1 of 2" not in caplog.text
    assert "Epoch  1" not in caplog.text
    assert [file.read_bytes() for file in files] == before
    rows = read_csv(run.path / "folds.csv")
    assert rows[: len(first)] == first
    assert (len(rows), run.info.folds.n) == (30, 30)
    assert run.info.folds.phase == "finetune"
    assert summarise_folds(run) == run.info.folds
    assert not list(run.path.glob(".*"))


def test_folds_of_another_deal_are_not_kept(tmp_path: Path) -> None:
    labels = np.arange(30) % 3
    made = material(np.eye(3)[labels], labels, np.arange(30), 20, folds=2)
    first = judged(tmp_path, made)
    run = Run(tmp_path / "run")
    lines = (run.path / "folds.csv").read_text().splitlines(keepends=True)
    (run.path / "folds.csv").write_text("".join(lines[:-1]))  # the last fold lacks an image
    cross_validate_run(run, made.setup, made.features, resumed=True)
    assert read_csv(run.path / "folds.csv") == first
    cross_validate_run(run, made.setup.plan(seed=1), made.features, resumed=True)
    again = read_csv(run.path / "folds.csv")
    assert sorted(row["path"] for row in again) == sorted(made.dataset.paths)
    assert again != first
