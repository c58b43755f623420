from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import transfer
from transfer.api.run import Run
from transfer.errors import RunError, UsageError

KEYS = ["path", "true", "predicted", "confidence", "class_explained", "method", "map"]


def contents(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.path / "explanations").iterdir()}


def test_the_report_gets_its_explanations(run: Run) -> None:
    (run.path / "report.html").unlink()
    found = run.explain()
    rows = json.loads((run.path / "explanations" / "index.json").read_text())
    assert len(found) == len(rows) == 3  # nothing is wrong, so a hit of each class
    assert [row["true"] for row in rows] == [row["predicted"] for row in rows] == list(run.classes)
    assert all(list(row) == KEYS for row in rows)
    assert {row["method"] for row in rows} == {"cam"}
    for row in rows:
        with Image.open(run.path / "explanations" / row["map"]) as picture:
            assert picture.format == "WEBP"
            assert max(picture.size) <= 160
    assert (run.path / "report.html").is_file()
    before = contents(run)
    Run(run.path).explain()
    assert contents(run) == before


def test_pictures_of_an_earlier_index_are_removed(run: Run) -> None:
    run.explain()
    first = set(contents(run))
    (run.path / "explanations" / "notes.txt").write_text("mine")
    run.explain(method="occlusion")
    rows = json.loads((run.path / "explanations" / "index.json").read_text())
    assert {row["method"] for row in rows} == {"occlusion"}
    assert set(contents(run)) == {"index.json", "notes.txt", *(row["map"] for row in rows)}
    assert set(contents(run)) & first == {"index.json"}


def test_changed_photos_are_left_out(run: Run, tmp_path: Path, said: Callable[[], str]) -> None:
    shutil.copytree(run.info.data, tmp_path / "data")
    run.write_info(type(run.info)(**vars(run.info) | {"data": str(tmp_path / "data")}))
    chosen = [each.path for each in run.explain()]
    Image.new("RGB", (40, 36)).save(chosen[0])
    assert [each.path for each in run.explain()] == chosen[1:]
    assert "1 of 3 images are missing or have changed" in said()
    shutil.rmtree(tmp_path / "data")
    before = contents(run)
    with pytest.raises(RunError, match="None of the images"):
        run.explain()
    assert contents(run) == before


def test_only_what_split_csv_lists(run: Run) -> None:
    """A run directory from elsewhere shows no other pictures of the disk."""
    chosen = [each.path for each in run.explain()]
    hidden = Path(chosen[0]).relative_to(run.info.data).as_posix()
    lines = (run.path / "split.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(f"{hidden},")]
    assert len(kept) == len(lines) - 1
    (run.path / "split.csv").write_text("".join(kept))
    assert [each.path for each in run.explain()] == chosen[1:]


def test_arguments_that_need_images(run: Run, tmp_path: Path) -> None:
    for knobs in ({"output": tmp_path}, {"class_name": "red"}):
        with pytest.raises(UsageError, match="needs images"):
            run.explain(**knobs)  # type: ignore[arg-type]


def test_a_run_without_predictions(run: Run) -> None:
    (run.path / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"predictions\.csv is missing"):
        run.explain()


def test_several_labels(tmp_path: Path, make_folder: Callable[..., Path], toy: str) -> None:
    folder = make_folder()
    rows = ["path,tags"]
    for file in sorted(folder.rglob("*.png")):
        extra = "|even" if int(file.stem) % 2 == 0 else ""
        rows.append(f"{file.relative_to(tmp_path)},{file.parent.name}{extra}")
    (tmp_path / "tags.csv").write_text("\n".join(rows) + "\n")
    run = transfer.finetune(
        tmp_path / "tags.csv", task="multi-label", backbone=toy, views=0, unfreeze="none"
    )
    assert run.multi_label
    found = run.explain()
    assert found
    assert {each.class_name for each in found} <= set(run.classes)
    index = json.loads((run.path / "explanations" / "index.json").read_text())
    assert [row["class_explained"] for row in index] == [each.class_name for each in found]
    one = run.explain(folder / "red" / "0.png")
    assert {each.class_name for each in one} == set(
        run.predict(folder / "red" / "0.png")[0].labels
    ) or len(one) == 1
