"""transfer preview DATA: images as the model will see them."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from transfer.api.knobs import PreviewKnobs
from transfer.cli.console import tell, watched
from transfer.cli.options import given, recipe_options


@click.command(short_help="Draw images as the model will see them, and augmented.")
@click.argument("data")
@partial(recipe_options, names=list(PreviewKnobs.__annotations__))
@click.option("--count", default=2, show_default=True, metavar="N", help="Images of each class.")
@click.option(
    "-o", "--output", default="preview.png", show_default=True, help="The PNG file to write."
)
def preview(data: str, count: int, output: str, **options: Any) -> None:
    """Draw a grid of images of each class of DATA at the model's input size, each next to some
    augmented versions as used in training. Prints the path of the file.
    """
    from transfer import api

    with watched():
        path = api.preview(data, output, count=count, **given(options))
    tell(str(path))
