"""transfer explain RUN [IMAGE...]: which places of an image raise the logit of a class."""

from __future__ import annotations

import click

from transfer.cli.console import tell, watched
from transfer.cli.options import require_run
from transfer.errors import DataError, UsageError, option
from transfer.system.progress import say, warn, warn_unused


@click.command(short_help="Show which places of an image raise the logit of a class.")
@click.argument("run", type=click.Path())
@click.argument("paths", metavar="[IMAGE]...", nargs=-1, type=click.Path())
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="Folder for the pictures and explanations.json.  [default: explanations]",
)
@click.option(
    "--method",
    default="auto",
    show_default=True,
    metavar="auto|cam|layercam|occlusion",
    help="cam: exact, for linear heads; layercam: by gradients, for all; occlusion: covers part"
    " after part, slow; auto: the first that the model allows.",
)
@click.option("--layer", default="", metavar="NAME", help="The layer for layercam or --maps.")
@click.option(
    "--class",
    "class_name",
    default="",
    metavar="NAME",
    help="Explain this class.  [default: the predicted]",
)
@click.option(
    "--maps",
    is_flag=True,
    help="Draw the feature maps of the layer instead, and the filters of the first; without --layer"
    " of the first convolution, the first pooling and the last feature map.",
)
def explain(
    run: str,
    paths: tuple[str, ...],
    output: str | None,
    method: str,
    layer: str,
    class_name: str,
    maps: bool,
) -> None:
    """Show which places of each IMAGE raise the logit of the class that RUN predicts for it.

    Folders are searched recursively. Each explanation becomes a PNG file, whose path is printed;
    unreadable images are named and the exit code is then 2. Without IMAGE, the run's worst mistakes
    and surest hits are explained in its report, which is written again.
    """
    require_run("explain", run, paths)
    with watched():
        if not paths:
            _explain_report(run, output, method, layer, class_name, maps)
        elif maps:
            warn_unused(
                _given(class_name=class_name) + _given(method=method != "auto"), "with --maps"
            )
            _draw_maps(run, paths, output or "explanations", layer)
        else:
            _explain_images(run, paths, output or "explanations", (method, layer, class_name))


def _given(**options: object) -> list[str]:
    return [name.replace("class_name", "class") for name, value in options.items() if value]


def _explain_report(
    run: str, output: str | None, method: str, layer: str, class_name: str, maps: bool
) -> None:
    from transfer import api

    asked = _given(output=output, class_name=class_name, maps=maps)
    if asked:
        raise UsageError(f"{option(asked[0])} needs an IMAGE; without any, the report is written.")
    api.explain(run, method=method, layer=layer)


def _explain_images(
    run: str, paths: tuple[str, ...], output: str, how: tuple[str, str, str]
) -> None:
    from transfer import api
    from transfer.system.files import shown

    bad: list[tuple[str, DataError]] = []
    count = 0

    def leave_out(name: str, error: DataError) -> None:
        bad.append((name, error))
        warn(f"Left out: {error}")

    method, layer, class_name = how
    found = api.iterate_explanations(
        run, paths, leave_out, method=method, layer=layer, class_name=class_name
    )
    for each, file in api.write_explanations(found, output, bad):
        count += 1
        tell(f"{each.path}  {each.class_name} {each.probability:.3f}  {shown(file)}")
    if bad:
        others = "the others were explained" if count else "nothing was explained"
        raise DataError(f"{len(bad)} of the images could not be read; {others}.")
    say(f"Wrote {count} picture{'' if count == 1 else 's'} and explanations.json to {output}")


def _draw_maps(run: str, paths: tuple[str, ...], output: str, layer: str) -> None:
    from transfer import api
    from transfer.system.files import shown

    bad: list[DataError] = []

    def leave_out(name: str, error: DataError) -> None:
        bad.append(error)
        warn(f"Left out: {error}")

    for file in api.feature_maps(run, paths, output, layer=layer, on_bad=leave_out):
        tell(shown(file))
    if bad:
        raise DataError(f"{len(bad)} of the images could not be read.")
