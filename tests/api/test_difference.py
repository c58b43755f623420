"""diff: runs that were evaluated on the same photos. Nothing here trains."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Set as AbstractSet
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from toys import evaluated_run

import transfer
from transfer.data.dataset import Dataset
from transfer.errors import RunError, UsageError
from transfer.evaluation.difference.joined import join, read_evaluated
from transfer.runs.run import Run
from transfer.system.digests import sha256_of
from transfer.system.files import write_json

HOSTILE = "<img src=x onerror=alert(1)>"
CLASSES = ("ant", "bee", "cat")


def photos(*rows: str) -> dict[str, tuple[str, str]]:
    """Return photo to class and prediction, for rows such as "ant bee"."""
    pairs = [tuple(row.split()) for row in rows]
    return {f"{true}/{i}.png": (true, found) for i, (true, found) in enumerate(pairs)}


def several(*groups: tuple[int, str, str, str]) -> list[dict[str, tuple[str, str]]]:
    """Return the predictions of two runs, for groups (number, class, first's, second's)."""
    runs: list[dict[str, tuple[str, str]]] = [{}, {}]
    for number, true, *found in groups:
        for _ in range(number):
            name = f"{true}/{len(runs[0])}.png"
            for run, each in zip(runs, found, strict=True):
                run[name] = (true, each)
    return runs


@pytest.fixture
def two(tmp_path: Path) -> tuple[Run, Run]:
    predictions = several(
        (10, "ant", "ant", "ant"),
        (3, "ant", "bee", "ant"),
        (1, "bee", "bee", "cat"),
        (6, "bee", "bee", "bee"),
        (2, "cat", "ant", "ant"),
    )
    first, second = (
        evaluated_run(tmp_path / name, tmp_path / "photos", each)
        for name, each in zip(("one", "two"), predictions, strict=True)
    )
    return first, second


def test_what_changes_is_listed_with_its_photos(two: tuple[Run, Run]) -> None:
    [found] = transfer.diff(*two)
    assert (found.photos, found.split, found.both_wrong) == (22, "val", 2)
    assert (found.accuracy.first, found.accuracy.second) == (17 / 22, 19 / 22)
    assert found.accuracy.first == two[0].metrics["accuracy"]
    assert found.macro_f1.second == pytest.approx(two[1].metrics["macro_f1"])
    low, high = found.accuracy.ci95
    assert low < 0 < found.accuracy.difference < high
    assert [each.path for each in found.wrong_to_right] == [f"ant/{i}.png" for i in (10, 11, 12)]
    [lost] = found.right_to_wrong
    assert (lost.true, lost.before, lost.after) == ("bee", "bee", "cat")
    assert lost.after_confidence == pytest.approx(0.8)
    assert [(each.true, each.predicted) for each in found.new_confusions] == [("bee", "cat")]
    [ended] = found.ended_confusions
    assert (ended.true, ended.predicted, ended.before, ended.after) == ("ant", "bee", 3, 0)


def test_chance_is_told_in_plain_words(two: tuple[Run, Run]) -> None:
    [found] = transfer.diff(*two)
    assert found.p_exact == found.p_holm == pytest.approx(0.625)
    assert found.p_corrected is None
    assert not found.differs
    assert found.verdict.startswith("No evidence that they differ: 3 photos only ")
    [same] = transfer.diff(two[0], shutil.copytree(two[0].path, two[0].path.parent / "copy"))
    assert same.verdict == "Both recognise the same of the 22 photos: no evidence that they differ."


@pytest.mark.parametrize("turned", [False, True])
def test_a_difference_beyond_chance_names_the_better_run(tmp_path: Path, turned: bool) -> None:
    runs = [
        evaluated_run(tmp_path / name, tmp_path / "photos", each)
        for name, each in zip(
            ("weak", "good"),
            several((28, "ant", "bee", "ant"), (2, "bee", "bee", "cat"), (9, "cat", *["cat"] * 2)),
            strict=True,
        )
    ]
    [found] = transfer.diff(*runs[::-1] if turned else runs)
    assert found.differs
    assert found.verdict.startswith(f"{runs[1].path} is better: 28 photos only it recognises, 2")
    assert "p < 0.001" in found.verdict
    assert found.p_corrected is not None
    assert found.p_corrected < 0.001


def test_several_runs_are_compared_with_the_first_and_corrected(tmp_path: Path) -> None:
    one, two = several((6, "ant", "bee", "ant"), (9, "bee", "bee", "bee"))
    runs = [
        evaluated_run(tmp_path / name, tmp_path / "photos", each)
        for name, each in (("a", one), ("b", two), ("c", two), ("d", one))
    ]
    found = transfer.diff(*runs)
    assert [each.second for each in found] == [str(run.path) for run in runs[1:]]
    assert [each.p_exact for each in found] == pytest.approx([1 / 32, 1 / 32, 1])
    assert [each.p_holm for each in found] == pytest.approx([3 / 32, 3 / 32, 1])
    assert not any(each.differs for each in found)
    assert "Holm's correction for 3 runs" in found[0].verdict


def test_photos_are_joined_by_their_bytes(two: tuple[Run, Run], tmp_path: Path) -> None:
    """The second run knows the same photos in other folders, and its classes in another order."""
    moved = {}
    for name, (true, found) in zip(
        two[1].predictions().paths, [("ant", "ant")] * 13 + [("bee", "cat")], strict=False
    ):
        (tmp_path / "elsewhere/x").mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "photos" / name, tmp_path / "elsewhere/x" / Path(name).name)
        moved[f"x/{Path(name).name}"] = (true, found)
    other = evaluated_run(tmp_path / "three", tmp_path / "elsewhere", moved, ("cat", "bee", "ant"))
    [found] = transfer.diff(two[0], other)
    assert found.photos == 14
    assert [each.path for each in found.wrong_to_right] == [f"ant/{i}.png" for i in (10, 11, 12)]
    assert [(each.before, each.after) for each in found.right_to_wrong] == [("bee", "cat")]
    assert f"8 photos that only {two[0].path} predicted; left out." in found.notes


def test_photos_that_one_was_trained_on_are_left_out(tmp_path: Path) -> None:
    data, rows = tmp_path / "photos", photos("ant ant", "ant ant", "bee bee", "cat cat")
    first = evaluated_run(tmp_path / "a", data, rows)
    kept = {name: rows[name] for name in list(rows)[2:]}
    second = evaluated_run(tmp_path / "b", data, kept, trained=list(rows)[:2])
    [found] = transfer.diff(first, second)
    assert found.photos == 2
    told = f"2 photos that {first.path} predicted: {second.path} was trained on them; left out."
    assert found.notes == (told,)
    every = evaluated_run(
        tmp_path / "c", data, photos("dog dog"), ("dog", "eel"), trained=list(rows)
    )
    with pytest.raises(RunError, match="Expected runs with the same classes"):
        transfer.diff(first, every)
    last = evaluated_run(tmp_path / "d", data, {"cat/9.png": ("cat", "cat")}, trained=list(rows))
    with pytest.raises(RunError, match=r"share no photo.*was trained on them.*transfer\.evaluate"):
        transfer.diff(first, last)


def test_evaluations_on_other_photos_can_be_compared(tmp_path: Path) -> None:
    """What the two runs were trained on counts there, too."""
    new, rows = tmp_path / "new", photos("ant ant", "bee cat", "cat cat")
    places = []
    for name in ("a", "b"):
        run = evaluated_run(
            tmp_path / name, tmp_path / f"{name}-own", {f"{name}.png": ("ant",) * 2}
        )
        place = run.path / "evaluations" / "new-all"
        scratch = evaluated_run(tmp_path / f"{name}-scratch", new, rows)
        shutil.copytree(scratch.path, place)
        write_json(place / "evaluation.json", {"data": str(new), "split": "all"})
        places.append(place)
    [found] = transfer.diff(*places)
    assert found.photos == 3
    own = Dataset.read(places[0].parent.parent, "/", CLASSES)
    digest = sha256_of(new / "ant/0.png")
    text = (places[0].parent.parent / "split.csv").read_text()
    text += f"stolen.png,ant,train,{digest},,x\n"
    (places[0].parent.parent / "split.csv").write_text(text)
    assert own.paths == ("a.png",)
    [found] = transfer.diff(*places)
    assert found.photos == 2


def test_another_label_is_left_out(two: tuple[Run, Run], tmp_path: Path) -> None:
    rows = dict.fromkeys(two[0].predictions().paths[:3], ("cat", "cat"))
    rows |= {"bee/14.png": ("bee", "bee")}
    other = evaluated_run(tmp_path / "three", tmp_path / "photos", rows)
    [found] = transfer.diff(two[0], other)
    assert found.photos == 1
    assert "3 photos with another label in each run; left out." in found.notes


def test_what_cannot_be_compared_is_refused(two: tuple[Run, Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected two runs or more"):
        transfer.diff(two[0])
    with pytest.raises(UsageError, match=r"each run once. Received twice: '.*one'"):
        transfer.diff(two[0], two[1], two[0].path)
    with pytest.raises(RunError, match="is not a run directory"):
        transfer.diff(two[0], tmp_path)
    with pytest.raises(UsageError, match="Cannot write"):
        transfer.diff(*two, output=tmp_path)
    recipe = json.loads((two[1].path / "recipe.json").read_text())
    write_json(two[1].path / "recipe.json", recipe | {"task": "multi-label"})
    with pytest.raises(RunError, match="several labels each"):
        transfer.diff(*two)
    (two[1].path / "predictions.csv").unlink()
    write_json(two[1].path / "recipe.json", recipe)
    with pytest.raises(RunError, match=r"predictions\.csv is missing"):
        transfer.diff(*two)


class Page(HTMLParser):
    """Collects the tags of a page, the attributes of its <meta>, and where its images come from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.metas: list[dict[str, str | None]] = []
        self.images: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "meta":
            self.metas.append(dict(attrs))
        if tag == "img":
            self.images.append(str(dict(attrs)["src"]))


