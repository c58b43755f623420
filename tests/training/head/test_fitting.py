from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from toys import make_settings

from transfer.errors import TransferError
from transfer.features.extract import Features
from transfer.statistics.metrics import softmax
from transfer.statistics.scaling import common_scale, standardisation, unit
from transfer.system.csv import read_csv
from transfer.training.head import fitting
from transfer.training.head.fitting import fit_head
from transfer.training.head.logistic import solve
from transfer.training.tuning.history import History
from transfer.training.tuning.metrics import MacroF1


def features(count: int = 60, views: int = 1, seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    centres = np.random.default_rng(9).normal(size=(3, 12))
    vectors = np.concatenate(
        [5 + 3 * (centres[labels] + rng.normal(0, 1, (count, 12))) for _ in range(views)]
    )
    return Features(vectors.astype(np.float32), np.tile(labels, views), None, views)


def fit(tmp_path: Path, train: Features, val: Features, **knobs: object):  # type: ignore[no-untyped-def]
    return fit_head(train, val, make_settings(**knobs), History(tmp_path / "history.csv"))


@pytest.mark.parametrize("spec", ["linear", "avg"])
@pytest.mark.parametrize("views", [1, 3])
def test_the_solved_head_is_copied_exactly(tmp_path: Path, views: int, spec: str) -> None:
    train, val = features(views=views), features(seed=1)
    head, figures = fit(tmp_path, train, val, head=spec)
    rows, others = (unit(x.vectors) if spec == "linear" else x.vectors for x in (train, val))
    mean, scale = common_scale(rows) if spec == "linear" else standardisation(rows)
    kernel, bias = solve((rows - mean) / scale, train.labels, 3, figures["strength"])
    expected = ((others - mean) / scale) @ kernel + bias
    dense = head.get_layer("predictions")
    logits = others @ np.array(dense.kernel) + np.array(dense.bias)
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    found = head.predict(val.vectors, verbose=0)
    np.testing.assert_allclose(found, softmax(expected), atol=1e-5)
    assert figures["val_accuracy"] == np.mean(found.argmax(1) == val.labels)
    macro_f1 = MacroF1(3)
    macro_f1.update_state(val.labels, found)
    assert figures["val_macro_f1"] == pytest.approx(float(macro_f1.result()), abs=1e-6)
    given = found[np.arange(len(val)), val.labels]
    assert figures["val_loss"] == pytest.approx(-np.log(given).mean(), abs=1e-4)
    with (tmp_path / "history.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["phase"], row["epoch"]) == ("head", "1")


def test_groups_stay_in_one_fold(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = np.tile(rng.normal(size=(30, 40)).astype(np.float32), (3, 1))  # noise, thrice each
    train = Features(vectors, np.tile(np.arange(30) % 3, 3), None, 1)
    settings, history = make_settings(), History(tmp_path / "history.csv")
    easy = fit_head(train, train, settings, history)[1]
    fair = fit_head(train, train, settings, history, np.tile(np.arange(30), 3))[1]
    assert easy["cv_accuracy"] > 0.9
    assert fair["cv_accuracy"] < 0.7


def test_validation_images_choose_nothing(tmp_path: Path) -> None:
    train = features()
    one, _ = fit(tmp_path, train, features(seed=1))
    wrong = features(seed=1)
    wrong.labels[:] = (wrong.labels + 1) % 3
    two, figures = fit(tmp_path, train, wrong)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert figures["cv_accuracy"] > 0.8 > figures["val_accuracy"]


@pytest.mark.parametrize("large", [False, True])
def test_other_heads_and_many_vectors_go_to_keras(
    tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "linear" if large else "avg,8"
    if large:
        monkeypatch.setattr(fitting, "LARGEST", 100)
    _, figures = fit(
        tmp_path, features(), features(seed=1), head=head, head_epochs=30, head_learning_rate=0.02
    )
    assert "strength" not in figures
    assert figures["val_accuracy"] > 0.8
    assert len((tmp_path / "history.csv").read_text().splitlines()) > 2


def test_patience_ends_the_head(tmp_path: Path) -> None:
    _, figures = fit(
        tmp_path,
        features(),
        features(seed=1),
        head="avg,8",
        head_learning_rate=0.02,
        monitor="val_accuracy",
        head_patience=3,
    )
    found = [float(row["val_accuracy"]) for row in read_csv(tmp_path / "history.csv")]
    assert len(found) == found.index(max(found)) + 1 + 3
    assert figures["val_accuracy"] == pytest.approx(max(found), abs=1e-5)


def test_one_photo_of_a_class_is_enough_to_solve(tmp_path: Path) -> None:
    train = features(count=9)
    train.labels[:] = [0, 0, 0, 0, 1, 1, 1, 1, 2]
    _, figures = fit(tmp_path, train, features(seed=1))
    assert "cv_loss" not in figures


def test_features_that_are_no_numbers(tmp_path: Path) -> None:
    train = features()
    train.vectors[3, 3] = np.nan
    with pytest.raises(TransferError, match=r"NaN or infinity.*weights="):
        fit(tmp_path, train, features(seed=1))


@pytest.mark.parametrize(
    "spec", ["avg,unitnorm,8", "avg,dropout=0.1,unitnorm,8,batchnorm", "unitnorm,batchnorm,8"]
)
def test_hidden_layers_behind_unitnorm_are_trained_and_copied(tmp_path: Path, spec: str) -> None:
    train, val = features(), features(seed=1)
    knobs = {"head": spec, "head_epochs": 30, "head_learning_rate": 0.05}
    head, figures = fit(tmp_path, train, val, **knobs)
    found = head.predict(val.vectors, verbose=0)
    # metrics are of the head as it was trained, on scaled vectors without unitnorm
    assert figures["val_accuracy"] == pytest.approx(np.mean(found.argmax(1) == val.labels))
    given = found[np.arange(len(val)), val.labels]
    assert figures["val_loss"] == pytest.approx(-np.log(given).mean(), abs=1e-4)
    assert figures["val_accuracy"] > 0.6
    np.testing.assert_allclose(head.predict(7 * val.vectors, verbose=0), found, atol=1e-5)


@pytest.mark.parametrize("spec", ["linear", "avg,unitnorm,8"])
def test_photos_without_any_features_give_numbers(tmp_path: Path, spec: str) -> None:
    train, val = features(), features(seed=1)
    train.vectors[:5] = val.vectors[0] = 0
    head, figures = fit(tmp_path, train, val, head=spec, head_epochs=3)
    assert np.isfinite(list(figures.values())).all()
    np.testing.assert_allclose(head.predict(val.vectors, verbose=0).sum(axis=1), 1, atol=1e-5)


def test_all_vectors_alike_are_no_division_by_zero(tmp_path: Path) -> None:
    train = features()
    train.vectors[:] = 0
    head, figures = fit(tmp_path, train, train)
    assert np.isfinite(list(figures.values())).all()
    np.testing.assert_allclose(head.predict(train.vectors, verbose=0), 1 / 3, atol=1e-3)


@pytest.mark.parametrize(("on_views", "rows"), [(False, 60), (True, 180)])
def test_a_head_is_solved_on_views_where_the_settings_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, on_views: bool, rows: int
) -> None:
    caplog.set_level("INFO")
    fit(tmp_path, features(views=3), features(), solve_on_views=on_views)
    assert f"Solving the linear head: {rows} x 12 values" in caplog.text
