"""From a folder of pictures to a report, through the public names."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api.run import Run
from transfer.errors import DataError, RunError, UsageError, WeightsError
from transfer.runs.info import WeightsInfo

TOY: dict[str, Any] = {
    "backbone": "toy",
    "head_epochs": 30,
    "head_learning_rate": 0.01,
    "epochs": 1,
    "batch_size": 8,
    "views": 1,
    "unfreeze": "none",
}
FILES = {
    "classes.json",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "confusion_matrix.svg",
    "history.csv",
    "label_errors.csv",
    "metrics.json",
    "model.keras",
    "outliers.csv",
    "photos.csv",
    "predictions.csv",
    "recipe.json",
    "report.html",
    "run.json",
    "split.csv",
}
MakeFolder = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_of_pictures_becomes_a_run(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = make_folder()
    before = contents(folder)
    run = transfer.finetune(folder, **TOY)
    assert run.path == tmp_path / "runs/colours-toy-001"
    assert {path.name for path in run.path.iterdir()} == FILES
    assert run.metrics["accuracy"] == 1.0
    assert run.metrics["split"] == "val"
    assert run.metrics["n"] == sum(run.info.counts["val"].values()) >= 3
    assert run.info.status == "done"
    assert run.info.weights == WeightsInfo("own")
    assert contents(folder) == before
    again = transfer.finetune(folder, recipe=transfer.Recipe.load(run.path / "recipe.json"))
    assert again.path == tmp_path / "runs/colours-toy-002"
    assert (again.path / "split.csv").read_bytes() == (run.path / "split.csv").read_bytes()


def test_the_test_folder_is_what_is_reported(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(per_class=5, splits=("train", "test"))
    run = transfer.finetune(folder, output=tmp_path / "run", **TOY)
    assert run.metrics["split"] == "test"
    assert run.metrics["n"] == 15
    assert set(run.info.counts) == {"train", "val", "test"}
    assert all(path.startswith("test/") for path in run.predictions().paths)


@pytest.mark.case("D41")
def test_evaluate_maps_classes_by_name(run: Run, make_folder: MakeFolder) -> None:
    files = contents(run.path)
    other = make_folder("other")
    shutil.rmtree(other / "blue")  # every label index shifts by one
    (other / "azure").mkdir()
    Image.new("RGB", (30, 30), "blue").save(other / "azure" / "1.png")
    metrics = transfer.evaluate(run, other)
    assert metrics["accuracy"] == 1.0
    assert [row["support"] for row in metrics["per_class"]] == [0, 10, 10]
    assert np.array(metrics["confusion_matrix"]).shape == (3, 3)
    directory = run.path / "evaluations" / "other-all"
    assert (directory / "report.html").is_file()
    assert {k: v for k, v in contents(run.path).items() if "evaluations" not in k} == files


def test_evaluate_again_gives_the_same_files(run: Run) -> None:
    files = contents(run.path)
    run.evaluate()
    run.report()
    assert contents(run.path) == files
    assert run.evaluate(split="train")["n"] == sum(run.info.counts["train"].values())
    assert (run.path / "evaluations" / "train" / "metrics.json").is_file()


@pytest.mark.case("R05")
def test_nothing_to_evaluate(run: Run, make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no test images"):
        run.evaluate(split="test")
    with pytest.raises(UsageError, match=r"Unknown split='vall'\. Did you mean 'val'"):
        run.evaluate(split="vall")
    with pytest.raises(DataError):
        run.evaluate(make_folder("strangers").rename(tmp_path / "x") / "red")


@pytest.mark.case("D37")
def test_a_rare_class_is_on_both_sides_and_weighed(
    toy: str, make_folder: MakeFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_folder(per_class=20)
    for path in sorted((folder / "red").iterdir())[2:]:
        path.unlink()
    run = transfer.finetune(folder, output=tmp_path / "run", balance="weights", **TOY)
    assert run.info.counts["val"]["red"] == 1
    assert run.info.counts["train"]["red"] == 1
    transfer.finetune(folder, output=tmp_path / "plain", **TOY)
    assert "balance='weights'" in caplog.text


@pytest.mark.parametrize(
    ("knobs", "error", "hint"),
    [
        ({"backbone": "vgg61"}, UsageError, "Did you mean 'vgg16'"),
        ({"head": "flaten"}, UsageError, "flatten"),
        ({"augment": "flp"}, UsageError, "flip"),
        ({"image_size": 8}, UsageError, "at least 16"),
        ({"weights": "nowhere.h5"}, UsageError, "nowhere"),
        ({"monitor": "val_los"}, UsageError, "Did you mean 'val_loss'"),
        ({"epoch": 1}, UsageError, "Did you mean 'epochs'"),
        ({"group_by": "(p"}, UsageError, "regular expression"),
        ({"group_by": "patient"}, DataError, "none of the 30 images a group"),
        ({"split": "none.csv"}, DataError, "Cannot read 'none.csv'"),
    ],
)
def test_a_bad_knob_is_told_before_anything_is_written(
    toy: str,
    make_folder: MakeFolder,
    tmp_path: Path,
    knobs: dict[str, Any],
    error: type[Exception],
    hint: str,
) -> None:
    with pytest.raises(error, match=hint):
        transfer.finetune(make_folder(), output=tmp_path / "run", **TOY | knobs)
    assert not (tmp_path / "run").exists()


def test_an_engine_that_cannot_be_had_is_told_before_any_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere"
    with pytest.raises(UsageError, match="precision='bf16' needs OpenVINO"):
        transfer.finetune(nowhere, engine="keras", precision="bf16")
    monkeypatch.setattr("transfer.features.engines.has_openvino", lambda: False)
    with pytest.raises(UsageError, match="OpenVINO is not installed"):
        transfer.finetune(nowhere, engine="openvino")


@pytest.mark.case("T21")
def test_weights_that_cannot_be_had(make_folder: MakeFolder, tmp_path: Path) -> None:
    from transfer.networks.backbones import register_backbone

    register_backbone(
        "toy-far",
        "keras.applications:MobileNetV2",
        image_size=32,
        min_size=32,
        weights_url="http://127.0.0.1:9/far.h5",
        overwrite=True,
    )
    with pytest.raises(WeightsError, match=r"far\.h5.*http://127\.0\.0\.1:9.*weights='PATH'"):
        transfer.finetune(make_folder(), output=tmp_path / "run", **TOY | {"backbone": "toy-far"})
    assert not list((tmp_path / "keras").rglob("*.h5"))
    assert not (tmp_path / "run").exists()  # the same command works once they are here


def test_a_run_without_a_model(run: Run, make_folder: MakeFolder) -> None:
    (run.path / "model.keras").unlink()
    with pytest.raises(RunError, match=r"model\.keras is missing"):
        run.predict(make_folder("x"))


def test_two_folders_of_one_name_are_evaluated_apart(
    run: Run, make_folder: MakeFolder, tmp_path: Path
) -> None:
    for site in ("a", "b"):
        transfer.evaluate(run, make_folder(f"{site}/photos", per_class=2 if site == "a" else 3))
    transfer.evaluate(run, tmp_path / "a" / "photos")
    folder = run.path / "evaluations"
    assert {path.name for path in folder.iterdir()} == {"photos-all", "photos-all-2"}
    assert json.loads((folder / "photos-all-2" / "metrics.json").read_text())["n"] == 9


def test_a_model_is_loaded_once(run: Run, make_folder: MakeFolder) -> None:
    from transfer.api.prediction import _predictor

    folder = make_folder("x", per_class=1)
    run.predict(folder)
    hits = _predictor.cache_info().hits
    run.predict(folder)
    assert _predictor.cache_info().hits == hits + 1
    (run.path / "model.keras").write_bytes(b"another")
    with pytest.raises(RunError, match=r"model\.keras is not a valid model"):
        run.predict(folder)


def test_public_names() -> None:
    assert transfer.__all__ == sorted(transfer.__all__)
    assert dir(transfer) == transfer.__all__
    for name in transfer.__all__:
        assert getattr(transfer, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'finetun'"):
        _ = transfer.finetun


def test_recipe_file_of_a_run_is_a_recipe(run: Run) -> None:
    saved = json.loads((run.path / "recipe.json").read_text())
    assert transfer.Recipe.from_dict(saved) == run.recipe


def test_a_run_knows_its_images_from_anywhere(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder(per_class=4)
    monkeypatch.chdir(tmp_path)
    run = transfer.finetune(folder.name, output=tmp_path / "run", **TOY)
    assert run.info.data == str(folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run.evaluate()["n"] == 3
    folder.rename(tmp_path / "moved")
    with pytest.raises(
        DataError, match=r"not where its run\.json says.*colours.*transfer\.evaluate"
    ):
        run.evaluate()
    run.update(data="")
    with pytest.raises(DataError, match=r"not where its run\.json says: ''"):
        run.evaluate()


@pytest.mark.case("D41")
def test_evaluate_names_classes_without_images(
    run: Run, make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_folder("fewer")
    shutil.rmtree(other / "blue")
    transfer.evaluate(run, other)
    assert "No images of 'blue'" in caplog.text


def test_an_interrupted_run_says_so(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("transfer.api.training._train_and_evaluate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        transfer.finetune(make_folder(), output=tmp_path / "run", **TOY)
    info = Run(tmp_path / "run").info
    assert (info.status, info.error) == ("interrupted", "KeyboardInterrupt")


@pytest.mark.case("D36")
def test_leaks_across_given_folders_are_told_and_can_be_left_out(
    toy: str, make_folder: MakeFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_folder(per_class=6, splits=("train", "val"))
    knobs = TOY | {"group_by": "red/(1|2)[.]png"}  # both in train/ and in val/
    run = transfer.finetune(folder, output=tmp_path / "run", **knobs)
    assert "2 val image(s) are near duplicates of images used in training" in caplog.text
    leaked = run.metrics["leaked"]
    assert (leaked["images"], leaked["n_without"], run.metrics["n"]) == (2, 16, 18)
    with (run.path / "split.csv").open(newline="") as file:
        marked = {row["path"]: row["leak"] for row in csv.DictReader(file) if row["leak"]}
    assert marked == {f"val/red/{i}.png": f"train/red/{i}.png" for i in (1, 2)}
    assert "The accuracy above leaves them out" in (run.path / "report.html").read_text()
    files = contents(run.path)
    run.evaluate()
    assert contents(run.path) == files
    clean = transfer.finetune(folder, output=tmp_path / "clean", dedupe=True, **knobs)
    assert clean.info.counts["train"] == {"blue": 6, "green": 6, "red": 4}
    assert "leaked" not in clean.metrics


def test_a_split_is_replayed_where_the_images_have_moved(
    toy: str, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(per_class=12)
    knobs = TOY | {"head_epochs": 1, "test": 0.2}
    run = transfer.finetune(folder, output=tmp_path / "run", **knobs)
    assert run.metrics["split"] == "test"
    assert set(run.info.counts) == {"train", "val", "test"}
    folder.rename(tmp_path / "moved")
    again = transfer.finetune(
        tmp_path / "moved",
        output=tmp_path / "again",
        split=run.path,
        **knobs | {"seed": 5, "test": 0.0},
    )
    assert (again.path / "split.csv").read_bytes() == (run.path / "split.csv").read_bytes()


def test_evaluate_tells_images_that_were_trained_on(
    run: Run, make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = transfer.evaluate(run, make_folder("the same"))
    trained = sum(run.info.counts["train"].values())
    assert (metrics["n"], metrics["leaked"]["images"]) == (30, trained)
    assert f"{trained} of the 30 images were seen in training" in caplog.text
    (run.path / "split.csv").unlink()
    assert "leaked" not in transfer.evaluate(run, make_folder("again"))


def test_evaluate_tells_near_duplicates_of_what_was_trained_on(
    run: Run, make_folder: MakeFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = make_folder("larger")
    for path in other.rglob("*.png"):
        with Image.open(path) as image:
            image.resize((80, 72), Image.Resampling.BICUBIC).save(path)
    trained = sum(run.info.counts["train"].values())
    assert transfer.evaluate(run, other)["leaked"]["images"] == trained
    assert "seen in training, or near duplicates of them: the metrics" in caplog.text
    run.update(data=str(tmp_path / "gone"))
    assert "leaked" not in transfer.evaluate(run, other)
    assert transfer.evaluate(run, make_folder("same"))["leaked"]["images"] == trained
    assert "seen in training (copies; near duplicates are not known): the" in caplog.text


def test_groups_are_judged_together(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfer.evaluation import label_errors
    from transfer.training.head import fitting

    given = []

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, groups: np.ndarray, **options: Any) -> Any:
            given.append(len(set(groups.tolist())))
            return function(*arguments, groups=groups, **options)

        return call

    for module, name in ((fitting, "cross_validate"), (label_errors, "predict_out_of_fold")):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    folder = make_folder(per_class=12)
    run = transfer.finetune(folder, output=tmp_path / "run", group_by=r"(\d)\.png", **TOY)
    with (run.path / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == set("0123456789")
    train = {row["group"] for row in rows if row["split"] == "train"}
    assert given == [len(train), 10]
