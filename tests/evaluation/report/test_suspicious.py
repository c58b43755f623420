from __future__ import annotations

import pytest

from transfer.errors import RunError
from transfer.evaluation.report import write_report
from transfer.evaluation.report.album import Album
from transfer.evaluation.report.suspicious import MOST, read_suspicious
from transfer.runs.info import LabelErrors
from transfer.runs.run import Run
from transfer.system.csv import write_csv

HOSTILE = "<img src=x onerror=alert(1)>"


def list_images(run: Run, count: int = 30, stem: str = "photo") -> None:
    listed = [[f"a/{stem}{i}.jpg", "a", "b", i / 100] for i in range(count)]
    write_csv(run.path / "label_errors.csv", ["path", "given", "suggested", "score"], listed)
    far = [[f"a/{stem}{i}.jpg", "a", 0.5 - i / 100] for i in range(count - 2, count + 5)]
    write_csv(run.path / "outliers.csv", ["path", "label", "distance"], far)


def test_the_first_of_each_kind_and_none_twice(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    assert read_suspicious(run, LabelErrors(), Album(lambda path: None)) is None
    list_images(run)
    found = read_suspicious(run, LabelErrors(7, 1000), Album(lambda path: f"data:{path}"))
    assert found is not None
    assert (found.figures.likely, found.listed, len(found.label_errors)) == (7, 30, MOST)
    assert found.label_errors[3].photo.image == "data:a/photo3.jpg"
    assert (found.label_errors[3].given, found.label_errors[3].suggested) == ("a", "b")
    assert [each.photo.path for each in found.outliers] == [
        f"a/photo{i}.jpg" for i in range(30, 35)
    ]


@pytest.mark.parametrize(("images", "shown"), [(0, 3), (24, 3), (100, 5), (1000, MOST)])
def test_few_outliers_of_few_images(make_predictions, make_run, images: int, shown: int) -> None:
    run = make_run(make_predictions(["a", "b"]))
    write_csv(run.path / "label_errors.csv", ["path", "given", "suggested", "score"], [])
    far = [[f"a/{i}.jpg", "a", 0.5] for i in range(min(images, 100) or 10)]
    write_csv(run.path / "outliers.csv", ["path", "label", "distance"], far)
    run.update(label_errors=LabelErrors(0, images))
    page = write_report(run).read_text(encoding="utf-8")
    section = page.partition('id="outliers"')[2].partition("</section>")[0]
    assert section.count("<li>") == shown
    assert "This is only a ranking" in section


@pytest.mark.case("R01")
def test_hostile_names_stay_text(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    list_images(run, stem=HOSTILE)
    write_csv(
        run.path / "label_errors.csv",
        ["path", "given", "suggested", "score"],
        [["here/secret.png", HOSTILE, '" onmouseover="alert(1)', 0.1]],
    )
    page = write_report(run).read_text(encoding="utf-8")
    assert "Possible label errors" in page
    assert ">Outliers</h2>" in page
    assert "<img src=x" not in page
    assert '" onmouseover' not in page
    assert "not shown" in page
    assert '<span class="file"><bdi>here/secret.png</bdi></span>' in page


@pytest.mark.case("R06")
def test_the_page_says_how_many_and_is_the_same_again(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]), images=True)
    run.update(label_errors=LabelErrors(1, 20, 0, 3))
    list_images(run)
    first = write_report(run).read_text(encoding="utf-8")
    assert "About 1 label of the training and validation images looks wrong (0 to 3)" in first
    assert "All 30 candidates" in first
    assert write_report(run).read_text(encoding="utf-8") == first


def test_a_damaged_list_is_named(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    list_images(run)
    (run.path / "outliers.csv").write_text("path,label\nx,y\n")
    with pytest.raises(RunError, match=r"outliers\.csv is damaged: Row 1 lacks .*'distance'"):
        write_report(run)


def test_an_older_run_keeps_its_list(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    list_images(run)
    (run.path / "label_errors.csv").rename(run.path / "suspects.csv")
    run.update(label_errors=LabelErrors(7, 1000))
    page = write_report(run).read_text(encoding="utf-8")
    assert "About 7 labels of the training and validation images look wrong: a model" in page
    assert "All 30 candidates, ranked, are in suspects.csv" in page


def test_a_weak_model_gives_no_number(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    list_images(run)
    run.update(label_errors=LabelErrors(62, 100, 0, 90, accuracy=0.31, reliable=False))
    page = write_report(run).read_text(encoding="utf-8")
    assert "The model is too weak to judge labels" in page
    assert "31.0\u00a0% of the images right" in page
    assert "62" not in page.partition('id="label-errors"')[2].partition("</p>")[0]
