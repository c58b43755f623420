"""diff: whether runs differ, on the photos that they share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from transfer.errors import UsageError, call
from transfer.evaluation.difference.compared import (
    ConfusionChange,
    Difference,
    Flip,
    compare_with_first,
)
from transfer.evaluation.difference.joined import read_evaluated
from transfer.evaluation.difference.page import write_difference_page
from transfer.runs.run import Run
from transfer.system.files import check_writable
from transfer.system.guest import numpy_defaults

__all__ = ["ConfusionChange", "Difference", "Flip", "diff"]


@numpy_defaults()
def diff(
    first: Run | str | os.PathLike[str],
    *others: Run | str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
) -> list[Difference]:
    """Compare runs with the first one, on the photos that both predicted.

    Photos are matched by their bytes. Those that a run was trained on are left out.

    Args:
        first: A run, its path, or the path of a folder below its ``evaluations/``.
        others: One or more of the same.
        output: The page to write, one HTML file; None for none.

    Returns:
        One `Difference` for each of `others`: the photos that change between wrong and right,
        McNemar's test, and intervals of the differences by the paired bootstrap. With several,
        their p-values are adjusted by Holm.

    Raises:
        RunError: One is no finished run with one class for each image, or they have other classes
            or no photos in common.
        UsageError: There is nothing to compare with, a run is named twice, or `output` cannot be
            written.

    Example:
        >>> [found] = diff("runs/dogs-vgg16-001", "runs/dogs-mobilenetv2-001")
        >>> print(found.verdict, found.accuracy.ci95)
    """
    evaluated = [read_evaluated(path) for path in _distinct((first, *others))]
    if output is not None:
        check_writable(Path(output))
    found = compare_with_first(evaluated)
    if output is not None:
        write_difference_page(Path(output), evaluated, found)
    return found


def _distinct(runs: Sequence[Run | str | os.PathLike[str]]) -> list[Path]:
    paths = [each.path if isinstance(each, Run) else Path(each).expanduser() for each in runs]
    if len(paths) < 2:
        raise UsageError(f"Expected two runs or more: {call('diff', 'RUN1', 'RUN2')}")
    known: set[Path] = set()
    for path in paths:
        if path.resolve() in known:
            raise UsageError(f"Expected each run once. Received twice: {str(path)!r}")
        known.add(path.resolve())
    return paths
