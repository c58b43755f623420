from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import make_info, make_settings

import transfer
from transfer.errors import RunError, UsageError
from transfer.evaluation.metrics import compute_metrics
from transfer.recipe import BALANCES, Recipe
from transfer.runs.directory import make_run_directory
from transfer.runs.predictions import Predictions
from transfer.runs.run import Run
from transfer.serving.postprocess import change_prior, resolve_prior
from transfer.training.head.logistic import softmax, solve
from transfer.training.settle import weigh_classes

COUNTS = {"cat": 90, "dog": 10}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """Return a maker of runs that record only what they were trained with."""

    def make(counts: dict[str, int] = COUNTS, balance: str = "weights") -> Run:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        settings = make_settings(class_weights=tuple(weigh_classes(list(counts.values()), balance)))
        info = make_info(counts={"train": counts}, settings=settings)
        return Run.create(make_run_directory(folder, ""), Recipe(), tuple(counts), info)

    return make


def test_in_numbers() -> None:
    # by hand: 0.9 / 0.5 = 1.8 and 0.1 / 0.5 = 0.2, and of the second row 0.2 x 1.8 and 0.8 x 0.2
    found = change_prior(np.array([[0.5, 0.5], [0.2, 0.8]]), [0.5, 0.5], [0.9, 0.1])
    np.testing.assert_allclose(found, [[0.9, 0.1], [0.36 / 0.52, 0.16 / 0.52]], rtol=1e-6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        change_prior(found, [0.9, 0.1], [0.5, 0.5])[1], [0.2, 0.8], rtol=1e-6
    )
    np.testing.assert_array_equal(change_prior(found[1], [0.9, 0.1], [0.9, 0.1]), found[1])


