from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as sklearn_metrics

import transfer
from transfer.errors import DataError, RunError, TransferError, UsageError
from transfer.evaluation.labelled import label_matrix
from transfer.evaluation.report import write_report

NAMES = ["고양이", "<b>개</b>", "토끼"]


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Labels (90,) and probabilities (90, 3), with mistakes."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 90)
    shares = rng.dirichlet(np.ones(3), 90)
    shares[np.arange(90), true] += 0.5
    return true, shares / shares.sum(axis=1, keepdims=True)


def test_the_figures_are_those_of_scikit_learn(drawn: Any) -> None:
    true, shares = drawn
    best = shares.argmax(axis=1)
    report = transfer.Report.from_predictions(true, probabilities=shares, class_names=NAMES)
    matrix = sklearn_metrics.confusion_matrix(true, best)
    assert report.confusion_matrix.tolist() == matrix.tolist()
    assert report.confusion_matrix.dtype == np.int64
    assert report.accuracy == pytest.approx(sklearn_metrics.accuracy_score(true, best))
    macro_f1 = sklearn_metrics.f1_score(true, best, average="macro")
    assert report.macro_f1 == pytest.approx(macro_f1)
    loss = sklearn_metrics.log_loss(true, shares)
    assert report.metrics["log_loss"] == pytest.approx(loss, rel=1e-5)
    first = report.most_confused(1)[0]
    off = matrix - np.diag(matrix.diagonal())
    assert first["count"] == off.max()
    assert off[NAMES.index(first["true"]), NAMES.index(first["predicted"])] == off.max()
    assert len(report.most_confused(100)) == np.count_nonzero(off)
    of_true = shares[np.arange(90), true]
    worst = min(np.flatnonzero(best != true), key=lambda i: of_true[i])
    found = report.worst(2)
    assert (found[0].path, found[0].true) == (f"row {worst}", NAMES[true[worst]])
    assert found[0].p_true == pytest.approx(of_true[worst], rel=1e-6)
    assert found[0].p_true <= found[1].p_true


def test_names_and_numbers_give_the_same(drawn: Any) -> None:
    pandas = pytest.importorskip("pandas")
    true, shares = drawn
    best = shares.argmax(axis=1)
    texts, guessed = [np.array(NAMES)[each] for each in (true, best)]
    make = transfer.Report.from_predictions
    numbers = make(true.astype(np.float32), list(best), class_names=NAMES)
    names = make(pandas.Series(texts), guessed, class_names=NAMES)
    assert numbers.to_html() == names.to_html()
    alone = make(texts, guessed)
    assert alone.classes == tuple(sorted(NAMES))
    expected = sklearn_metrics.confusion_matrix(texts, guessed)
    assert alone.confusion_matrix.tolist() == expected.tolist()
    assert make([0, 2], [0, 1]).classes == ("0", "1", "2")


def test_doubles_are_not_rounded_before_the_likeliest_class_is_chosen() -> None:
    shares = np.array([[0.5 - 1e-9, 0.5 + 1e-9], [0.9, 0.1]])
    assert transfer.Report.from_predictions([1, 0], probabilities=shares).accuracy == 1


def test_what_is_not_known_is_not_shown(drawn: Any) -> None:
    true, shares = drawn
    known = transfer.Report.from_predictions(true, probabilities=shares).to_html()
    guessed = transfer.Report.from_predictions(true, shares.argmax(axis=1)).to_html()
    for words in ("Log loss", "Calibration error", "Most confidently wrong", "confidence"):
        assert words in known
        assert words not in guessed
    for page in (known, guessed):
        assert "not shown" not in page  # there are no photos that might have been
        assert "A cell leads to its images" in page


