"""transfer evaluate RUN [DATA]: the model of a run on images with known labels."""

from __future__ import annotations

from typing import Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.options import prior_option, require_run
from transfer.system.progress import warn_unused


@click.command(short_help="Evaluate a run's model on a split or on other images.")
@click.argument("run", type=click.Path())
@click.argument("data", required=False)
@click.option(
    "--split",
    metavar="train|val|test",
    help="Which images.  [default: test if there is one, else val; all of a DATA without splits]",
)
@prior_option
@click.option("--follow-links", is_flag=True, help="Take images from outside DATA too.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON on stdout.")
def evaluate(
    run: str,
    data: str | None,
    split: str | None,
    prior: Any,
    follow_links: bool,
    as_json: bool,
) -> None:
    """Evaluate the model of RUN on one split of its own images, or on the image folder DATA.

    Classes are matched by name. Results on anything but the run's own split, and those with a
    prior, go to RUN/evaluations.
    """
    from transfer import api
    from transfer.api.run import Run
    from transfer.cli.tables import describe

    require_run("evaluate", run, [] if data is None else [data])
    with watched(quiet=as_json):
        warn_unused(["follow_links"] if follow_links and data is None else [], "without DATA")
        metrics = api.evaluate(run, data, split, prior=prior, follow_links=follow_links)
    if as_json:
        tell_json(metrics)
    else:
        tell(describe(metrics, Run(run).uneven))
