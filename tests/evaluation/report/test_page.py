from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import make_settings

from transfer.errors import DataError, RunError
from transfer.evaluation.evaluate import write_evaluation
from transfer.evaluation.metrics import compute_metrics
from transfer.evaluation.report import write_report
from transfer.evaluation.report.words import percent
from transfer.runs.info import WeightsInfo
from transfer.runs.predictions import Predictions
from transfer.system.csv import write_csv

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "</style><svg onload=alert(1)>",
)
VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Collect tags, attributes and text, and check that tags are balanced."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.case("R01")
def test_hostile_names_stay_text(make_predictions, make_run) -> None:
    run = make_run(make_predictions(HOSTILE, stem=HOSTILE[0]), images=False)
    run.update(
        bad=((HOSTILE[0], HOSTILE[1]),),
        skipped={HOSTILE[2]: 3},
        left_out=((HOSTILE[0], HOSTILE[2]),),
        read_as=HOSTILE[2],
        notes={HOSTILE[3]: 1},
        weights=WeightsInfo(HOSTILE[1]),
        versions={HOSTILE[2]: HOSTILE[2]},
        phases={HOSTILE[0]: {}},
        phase_kept=HOSTILE[0],
    )
    history = run.path / "history.csv"
    history.write_text(f"phase,{HOSTILE[0]},loss\n{HOSTILE[1]},{HOSTILE[0]},1\n")
    path = write_report(run)
    page = Page(path)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "form", "object", "img"}
    assert [a.get("type") for t, a in page.tags if t == "script"] == ["application/json", None]
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert "style" not in attributes
        if tag == "a":
            assert (attributes["href"] or "").startswith("#")
    assert HOSTILE[0] in page.text  # shown, as text
    data = json.loads(page.text[page.text.index(next(t for t in page.text if t[:1] == "{"))])
    assert tuple(data["classes"]) == HOSTILE
    assert len(data["images"]) == 40


def test_only_the_page_s_own_style_and_script_may_run(make_predictions, make_run) -> None:
    path = write_report(make_run(make_predictions(["a", "b"]), images=True))
    text = path.read_text(encoding="utf-8")
    (policy,) = [a["content"] for t, a in Page(path).tags if a.get("http-equiv")]

    def digest(start: str, end: str) -> str:
        inside = text.rpartition(start)[2].partition(end)[0]
        return base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()

    assert policy == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:;"
        f" style-src 'sha256-{digest('<style>', '</style>')}';"
        f" script-src 'sha256-{digest('<script>', '</script>')}'"
    )


def test_a_cell_leads_to_its_photos_and_each_is_embedded_once(make_predictions, make_run) -> None:
    found = make_predictions(["a", "b"])
    path = write_report(make_run(found, images=True))
    tags, text = Page(path).tags, path.read_text(encoding="utf-8")
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = [str(a["href"]) for t, a in tags if t == "a"]
    assert {link[1:] for link in links} <= {*ids, "-"}
    cells = {link for link in links if re.fullmatch("#c[0-9]+-[0-9]+", link)}
    assert len(cells) == sum(
        n > 0 for row in compute_metrics(found, "val")["confusion_matrix"] for n in row
    )
    assert text.count("data:image/jpeg") == len(found.paths)


@pytest.mark.case("R01")
def test_hostile_run_name(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]), name="<img src=x onerror=alert(1)>")
    page = Page(write_report(run))
    assert all(tag != "img" or "onerror" not in attributes for tag, attributes in page.tags)


@pytest.mark.case("R02")
def test_an_absent_class_shows_n_a_and_few_images_are_flagged(make_predictions, make_run) -> None:
    page = Page(write_report(make_run(make_predictions(["x", "absent", "rare"], [20, 0, 4]))))
    assert "n/a" in page.text
    assert "no images" in page.text
    assert "few images: unreliable" in page.text


@pytest.mark.case("R03")
@pytest.mark.parametrize("count", [1, 2, 10, 41, 200])
def test_any_number_of_classes_is_shown_in_full(count: int, make_predictions, make_run) -> None:
    names = ["猫科の動物", "שלום עולם", "n" * 60][:count]
    names += [f"class {i}" for i in range(len(names), count)]
    path = write_report(make_run(make_predictions(names, 3)))
    page = Page(path)
    assert set(names) <= set(page.text)
    cells = [a for t, a in page.tags if t == "td" and "right" in str(a.get("class")).split()]
    assert len(cells) >= count
    assert path.stat().st_size < 3_000_000


