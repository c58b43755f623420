"""transfer compare DATA: which backbone for these images, on this machine."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.options import given, is_run, recipe_options
from transfer.errors import UsageError
from transfer.recipe.reading import READING

if TYPE_CHECKING:
    from transfer.api.comparison import Compared


@click.command(short_help="Compare backbones on a folder of images.")
@click.argument("data")
@click.argument("more", nargs=-1, metavar="")
@click.option(
    "--backbones",
    metavar="NAME,NAME...",
    help='See "transfer backbones".  [default: all whose weights are on this machine]',
)
@click.option(
    "--scratch",
    is_flag=True,
    help="Add the small network that suits the images, trained from scratch, as a baseline.",
)
@click.option("--weights", metavar="WEIGHTS", help="As for finetune: a folder, for example.")
@click.option(
    "--augment", metavar="SPEC", help="As for finetune, and only for the networks from scratch."
)
@click.option("--image-size", type=int, metavar="NUMBER", help="Side of the input in pixels.")
@click.option(
    "--engine", metavar="auto|keras|openvino", help="What runs the networks.  [default: auto]"
)
@click.option(
    "--precision",
    metavar="f32|bf16|int8",
    help="bf16 and int8 need OpenVINO, int8 also NNCF.  [default: f32]",
)
@click.option("--group-by", metavar="SPEC", help="As for finetune: groups stay in one fold.")
@click.option("--seed", type=int, metavar="NUMBER", help="Seed of the folds.  [default: 0]")
@partial(recipe_options, names=READING)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o", "--output", type=click.Path(), help="Draw accuracy against speed into this PNG file."
)
def compare(
    data: str,
    more: tuple[str, ...],
    backbones: str | None,
    scratch: bool,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """Cross-validate a linear head on each backbone's frozen features of the images in DATA.

    Nothing is fine-tuned. A star marks those that no other beats in both accuracy and speed. The
    features are kept for later runs of "transfer finetune".

    dnn, lenet5, simple-cnn and small-cnn have no pretrained weights. They are trained from scratch,
    in as many of the same folds as ten minutes allow. N is the number of images evaluated.

    The last line says whether the best two differ by more than chance: McNemar's test on the images
    that both predicted. With networks from scratch, these are the best of each kind.
    """
    from transfer import api
    from transfer.api.comparison import which_is_better

    if more:
        runs = any(map(is_run, (data, *more)))
        raise UsageError(
            "compare trains on images: transfer compare DATA. To compare runs:"
            f" transfer diff {shlex.join((data, *more))}"
            if runs
            else f"Expected one DATA. Received: {shlex.join((data, *more))}"
        )
    names = None if backbones is None else [name.strip() for name in backbones.split(",")]
    with watched():
        records = api.compare(data, names, scratch=scratch, output=output, **given(options))
    if as_json:
        tell_json([dataclasses.asdict(each) for each in records], indent=2)
    else:
        tell(_table(records))
        told = which_is_better(records)
        if told is not None:
            tell(told)
        if output is not None:
            tell(f"Chart: {output}")


def _table(records: Sequence[Compared]) -> str:
    from transfer.cli.tables import table

    rows = [
        [
            "*" if each.unbeaten else "",
            each.backbone + (", from scratch" if each.scratch else ""),
            str(each.image_size),
            f"{each.accuracy:.3f}",
            f"{each.low:.3f}-{each.high:.3f}",
            f"{each.images:,}",
            f"{each.images_per_second:,.0f}",
            f"{each.parameters / 1e6:.1f} M",
            f"{each.megabytes:,.{1 if each.megabytes < 10 else 0}f}",
        ]
        for each in records
    ]
    header = ["", "BACKBONE", "SIZE", "ACCURACY", "95 % INTERVAL", "N", "IMAGES/S", "PARAMS", "MB"]
    return table(header, rows, right=(2, 3, 4, 5, 6, 7, 8))
