"""transfer report RUN: the page that shows what the model confuses."""

from __future__ import annotations

import click

from transfer.cli.console import tell
from transfer.cli.options import require_run
from transfer.errors import TransferError, UsageError


@click.command(short_help="Write the page that shows what a run's model confuses.")
@click.argument("run", type=click.Path())
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option(
    "--markdown",
    type=click.Path(),
    metavar="FILE",
    help="Write the metrics as Markdown, too, for a pull request.",
)
@click.option(
    "--junit",
    type=click.Path(),
    metavar="FILE",
    help="Write JUnit XML, too: a test case for each --fail-under.",
)
@click.option(
    "--fail-under",
    metavar="METRIC=SHARE",
    multiple=True,
    help='Exit with 1 where a metric is lower: "accuracy=0.9", "recall[roses]=0.8"; several times.',
)
def report(
    run: str, show: bool, markdown: str | None, junit: str | None, fail_under: tuple[str, ...]
) -> None:
    """Write report.html of RUN again from its predictions, and print its path.

    With --fail-under a pipeline can refuse a model: accuracy, macro_f1, balanced_accuracy, and
    precision, recall or f1 of a class in brackets.
    """
    from transfer import api
    from transfer.api.exports import export
    from transfer.system.files import shown

    least = _least(fail_under)
    if junit is not None and not least:
        raise UsageError("--junit has a test case for each --fail-under: add one or more.")
    require_run("report", run)
    checks = export(run, markdown=markdown, junit=junit, fail_under=least)
    path = api.report(run)
    tell(shown(path))
    if show:
        click.launch(str(path))
    if failed := [str(each) for each in checks if not each.passed]:
        raise TransferError(f"{'; '.join(failed)}.")


def _least(words: tuple[str, ...]) -> dict[str, float]:
    """Return metric to least value. Raises UsageError for other words, and for one given twice."""
    least: dict[str, float] = {}
    for word in words:
        name, _, value = word.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not name or number != number:
            raise UsageError(
                f"Expected --fail-under METRIC=SHARE, such as accuracy=0.9. Received: {word!r}"
            )
        if name in least:
            raise UsageError(f"Expected each metric once in --fail-under. Received twice: {name!r}")
        least[name] = number
    return least