def test_the_page_of_plain_probabilities(drawn: Any, tmp_path: Path) -> None:
    true, shares = drawn
    report = transfer.Report.from_predictions(
        true, probabilities=shares, class_names=NAMES, title="<i>mine"
    )
    path = report.to_html(tmp_path / "page.html")
    text = path.read_text(encoding="utf-8")
    assert text == report.to_html()
    assert "<b>개" not in text
    assert "<i>mine" not in text
    assert "고양이" in text
    for away in ("run.json", "predictions.csv", "confusion_matrix.csv", "transfer finetune"):
        assert away not in text
    summary = report._repr_html_()
    assert f"{100 * report.accuracy:.1f}" in summary
    assert "<b>" not in summary
    assert "&lt;i&gt;mine" in summary
    with pytest.raises(UsageError, match="existing folder"):
        report.to_html(tmp_path / "nowhere" / "page.html")


def test_photos_are_shown(tmp_path: Path) -> None:
    paths = [tmp_path / name / "1.jpg" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        Image.new("RGB", (300, 200), "teal").save(path)
    report = transfer.Report.from_predictions(["a", "b"], ["b", "b"], images=paths)
    assert report.worst(1)[0].path == "a/1.jpg"
    assert report.to_html().count("data:image/jpeg") == 2
    paths[0].write_bytes(b"no picture")
    assert report.to_html().count("data:image/jpeg") == 2  # each photo is read once
    again = transfer.Report.from_predictions(["a", "b"], ["b", "b"], images=paths)
    assert again.to_html().count("data:image/jpeg") == 1


def test_predictions_csv_gives_the_same_as_the_run(
    make_predictions: Any, make_run: Any, tmp_path: Path
) -> None:
    run = make_run(make_predictions(["=a", "b"]), images=True)
    of_run = transfer.Report.from_run(run.path)
    assert of_run.to_html() == write_report(run).read_text(encoding="utf-8")
    file = run.path / "predictions.csv"
    report = transfer.Report.from_predictions(file, images=run.info.data)
    assert report.classes == ("=a", "b")
    assert report.confusion_matrix.tolist() == of_run.confusion_matrix.tolist()
    assert report.accuracy == run.metrics["accuracy"]
    assert "data:image/jpeg" in report.to_html()
    for bad, words in (("path,true\nx,a\n", "p_<class>"), ("", "no image")):
        (tmp_path / "bad.csv").write_text(bad)
        with pytest.raises(DataError, match=words):
            transfer.Report.from_predictions(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("path,true,p_a\nx,b,1\n")
    with pytest.raises(RunError, match="no class"):
        transfer.Report.from_predictions(tmp_path / "bad.csv")
    with pytest.raises(DataError, match="There is no"):
        transfer.Report.from_predictions(tmp_path / "none.csv")
    with pytest.raises(RunError, match="not a run directory"):
        transfer.Report.from_run(tmp_path)


HALVES = [[0.5, 0.5], [1, 0]]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"y_true": [0, 1]}, UsageError, "either y_pred= or probabilities="),
        ({"y_true": [0, 1], "y_pred": [0]}, UsageError, "as many y_pred as y_true, 2"),
        ({"y_true": [0], "probabilities": HALVES}, UsageError, "as many rows of probabilities"),
        ({"y_true": [0, 2], "probabilities": HALVES}, DataError, "from 0 to 1 in y_true.*: 2"),
        ({"y_true": [0, -1], "y_pred": [0, 1]}, DataError, "in y_true. Received: -1"),
        ({"y_true": [0, float("nan")], "y_pred": [0, 1]}, DataError, "whole numbers.*nan"),
        ({"y_true": [0, 0.5], "y_pred": [0, 1]}, DataError, r"whole numbers.*0\.5"),
        ({"y_true": ["a", None], "y_pred": [0, 1]}, DataError, "whole numbers or names.*None"),
        ({"y_true": [], "y_pred": []}, DataError, "at least one label"),
        ({"y_true": HALVES, "y_pred": [0, 1]}, UsageError, r"y_true\.argmax\(axis=1\)"),
        ({"y_true": [0, 1], "y_pred": HALVES}, UsageError, r"y_pred\.argmax\(axis=1\)"),
        ({"y_true": [0, [1]], "y_pred": [0, 1]}, UsageError, "as an array"),
        ({"y_true": [0, 1], "probabilities": [0.1, 0.9]}, UsageError, r"\[1 - p, p\]"),
        ({"y_true": [0, 1], "probabilities": [["a", "b"]] * 2}, UsageError, r"\(n, classes\)"),
        ({"y_true": [0, 1], "probabilities": [[1, 0], [np.nan, 1]]}, DataError, "Row 1 has NaN"),
        ({"y_true": [0, 1], "probabilities": [[1, 0], [3, 1]]}, DataError, "softmax"),
        ({"y_true": [0, 1], "probabilities": [[1, 0], [-1, 2]]}, DataError, "lowest is -1"),
        ({"y_true": ["a", "b"], "probabilities": HALVES}, UsageError, "class_names="),
        (
            {"y_true": ["cat", "dgo"], "y_pred": ["cat", "dog"], "class_names": ["cat", "dog"]},
            DataError,
            "Unknown class 'dgo' in y_true. Did you mean 'dog'",
        ),
        (
            {"y_true": [0, 1], "probabilities": HALVES, "class_names": ["a"]},
            UsageError,
            "each of the 2 columns",
        ),
        ({"y_true": [0], "y_pred": [0], "class_names": ["a", "a"]}, UsageError, "'a' twice"),
        ({"y_true": [0], "y_pred": [0], "class_names": [1]}, UsageError, "list of texts"),
        ({"y_true": [0], "y_pred": [0], "class_names": {"a": 0}}, UsageError, "list of texts"),
        ({"y_true": [0, 10**9], "y_pred": [0, 1]}, DataError, r"below 10,000.*1000000000"),
        ({"y_true": [0], "y_pred": [0], "images": ["a", "b"]}, UsageError, "as many images"),
        ({"y_true": [0], "y_pred": [0], "images": "a.jpg"}, UsageError, "list of paths"),
        ({"y_true": [0, 1], "y_pred": [0, 1], "images": ["a", "a"]}, DataError, "each image once"),
        ({"y_true": "p.csv", "class_names": ["a"]}, UsageError, "predictions.csv alone"),
    ],
)
def test_bad_input_is_one_line(
    arguments: dict[str, Any], error: type[TransferError], words: str
) -> None:
    with pytest.raises(error, match=words) as told:
        transfer.Report.from_predictions(**arguments)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("k", [-1, 1.5, True])