def test_more_classes_than_a_table_can_hold(make_predictions, tmp_path: Path, make_run) -> None:
    page = Page(write_report(make_run(make_predictions([f"c{i}" for i in range(300)], 1))))
    assert any("confusion_matrix.csv" in text for text in page.text)


@pytest.mark.case("R04")
def test_a_formula_as_class_name_is_neutralised_and_read_back(
    make_predictions, tmp_path: Path
) -> None:
    classes = ["=cmd()", "@SUM(A1)", "'quoted", "plain"]
    found = make_predictions(classes)
    write_evaluation(tmp_path, found, "val")
    for name in ("predictions.csv", "confusion_matrix.csv"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
        assert any("=cmd()" in cell for cell in cells)
    back = Predictions.read(tmp_path / "predictions.csv", classes)
    assert back.paths == found.paths
    np.testing.assert_array_equal(back.true, found.true)
    np.testing.assert_array_equal(back.probabilities, found.probabilities)


def test_confusion_matrix_csv_has_names_and_counts(make_predictions, tmp_path: Path) -> None:
    metrics = write_evaluation(tmp_path, make_predictions(["a", "b"]), "val")
    (top, bottom) = metrics["confusion_matrix"]
    lines = (tmp_path / "confusion_matrix.csv").read_text().splitlines()
    assert lines == [
        "true\\predicted,a,b",
        f"a,{top[0]},{top[1]}",
        f"b,{bottom[0]},{bottom[1]}",
    ]
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


@pytest.mark.case("R05")
def test_zero_images_write_nothing(tmp_path: Path) -> None:
    none = Predictions((), np.zeros(0, np.int64), np.zeros((0, 2), np.float32), ("x", "y"))
    with pytest.raises(DataError, match="at least one readable image"):
        write_evaluation(tmp_path, none, "val")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.case("R06")
def test_again_gives_the_same_bytes_and_no_absolute_path(
    make_predictions, make_run, tmp_path: Path
) -> None:
    run = make_run(make_predictions(["a", "b", "c"]), images=True)
    run.update(
        weights=WeightsInfo(str(tmp_path / "w.h5")),
        bad=(("a/x.jpg", f"cannot identify image file '{tmp_path}/my photos/a/x.jpg'"),),
    )
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert b"my photos" in first
    assert b"background-image" in first


def test_images_that_are_gone_leave_their_names(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    page = Page(write_report(run))
    assert "background-image" not in (run.path / "report.html").read_text().partition("</head>")[0]
    assert any(text.startswith("not shown") or "not shown" in text for text in page.text)


def test_a_report_needs_two_files_only(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    for name in ("run.json", "history.csv", "confusion_matrix.csv", "confusion_matrix.png"):
        (run.path / name).unlink()
    assert "Learning curves" not in Page(write_report(run)).text


def test_another_evaluation_of_the_run(make_predictions, make_run, tmp_path: Path) -> None:
    run = make_run(make_predictions(["a", "b"]))
    other = tmp_path / "holiday"
    other.mkdir()
    write_evaluation(other, make_predictions(["a", "b"], 4), "test")
    (other / "evaluation.json").write_text('{"data": "/elsewhere/beach", "split": "test"}')
    page = Page(write_report(run, other))
    assert {"holiday", "beach", "test"} <= set(page.text)
    assert not (run.path / "report.html").exists()


def test_missing_or_foreign_files_say_how_to_fix_it(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    metrics = json.loads((run.path / "metrics.json").read_text())
    (run.path / "metrics.json").write_text(json.dumps(metrics | {"n": 3}))
    with pytest.raises(RunError, match=r"has 3 images. Write both again with: transfer\.ev"):
        write_report(run)
    (run.path / "metrics.json").write_text("{}")
    with pytest.raises(
        RunError,
        match=r"metrics\.json is damaged: .* missing required field",
    ):
        write_report(run)
    (run.path / "predictions.csv").unlink()
    with pytest.raises(RunError, match=r"transfer\.evaluate\(RUN"):
        write_report(run)


def test_only_the_pictures_of_split_csv_are_shown(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]), images=True)
    assert "data:image" in write_report(run).read_text()
    secret = run.path.parent / "secret" / "a"
    secret.mkdir(parents=True)
    for name in run.predictions().paths:
        target = secret.parent / name
        target.parent.mkdir(exist_ok=True)
        Image.new("RGB", (90, 90), "red").save(target)
    run.update(data=str(secret.parent))
    assert "data:image" not in write_report(run).read_text()


@pytest.mark.parametrize("name", ["predictions.csv", "label_errors.csv", "outliers.csv"])
@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.png"])
def test_paths_that_lead_out_are_refused(make_predictions, make_run, name: str, path: str) -> None:
    run = make_run(make_predictions(["a", "b"]))
    header = ["path", "true", "given", "suggested", "score", "label", "distance", "p_a", "p_b"]
    row = [path, "a", "a", "b", 0.1, "a", 0.1, 0.5, 0.5]
    for each in {"label_errors.csv", "outliers.csv", name}:
        write_csv(run.path / each, header, [row] if each == name else [])
    with pytest.raises(RunError, match=rf"{name} is damaged: Row 1: the path .* leads out"):
        write_report(run)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"confusion_matrix": [[1, 2], [3]]}, "has 2 classes"),
        ({"confusion_matrix": [[1, 2], [3, 4]]}, "has other images"),
        ({"per_class": []}, "names other classes"),
        (
            {"most_confused": [{"true": "c", "predicted": "a", "count": 1, "share": 0.1}]},
            "names other classes",
        ),
    ],
)
def test_metrics_that_do_not_fit_are_refused(
    make_predictions, make_run, change: dict[str, object], problem: str
) -> None:
    run = make_run(make_predictions(["a", "b"]))
    metrics = json.loads((run.path / "metrics.json").read_text()) | change
    (run.path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(RunError, match=rf"{problem}.*transfer\.evaluate\(RUN\)"):
        write_report(run)


def test_the_report_imports_nothing_heavy(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    code = (
        "import sys; from pathlib import Path; from transfer.runs.run import Run;"
        "from transfer.evaluation.report import write_report;"
        f"write_report(Run({str(run.path)!r}));"
        "print([m for m in ('matplotlib', 'sklearn', 'tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_damaged_history_is_named(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    (run.path / "history.csv").write_text("phase,epoch\n" + 200_000 * "x")
    with pytest.raises(RunError, match=r"history\.csv is damaged"):
        write_report(run)


def test_the_epochs_of_each_phase_are_counted(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    (run.path / "history.csv").write_text("phase,epoch\nhead,1\nhead,2\nhead,3\nfinetune,1\n")
    run.update(phases={"head": {"seconds": 1.0}, "finetune": {"seconds": 2.0}})
    page = write_report(run).read_text(encoding="utf-8")
    assert '<th scope="row">head</th><td>3</td>' in page
    assert '<th scope="row">fine-tuning</th><td>1</td>' in page


@pytest.mark.parametrize("rare", [10, 3])
def test_the_headline_is_macro_f1_where_classes_are_uneven(
    make_predictions, make_run, rare: int
) -> None:
    run = make_run(make_predictions(["a", "b"], [30, rare]))
    run.update(counts={"train": {"a": 30, "b": rare}})
    page = write_report(run).read_text(encoding="utf-8")
    name = "accuracy" if rare == 10 else "macro_f1"
    assert run.metrics["accuracy"] != run.metrics["macro_f1"]
    assert f"<strong>{100 * run.metrics[name]:.1f}\u00a0%</strong>" in page
    assert ("macro-F1: every class counts the same" in page) is (rare == 3)


def test_leaks_are_shown_where_there_are_any(make_predictions, make_run) -> None:
    found = make_predictions(["a", "b"])
    run = make_run(found)
    assert "seen in training" not in write_report(run).read_text()
    metrics = write_evaluation(run.path, found, "val", set(found.paths[:5]))
    page = " ".join(" ".join(Page(write_report(run)).text).split())
    assert "5 images of these 20 were seen in training or are near duplicates" in page
    without = percent(metrics["leaked"]["accuracy_without"]).replace("\u00a0", " ")
    assert f"{without} of 15 val images right, without the images that training has seen" in page
    everything = percent(metrics["accuracy"]).replace("\u00a0", " ")
    assert f"With them, {everything} of 20 are right" in page
    write_evaluation(run.path, found, "val", set(found.paths))
    assert "No other image is left" in write_report(run).read_text()


def text_of(path: Path) -> str:
    return " ".join("".join(Page(path).text).split())


def test_validation_images_that_chose_the_model_are_not_told_as_a_test(
    make_predictions, make_run, tmp_path: Path
) -> None:
    found = make_predictions(["a", "b"])
    run = make_run(found)
    promise, chose = "95 of 100 such intervals", "These images also chose the model"
    page = text_of(write_report(run))
    assert f"{chose}, so the accuracy is slightly optimistic; --test 0.1 or --folds 5 give" in page
    assert promise not in page
    run.update(split="test")
    assert "slightly optimistic; publish the accuracy on the test images" in text_of(
        write_report(run)
    )
    write_evaluation(run.path, found, "test")
    page = text_of(write_report(run))
    assert promise in page
    assert chose not in page
    write_evaluation(run.path, found, "train")
    page = text_of(write_report(run))
    assert promise not in page
    assert "The model was trained on these images" in page


@pytest.mark.parametrize("name", ["solved head", "training monitor", "other data"])
def test_validation_images_that_chose_nothing(
    make_predictions, make_run, tmp_path: Path, name: str
) -> None:
    run = make_run(make_predictions(["a", "b"]))
    assert "chose the model" in text_of(write_report(run))
    directory = tmp_path / "other" if name == "other data" else run.path
    if name == "solved head":
        (run.path / "history.csv").write_text("phase,epoch,val_accuracy\nhead,1,0.8\n")
    elif name == "training monitor":
        run.update(settings=make_settings(monitor="loss"))
    else:
        directory.mkdir()
        write_evaluation(directory, make_predictions(["a", "b"]), "val")
        (directory / "evaluation.json").write_text('{"data": "/elsewhere", "split": "val"}')
    page = text_of(write_report(run, directory))
    assert "95 of 100 such intervals" in page
    assert "chose the model" not in page


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_run_that_is_not_finished_says_so(make_predictions, make_run, status: str) -> None:
    run = make_run(make_predictions(["a", "b"]))
    run.update(status="done", phase_kept="head", phases={"head": {}}, error="No space.")
    page = text_of(write_report(run))
    assert "not finished" not in page
    assert "(kept)" in page
    run.update(status=status)
    page = text_of(write_report(run))
    assert f"This run is not finished (status: {status})" in page
    assert "Finish it with transfer finetune --resume RUN, and evaluate it again." in page
    assert ("It failed: No space." in page) is (status == "failed")
    assert "(kept)" not in page


def test_what_was_left_open_is_told_with_what_was_used(make_predictions, make_run) -> None:
    run = make_run(make_predictions(["a", "b"]))
    settings = make_settings(views=8, epochs=13, engine="openvino", unfreeze="5")
    run.update(settings=settings, weights=WeightsInfo("none"))
    page = write_report(run).read_text(encoding="utf-8")
    rows = dict(re.findall(r'row"><bdi>(\w+)</bdi></th><td><code><bdi>(.*?)</bdi>', page))
    assert rows["learning_rate"] == "default (0.0005)"
    assert (rows["views"], rows["epochs"]) == ("default (8)", "default (13)")
    assert (rows["monitor"], rows["engine"]) == ("auto (val_accuracy)", "auto (openvino)")
    assert (rows["patience"], rows["unfreeze"]) == ("default (5)", "auto (5)")
    assert (rows["mix"], rows["mixed_precision"]) == ("auto (none)", "auto (off)")
    assert rows["weights"] == "auto"
    assert rows["origin"] == "none"
    assert not {"file", "sha256"} & set(rows)


@pytest.mark.parametrize(("monitor", "best"), [("val_accuracy", 3), ("val_loss", 1)])
def test_fine_tuning_that_was_not_kept_shows_its_best_epoch(
    make_predictions, make_run, monitor: str, best: int
) -> None:
    run = make_run(make_predictions(["a", "b"]))
    (run.path / "history.csv").write_text(
        "phase,epoch,val_loss,val_accuracy\n"
        "head,1,0.2,0.9\n"
        "finetune,1,0.3,0.7\nfinetune,2,0.6,0.8\nfinetune,3,0.5,0.8\nfinetune,4,nan,nan\n"
    )
    phases = {"head": {"val_accuracy": 0.9, "val_loss": 0.2}, "finetune": {"seconds": 2.0}}
    run.update(phases=phases, phase_kept="head", settings=make_settings(monitor=monitor))
    page = write_report(run).read_text(encoding="utf-8")
    figures = {3: "80.0\u00a0%</td><td>0.500", 1: "70.0\u00a0%</td><td>0.300"}[best]
    assert f"(best epoch: {best})</span></th><td>4</td><td>2.0</td><td>{figures}</td>" in page
    assert "<b>(kept)</b></th><td>1</td><td>n/a</td><td>90.0\u00a0%</td><td>0.200</td>" in page
