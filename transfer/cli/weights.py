"""transfer weights: which pretrained weights are where."""

from __future__ import annotations

import json
import os

import click

from transfer.errors import UsageError, did_you_mean


@click.command(short_help="List which pretrained weights are where.")
@click.argument("pattern", default="*")
@click.option("--all", "everything", is_flag=True, help="Also those that would be downloaded.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def weights(pattern: str, everything: bool, as_json: bool) -> None:
    """List the pretrained weights on this machine of the backbones that fit PATTERN.

    They are looked for in the folder that the variable TRANSFER_WEIGHTS names, then in this
    package, then in the cache of Keras. Without the internet, put a file into the first or the last
    under the name that --all shows, or give its path to "transfer finetune --weights".
    """
    from transfer.cli.tables import table
    from transfer.networks.backbones import list_backbones
    from transfer.networks.weights import keras_cache, list_weights

    if not list_backbones(pattern):
        hint = did_you_mean(pattern.lower(), [backbone.name for backbone in list_backbones()])
        raise UsageError(f'No backbone fits {pattern!r}.{hint} See "transfer backbones".')
    found = [each for each in list_weights(pattern) if everything or each[1].path is not None]
    rows = [
        {
            "backbone": backbone.name,
            "origin": weights.origin,
            "path": None if weights.path is None else str(weights.path),
            "file": backbone.weights_file,
            "url": backbone.weights_url,
        }
        for backbone, weights in found
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [
        [
            backbone.name,
            "download" if weights.needs_download else weights.origin,
            backbone.weights_file or "-",
            str(weights.path or backbone.weights_url or "-"),
        ]
        for backbone, weights in found
    ]
    if cells:
        click.echo(table(["BACKBONE", "WEIGHTS", "FILE", "WHERE"], cells))
    click.echo(f"\nTRANSFER_WEIGHTS: {os.environ.get('TRANSFER_WEIGHTS') or 'not set'}")
    click.echo(f"Keras cache:      {keras_cache()}")
