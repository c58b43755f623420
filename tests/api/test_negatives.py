from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api.negatives import judge
from transfer.api.run import Run
from transfer.errors import DataError
from transfer.runs.negatives import read_negatives
from transfer.system.csv import read_csv

MakeFolder = Callable[..., Path]
KNOBS = {"backbone": "toy", "views": 0, "unfreeze": "none"}


def draw_negatives(root: Path, count: int = 8) -> Path:
    rng = np.random.default_rng(9)
    root.mkdir(parents=True)
    for number in range(count):
        noise = rng.integers(0, 255, (36, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / f"{number}.png")
    return root


@pytest.fixture
def made(toy: str, make_folder: MakeFolder, tmp_path: Path) -> Run:
    """A run on three colours, with noise as a fourth folder that is no class."""
    data = make_folder()
    draw_negatives(data / "other")
    (data / "other" / "bad.png").write_bytes(b"no image")
    return transfer.finetune(data, output=tmp_path / "run", negatives="other", **KNOBS)


@pytest.mark.case("L14")
def test_negatives_are_never_trained_on_and_are_refused(made: Run) -> None:
    assert made.classes == ("blue", "green", "red")
    assert not [row for row in read_csv(made.path / "split.csv") if "other" in row["path"]]
    info, rows = made.info.negatives, read_negatives(made)
    assert info is not None
    assert (info.data, info.images, info.validated) == (
        made.info.data,
        8,
        len(made.predictions().paths),
    )
    assert [path for path, _ in info.bad] == ["other/bad.png"]
    assert {row.path for row in rows} == {f"other/{n}.png" for n in range(8)}
    assert info.threshold is not None
    assert (info.refused, info.kept) == (8, info.validated)  # noise is easily told from colours
    assert all(row.refused == (row.confidence < info.threshold) for row in rows)
    assert 'id="negatives"' in (made.path / "report.html").read_text(encoding="utf-8")
    root = Path(made.info.data)
    noise, colour = made.predict([root / "other/0.png", root / "red/0.png"], prior="even")
    assert (noise.refused, colour.refused, colour.label) == (True, False, "red")
    known = {row.path: row for row in rows}["other/0.png"]
    [plain] = made.predict(root / "other/0.png")
    assert plain.confidence == pytest.approx(known.confidence, abs=1e-6)
    assert plain.label == known.predicted


def test_the_rule_of_a_run_with_a_test_is_chosen_on_its_validation_images(
    made: Run, tmp_path: Path
) -> None:
    data = tmp_path / "more"
    for split in ("train", "test"):
        shutil.copytree(made.info.data, data / split, ignore=shutil.ignore_patterns("other"))
    for number, path in enumerate(sorted((data / "test").rglob("*.png"))):
        image = Image.open(path).rotate(90 * (number % 3 + 1), expand=True)
        image.point(lambda value: value // 2).save(path)
    away = draw_negatives(tmp_path / "away", 3)
    run = transfer.finetune(data, output=tmp_path / "second", negatives=away, **KNOBS)
    info = run.info.negatives
    assert info is not None
    assert run.info.split == "test"
    assert info.validated == sum(run.info.counts["val"].values())
    assert run.recipe.negatives == str(away)


def test_a_run_without_negatives_has_no_rule(trained: Run) -> None:
    assert trained.info.negatives is None
    judge(trained)
    assert not (trained.path / "negatives.csv").exists()
    photo = next(Path(trained.info.data).rglob("*.png"))
    assert trained.predict(photo)[0].refused is None


def test_negatives_move_with_the_data_of_an_interrupted_run(made: Run, tmp_path: Path) -> None:
    before = made.info.negatives
    made.update(status="interrupted")
    moved = Path(shutil.move(made.info.data, tmp_path / "elsewhere"))
    (moved / "other/3.png").rename(tmp_path / "3.png")
    with pytest.raises(DataError, match=r"1 of its 8 negatives in .*elsewhere.*: other/3\.png"):
        transfer.resume(made, moved)
    (tmp_path / "3.png").rename(moved / "other/3.png")
    run = transfer.resume(made, moved)
    info = run.info.negatives
    assert before is not None
    assert info is not None
    assert (info.data, info.refused) == (str(moved), before.refused)


def test_check_names_what_is_wrong_with_negatives(make_folder: MakeFolder) -> None:
    data = make_folder(per_class=4)
    other = draw_negatives(data / "other")
    (other / "0.png").write_bytes(b"")
    shutil.copyfile(data / "red/0.png", other / "1.png")
    found = transfer.check(data, negatives="other")
    problems = {each.kind: each.items for each in found.findings if each.severity == "problem"}
    assert problems == {
        "negatives-unusable": (("other/0.png", "is empty"),),
        "negatives-shared": (("other/1.png", "red/0.png"),),
    }
    assert (found.negatives, found.images) == (6, 12)
    assert found.to_dict()["negatives"] == 6
    assert found.fixes == ()


@pytest.mark.parametrize("packed", [False, True])
def test_prepare_leaves_negatives_out(
    make_folder: MakeFolder, tmp_path: Path, packed: bool
) -> None:
    data = make_folder(per_class=2)
    draw_negatives(data / "other/deep")
    source = shutil.make_archive(str(tmp_path / "colours"), "zip", data) if packed else data
    folder = transfer.prepare(source, tmp_path / "out", negatives="other")
    assert folder.classes == ("blue", "green", "red")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blue", "green", "red"]
    assert len(list((tmp_path / "out").rglob("*.png"))) == 6
    assert len(list((data / "other/deep").iterdir())) == 8
