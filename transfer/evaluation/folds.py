"""The metrics of a cross-validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transfer.runs.info import FoldFigures, FoldsInfo
from transfer.runs.run import Run
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.metrics import accuracy, count_confusions, macro_f1
from transfer.system.csv import read_table
from transfer.system.files import damaged


def summarise_folds(run: Run) -> FoldsInfo:
    """Return the figures of a run's folds.csv, added to what run.json records of its folds.

    The interval is that of the share of all images that were predicted correctly. The deviation
    between folds gives none, as their models share most of their training images (Y. Bengio and
    Y. Grandvalet, "No Unbiased Estimator of the Variance of K-Fold Cross-Validation", JMLR 5,
    2004). For the same reason it is a little narrow (S. Bates, T. Hastie and R. Tibshirani,
    "Cross-validation: what does it estimate and how well does it do it?", JASA 119, 2024).

    Args:
        run: With a folds.csv (path, fold, label, predicted) and ``info.folds``.

    Returns:
        Over all predictions together ``accuracy``, ``accuracy_ci95`` (Wilson) and ``macro_f1``,
        0..1; ``per_fold``, and mean and sample standard deviation of these.

    Raises:
        RunError: folds.csv is missing or damaged.
    """
    known = run.info.folds
    assert known is not None
    path, index = run.path / "folds.csv", {name: i for i, name in enumerate(run.classes)}

    def parse(row: dict[str, str]) -> tuple[int, int, int]:
        for column in ("label", "predicted"):
            if row[column] not in index:
                raise ValueError(f"{row[column]!r} is no class of this run")
        return index[row["label"]], index[row["predicted"]], int(row["fold"])

    try:
        rows = read_table(path, parse)
        if not rows:
            raise ValueError("It lists no image")
    except (OSError, ValueError) as error:
        raise damaged(path, error, "Remove it to cross-validate again.") from error
    true, predicted, fold = np.array(rows).T

    def figures(number: int, chosen: np.ndarray) -> FoldFigures:
        matrix = count_confusions(true[chosen], predicted[chosen], len(index))
        return FoldFigures(number, int(chosen.sum()), accuracy(matrix), macro_f1(matrix))

    per_fold = tuple(figures(int(number), fold == number) for number in np.unique(fold))
    together = figures(0, np.ones(len(rows), bool))
    accuracies = [each.accuracy for each in per_fold]
    scores = [each.macro_f1 for each in per_fold]
    return replace(
        known,
        k=len(per_fold),
        n=together.n,
        accuracy=together.accuracy,
        accuracy_ci95=wilson_interval(int((true == predicted).sum()), len(rows)),
        macro_f1=together.macro_f1,
        accuracy_mean=float(np.mean(accuracies)),
        accuracy_std=float(np.std(accuracies, ddof=1)),
        macro_f1_mean=float(np.mean(scores)),
        macro_f1_std=float(np.std(scores, ddof=1)),
        per_fold=per_fold,
    )
