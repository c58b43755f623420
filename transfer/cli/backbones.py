"""transfer backbones: the networks, and the blocks of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.tables import table
from transfer.system.progress import warn_unused

if TYPE_CHECKING:
    from transfer.api.backbones import BackboneBlocks, ListedBackbone

HEADER = ("BACKBONE", "FAMILY", "SIZE", "MIN", "PARAMS", "FEATURES", "WEIGHTS")
BLOCKS = ("N", "LAYERS (top block first)", "PARAMS", "OF ALL", "OF THE WORK")


@click.command(short_help="List the networks, or show the blocks of one.")
@click.argument("pattern", default="*")
@click.option("--image-size", type=int, metavar="NUMBER", help="Input size for the blocks shown.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def backbones(pattern: str, image_size: int | None, as_json: bool) -> None:
    """List the networks whose names match PATTERN, such as 'resnet*'. With the name of one
    network, show its blocks from the top down: those that "finetune --unfreeze N" trains.
    """
    from transfer.api.backbones import describe_backbones, describe_blocks

    if set("*?[") & set(pattern):
        if image_size is not None:
            with watched():
                warn_unused(["image_size"], "on a list: name one network")
        found = describe_backbones(pattern)
        if as_json:
            tell_json([each.to_dict() for each in found], indent=2)
        else:
            tell(_list(found))
    else:
        shown = describe_blocks(pattern, image_size)
        if as_json:
            tell_json([dataclasses.asdict(block) for block in shown.blocks], indent=2)
        else:
            tell(_show(shown))


def _list(found: Sequence[ListedBackbone]) -> str:
    pretrained = [_row(each) for each in found if not each.backbone.scratch]
    scratch = [_row(each) for each in found if each.backbone.scratch]
    groups = []
    if pretrained:
        groups.append(table(HEADER, pretrained, right=(2, 3, 4, 5)))
    if scratch:
        title = "Baselines trained from scratch:\n"
        groups.append(title + table(HEADER, scratch, right=(2, 3, 4, 5)))
    return "\n\n".join(groups)


def _row(listed: ListedBackbone) -> list[str]:
    backbone, origin = listed.backbone, str(listed.weights.origin)
    if listed.weights.needs_download:
        origin = "download"
    return [
        backbone.name,
        backbone.family,
        f"{backbone.image_size}",
        f"{backbone.min_size}",
        f"{backbone.parameters / 1e6:.1f} M",
        f"{backbone.feature_dim}",
        "cached" if origin == "imagenet" else origin,
    ]


def _show(shown: BackboneBlocks) -> str:
    backbone = shown.backbone
    parameters = sum(block.parameters for block in shown.blocks)
    work = sum(block.work for block in shown.blocks)
    rows = [
        [
            str(number),
            f"{block.first} .. {block.last}",
            f"{block.parameters:,}",
            f"{block.parameters / parameters:.1%}",
            f"{block.work / work:.1%}",
        ]
        for number, block in enumerate(shown.blocks, start=1)
    ]
    default = "all of them" if backbone.scratch else f"N is {shown.default}"
    return (
        f"{backbone.name} ({backbone.family}): {parameters:,} parameters,"
        f" {work / 1e6:,.1f} M multiply-adds at {shown.image_size} px,"
        f" {backbone.feature_dim} features.\n"
        f"--unfreeze N trains blocks 1 to N; {default} by default.\n\n"
        + table(BLOCKS, rows, right=(0, 2, 3, 4))
    )
