"""compare: which backbone for these images, on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.api.training import check_recipe, make_recipe, read_images
from transfer.backbones import Backbone, list_backbones
from transfer.errors import UsageError
from transfer.evaluation.comparison import plot_comparison
from transfer.evaluation.metrics import wilson_interval
from transfer.images.groups import group_images
from transfer.progress import say
from transfer.quiet import import_tensorflow
from transfer.recipe import Recipe
from transfer.weights import locate, resolve_weights


@dataclass(frozen=True)
class Compared:
    """One backbone among those that were compared.

    Attributes:
        backbone: Its name in the registry.
        image_size: Side of its input in pixels.
        accuracy: Of a linear head on its frozen features, cross-validated, 0..1.
        low: Lower end of the accuracy's 95 % interval (Wilson).
        high: Upper end.
        images: How many images that is the accuracy on.
        images_per_second: Of the frozen network here, without reading the files.
        parameters: Number of its weights, without a head.
        megabytes: Their size as float32.
        unbeaten: Whether no other is both more accurate and faster.
    """

    backbone: str
    image_size: int
    accuracy: float
    low: float
    high: float
    images: int
    images_per_second: float
    parameters: int
    megabytes: float
    unbeaten: bool


def compare(
    data: str | os.PathLike[str],
    backbones: Sequence[str] | None = None,
    *,
    picture: str | os.PathLike[str] | None = None,
    **knobs: Any,
) -> list[Compared]:
    """Compare backbones on a folder of images, without fine-tuning any.

    Each runs once over the images, and a linear head on its features is cross-validated in five
    folds. The features are kept: a later `finetune` with one of them need not compute them again.
    Test images are left out.

    Args:
        data: As for `transfer.finetune`.
        backbones: Names in the registry; all whose weights are here where not given.
        picture: PNG file for a picture of accuracy against speed.
        **knobs: Fields of `transfer.Recipe` such as ``weights``, ``image_size``,
            ``engine`` or ``group_by``.

    Returns:
        One record per backbone, the most accurate first.

    Raises:
        UsageError: A name or knob makes no sense.
        DataError: The images cannot be used.
        WeightsError: Weights cannot be had.

    Example:
        >>> transfer.compare("data/dogs", ["mobilenetv2", "xception"])[0].backbone
        'xception'
    """
    base = make_recipe(None, knobs)
    names = list(backbones) if backbones is not None else _at_hand(base)
    wanted = [make_recipe(base, {"backbone": name}) for name in names]
    recipes = {recipe.backbone: recipe for recipe in wanted}
    if not recipes:
        raise UsageError("Expected at least one backbone to compare. Received none.")
    networks = [(recipe, check_recipe(recipe)) for recipe in recipes.values()]
    for _, each in networks:
        if each.scratch:
            raise UsageError(
                f"{each.name} has no pretrained weights, so that its frozen features say nothing."
                f" Train it: transfer finetune DATA --backbone {each.name}"
            )
    _, folder, audit = read_images(data, base)
    groups = group_images(folder, audit.sha256, audit.groups, base.group_by)
    folder = folder.keep([split != "test" for split in folder.splits])
    found = [(recipe, each, resolve_weights(each, recipe.weights)) for recipe, each in networks]
    import_tensorflow()
    from transfer.training.compare import Measured, measure

    results: list[tuple[Recipe, Backbone, Measured]] = []
    for recipe, backbone, weights in found:
        say(f"{backbone.name}:")
        measured = measure(folder, recipe, weights, audit.sha256, groups)
        results.append((recipe, backbone, measured))
    records = _judge(results)
    if picture is not None:
        plot_comparison([vars(each) for each in records], Path(picture))
    return records


def _at_hand(recipe: Recipe) -> list[str]:
    """Return the backbones whose weights need no download."""
    names = []
    for backbone in list_backbones():
        try:
            weights = locate(backbone, recipe.weights)
        except UsageError:  # a folder of weights that holds none of this one
            continue
        if not weights.needs_download and weights.path is not None:
            names.append(backbone.name)
    return names


def _judge(results: Sequence[tuple[Recipe, Backbone, Any]]) -> list[Compared]:
    figures = [(float(m.right.mean()), m.images_per_second) for _, _, m in results]
    records = []
    for (recipe, backbone, measured), own in zip(results, figures, strict=True):
        accuracy, speed = own
        low, high = wilson_interval(int(measured.right.sum()), len(measured.right))
        beaten = any(a >= accuracy and s >= speed and (a, s) != own for a, s in figures)
        records.append(
            Compared(
                backbone=backbone.name,
                image_size=recipe.image_size or backbone.image_size,
                accuracy=accuracy,
                low=low,
                high=high,
                images=len(measured.right),
                images_per_second=speed,
                parameters=measured.parameters,
                megabytes=4 * measured.parameters / 1e6,
                unbeaten=not beaten,
            )
        )
    return sorted(records, key=lambda each: (-each.accuracy, -each.images_per_second))
