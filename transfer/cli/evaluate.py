"""transfer evaluate RUN [DATA]: the model of a run on images with known labels."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.matrix import tell_matrix
from transfer.cli.options import given, prior_option, recipe_options, require_run
from transfer.recipe.reading import READING

OTHER_DATA = [n for n in READING if n not in ("task", "negatives", "allow_empty")]  # of RUN


@click.command(short_help="Evaluate a run's model on a split or on other images.")
@click.argument("run", type=click.Path())
@click.argument("data", required=False)
@click.option(
    "--split",
    metavar="train|val|test",
    help="Which images.  [default: test if there is one, else val; all of a DATA without splits]",
)
@prior_option
@partial(recipe_options, names=OTHER_DATA)
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON on stdout.")
def evaluate(
    run: str,
    data: str | None,
    split: str | None,
    prior: Any,
    as_json: bool,
    **reading: Any,
) -> None:
    """Evaluate the model of RUN on one split of its own images, or on the image folder DATA.

    Classes are matched by name. Unless options say how, DATA is read as the images that RUN was
    trained on, or else by the rules for folders. Results on anything but the run's own split, and
    those with a prior, go to RUN/evaluations.
    """
    from transfer import api
    from transfer.api.run import Run
    from transfer.cli.tables import describe

    require_run("evaluate", run, [] if data is None else [data])
    with watched(quiet=as_json):
        metrics = api.evaluate(run, data, split, prior=prior, **given(reading))
    if as_json:
        tell_json(metrics)
    else:
        tell(describe(metrics, Run(run).uneven))
        tell_matrix(metrics)
