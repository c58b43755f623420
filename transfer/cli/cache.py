"""transfer cache: what is kept of earlier runs."""

from __future__ import annotations

import time
from typing import Any

import click


@click.command(short_help="List or clear what is kept of earlier runs.")
@click.argument("action", default="list", metavar="[list|clear]")
def cache(action: str) -> None:
    """List what frozen networks made of photos in earlier runs, or clear it.

    It is kept so that the next run on the same photos need not compute it again. What was not
    used for longest is thrown out when there is more than 5 GB, or what the variable
    TRANSFER_CACHE says; 0 keeps nothing. The folder is ~/.cache/transfer, or that of the variable
    TRANSFER_CACHE_DIR.

    Archives, tables and data sets that were prepared are listed too. Runs still need them: clear
    leaves them alone, and each is a folder that can be removed by hand.
    """
    from transfer.api.data import prepared
    from transfer.cachedir import cache_limit
    from transfer.errors import UsageError, did_you_mean
    from transfer.features.shards import clear, features_dir, stored_spaces

    if action not in ("list", "clear"):
        near = did_you_mean(action, ["list", "clear"])
        raise UsageError(f"Unknown action {action!r}.{near} Expected list or clear.")
    if action == "clear":
        click.echo(f"{clear() / 1e6:,.1f} MB removed from {features_dir()}")
        return
    limit, stored = cache_limit(), stored_spaces()
    if stored:
        click.echo(_table(stored) + "\n")
    total = sum(each.size for each in stored)
    click.echo(f"{total / 1e6:,.1f} MB of at most {limit / 1e6:,.0f} MB in {features_dir()}")
    for path, about in prepared():
        click.echo(f"{about['size'] / 1e6:,.1f} MB of {about['source']} in {path}")


def _table(stored: list[Any]) -> str:
    from transfer.cli.tables import table

    rows = [
        [
            str(each.about.get("backbone", "?")),
            str(each.about.get("image_size", "?")),
            str(each.about.get("engine", "?")),
            str(each.about.get("what", "?")),
            str(each.about.get("view", "?")),
            f"{each.images():,}",
            f"{each.size / 1e6:,.1f}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each.used)),
        ]
        for each in reversed(stored)
    ]
    header = ["BACKBONE", "SIZE", "ENGINE", "WHAT", "VIEW", "IMAGES", "MB", "LAST USED"]
    return table(header, rows, right=(1, 4, 5, 6))