def test_classes_without_images_keep_nothing_and_rows_keep_their_sum() -> None:
    rows = np.array([[0.2, 0.6, 0.2], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
    found = change_prior(rows, [0.5, 0, 0.5], [0.5, 0, 0.5])
    np.testing.assert_allclose(found, [[0.5, 0, 0.5], [0.5, 0, 0.5], [1, 0, 0]], atol=1e-6)
    only = change_prior(rows, [0.4, 0.2, 0.4], [0, 0, 1])
    np.testing.assert_array_equal(only, [[0, 0, 1]] * 3)


@pytest.mark.parametrize(
    ("balance", "model"),
    list(zip(BALANCES, [[0.9, 0.1], [0.5, 0.5], [0.75, 0.25], [0.5, 0.5]], strict=True)),
)
def test_the_prior_of_a_model(make: Callable[..., Run], balance: str, model: list[float]) -> None:
    found = resolve_prior(make(balance=balance), "train")
    np.testing.assert_allclose(found.model, model)
    np.testing.assert_allclose(found.target, [0.9, 0.1])
    even = resolve_prior(make(balance=balance), "even")
    assert even.target == (0.5, 0.5)
    assert str(even).startswith("prior 'even': cat 0.5 (trained as ")


@pytest.mark.parametrize(
    ("prior", "target"),
    [
        ("cat=0.25,dog=0.75", [0.25, 0.75]),
        (" dog = 30 , cat = 1e1 ", [0.25, 0.75]),
        ({"dog": 3, "cat": np.float32(1)}, [0.25, 0.75]),
        ("cat=0,dog=1", [0, 1]),
        ("cat=1e308,dog=1e308", [0.5, 0.5]),
    ],
)
def test_given_shares(make: Callable[..., Run], prior: Any, target: list[float]) -> None:
    found = resolve_prior(make(), prior)
    np.testing.assert_allclose(found.target, target)
    assert found.name == "given"


def test_class_names_may_hold_what_divides_shares(make: Callable[..., Run]) -> None:
    run = make({"a,b": 1, "c=d": 1, "train": 2})
    found = resolve_prior(run, "a,b=0.2,c=d=0.3,train=0.5")
    np.testing.assert_allclose(found.target, [0.2, 0.3, 0.5])


def test_classes_without_training_images(
    make: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = make({"cat": 6, "dog": 2, "eel": 0})
    np.testing.assert_allclose(resolve_prior(run, "train").target, [0.75, 0.25, 0])
    np.testing.assert_allclose(resolve_prior(run, "even").target, [0.5, 0.5, 0])
    np.testing.assert_allclose(resolve_prior(run, "cat=1,dog=3").target, [0.25, 0.75, 0])
    assert not caplog.text
    np.testing.assert_allclose(resolve_prior(run, "cat=1,dog=3,eel=4").target, [0.25, 0.75, 0])
    assert "'eel' had no training images: the probability stays 0" in caplog.text


@pytest.mark.parametrize(
    ("prior", "hint"),
    [
        ("trian", r"Unknown prior='trian'\. Did you mean 'train'\? Expected train, even"),
        ("", "Unknown prior=''"),
        ("cat=0.5,dog", "Unknown prior='cat=0.5,dog'"),
        ("cat=0.5,dgo=0.5", r"Unknown class 'dgo' in the prior\. Did you mean 'dog'\?"),
        ("cat=1", "no share for 'dog'"),
        ("cat=1,cat=2,dog=1", "two for 'cat'"),
        ("cat=-0.1,dog=1", "0 or more for class 'cat'. Received: '-0.1'"),
        ("cat=nan,dog=1", "Received: 'nan'"),
        ("cat=inf,dog=1", "Received: 'inf'"),
        ("cat=1/2,dog=1", "Received: '1/2'"),
        ("cat=0,dog=0", "above 0"),
        ({"cat": None, "dog": 1}, "Received: None"),
        ({}, "no share for 'cat', 'dog'"),
        ([0.9, 0.1], r"Received: \[0\.9, 0\.1\]"),
    ],
)
def test_what_makes_no_sense(make: Callable[..., Run], prior: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        resolve_prior(make(), prior)


@pytest.mark.parametrize(
    "info",
    [
        {"settings": make_settings(class_weights=())},
        {"settings": make_settings(class_weights=(1.0, 2.0, 3.0))},
        {"settings": make_settings(class_weights=(0, 0))},
        {"counts": {}},
        {"counts": {"train": {"cat": 3}}},
    ],
)
def test_a_run_that_does_not_say_how_it_was_trained(
    make: Callable[..., Run], info: dict[str, Any]
) -> None:
    run = make()
    run.update(**info)
    with pytest.raises(RunError, match=r"run\.json\. Received.*Train again, or leave out"):
        resolve_prior(run, "even")


def test_weights_that_no_run_has_are_damage(make: Callable[..., Run]) -> None:
    run = make()
    run.update(settings=make_settings(class_weights=(-1, 1)))
    with pytest.raises(RunError, match=r"run\.json is damaged: The setting class_weights"):
        resolve_prior(run, "even")


def test_bayes_is_met_and_calibrated(make: Callable[..., Run]) -> None:
    """The posterior of two exponential distributions is known, and nothing is random.

    Points are their quantiles. The log odds of means 1 and 3 are 2/3 x - ln 3, plus those of the
    prior: a linear head can learn them.
    """
    sides = [-mean * np.log(1 - (np.arange(n) + 0.5) / n) for mean, n in ((1, 1900), (3, 100))]
    points, labels = np.concatenate(sides)[:, None], np.repeat([0, 1], [1900, 100])
    run = make({"common": 1900, "rare": 100}, balance="weights")
    weights = np.array(run.info.settings.class_weights)[labels]
    kernel, bias = solve(points.astype(np.float32), labels, 2, 1e6, weights)
    own = softmax(points.astype(np.float32) @ kernel + bias)
    corrected = resolve_prior(run, "train")(own)
    odds = 2 / 3 * points[:, 0] - np.log(3)
    np.testing.assert_allclose(own[:, 1], 1 / (1 + np.exp(-odds)), atol=0.02)
    natural = 1 / (1 + np.exp(-odds - np.log(1 / 19)))
    np.testing.assert_allclose(corrected[:, 1], natural, atol=0.02)

    def figures(probabilities: np.ndarray) -> dict[str, Any]:
        paths = tuple(map(str, range(len(labels))))
        return compute_metrics(Predictions(paths, labels, probabilities, run.classes), "val")

    before, after = figures(own), figures(corrected)
    print(before, after)
    assert before["ece"] > 0.05
    assert after["ece"] < 0.01
    assert after["accuracy"] > before["accuracy"] + 0.08  # that of Bayes at the natural shares
    assert after["log_loss"] < before["log_loss"]
    assert after["balanced_accuracy"] < before["balanced_accuracy"]  # what the weights were for


def own_figures(run: Run) -> dict[str, bytes]:
    return {
        str(path.relative_to(run.path)): path.read_bytes()
        for path in run.path.rglob("*")
        if path.is_file() and "evaluations" not in path.parts
    }


def test_evaluate_says_which_prior_and_spares_the_runs_own_figures(
    run: Run, make_folder: Callable[..., Path]
) -> None:
    files, own = own_figures(run), run.predictions()
    run.update(settings=replace(run.info.settings, class_weights=(2.0, 1.0, 1.0)))
    files["run.json"] = (run.path / "run.json").read_bytes()
    given = {"blue": 0.2, "green": 0.2, "red": 0.6}
    metrics = run.evaluate(prior=given)
    assert own_figures(run) == files
    place = run.path / "evaluations" / "val-prior-given"
    assert json.loads((place / "metrics.json").read_text()) == metrics
    assert metrics["prior"]["name"] == "given"
    assert metrics["prior"]["shares"] == pytest.approx(given)
    assert metrics["prior"]["without"]["log_loss"] == pytest.approx(
        run.metrics["log_loss"], abs=1e-6
    )
    about = json.loads((place / "evaluation.json").read_text())
    assert about["prior"]["shares"] == metrics["prior"]["shares"]
    assert "class frequencies that were given" in (place / "report.html").read_text()
    counts = np.array([run.info.counts["train"][name] for name in run.classes])
    by_hand = own.probabilities * np.array(list(given.values())) / (counts * [2.0, 1.0, 1.0])
    by_hand /= by_hand.sum(axis=1, keepdims=True)
    found = Predictions.read(place / "predictions.csv", run.classes)
    np.testing.assert_allclose(found.probabilities, by_hand, atol=1e-6)
    run.evaluate(prior=given | {"red": 0.1})
    run.evaluate(prior=given)
    run.evaluate(prior="even")
    run.evaluate(make_folder("other", per_class=1), prior="even")
    assert {path.name for path in place.parent.iterdir()} == {
        "val-prior-given",
        "val-prior-given-2",
        "val-prior-even",
        "other-all-prior-even",
    }
    assert json.loads((place / "metrics.json").read_text()) == metrics
    assert own_figures(run) == files


def test_predict_answers_for_the_prior(run: Run, make_folder: Callable[..., Path]) -> None:
    folder = make_folder("other", per_class=2)
    own, none = run.predict(folder), run.predict(folder, prior="blue=0,green=0,red=1")
    assert {each.label for each in own} == {"blue", "green", "red"}
    assert {(each.label, each.confidence) for each in none} == {("red", 1.0)}
    prior = resolve_prior(run, "even")
    for before, after in zip(own, run.predict(folder, prior="even"), strict=True):
        expected = prior(np.array(list(before.probabilities.values())))
        np.testing.assert_allclose(list(after.probabilities.values()), expected, atol=1e-6)
        assert after.label == run.classes[int(expected.argmax())]
    with pytest.raises(UsageError, match="Unknown class 'rde'"):
        run.predict(folder, prior="rde=1")
    assert [each.probabilities for each in run.predict(folder)] == [
        each.probabilities for each in own
    ]


def test_old_runs_predict_without_a_prior(run: Run, make_folder: Callable[..., Path]) -> None:
    info = json.loads((run.path / "run.json").read_text())
    del info["settings"], info["schema"]  # which had its class_weights at the top, or none
    (run.path / "run.json").write_text(json.dumps(info))
    folder = make_folder("other", per_class=1)
    assert len(run.predict(folder)) == 3
    for verb in (run.predict, run.evaluate):
        with pytest.raises(RunError, match="class_weights"):
            verb(folder, prior="train")


def test_the_command_writes_corrected_csv(
    run: Run, make_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from click.testing import CliRunner

    from transfer.cli.main import transfer as command

    folder, out = make_folder("other", per_class=1), tmp_path / "p.csv"
    prior = ["--prior", "blue=0,green=1,red=0"]
    arguments = ["predict", str(run.path), str(folder), "--format", "csv", "-o", str(out), *prior]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "Probabilities for the given prior: blue 0 (trained as" in done.output
    with out.open(newline="") as file:
        assert [(row["label"], row["p_red"]) for row in csv.DictReader(file)] == [
            ("green", "0")
        ] * 3
    done = CliRunner().invoke(command, ["evaluate", str(run.path), *prior])
    assert done.exit_code == 0, done.output
    assert "With the given prior: accuracy 1.000 -> 0." in done.output
    assert transfer.Run(run.path).metrics["accuracy"] == 1.0


def test_classes_in_another_unicode_form_are_the_same(make: Callable[..., Run]) -> None:
    run = make({"e\u0301te\u0301": 90, "dog": 10})
    prior = resolve_prior(run, "\u00e9t\u00e9=0.9,dog=0.1")
    assert prior.target == resolve_prior(run, {"e\u0301te\u0301": 0.9, "dog": 0.1}).target
    assert prior.target[0] > prior.target[1]
