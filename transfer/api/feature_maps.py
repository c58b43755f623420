"""feature_maps: what the layers of a run's network make of an image, as pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from transfer.api.explained_files import make_folder, plain
from transfer.api.explanations import OnBad
from transfer.api.prediction import opened
from transfer.errors import DataError
from transfer.evaluation.explained.channels import colours_of, gray_levels, grid
from transfer.evaluation.fonts import readable
from transfer.runs.run import RunLike, as_run
from transfer.system.files import atomic
from transfer.system.guest import numpy_defaults
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    from transfer.images.decode import Source
    from transfer.serving.explain.channels import Channels


@numpy_defaults()
def feature_maps(
    run: RunLike,
    pictures: Source | Iterable[Source],
    output: str | os.PathLike[str] = "explanations",
    *,
    layer: str = "",
    on_bad: OnBad | None = None,
) -> list[Path]:
    """Draw the channels of a layer for each image, and the filters of a first convolution.

    Args:
        run: A run or its path.
        pictures: One or several, as `predict` takes them.
        output: Folder for the PNG files; it is made.
        layer: A layer of the backbone; ``""`` takes the first convolution, the first pooling and
            the uppermost feature map.
        on_bad: Called with name and error of each unreadable image; None raises the error.

    Returns:
        The files: ``filters-LAYER.png``, then one for each image and layer.

    Raises:
        DataError: An image cannot be read.
        RunError: The run has no valid model.
        UsageError: The layer is unknown or gives no feature map, or the folder cannot be written.
    """
    run = as_run(run)
    predictor = opened(run)
    import_tensorflow()
    from transfer.networks.classifier import load_classifier
    from transfer.serving.explain.channels import channels_of, chosen_layers, filters_of
    from transfer.serving.explain.parts import Parts
    from transfer.serving.predictor import expand

    parts = Parts.of(load_classifier(run), str(run.path / "model.keras"))
    if layer:
        parts.check_layer(layer)
    layers = [layer] if layer else chosen_layers(parts)
    if not layers:
        parts.check_layer("")  # which says that there is none
    folder = make_folder(output)
    files = []
    for place, name in enumerate(layers):
        filters = filters_of(parts, name)
        if filters is not None:
            title = f"The {len(filters)} filters of layer {readable(name, 0)}"
            tiles = colours_of(filters[:64])
            sheet = grid(title, _FILTERS, tiles, tuple(range(len(tiles))), None)
            files.append(_saved(sheet, folder / f"filters-{plain(name, place)}.png"))
    look = channels_of(parts, layers)
    unlistable = None if on_bad is None else lambda error: on_bad("", error)
    for number, (name, source) in enumerate(expand(pictures, unlistable)):
        try:
            image = predictor.read(name, source)
        except DataError as error:
            if on_bad is None:
                raise
            on_bad(name, error)
            continue
        for each in look(image):
            sheet = _drawn(each, Path(name).name, number, Image.fromarray(image))
            layer = plain(each.layer, layers.index(each.layer))
            files.append(_saved(sheet, folder / f"{number + 1:03d}-{plain(name)}-{layer}-maps.png"))
    return files


_FILTERS = "Each from its smallest weight, dark, to its largest, in the channels of the input."
_MAPS = (
    "First the image as the model sees it; each channel from its smallest value, black, to its"
    " largest, white."
)


def _drawn(each: Channels, name: str, number: int, image: Image.Image) -> Image.Image:
    height, width = each.values.shape[1:]
    of = f"{len(each.numbers)} of {each.total} channels, the strongest"
    some = of if len(each.numbers) < each.total else f"{each.total} channels"
    title = f"{readable(name, number)}: layer {readable(each.layer, 0)} ({each.kind},"
    title += f" {width} x {height}), {some}"
    return grid(title, _MAPS, gray_levels(each.values), each.numbers, image)


def _saved(sheet: Image.Image, path: Path) -> Path:
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG")
    return path
