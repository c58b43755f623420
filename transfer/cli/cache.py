"""transfer cache: list or clear the cache."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import click

from transfer.cli.console import tell, tell_json
from transfer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from transfer.api.cache import CacheListing


@click.command(short_help="List or clear the cache.")
@click.argument("action", default="list", metavar="[list|clear]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def cache(action: str, as_json: bool) -> None:
    """List the cached features of earlier runs, or clear them.

    With them, the next run on the same images skips the forward passes of the frozen network.
    Least recently used entries are evicted above 5 GB, or above the size in the variable
    TRANSFER_CACHE; 0 turns the cache off. The folder is ~/.cache/transfer unless the variable
    TRANSFER_CACHE_DIR names another.

    Prepared archives, tables, data sets and samples are listed too. Runs still need them, so clear
    leaves them alone; each is a folder that you can remove by hand.
    """
    from transfer.api.cache import clear_cache, list_cache

    if action == "list":
        found = list_cache()
        if as_json:
            tell_json(_to_json(found))
        else:
            tell(_describe(found))
    elif action == "clear":
        folder, removed = clear_cache()
        if as_json:
            tell_json({"folder": str(folder), "removed_bytes": removed})
        else:
            tell(f"Removed {removed / 1e6:,.1f} MB from {folder}")
    else:
        near = did_you_mean(action, ["list", "clear"])
        raise UsageError(f"Unknown action {action!r}.{near} Expected list or clear.")


def _to_json(found: CacheListing) -> dict[str, Any]:
    result = dataclasses.asdict(found) | {"folder": str(found.folder)}
    for each in (*result["features"], result["converted_networks"]):
        each["used"] = _when(each["used"])
    for each in result["prepared"]:
        each["folder"] = str(each["folder"])
    return result


def _when(used: float | None) -> str | None:
    return None if used is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(used))


def _describe(found: CacheListing) -> str:
    from transfer.cli.tables import counted, table

    rows = [
        [
            str(each.backbone or "?"),
            str(each.image_size or "?"),
            str(each.engine or "?"),
            f"{each.images:,}",
            f"{each.bytes / 1e6:,.1f}",
            _when(each.used) or "",
        ]
        for each in found.features
    ]
    networks = found.converted_networks
    if networks.networks:
        name = counted(networks.networks, "converted network")
        rows.append([name, "", "", "", f"{networks.bytes / 1e6:,.1f}", _when(networks.used) or ""])
    header = ["BACKBONE", "SIZE", "ENGINE", "IMAGES", "MB", "LAST USED"]
    total, limit = found.bytes / 1e6, found.limit / 1e6
    lines = [table(header, rows, right=(1, 3, 4)) + "\n"] if rows else []
    lines.append(f"{total:,.1f} MB of at most {limit:,.0f} MB in {found.folder}")
    for each in found.prepared:
        lines.append(f"{each.bytes / 1e6:,.1f} MB of {each.source} in {each.folder}")
    return "\n".join(lines)
