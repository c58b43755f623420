"""compare: which backbone for these images, on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from transfer.api.training import check_recipe, make_recipe, read_images
from transfer.data.audit.clean import Audit
from transfer.data.folds import divide
from transfer.data.groups import group_images
from transfer.errors import UsageError
from transfer.evaluation.comparison import paired_p_value, plot_comparison, tell_winner
from transfer.evaluation.plots import check_png
from transfer.networks.backbones import get_backbone, list_backbones
from transfer.networks.weights import locate, resolve_weights
from transfer.recipe import Recipe
from transfer.statistics.intervals import wilson_interval
from transfer.system.progress import say
from transfer.system.quiet import import_tensorflow

SMALL = 64  # pixels a side: up to these, images are not photos but digits, icons, CIFAR


@dataclass(frozen=True)
class Compared:
    """One backbone among those that were compared.

    Attributes:
        backbone: Its name in the registry.
        scratch: Whether it was trained whole, from its first weight, for want of pretrained ones.
        image_size: Side of its input in pixels.
        accuracy: Of a linear head on its frozen features (or of the network from scratch), on
            images that it has not seen, 0..1.
        low: Lower end of the accuracy's 95 % interval (Wilson).
        high: Upper end.
        images: How many images that is the accuracy on.
        images_per_second: Of the network here, without reading the files.
        parameters: Number of its weights, without a head.
        megabytes: Their size as float32.
        unbeaten: Whether no other is both more accurate and faster.
        p_value: How easily chance alone would make the most accurate one better by as much:
            McNemar's exact test on the images that both judged. None for the most accurate itself,
            and where there are no such images.
    """

    backbone: str
    scratch: bool
    image_size: int
    accuracy: float
    low: float
    high: float
    images: int
    images_per_second: float
    parameters: int
    megabytes: float
    unbeaten: bool
    p_value: float | None


def compare(
    data: str | os.PathLike[str],
    backbones: Sequence[str] | None = None,
    *,
    scratch: bool = False,
    output: str | os.PathLike[str] | None = None,
    **knobs: Any,
) -> list[Compared]:
    """Compare backbones on a folder of images, without fine-tuning any.

    Each runs once over the images, and a linear head on its features is cross-validated in five
    folds. The features are kept: a later `finetune` with one of them need not compute them again.
    Test images are left out.

    Networks without pretrained weights (``dnn``, ``lenet5``, ``simple-cnn``, ``small-cnn``) are
    trained whole, as `finetune` does, once per fold: in as many of the same folds as ten minutes
    allow, and one at least. The best epoch is chosen on images of their own. Nothing is kept.

    Args:
        data: As for `transfer.finetune`.
        backbones: Names in the registry; all whose weights are here where not given.
        scratch: Add the network from scratch that suits the images: ``simple-cnn`` for small ones
            (64 pixels a side at most), ``small-cnn`` for photos.
        output: PNG file for a chart of accuracy against speed, replaced where it exists.
        **knobs: Fields of `transfer.Recipe` such as ``weights``, ``image_size``,
            ``engine`` or ``group_by``.

    Returns:
        One record per backbone, the most accurate first.

    Raises:
        UsageError: A name or knob makes no sense, or `output` is no PNG file.
        DataError: The images cannot be used.
        WeightsError: Weights cannot be had.
        TransferError: The training of a network from scratch diverged.

    Example:
        >>> transfer.compare("data/dogs", ["mobilenetv2", "xception"])[0].backbone
        'xception'
    """
    path = None if output is None else check_png(output)
    for name in ("backbone", "head"):
        if name in knobs:
            raise UsageError(
                f"Unknown knob {name!r}: a linear head is compared on each of the backbones."
            )
    base = make_recipe(None, knobs)
    recipes = _recipes(list(backbones) if backbones is not None else _at_hand(base), knobs)
    if not recipes and not scratch:
        raise UsageError("Expected at least one backbone to compare. Received none.")
    _, folder, audit = read_images(data, base)
    groups = group_images(folder, audit.sha256, audit.groups, base.group_by)
    folder = folder.keep([split != "test" for split in folder.splits])
    if scratch:
        recipes |= _recipes([_suited(audit)], knobs)
    folds = {
        name: divide(folder, audit.sha256, groups, val=recipe.val, seed=recipe.seed)
        for name, recipe in recipes.items()
        if get_backbone(name).scratch
    }
    found = {
        name: resolve_weights(get_backbone(name), recipe.weights)
        for name, recipe in recipes.items()
    }
    import_tensorflow()
    from transfer.experiments.compare import Measured, measure
    from transfer.experiments.scratch_baseline import measure_from_scratch

    results: list[tuple[Recipe, Measured]] = []
    for name, recipe in recipes.items():
        say(f"{name}:")
        if name in folds:
            measured = measure_from_scratch(folds[name], recipe)
        else:
            measured = measure(folder, recipe, found[name], audit.sha256, groups)
        results.append((recipe, measured))
    records = _judge(results)
    if path is not None:
        plot_comparison([vars(each) for each in records], path)
    return records


def which_is_better(records: Sequence[Compared]) -> str | None:
    """Say in words whether the most accurate network is better, or what transfer buys.

    Where some of the networks are pretrained and some from scratch, the best of both kinds are
    compared, else the best two; None where there is only one.
    """
    return tell_winner([vars(each) for each in records])


def _recipes(names: Sequence[str], knobs: Mapping[str, Any]) -> dict[str, Recipe]:
    """Return the recipe of each network by its name, each with the defaults of its kind."""
    recipes = {}
    for name in names:
        own = dict(knobs) | {"backbone": name}
        if get_backbone(name).scratch:
            own["weights"] = "none"  # --weights is for the others
        recipe = make_recipe(None, own)
        check_recipe(recipe)
        recipes[recipe.backbone] = recipe
    return recipes


def _suited(audit: Audit) -> str:
    """Return the network of the tutorials whose images were about as large as these."""
    headers = [look.header for look in audit.looks.values() if look.header]
    side = median(max(header.width, header.height) for header in headers)
    return "simple-cnn" if side <= SMALL else "small-cnn"


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


def _judge(results: Sequence[tuple[Recipe, Any]]) -> list[Compared]:
    figures = [(float(m.right.mean()), m.images_per_second) for _, m in results]
    found = []
    for (recipe, measured), own in zip(results, figures, strict=True):
        accuracy, speed = own
        low, high = wilson_interval(int(measured.right.sum()), len(measured.right))
        beaten = any(a >= accuracy and s >= speed and (a, s) != own for a, s in figures)
        record = Compared(
            backbone=recipe.backbone,
            scratch=get_backbone(recipe.backbone).scratch,
            image_size=get_backbone(recipe.backbone).side(recipe.image_size),
            accuracy=accuracy,
            low=low,
            high=high,
            images=len(measured.right),
            images_per_second=speed,
            parameters=measured.parameters,
            megabytes=4 * measured.parameters / 1e6,
            unbeaten=not beaten,
            p_value=None,
        )
        found.append((record, dict(zip(measured.paths, measured.right.tolist(), strict=True))))
    found.sort(key=lambda pair: (-pair[0].accuracy, -pair[0].images_per_second))
    (best, of_best), *others = found
    return [best, *(replace(each, p_value=paired_p_value(of_best, of)) for each, of in others)]
