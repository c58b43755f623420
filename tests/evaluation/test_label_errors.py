from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.evaluation.label_errors import count_label_errors, find_label_errors
from transfer.evaluation.out_of_fold import neighbour_shares, predict_out_of_fold
from transfer.evaluation.outliers import outlier_scores
from transfer.runs.info import LabelErrors

CLASSES, DIMENSIONS = 4, 60


def clouds(per_class: int = 60, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around one centre per class, and their labels."""
    rng = np.random.default_rng(5)
    centres = 5 + rng.normal(0, 1, (CLASSES, DIMENSIONS))
    labels = np.repeat(np.arange(CLASSES), per_class)
    noise = rng.normal(0, spread, (len(labels), DIMENSIONS))
    return (centres[labels] + noise).astype(np.float32), labels


def flipped(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    rows = rng.choice(len(labels), count, replace=False)
    wrong = labels.copy()
    wrong[rows] = (wrong[rows] + rng.integers(1, CLASSES, count)) % CLASSES
    return wrong, rows


def test_flipped_labels_are_found_counted_and_set_right() -> None:
    vectors, labels = clouds(spread=1.5)
    given, rows = flipped(labels, 12)
    found = find_label_errors(predict_out_of_fold(vectors, given, CLASSES), given)
    assert len(set(rows) & set(found.rows[:24])) >= 11
    assert 7 <= found.likely <= 16
    assert (found.suggested[rows] == labels[rows]).mean() > 0.9
    assert (np.diff(found.scores[found.rows]) >= 0).all()
    right = find_label_errors(predict_out_of_fold(vectors, labels, CLASSES), labels)
    assert right.likely <= 3


def test_each_image_is_judged_by_what_has_not_seen_it() -> None:
    rng = np.random.default_rng(0)  # noise: a model that was trained on it would be right
    vectors = rng.normal(0, 1, (60, 400)).astype(np.float32)
    labels = rng.permutation(np.repeat([0, 1], 30))
    judged = predict_out_of_fold(vectors, labels, 2)
    assert (judged.argmax(axis=1) == labels).mean() < 0.7
    twice, both = np.concatenate([vectors, vectors]), np.concatenate([labels, labels])
    copies = np.tile(np.arange(60), 2)
    judged = predict_out_of_fold(twice, both, 2, groups=copies)
    assert (judged.argmax(axis=1) == both).mean() < 0.7


def test_the_probabilities_mean_what_they_say() -> None:
    vectors, labels = clouds(spread=4.0)
    judged = predict_out_of_fold(vectors, labels, CLASSES)
    np.testing.assert_allclose(judged.sum(axis=1), 1, rtol=1e-5)
    accuracy = (judged.argmax(axis=1) == labels).mean()
    assert judged.max(axis=1).mean() == pytest.approx(accuracy, abs=0.08)


def test_the_confident_joint_by_hand() -> None:
    shares = np.array([[0.9, 0.1], [0.7, 0.3], [0.1, 0.9], [0.2, 0.8], [0.45, 0.55], [0.9, 0.1]])
    labels = np.array([0, 0, 1, 1, 0, 1])
    # Thresholds: 0 -> mean(.9, .7, .45) = .683; 1 -> mean(.9, .8, .1) = .6. Row 4 reaches none.
    found = find_label_errors(shares, labels)
    assert found.rows.tolist() == [5, 4]
    assert found.likely == 1
    assert found.suggested.tolist() == [0, 0, 1, 1, 1, 0]


def test_classes_with_few_images_are_not_judged() -> None:
    vectors, labels = clouds(10)
    labels[0] = 4  # alone; a sixth class has no image at all
    judged = predict_out_of_fold(vectors, labels, 6)
    assert np.isnan(judged[0]).all()
    assert np.isfinite(judged[1:]).all()
    assert 0 not in find_label_errors(judged, labels).rows
    alone = predict_out_of_fold(vectors, np.zeros(len(labels), np.int64), 6)
    assert np.isnan(alone).all()
    assert find_label_errors(alone, labels).rows.size == 0


def test_neighbours_vote_but_not_on_their_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clouds()
    shares = neighbour_shares(vectors, labels, CLASSES + 1)
    assert shares.shape == (len(labels), CLASSES + 1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)
    assert (shares.argmax(axis=1) == labels).mean() > 0.95
    given = labels.copy()
    given[:11] = 3  # eleven copies of one mislabelled image
    vectors[:11] = vectors[0]
    copies = np.arange(len(labels))
    copies[:11] = 0
    assert neighbour_shares(vectors, given, CLASSES)[0].argmax() == 3
    assert neighbour_shares(vectors, given, CLASSES, groups=copies)[0].argmax() == 0
    monkeypatch.setattr("transfer.evaluation.out_of_fold.MOST_NEIGHBOURS", 50)
    assert (neighbour_shares(vectors, labels, CLASSES).argmax(axis=1) == labels).mean() > 0.9


def test_only_others_vote() -> None:
    """With fewer than ten others, all of them vote; without others, nobody does."""
    vectors, labels = np.eye(4, dtype=np.float32) + 0.1, np.array([0, 0, 1, 1])
    shares = neighbour_shares(vectors, labels, 2)
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3]] * 2 + [[2 / 3, 1 / 3]] * 2, rtol=1e-6)
    groups = np.array([7, 7, 7, 8])
    np.testing.assert_allclose(neighbour_shares(vectors, labels, 2, groups=groups)[0], [0, 1])
    assert np.isnan(neighbour_shares(vectors, labels, 2, groups=np.zeros(4))).all()


def test_the_odd_one_out_is_farthest() -> None:
    vectors, labels = clouds()
    vectors[17] *= -1
    scores = outlier_scores(vectors, labels)
    assert scores.argmax() == 17
    assert outlier_scores(vectors[:1], labels[:1]).tolist() == [0.0]


def test_large_classes_are_compared_with_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clouds()
    vectors[17] *= -1
    monkeypatch.setattr("transfer.evaluation.outliers.MOST_COMPARED", 25)
    assert outlier_scores(vectors, labels).argmax() == 17


def counted(vectors: np.ndarray, labels: np.ndarray, classes: int) -> LabelErrors:
    probabilities = predict_out_of_fold(vectors, labels, classes)
    probabilities = (probabilities + neighbour_shares(vectors, labels, classes)) / 2
    return count_label_errors(find_label_errors(probabilities, labels), probabilities, labels)


@pytest.mark.parametrize("count", [0, 5, 20])
def test_the_interval_holds_the_planted_number(count: int) -> None:
    vectors, labels = clouds(spread=1.5)
    given, _ = flipped(labels, count)
    result = counted(vectors, given, CLASSES)
    assert result.reliable
    assert result.low <= count <= result.high
    assert result.low <= result.likely <= result.high
    assert count - 4 <= result.likely <= count + 4


@pytest.mark.parametrize(("classes", "per_class"), [(2, 50), (10, 20), (110, 6)])
def test_a_model_of_noise_is_not_believed(classes: int, per_class: int) -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(classes), per_class)
    vectors = rng.normal(0, 1, (len(labels), 100)).astype(np.float32)
    result = counted(vectors, labels, classes)
    assert not result.reliable
    assert result.low == 0


def test_correct_labels_of_digits_have_an_interval_from_zero() -> None:
    from sklearn.datasets import load_digits

    vectors, labels = load_digits(return_X_y=True)
    clean = vectors[:500].astype(np.float32)
    result = counted(clean, labels[:500], 10)
    assert result.reliable
    assert result.low == 0
    assert result.likely <= 10
    noise = np.random.default_rng(4).normal(0, 15, clean.shape)
    weak = counted((clean + noise).astype(np.float32), labels[:500], 10)
    assert weak.likely > 100  # all of them correct
    assert not weak.reliable


def test_nothing_to_judge_is_not_reliable() -> None:
    vectors, labels = clouds(10)
    result = counted(vectors, np.zeros(len(labels), np.int64), 6)
    assert (result.likely, result.high, result.reliable) == (0, 0, False)


@pytest.mark.case("R04")
@pytest.mark.parametrize("head", ["linear", "flatten,8"])
def test_a_run_lists_the_labels_that_look_wrong(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, head: str
) -> None:
    folder = make_folder()
    (folder / "red").rename(folder / "=red()")
    noise = np.random.default_rng(9).normal((40, 60, 200), 25, (36, 40, 3)).clip(0, 255)
    Image.fromarray(noise.astype(np.uint8)).save(folder / "=red()" / "in truth blue.png")
    run = transfer.finetune(
        folder,
        output=tmp_path / "run",
        backbone=toy,
        head=head,
        head_epochs=10,
        views=0,
        unfreeze="none",
    )
    with (run.path / "label_errors.csv").open(newline="") as file:
        first, *_ = rows = list(csv.DictReader(file))
    assert list(first) == ["path", "given", "suggested", "score"]
    assert first["path"] == "'=red()/in truth blue.png"
    assert (first["given"], first["suggested"]) == ("'=red()", "blue")
    known = run.info.label_errors
    assert known is not None
    assert (known.likely, known.images, known.high) == (len(rows), 31, len(rows))
    assert known.reliable
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Possible label errors" in page
    assert page.count("in truth blue.png") > 1


def test_too_few_images_are_not_judged(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder(per_class=2)
    run = transfer.finetune(
        folder, output=tmp_path / "run", backbone=toy, head_epochs=2, views=0, unfreeze="none"
    )
    assert not (run.path / "label_errors.csv").exists()
    assert "Possible label errors" not in (run.path / "report.html").read_text(encoding="utf-8")
