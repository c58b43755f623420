"""transfer lr-find DATA: which learning rate suits the fine-tuning."""

from __future__ import annotations

import dataclasses
import os
from functools import partial
from typing import Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.options import HELP, given, recipe_options
from transfer.cli.sections import Sectioned

# Options that the range test overrides or never reaches.
UNUSED = (
    "learning_rate",
    "schedule",
    "epochs",
    "patience",
    "interpolate",
    "monitor",
    "ema",
    "folds",
    "folds_finetune",
    "time",
)


@click.command("lr-find", cls=Sectioned, short_help="Suggest a learning rate for fine-tuning.")
@click.argument("data")
@partial(recipe_options, names=[name for name in HELP if name not in UNUSED])
@click.option(
    "--recipe", type=click.Path(), help="Start from this recipe.json; options override it."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    default="lr-find.png",
    show_default=True,
    help="PNG file for the curve.",
)
@click.option("--no-cache", is_flag=True, help="Neither read nor store features: TRANSFER_CACHE=0.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings.")
def lr_find(
    data: str,
    recipe: str | None,
    output: str,
    no_cache: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Raise the learning rate from 1e-7 to 1 over 100 steps of fine-tuning on DATA, draw the loss,
    and suggest a rate: the one at which the loss falls fastest, or, if it is low from the start
    as with a solved head, half of the one from which it rises. With warm-up, training often
    tolerates a higher rate.

    Everything else is as in "transfer finetune" with these options.
    """
    from transfer import api
    from transfer.recipe import Recipe

    if no_cache:
        os.environ["TRANSFER_CACHE"] = "0"
    with watched(quiet):
        curve = api.lr_find(
            data,
            recipe=None if recipe is None else Recipe.load(recipe),
            output=output,
            **given(options),
        )
    if as_json:
        tell_json(dataclasses.asdict(curve) | {"curve": output})
        return
    if curve.suggestion is not None:
        tell(f"Suggestion: --learning-rate {curve.suggestion:.2g}")
    else:
        tell("The loss moves by no more than its noise: there is no rate to suggest.")
    if curve.limit is not None:
        tell(f"The loss rises from {curve.limit:.2g} on (without warm-up).")
    tell(f"Curve: {output}")