def test_a_bad_number_of_mistakes(k: Any) -> None:
    report = transfer.Report.from_predictions([0, 1], [1, 1])
    with pytest.raises(UsageError, match="whole number"):
        report.worst(k)
    with pytest.raises(UsageError, match="whole number"):
        report.most_confused(k)


def test_the_labelled_matrix_is_indexed_alike_with_and_without_pandas(
    drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, shares = drawn
    report = transfer.Report.from_predictions(true, probabilities=shares, class_names=NAMES)
    frame: Any = report.labelled_confusion_matrix()
    assert list(frame.index) == list(frame.columns) == NAMES
    assert (frame.index.name, frame.columns.name) == ("true", "predicted")
    monkeypatch.setitem(sys.modules, "pandas", None)
    plain = label_matrix(report.confusion_matrix, NAMES)
    for j, predicted in enumerate(NAMES):
        for i, name in enumerate(NAMES):
            count = report.confusion_matrix[i, j]
            assert frame[predicted][name] == plain[predicted][name] == count


def test_it_needs_no_keras() -> None:
    code = (
        "import sys, transfer; r = transfer.Report.from_predictions([0, 1], [1, 1]);"
        "r.to_html(); r._repr_html_();"
        "print({'tensorflow', 'keras', 'matplotlib', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
