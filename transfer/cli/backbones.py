"""transfer backbones: the networks, and the blocks of one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from transfer.errors import UsageError

HEADER = ("BACKBONE", "FAMILY", "SIZE", "MIN", "PARAMS", "FEATURES", "WEIGHTS")


@click.command(short_help="List the networks, or show the blocks of one.")
@click.argument("pattern", default="*")
@click.option("--image-size", type=int, metavar="NUMBER", help="For which input blocks are shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def backbones(pattern: str, image_size: int | None, as_json: bool) -> None:
    """List the networks whose names fit PATTERN, such as 'resnet*'. The name of one network
    shows its blocks from the top down: those that "finetune --unfreeze N" trains.
    """
    from transfer.networks.backbones import get_backbone, list_backbones
    from transfer.networks.weights import list_weights

    if not set("*?[") & set(pattern):
        click.echo(_show(get_backbone(pattern), image_size, as_json))
    elif not list_backbones(pattern):
        raise UsageError(f'No backbone fits {pattern!r}. See "transfer backbones".')
    else:
        click.echo(_list(list_weights(pattern), as_json))


def _list(found: list[Any], as_json: bool) -> str:
    from transfer.cli.tables import table

    if as_json:
        return json.dumps([_record(*each) for each in found], indent=2)
    pretrained = [_row(*each) for each in found if not each[0].scratch]
    scratch = [_row(*each) for each in found if each[0].scratch]
    groups = []
    if pretrained:
        groups.append(table(HEADER, pretrained, right=(2, 3, 4, 5)))
    if scratch:
        title = "Trained from scratch, as a yardstick:\n"
        groups.append(title + table(HEADER, scratch, right=(2, 3, 4, 5)))
    return "\n\n".join(groups)


def _row(backbone: Any, weights: Any) -> list[str]:
    return [
        backbone.name,
        backbone.family,
        f"{backbone.image_size}",
        f"{backbone.min_size}",
        f"{backbone.parameters / 1e6:.1f} M",
        f"{backbone.feature_dim}",
        _place(weights),
    ]


def _place(weights: Any) -> str:
    if weights.needs_download:
        return "download"
    return "cached" if weights.origin == "imagenet" else str(weights.origin)


def _record(backbone: Any, weights: Any) -> dict[str, Any]:
    known = {f.name: getattr(backbone, f.name) for f in dataclasses.fields(backbone)}
    plain = {k: v if v is None or isinstance(v, (int, str)) else repr(v) for k, v in known.items()}
    path = None if weights.path is None else str(weights.path)
    digest = backbone.weights_md5  # either of the two, by its length
    plain["weights_md5"] = digest if len(digest or "") == 32 else None
    plain["weights_sha256"] = digest if len(digest or "") == 64 else None
    return plain | {"weights_origin": weights.origin, "weights_path": path}


def _show(backbone: Any, image_size: int | None, as_json: bool) -> str:
    from transfer.cli.tables import table
    from transfer.system.quiet import import_tensorflow

    import_tensorflow()
    from transfer.networks.blocks import affordable, find_blocks

    blocks = find_blocks(backbone.build(image_size))
    if as_json:
        return json.dumps([dataclasses.asdict(block) for block in blocks], indent=2)
    parameters = sum(block.parameters for block in blocks)
    work = sum(block.work for block in blocks)
    side = image_size or backbone.image_size
    rows = [
        [
            str(number),
            f"{block.first} .. {block.last}",
            f"{block.parameters:,}",
            f"{block.parameters / parameters:.1%}",
            f"{block.work / work:.1%}",
        ]
        for number, block in enumerate(blocks, start=1)
    ]
    default = "all of them" if backbone.scratch else f"N is {affordable(blocks)}"
    header = ["N", "LAYERS (top block first)", "PARAMS", "OF ALL", "OF THE WORK"]
    return (
        f"{backbone.name} ({backbone.family}): {parameters:,} parameters,"
        f" {work / 1e6:,.1f} M multiply-adds at {side} px, {backbone.feature_dim} features.\n"
        f"--unfreeze N trains blocks 1 to N; {default} by default.\n\n"
        + table(header, rows, right=(0, 2, 3, 4))
    )
