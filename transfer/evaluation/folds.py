"""The metrics of a cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer.runs.run import Run
from transfer.statistics.intervals import wilson_interval
from transfer.statistics.metrics import accuracy, count_confusions, macro_f1
from transfer.system.csv import read_csv


def summarise_folds(run: Run) -> dict[str, Any]:
    """Compute the metrics of a run's folds.csv, ready for JSON.

    The interval is that of the share of all images that were predicted correctly. None can be made
    of the deviation between folds, whose models share most of their training images (Y. Bengio and
    Y. Grandvalet, "No Unbiased Estimator of the Variance of K-Fold Cross-Validation", JMLR 5,
    2004). For the same reason it is a little narrow (S. Bates, T. Hastie and R. Tibshirani,
    "Cross-validation: what does it estimate and how well does it do it?", JASA 119, 2024).

    Args:
        run: Its folds.csv has the columns path, fold, label and predicted.

    Returns:
        ``k``, ``n``, and of all n predictions together ``accuracy``, ``accuracy_ci95`` (Wilson) and
        ``macro_f1``, all 0..1. ``per_fold`` has a ``fold`` (from 1), ``n``, ``accuracy`` and
        ``macro_f1`` for each fold; ``accuracy_mean``, ``accuracy_std`` and so on are the mean and
        the standard deviation (of a sample) of these.
    """
    rows = read_csv(run.path / "folds.csv")
    index = {name: i for i, name in enumerate(run.classes)}
    true, predicted = (
        np.array([index[row[column]] for row in rows]) for column in ("label", "predicted")
    )
    fold = np.array([int(row["fold"]) for row in rows])

    def figures(chosen: np.ndarray) -> dict[str, Any]:
        matrix = count_confusions(true[chosen], predicted[chosen], len(index))
        n = int(chosen.sum())
        return {"n": n, "accuracy": accuracy(matrix), "macro_f1": macro_f1(matrix)}

    per_fold = [{"fold": int(number)} | figures(fold == number) for number in np.unique(fold)]
    together = figures(np.ones(len(rows), bool))
    right = int((true == predicted).sum())
    result = {
        "k": len(per_fold),
        **together,
        "accuracy_ci95": list(wilson_interval(right, len(rows))),
    }
    for name in ("accuracy", "macro_f1"):
        values = [each[name] for each in per_fold]
        result |= {f"{name}_mean": float(np.mean(values))}
        result |= {f"{name}_std": float(np.std(values, ddof=1))}
    return result | {"per_fold": per_fold}
