"""What a time budget buys, and that measuring it leaves everything as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from toys import make_dataset

import transfer
from transfer.features.cache import FeatureCache
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Run
from transfer.system.csv import read_csv
from transfer.training import budget, train
from transfer.training.budget import CLOSING, MOST_EPOCHS, NOTHING_FITS, Costs, measure_costs
from transfer.training.frozen import MOST_VIEWS
from transfer.training.settle import settle
from transfer.training.setup import Setup, prepare

MakeFolder = Callable[..., Path]
Said = Callable[[], str]
COSTS = Costs(photos=20, view=10, epoch=5, closing=30)
TOY: dict[str, Any] = {"backbone": "toy", "batch_size": 8, "unfreeze": "2", "patience": 100}
PLENTY = 600.0
OWN = Weights("own")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "MEASURED", 0.05)


@pytest.mark.parametrize(
    ("seconds", "most", "expected"),
    [
        (30 + 20 + 4 * 15, 32, 4),  # four times a view and an epoch
        (30 + 20 + 3 * 15 + 1, 32, 3),
        (30 + 20 + 4 * 15 + 10, 32, 5),  # what is left makes another view
        (30 + 20 + 14, 32, 0),
        (49, 32, 0),
        (-5, 32, 0),
        (10_000, 3, 3),
        (10_000, 0, 0),
        (math.inf, 32, 32),
    ],
)
def test_one_view_for_each_epoch_that_fits(seconds: float, most: int, expected: int) -> None:
    assert COSTS.views(seconds, most) == expected


def test_views_that_cost_nothing_are_made_where_an_epoch_fits() -> None:
    free = Costs(photos=0, view=0, epoch=5, closing=30)
    assert free.views(35, 32) == 32
    assert free.views(34, 32) == 0
    cached = Costs(photos=0, view=10, epoch=5, closing=30, cached=6)
    assert cached.views(30 + 2 * 5, 32) == 6
    assert cached.views(30 + 7 * 5 + 10, 32) == 7
    assert cached.views(30 + 7 * 5 + 10, 4) == 4
    head_alone = Costs(photos=20, view=10, epoch=0, closing=30)
    assert (head_alone.views(75, 8), head_alone.views(500, 8)) == (2, 8)


def test_epochs_that_fit() -> None:
    assert [COSTS.epochs(seconds) for seconds in (30, 34.9, 35, 54, -1)] == [0, 0, 1, 4, 0]
    assert [COSTS.epochs(seconds, slack=2) for seconds in (32.9, 33, 57.9, 58)] == [0, 1, 5, 6]
    assert [COSTS.epochs(seconds, slack=9) for seconds in (32.4, 32.5, 57.4, 57.5)] == [0, 1, 5, 6]
    assert COSTS.epochs(10_000) == COSTS.epochs(math.inf) == MOST_EPOCHS
    assert Costs(photos=0, view=0, epoch=0, closing=0).epochs(1) == MOST_EPOCHS
    assert (NOTHING_FITS.views(1e6, 32), NOTHING_FITS.epochs(1e6)) == (0, 0)
    assert [COSTS.epochs(seconds, most=3) for seconds in (34, 35, 55, 1e6)] == [0, 1, 3, 3]
    assert COSTS.epochs(1e6, most=200) == 200


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        ((3, 2, 59.6), "60 s are left: 3 epochs on 2 views and the original photos"),
        ((1, 1, 9), "9 s are left: 1 epoch on 1 view and the original photos"),
        ((3, None, 60), "60 s are left: 3 epochs"),
        ((3, 0, 60), "60 s are left: 3 epochs"),
        ((0, 2, -4), "0 s are left, too few for fine-tuning: only the head is trained."),
    ],
)
def test_the_plan_in_a_line(plan: tuple[int, int | None, float], line: str, said: Said) -> None:
    budget.tell_plan(*plan)
    assert said() == line


def set_up(root: Path, scratch: Path, weights: Weights = OWN, **knobs: Any) -> Setup:
    """Return the set-up of a training of the toy on a folder with train/ and val/."""
    scratch.mkdir(exist_ok=True)
    dataset = make_dataset(root)
    settings, base = settle(Recipe(**TOY | knobs), dataset, weights)
    return prepare(settings, dataset, weights, scratch, base)


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"trunk_cache": "0"},
        {"unfreeze": "none"},
        {"balance": "oversample", "head": "avg,8,batchnorm,dropout=0.5", "augment": "none"},
        {"mixed_precision": "on"},
    ],
)
def test_measuring_moves_nothing_and_leaves_nothing(
    toy: str, make_folder: MakeFolder, tmp_path: Path, knobs: dict[str, Any], cached: bool
) -> None:
    root = make_folder(per_class=3, splits=("train", "val"))
    setup = set_up(root, tmp_path / "scratch", **knobs)
    expected = knobs.keys() <= {"balance", "head", "augment", "mixed_precision"}
    assert bool(setup.settings.cut) is expected
    if cached:
        names = [output.name for output in setup.network.model.outputs]
        cache = FeatureCache({"network": "toy"}, names, setup.dataset.sha256)
        setup = replace(setup, cache=cache)
    extractor, base = setup.classifier.extractor, setup.classifier.base
    before = [np.array(weight) for weight in extractor.weights]
    costs = measure_costs(setup, 9, PLENTY)
    for weight, old in zip(extractor.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert not base.trainable_weights
    assert not list(setup.scratch.iterdir())
    assert costs.photos == pytest.approx(2 * costs.view)
    assert costs.view > 0
    assert (costs.epoch > 0) is (setup.settings.unfreeze != "none")
    assert CLOSING < costs.closing < CLOSING + 60
    assert costs.cached == 0
    again = measure_costs(setup, 9, PLENTY)
    assert again.cached == 0  # measuring stores nothing in the cache
    if cached:
        setup.features_of(setup.dataset.train.images, views=2)
        setup.features_of(setup.dataset.val.images)
        warm = measure_costs(setup, 9, PLENTY)
        assert (warm.photos, warm.cached) == (0, 2)
        assert warm.view > 0  # of those that are not cached


def test_steps_are_measured_in_the_precision_that_trains(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder(per_class=3, splits=("train", "val"))
    mixed: list[bool] = []
    mix = budget.mix_precision

    def noted(*arguments: Any) -> Any:
        mixed.append(True)
        return mix(*arguments)

    monkeypatch.setattr(budget, "mix_precision", noted)
    for wanted, times in (("off", 0), ("on", 1)):
        measure_costs(set_up(root, tmp_path / wanted, mixed_precision=wanted), 9, PLENTY)
        assert len(mixed) == times


def test_few_and_lopsided_images(toy: str, make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(per_class=40, splits=("train", "val"))
    for i in range(2, 40):
        (root / "train" / "red" / f"{i}.png").unlink()
    setup = set_up(root, tmp_path / "scratch", balance="oversample")
    assert len(setup.dataset.train) > budget.SAMPLE
    costs = measure_costs(setup, 120, PLENTY)
    assert costs.photos == pytest.approx(costs.view * (82 + 120) / 82)


def test_a_network_from_scratch_is_measured_on_images(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder(per_class=3, splits=("train", "val"))
    knobs = {"unfreeze": "auto", "epochs": 2}
    setup = set_up(root, tmp_path / "scratch", Weights("none"), **knobs)
    extractor = setup.classifier.extractor
    before = [np.array(weight) for weight in extractor.weights]
    costs = measure_costs(setup, 9, PLENTY)
    for weight, old in zip(extractor.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert (costs.photos, costs.view, costs.cached) == (0, 0, 0)
    assert costs.epoch > 0
    assert costs.closing > CLOSING


def test_nothing_is_measured_where_no_time_is_left(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    setup = set_up(make_folder(per_class=1, splits=("train", "val")), tmp_path / "scratch")
    assert measure_costs(setup, 9, CLOSING) is NOTHING_FITS


def finetune(folder: Path, output: Path, **knobs: Any) -> Run:
    return transfer.finetune(folder, output=output, **TOY | knobs)


def plan(run: Run) -> tuple[int, int]:
    """Return the views and epochs that a run had, 0 epochs for the head alone."""
    settings = run.info.settings
    return settings.views, settings.epochs if settings.fine_tunes else 0


def epochs_of(run: Run) -> int:
    return sum(row["phase"] == "finetune" for row in read_csv(run.path / "history.csv"))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> Callable[[Costs], None]:
    """Give a run fixed costs instead of measured ones."""

    def believe(costs: Costs) -> None:
        monkeypatch.setattr(train, "measure_costs", lambda *arguments: costs)

    return believe


@pytest.mark.slow
def test_a_run_keeps_its_time(
    toy: str, make_folder: MakeFolder, tmp_path: Path, said: Said
) -> None:
    run = finetune(make_folder(), tmp_path / "run", time="20s", head="avg,8", head_epochs=2)
    views, epochs = plan(run)
    assert 1 <= views <= MOST_VIEWS
    assert 1 <= epochs == epochs_of(run)
    assert f": {epochs} epoch" in said()
    assert f" on {views} view" in said()
    assert f"/{epochs}: loss" in said()
    assert run.info.seconds["total"] < 40
    assert json.loads((run.path / "recipe.json").read_text())["time"] == "20s"
    assert not list(run.path.glob(".*"))


@pytest.mark.parametrize("knobs", [{}, {"trunk_cache": "0"}, {"folds": 2, "folds_finetune": True}])
def test_too_little_time_trains_the_head_alone(
    toy: str, make_folder: MakeFolder, tmp_path: Path, said: Said, knobs: dict[str, Any]
) -> None:
    run = finetune(make_folder(), tmp_path / "run", time="0.1s", **knobs)
    assert run.info.status == "done"
    assert plan(run) == (0, 0)
    assert run.info.phase_kept == "head"
    assert "0 s are left, too few for fine-tuning: only the head is trained." in said()
    assert "Measuring" not in said()
    assert epochs_of(run) == 0
    model = keras.models.load_model(run.path / "model.keras")
    assert not model.get_layer("toy").trainable_weights
    assert run.metrics["n"] == len(run.predictions().paths)
    if knobs.get("folds"):
        assert run.info.folds.phase == "head"  # as the run was trained


def test_the_head_alone_keeps_to_its_views(
    toy: str, make_folder: MakeFolder, tmp_path: Path, said: Said
) -> None:
    run = finetune(make_folder(), tmp_path / "run", time="1h", unfreeze="none")
    assert plan(run) == (8, 0)
    assert "are left" not in said()
    assert run.info.phase_kept == "head"


@pytest.mark.slow
def test_what_is_named_or_cannot_be_is_left_alone(
    toy: str, make_folder: MakeFolder, tmp_path: Path, cheap: Callable[[Costs], None], said: Said
) -> None:
    cheap(Costs(photos=0, view=0, epoch=PLENTY / 2.5, closing=0))
    folder, time = make_folder(), {"time": f"{PLENTY:.0f}s"}
    named = finetune(folder, tmp_path / "named", views=1, **time)
    assert plan(named) == (1, 2)
    assert "2 epochs on 1 view and the original photos" in said()
    short = finetune(folder, tmp_path / "short", epochs=1, **time)
    assert plan(short) == (8, 1)
    plain = finetune(folder, tmp_path / "plain", augment="none", **time)
    assert plan(plain) == (0, 2)
    whole = finetune(folder, tmp_path / "whole", trunk_cache="0", **time)
    assert plan(whole) == (8, 2)
    assert said().count("2 epochs\n") == 2
    assert [epochs_of(run) for run in (named, plain, whole)] == [2, 2, 2]


@pytest.mark.slow
def test_patience_may_end_it_sooner(
    toy: str, make_folder: MakeFolder, tmp_path: Path, cheap: Callable[[Costs], None]
) -> None:
    cheap(Costs(photos=0, view=60, epoch=30, closing=0))
    knobs = {"monitor": "val_accuracy", "learning_rate": 1e-9, "patience": 2}
    run = finetune(make_folder(), tmp_path / "run", time="10m", **knobs)
    assert run.info.settings.views == 6
    assert epochs_of(run) in (2, 3)


@pytest.mark.parametrize("time", [pytest.param("30s", marks=pytest.mark.slow), "0.1s"])
def test_a_network_from_scratch_keeps_its_time(
    make_folder: MakeFolder, tmp_path: Path, said: Said, time: str
) -> None:
    run = transfer.finetune(
        make_folder(per_class=5), output=tmp_path / "run", backbone="dnn", image_size=32, time=time
    )
    epochs = run.info.settings.epochs
    assert epochs_of(run) <= epochs <= MOST_EPOCHS
    assert (epochs == 1) is (time == "0.1s")
    assert f" s are left: {epochs} epoch" in said()
    assert " view" not in said()


@pytest.mark.slow
def test_a_recipe_with_time_is_used_again(
    toy: str, make_folder: MakeFolder, tmp_path: Path, said: Said
) -> None:
    folder = make_folder(per_class=5)
    first = finetune(folder, tmp_path / "first", time="0.1s")
    recipe = Recipe.load(first.path / "recipe.json")
    second = transfer.finetune(folder, recipe=recipe, output=tmp_path / "second")
    assert second.recipe == first.recipe
    assert plan(second) == plan(first)


@pytest.mark.slow
def test_what_was_interrupted_in_fine_tuning_keeps_its_plan(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    cheap: Callable[[Costs], None],
    monkeypatch: pytest.MonkeyPatch,
    said: Said,
) -> None:
    def stop(line: str) -> None:
        raise KeyboardInterrupt

    cheap(Costs(photos=0, view=100, epoch=100, closing=0))
    with monkeypatch.context() as patch:
        patch.setattr("transfer.training.tuning.fit.say", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(make_folder(per_class=5), tmp_path / "run", time="450s")
    assert plan(Run(tmp_path / "run")) == (2, 4)
    cheap(NOTHING_FITS)
    run = transfer.resume(tmp_path / "run")
    assert "Resuming fine-tuning after epoch 1 of at most 4" in said()
    assert plan(run) == (2, 4)
    assert epochs_of(run) == 4


@pytest.mark.slow
def test_what_was_interrupted_before_fine_tuning_is_planned_anew(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    cheap: Callable[[Costs], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "measure_costs", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(make_folder(per_class=5), tmp_path / "run", time="450s")
    cheap(Costs(photos=0, view=100, epoch=100, closing=0))
    assert plan(transfer.resume(tmp_path / "run")) == (2, 4)
