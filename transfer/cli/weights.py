"""transfer weights: which pretrained weights are where."""

from __future__ import annotations

import json

import click


@click.command(short_help="List which pretrained weights are where.")
@click.argument("pattern", default="*")
@click.option("--all", "everything", is_flag=True, help="Also those that would be downloaded.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def weights(pattern: str, everything: bool, as_json: bool) -> None:
    """List the pretrained weights that are on this machine for the backbones that fit PATTERN.

    They are looked for in the folder that TRANSFER_WEIGHTS names, in this package and in the
    cache of Keras.
    """
    from transfer.backbones import list_backbones
    from transfer.cli.tables import table
    from transfer.weights import keras_cache, place

    ...
