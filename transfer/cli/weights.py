"""transfer weights: which pretrained weights are where."""

from __future__ import annotations

import os

import click

from transfer.cli.console import tell, tell_json


@click.command(short_help="List the pretrained weights on this machine.")
@click.argument("pattern", default="*")
@click.option("--all", "everything", is_flag=True, help="List those not downloaded yet, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def weights(pattern: str, everything: bool, as_json: bool) -> None:
    """List the pretrained weights on this machine of the backbones that match PATTERN.

    They are looked up in the folder that the variable TRANSFER_WEIGHTS names, then in this
    package, then in the Keras cache. To work offline, put a file into the first or the last under
    the name that --all shows, or give its path to "transfer finetune --weights".
    """
    from transfer.api.weights import keras_cache, weights_files
    from transfer.cli.tables import table

    found = [each for each in weights_files(pattern) if everything or each.path is not None]
    if as_json:
        rows = [
            {
                "backbone": each.backbone,
                "origin": each.origin,
                "path": None if each.path is None else str(each.path),
                "file": each.file,
                "url": each.url,
            }
            for each in found
        ]
        tell_json(rows, indent=2)
        return
    cells = [
        [
            each.backbone,
            "download" if each.needs_download else each.origin,
            each.file or "-",
            str(each.path or each.url or "-"),
        ]
        for each in found
    ]
    if cells:
        tell(table(["BACKBONE", "WEIGHTS", "FILE", "WHERE"], cells))
    tell(f"\nTRANSFER_WEIGHTS: {os.environ.get('TRANSFER_WEIGHTS') or 'not set'}")
    tell(f"Keras cache:      {keras_cache()}")
