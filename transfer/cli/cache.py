"""transfer cache: what is kept of earlier runs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import click


@click.command(short_help="List or clear what is kept of earlier runs.")
@click.argument("action", default="list", metavar="[list|clear]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def cache(action: str, as_json: bool) -> None:
    """List what frozen networks made of photos in earlier runs, or clear it.

    It is kept so that the next run on the same photos need not compute it again. What was not
    used for longest is thrown out when there is more than 5 GB, or what the variable
    TRANSFER_CACHE says; 0 keeps nothing. The folder is ~/.cache/transfer, or that of the variable
    TRANSFER_CACHE_DIR.

    Archives, tables, data sets and samples that were prepared are listed too. Runs still need
    them: clear leaves them alone, and each is a folder that can be removed by hand.
    """
    from transfer.errors import UsageError, did_you_mean
    from transfer.features.store import clear, features_dir

    if action not in ("list", "clear"):
        near = did_you_mean(action, ["list", "clear"])
        raise UsageError(f"Unknown action {action!r}.{near} Expected list or clear.")
    if action == "list":
        found = _look()
        click.echo(json.dumps(found) if as_json else _describe(found))
        return
    removed = clear()
    if as_json:
        click.echo(json.dumps({"folder": str(features_dir()), "removed_bytes": removed}))
    else:
        click.echo(f"{removed / 1e6:,.1f} MB removed from {features_dir()}")


def _look() -> dict[str, Any]:
    """Return all that is kept as what JSON takes, what was used last first."""
    from transfer.api.data import prepared
    from transfer.features.store import features_dir, stored_spaces
    from transfer.system.cachedir import cache_limit

    stored = stored_spaces()[::-1]
    networks = [each for each in stored if each.about.get("what") == "converted network"]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for each in stored:
        if each not in networks:
            key = tuple(each.about.get(name) for name in ("backbone", "image_size", "engine"))
            groups.setdefault(key, []).append(each)
    return {
        "folder": str(features_dir()),
        "bytes": sum(each.size for each in stored),
        "limit": cache_limit(),
        "features": [
            {"backbone": backbone, "image_size": size, "engine": engine}
            # the same images again in each view and at each cut
            | {"images": max(each.images() for each in spaces)}
            | _sum(spaces)
            for (backbone, size, engine), spaces in groups.items()
        ],
        "converted_networks": {"networks": len(networks)} | _sum(networks),
        "prepared": [
            {"source": about["source"], "folder": str(path), "bytes": about["size"]}
            for path, about in prepared()
        ],
    }


def _sum(spaces: Sequence[Any]) -> dict[str, Any]:
    used = max((each.used for each in spaces), default=None)
    when = None if used is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(used))
    return {"bytes": sum(each.size for each in spaces), "used": when}


def _describe(found: dict[str, Any]) -> str:
    from transfer.cli.tables import counted, table

    rows = [
        [
            str(each["backbone"] or "?"),
            str(each["image_size"] or "?"),
            str(each["engine"] or "?"),
            f"{each['images']:,}",
            f"{each['bytes'] / 1e6:,.1f}",
            each["used"],
        ]
        for each in found["features"]
    ]
    networks = found["converted_networks"]
    if networks["networks"]:
        name = counted(networks["networks"], "converted network")
        rows.append([name, "", "", "", f"{networks['bytes'] / 1e6:,.1f}", networks["used"]])
    header = ["BACKBONE", "SIZE", "ENGINE", "IMAGES", "MB", "LAST USED"]
    total, limit = found["bytes"] / 1e6, found["limit"] / 1e6
    return "\n".join(
        [
            *([table(header, rows, right=(1, 3, 4)) + "\n"] if rows else []),
            f"{total:,.1f} MB of at most {limit:,.0f} MB in {found['folder']}",
            *(
                f"{each['bytes'] / 1e6:,.1f} MB of {each['source']} in {each['folder']}"
                for each in found["prepared"]
            ),
        ]
    )
