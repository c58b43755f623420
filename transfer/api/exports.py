"""The metrics of a run for pull requests and pipelines: report.md, JUnit XML, least values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from transfer.errors import UsageError, option
from transfer.evaluation.checks import Check, check_metrics
from transfer.evaluation.junit import as_junit
from transfer.evaluation.markdown import as_markdown
from transfer.runs.run import RunLike, as_run
from transfer.system.files import check_writable, write_text

__all__ = ["Check", "export"]


def export(
    run: RunLike,
    *,
    markdown: str | os.PathLike[str] | None = None,
    junit: str | os.PathLike[str] | None = None,
    fail_under: Mapping[str, float] | None = None,
) -> list[Check]:
    """Write the metrics of a run for pull requests and pipelines, and check least values.

    Args:
        run: A run or its path.
        markdown: File for a summary in GitHub's Markdown; None for none.
        junit: File for JUnit XML, one test case for each of `fail_under`; None for none.
        fail_under: Metric to its least value, 0..1: ``{"accuracy": 0.9, "recall[roses]": 0.8}``.

    Returns:
        What became of each of `fail_under`.

    Raises:
        RunError: The run has no metrics yet.
        UsageError: A metric or a class is unknown, a value is no share, or a file cannot be
            written.

    Example:
        >>> [each.passed for each in export("runs/dogs-vgg16-001", fail_under={"accuracy": 0.9})]
        [True]
    """
    run = as_run(run)
    checks = check_metrics(run.metrics, fail_under or {})
    files = [
        (Path(path), write)
        for path, write in ((markdown, as_markdown), (junit, as_junit))
        if path is not None
    ]
    if len({path.resolve() for path, _ in files}) < len(files):
        raise UsageError(
            f"Expected different files as {option('markdown')} and {option('junit')}. Received"
            f" twice: {str(files[0][0])!r}"
        )
    for path, _ in files:
        check_writable(path)
    for path, write in files:
        write_text(path, write(run.path.name, run.metrics, checks))
    return checks
