"""Several labels for each image, from a table to a report."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as sk

import transfer
from tests.conftest import COLOURS, register_toy
from transfer.api.run import Run
from transfer.cli.main import main
from transfer.errors import RunError, UsageError
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.statistics.multilabel import choose_thresholds

TOY: dict[str, Any] = {"task": "multi-label", "backbone": "toy", "views": 0, "batch_size": 16}
FILES = {
    "classes.json",
    "co_occurrence.csv",
    "co_occurrence.png",
    "co_occurrence.svg",
    "history.csv",
    "label_errors.csv",
    "metrics.json",
    "model.keras",
    "outliers.csv",
    "predictions.csv",
    "recipe.json",
    "report.html",
    "run.json",
    "split.csv",
}


def draw(folder: Path, count: int, seed: int = 0, wrong: int = 0) -> Path:
    """Write pictures of coloured stripes, and a table of their colours; return the table."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    lines = ["path,labels"]
    for number in range(count):
        names = [name for name in COLOURS if rng.random() < 0.45]
        pixels = rng.normal(110, 20, (36, 36, 3))
        for place, name in enumerate(COLOURS):
            if name in names:
                pixels[:, 12 * place : 12 * place + 12] = rng.normal(COLOURS[name], 20, (36, 12, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")
        if number < wrong:  # the first are given what they are not, and not what they are
            names = [name for name in COLOURS if name not in names]
        lines.append(f"{number:03}.png,{'|'.join(names)}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines))
    return table


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the toy, fine-tuned for one epoch, with a test split."""
    root = tmp_path_factory.mktemp("tagged")
    register_toy()
    table = draw(root / "stripes", 120, wrong=3)
    return transfer.finetune(table, output=root / "run", epochs=1, test=0.2, **TOY)


def truth(run: Run) -> MultilabelPredictions:
    return MultilabelPredictions.read(run.path / "predictions.csv", run.classes, run.thresholds)


def run_command(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 0


def test_a_table_becomes_a_run(tagged: Run) -> None:
    run = tagged
    assert {path.name for path in run.path.iterdir()} == FILES
    assert run.info.settings.task == "multi-label"
    assert run.info.settings.monitor == "val_loss"
    assert run.info.settings.label_smoothing == 0
    assert sum(run.info.counts["train"].values()) != len(run.info.counts["train"])
    found, metrics = truth(run), run.metrics
    assert metrics["split"] == "test"
    assert metrics["n"] == len(found.paths) == 24
    scores = {
        "mean_average_precision": sk.average_precision_score(found.true, found.probabilities),
        "macro_f1": sk.f1_score(found.true, found.predicted, average="macro"),
        "micro_f1": sk.f1_score(found.true, found.predicted, average="micro"),
        "accuracy": sk.accuracy_score(found.true, found.predicted),
        "hamming_loss": sk.hamming_loss(found.true, found.predicted),
    }
    for name, value in scores.items():
        assert metrics[name] == pytest.approx(value), name  # type: ignore[literal-required]
    assert metrics["macro_f1"] > 0.8
    assert metrics["caveat"] is None
    both = np.array(metrics["co_occurrence"])  # type: ignore[typeddict-item]
    np.testing.assert_array_equal(both.diagonal(), found.true.sum(axis=0))
    assert both[0, 1] == both[1, 0] == (found.true[:, 0] & found.true[:, 1]).sum()


def test_thresholds_come_from_the_validation_images(tagged: Run, tmp_path: Path) -> None:
    shutil.copytree(tagged.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    metrics = run.evaluate(split="val")
    assert metrics["caveat"] in ("chose_the_thresholds", "chose_the_model")
    directory = run.path / "evaluations/val"
    found = MultilabelPredictions.read(directory / "predictions.csv", run.classes, run.thresholds)
    expected = choose_thresholds(found.probabilities, found.true)
    np.testing.assert_allclose(run.thresholds, expected, atol=1e-9)
    assert "also chose" in (directory / "report.html").read_text()


def test_evaluate_again_gives_the_same_files(tagged: Run, tmp_path: Path) -> None:
    shutil.copytree(tagged.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    run.evaluate()
    assert {p.name: p.read_bytes() for p in run.path.iterdir() if p.is_file()} == before


def test_predict_gives_all_labels_above_their_threshold(
    tagged: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = truth(tagged)
    root = Path(tagged.info.data)
    predictions = tagged.predict([root / path for path in found.paths])
    for number, each in enumerate(predictions):
        row = np.array(list(each.probabilities.values()), np.float32)
        np.testing.assert_allclose(row, found.probabilities[number], atol=1e-6)
        assert set(each.labels) == set(found.names(found.predicted[number]))
        assert list(each.labels) == sorted(each.labels, key=lambda name: -each.probabilities[name])
    paths = [str(root / path) for path in found.paths]
    output = tmp_path / "p.csv"
    run_command("predict", tagged.path, *paths, "-o", output)
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["labels"] for row in rows] == ["|".join(each.labels) for each in predictions]
    capsys.readouterr()
    run_command("predict", tagged.path, *paths)
    shown = capsys.readouterr().out.splitlines()
    empty = [n for n, each in enumerate(predictions) if not each.labels]
    several = [n for n, each in enumerate(predictions) if len(each.labels) > 1]
    assert empty
    assert several
    assert "none (nearest: " in shown[empty[0]]
    assert all(name in shown[several[0]] for name in predictions[several[0]].labels)


def test_planted_label_errors_come_first(tagged: Run) -> None:
    with (tagged.path / "label_errors.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tagged.path / "split.csv").open() as file:
        split = {row["path"] for row in csv.DictReader(file) if row["split"] != "test"}
    planted = {f"images/{number:03}.png" for number in range(3)} & split
    assert planted
    first = {row["path"] for row in rows[: 3 * len(planted)]}
    assert planted <= first
    given, suggested = (set(rows[0][key].split("|")) for key in ("given", "suggested"))
    assert len((given ^ suggested) - {"(none)"}) == 1


def test_the_report_shows_what_occurs_together(tagged: Run) -> None:
    page = (tagged.path / "report.html").read_text()
    for text in ("macro-F1 on 24", "Classes that occur together", "mAP", "Worst mistakes",
                 "Threshold", "default-src 'none'"):  # fmt: skip
        assert text in page, text
    assert "Confusion matrix" not in page


def test_other_images_are_matched_by_the_names_of_their_labels(tagged: Run, tmp_path: Path) -> None:
    shutil.copytree(tagged.path, tmp_path / "run")
    run, table = Run(tmp_path / "run"), draw(tmp_path / "others", 30, seed=5)
    metrics = run.evaluate(table)
    assert metrics["n"] == 30
    assert metrics["macro_f1"] > 0.8
    assert "leaked" not in metrics


def test_a_run_that_is_interrupted_is_resumed(tmp_path: Path) -> None:
    register_toy()
    table = draw(tmp_path / "stripes", 60)
    options = TOY | {"epochs": 2, "interpolate": False}
    whole = transfer.finetune(table, output=tmp_path / "whole", **options)
    import transfer.training.keep.state as state

    saved = state.save_state

    def stop(directory: Path, epoch: int, *rest: Any) -> None:
        saved(directory, epoch, *rest)
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transfer.training.keep.checkpoint.save_state", stop)
        with pytest.raises(KeyboardInterrupt):
            transfer.finetune(table, output=tmp_path / "part", **options)
    part = transfer.resume(tmp_path / "part")
    one, two = (json.loads((run.path / "metrics.json").read_text()) for run in (whole, part))
    assert one == two
    assert part.thresholds == whole.thresholds


@pytest.mark.parametrize("head", ["linear", "avg,16"])
@pytest.mark.parametrize("weights", ["own", "none"])
def test_every_way_of_training(tmp_path: Path, head: str, weights: str) -> None:
    register_toy()
    table = draw(tmp_path / "stripes", 40)
    knobs = TOY | {"head": head, "head_epochs": 3, "epochs": 1, "mix": "both"}
    if weights == "none":
        knobs |= {"weights": "none"}
    run = transfer.finetune(table, output=tmp_path / "run", **knobs)
    probabilities = truth(run).probabilities
    assert not np.allclose(probabilities.sum(axis=1), 1)  # a sigmoid for each


def test_what_has_no_meaning_is_refused(tagged: Run, tmp_path: Path) -> None:
    table = draw(tmp_path / "stripes", 12)
    with pytest.raises(UsageError, match="balance='weights' has no meaning"):
        transfer.finetune(table, balance="weights", **TOY)
    with pytest.raises(UsageError, match="folds=5 cannot be combined"):
        transfer.finetune(table, folds=5, **TOY)
    with pytest.raises(UsageError, match="task='multi-label' has no meaning here"):
        transfer.compare(table, ["toy"], task="multi-label")
    with pytest.raises(UsageError, match="prior= has no meaning"):
        tagged.predict(Path(tagged.info.data) / "images/000.png", prior="even")


def test_a_run_without_its_thresholds_is_refused(tagged: Run, tmp_path: Path) -> None:
    shutil.copytree(tagged.path, tmp_path / "run")
    file = tmp_path / "run/run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"thresholds": [0.5]}))
    with pytest.raises(RunError, match=r"Expected 3 thresholds.*Received: 1"):
        Run(tmp_path / "run").predict(Path(tagged.info.data) / "images/000.png")
    metrics = tmp_path / "run/metrics.json"
    broken = json.loads(metrics.read_text())
    broken["per_class"].pop()
    metrics.write_text(json.dumps(broken))
    with pytest.raises(RunError, match="names other classes"):
        Run(tmp_path / "run").report()


def test_bad_pictures_and_copies_are_told_by_their_labels(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = draw(tmp_path / "stripes", 20)
    folder = table.parent
    (folder / "003.png").write_bytes(b"no picture")
    for name, label in (("x_aug1", "red"), ("x_aug2", "green"), ("y", "blue|red")):
        shutil.copyfile(folder / "005.png", folder / f"{name}.png")
        table.write_text(f"{table.read_text()}\n{name}.png,{label}")
    found = transfer.check(table, task="multi-label")
    kinds = {each.kind for each in found.findings}
    assert {"unusable", "copies-across-classes"} <= kinds
    assert found.images == 23
    assert found.usable == 22
    register_toy()
    run = transfer.finetune(table, output=tmp_path / "run", unfreeze="none", **TOY)
    assert any("listed with different labels as identical files" in m for m in caplog.messages)
    assert run.info.bad[0][0] == "images/003.png"
    table.write_text(table.read_text().replace("003.png,", "003.png,violet|"))
    with pytest.raises(transfer.DataError, match="Class 'violet' has no usable image left"):
        transfer.finetune(table, output=tmp_path / "other", unfreeze="none", **TOY)


def test_few_images_are_refused_and_checked_in_one_line(tmp_path: Path) -> None:
    table = draw(tmp_path / "stripes", 2)
    table.write_text("path,labels\n000.png,red|blue\n001.png,green")
    with pytest.raises(transfer.DataError, match=r"There are 2 different image.*too few for"):
        transfer.finetune(table, test=0.2, **TOY)
    shutil.copyfile(table.parent / "000.png", table.parent / "001.png")
    (finding, *_) = transfer.check(table, task="multi-label").findings
    assert finding.kind == "undivided"
    assert "There are 1 different image" in finding.advice


def test_a_limit_is_one_of_each_class(tmp_path: Path) -> None:
    table = draw(tmp_path / "stripes", 80)
    found = transfer.check(table, task="multi-label", limit=6)
    assert max(found.counts[""].values()) <= 6
    assert min(found.counts[""].values()) >= 3
    assert found.images < 20


def test_a_time_limit_measures_training_on_sets_of_classes(tmp_path: Path) -> None:
    register_toy()
    table = draw(tmp_path / "stripes", 60)  # eight sets of three classes
    run = transfer.finetune(table, output=tmp_path / "run", unfreeze="1", time="1m", **TOY)
    assert run.info.status == "done"


def test_a_page_of_fixes_is_refused(tmp_path: Path) -> None:
    found = transfer.check(draw(tmp_path / "stripes", 20), task="multi-label")
    with pytest.raises(UsageError, match="A page of fixes has no meaning"):
        found.write_fix_page(tmp_path / "page.html")
