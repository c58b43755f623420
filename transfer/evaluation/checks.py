"""Least values that the metrics of a run must reach, such as in a pipeline that ships models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transfer.errors import UsageError, did_you_mean, option
from transfer.system.text import cut

OF_ALL = (
    *("accuracy", "macro_f1", "balanced_accuracy", "top5_accuracy"),
    *("micro_f1", "mean_average_precision"),
)
OF_A_CLASS = ("precision", "recall", "f1", "average_precision")
_NAME = re.compile(r"([\w -]+?)(?:\[(.*)\])?", re.DOTALL)


@dataclass(frozen=True)
class Check:
    """One metric and the least value that it must reach.

    Attributes:
        name: The metric, such as ``accuracy`` or ``recall[roses]``.
        least: The least value, 0..1.
        value: What the metric is, 0..1; None where it is not defined, since the class has no
            images or is never predicted.
    """

    name: str
    least: float
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the metric reaches the value."""
        return self.value is not None and self.value >= self.least

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name} is not defined: the class has no images, or is never predicted"
        if self.passed:
            return f"{self.name} is {self.value:.3f}, at least {self.least:g}"
        return f"{self.name} is {_digits(self.value, self.least)}, below {self.least:g}"


def _digits(value: float, least: float) -> str:
    """Return a value with as many digits as show that it is below another one."""
    for digits in range(3, 9):
        if float(f"{value:.{digits}f}") < least:
            return f"{value:.{digits}f}"
    return repr(value)


def check_metrics(metrics: Mapping[str, Any], least: Mapping[str, float]) -> list[Check]:
    """Return how metrics compare with the least values that they must reach.

    Args:
        metrics: As in metrics.json.
        least: Metric to its least value, 0..1: ``{"accuracy": 0.9, "recall[roses]": 0.8}``.

    Raises:
        UsageError: A metric or a class is unknown, or a value is no share.
    """
    return [_check(metrics, name, value) for name, value in least.items()]


def _check(metrics: Mapping[str, Any], name: str, least: float) -> Check:
    try:
        share = float(least)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(
            f"Expected a share of 0 to 1 for {cut(name)!r} in {option('fail_under')}."
            f" Received: {cut(least)!r}"
        )
    found = _NAME.fullmatch(name)
    metric, label = (found[1], found[2]) if found else (name, None)
    metric = re.sub(r"[ -]", "_", metric.strip().lower())
    if label is None:
        known = [each for each in OF_ALL if each in metrics]
        if metric not in known:
            raise UsageError(_unknown(name, metric, known, metrics))
        return Check(metric, share, metrics[metric])
    rows = {row["class"]: row for row in metrics["per_class"]}
    known = [each for each in OF_A_CLASS if each in next(iter(rows.values()))]
    if metric not in known:
        raise UsageError(_unknown(name, metric, known, metrics))
    if label not in rows:
        few = ", ".join(repr(cut(each, 40)) for each in list(rows)[:5])
        near = did_you_mean(label, rows) or f" Expected one such as {few}."
        raise UsageError(f"Unknown class {cut(label)!r} in {option('fail_under')}.{near}")
    return Check(f"{metric}[{label}]", share, rows[label][metric])


def _unknown(name: str, metric: str, known: list[str], metrics: Mapping[str, Any]) -> str:
    near = did_you_mean(metric, known)
    if metric in OF_A_CLASS and metric not in known:
        near = f" It is of one class: {metric}[{metrics['per_class'][0]['class']}]."
    elif not near:
        near = f" Expected one of {', '.join(known)}."
    return f"Unknown metric {cut(name)!r} in {option('fail_under')}.{near}"
