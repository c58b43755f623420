from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.errors import DataError, RunError, UsageError
from transfer.evaluation.report import write_report
from transfer.runs.run import Run


def test_a_damaged_note_of_an_earlier_evaluation_is_named(
    run: Run, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder("other", per_class=1)
    run.evaluate(folder)
    note = run.path / "evaluations" / "other-all" / "evaluation.json"
    note.write_text('{"data"')
    with pytest.raises(RunError, match=r"other-all/evaluation\.json cannot be read"):
        run.evaluate(folder)
    note.write_text("[]")
    with pytest.raises(RunError, match=r"JSON object in .*other-all/evaluation\.json"):
        run.evaluate(folder)
    assert note.read_text() == "[]"


def test_what_its_images_were_used_for_is_in_the_metrics(run: Run) -> None:
    assert run.evaluate(split="train")["caveat"] == "trained_on"
    (run.path / "history.csv").write_text("phase,epoch,val_accuracy\nhead,1,0.8\nhead,2,0.9\n")
    assert run.evaluate()["caveat"] == "chose_the_model"
    (run.path / "history.csv").write_text("phase,epoch,val_accuracy\nhead,1,0.8\n")
    assert run.evaluate()["caveat"] is None


def test_a_run_that_cannot_be_written_is_named_before_the_work(
    run: Run, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object) -> None:
        raise AssertionError("predicts first")

    monkeypatch.setattr("transfer.api.evaluation.evaluate_on", work)
    folder = make_folder("other", per_class=1)
    (run.path / "evaluations").touch()  # which a folder cannot replace
    with pytest.raises(RunError, match=f"Cannot write an evaluation to {run.path}/evaluations: "):
        run.evaluate(folder)

    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("transfer.system.files.os.open", refused)  # root may do anything
    with pytest.raises(RunError, match=f"Cannot write an evaluation to {run.path}: Read-only"):
        run.evaluate()


def test_pictures_of_other_data_are_those_that_were_indexed(
    run: Run, make_folder: Callable[..., Path]
) -> None:
    photos = make_folder("others", per_class=3)
    (photos / "red").rename(photos / "x")
    (photos / "blue").rename(photos / "red")  # so that there are mistakes to show
    (photos / "x").rename(photos / "blue")
    run.evaluate(photos)
    (directory,) = (run.path / "evaluations").iterdir()
    assert "data:image" in (directory / "report.html").read_text()
    (directory / "split.csv").unlink()  # the run's own has other images
    assert "data:image" not in write_report(run, directory).read_text()


def test_a_link_that_leads_out_of_the_images_is_refused(run: Run, tmp_path: Path) -> None:
    photos = Path(shutil.copytree(run.info.data, tmp_path / "photos"))
    run.update(data=str(photos))
    assert run.evaluate()["n"]
    for photo in photos.rglob("*.png"):
        photo.unlink()
        photo.symlink_to(Path(run.path / "elsewhere.png"))
    with pytest.raises(DataError, match=r"leads out of .* by a link"):
        run.evaluate()


def test_other_images_need_not_be_read_as_those_of_the_run(
    run: Run, make_folder: Callable[..., Path]
) -> None:
    recipe = json.loads((run.path / "recipe.json").read_text())
    (run.path / "recipe.json").write_text(json.dumps(recipe | {"label_regex": r"(\w+)_\d+"}))
    again = type(run)(run.path)
    assert again.evaluate(make_folder("classes", per_class=2))["n"] == 6
    flat = make_folder("flat", per_class=2)
    for photo in list(flat.rglob("*.png")):
        photo.rename(flat / f"{photo.parent.name}_{photo.name}")
    assert again.evaluate(flat)["n"] == 6


def test_other_images_are_read_as_the_user_says(
    run: Run, make_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    photos = make_folder("others", per_class=2)
    names = [f"{each.parent.name}/{each.name}" for each in sorted(photos.rglob("*.png"))]
    rows = [f"{name},{name.split('/')[0]},{n % 2}" for n, name in enumerate(names)]
    (photos / "said.csv").write_text("\n".join(["path,colour,other", *rows]) + "\n")
    assert run.evaluate(photos / "said.csv", label_column="colour")["n"] == 6
    with pytest.raises(DataError, match="6 class unknown to the model"):
        run.evaluate(photos / "said.csv", label_column="other")
    assert run.evaluate(photos, limit=1)["n"] == 3
    with pytest.raises(UsageError, match="no meaning here: the run has its own"):
        run.evaluate(photos, task="multi-label")
    run.evaluate(layout="classes")
    assert "layout= has no effect without DATA" in caplog.text