def test_the_page_is_one_file_that_names_cannot_change(tmp_path: Path) -> None:
    names = (HOSTILE, "=cmd()", "개나리\n둘")
    pair = several(
        (2, HOSTILE, "=cmd()", HOSTILE), (2, "=cmd()", "=cmd()", "개나리\n둘"), (3, *[names[2]] * 3)
    )
    plain = [{f"p{i}.png": each for i, each in enumerate(run.values())} for run in pair]
    runs = [
        evaluated_run(tmp_path / f"<b>{number}", tmp_path / "photos", each, names)
        for number, each in enumerate(plain)
    ]
    (tmp_path / "photos/p1.png").write_bytes((tmp_path / "photos/p0.png").read_bytes())
    transfer.diff(*runs, output=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    policy = [each["content"] for each in page.metas if "http-equiv" in each]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not page.tags & {"script", "b", "link", "iframe", "a"}
    assert not {name for name in page.attributes if name.startswith("on")}
    assert all(each.startswith("data:image/jpeg") for each in page.images)
    assert len(page.images) == 3  # the photo with other bytes is not shown
    assert str(tmp_path) not in text
    assert "개나리" in text
    transfer.diff(*runs, output=tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_the_landmarks_of_a_page_on_several_runs_have_names_of_their_own(tmp_path: Path) -> None:
    one, two = several((2, "ant", "bee", "ant"), (2, "bee", "bee", "cat"), (2, "cat", "cat", "cat"))
    runs = [
        evaluated_run(tmp_path / name, tmp_path / "photos", each)
        for name, each in (("a", one), ("b", two), ("c", two))
    ]
    transfer.diff(*runs, output=tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    names = re.findall('aria-label="([^"]+)"', text)
    assert len(names) == len(set(names)) == 6


def test_the_page_names_runs_apart_and_leaves_the_sentences_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = photos(*["ant ant"] * 4, *["bee bee"] * 4)
    for name in ("x", "y"):
        evaluated_run(tmp_path / name / "run-001", tmp_path / "photos", rows, CLASSES[:2])
    monkeypatch.chdir(tmp_path / "x/run-001")
    [found] = transfer.diff(".", "../../y/run-001", output=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f'<p class="verdict">{found.verdict}</p>' in page  # it names no run
    assert "<title>1: run-001 and 2: run-001: difference</title>" in page
    assert ".." not in page.split("<main>")[1]


class Counted(frozenset[str]):
    """A set that counts how often another one is added to it."""

    unions = 0

    def __or__(self, other: AbstractSet[object]) -> frozenset[str]:  # type: ignore[override]
        type(self).unions += 1
        return frozenset(self).union(other)  # type: ignore[arg-type]


def test_the_digests_of_trainings_are_joined_once_and_not_for_each_photo(
    two: tuple[Run, Run],
) -> None:
    first, second = (read_evaluated(run.path) for run in two)
    assert len(join(replace(first, trained=Counted({"0"})), second).paths) == 22
    assert Counted.unions == 1
