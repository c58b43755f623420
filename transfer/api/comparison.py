"""compare: which backbone for these images, on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Unpack

from transfer.api.images import read_images, split_images, split_options
from transfer.api.knobs import CompareKnobs, FrozenKnobs
from transfer.api.recipes import check_recipe, make_recipe, refuse_knobs
from transfer.data.audit.clean import Audit
from transfer.data.dataset import Dataset
from transfer.data.folds import folds_from_scratch
from transfer.errors import UsageError, option
from transfer.evaluation.comparison import paired_p_value, plot_comparison, tell_winner
from transfer.evaluation.plots import check_png
from transfer.networks.backbones import get_backbone, list_backbones
from transfer.networks.weights import Weights, locate, resolve_weights
from transfer.recipe import Recipe
from transfer.statistics.intervals import wilson_interval
from transfer.system.guest import as_guest
from transfer.system.progress import say
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    from transfer.experiments.compare import Measured

SMALL = 64  # pixels a side: up to these, images are not photos but digits, icons, CIFAR
_WHY = "a linear head is compared on the frozen features of each backbone"


@dataclass(frozen=True)
class Compared:
    """One backbone of a comparison.

    Attributes:
        backbone: Its name in the registry.
        scratch: Whether it has no pretrained weights and was trained from scratch.
        image_size: Side of its input in pixels.
        accuracy: Of a linear head on its frozen features (or of the network from scratch), on
            images that it was not trained on, 0..1.
        low: Lower end of the accuracy's 95 % interval (Wilson).
        high: Upper end.
        images: Number of images that the accuracy is measured on.
        images_per_second: Speed of the network on this machine, without reading the files.
        parameters: Number of its weights, without a head.
        megabytes: Their size as float32.
        unbeaten: Whether no other is both more accurate and faster.
        p_value: Of McNemar's exact test, two-sided, against the most accurate one, on the images
            that both predicted. None for the most accurate itself, and without such images.
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
    **knobs: Unpack[CompareKnobs],
) -> list[Compared]:
    """Compare backbones on a folder of images, without fine-tuning any.

    Each runs once over the images, and a linear head on its features is cross-validated in five
    folds. The features are kept: a later `finetune` with one of them does not compute them again.
    Images are split as `finetune` splits them, and test images are left out: with the same ``test``
    and ``seed``, they do not influence the choice of a backbone. The regularisation is chosen on
    the folds that are reported, so accuracies are slightly optimistic, all to the same degree.

    Networks without pretrained weights (``dnn``, ``lenet5``, ``simple-cnn``, ``small-cnn``) are
    trained whole, as `finetune` does, once per fold: in as many of the same folds as ten minutes
    allow, and at least one. The best epoch is chosen on images held out for that. Nothing is kept.

    Args:
        data: As for `transfer.finetune`.
        backbones: Names in the registry; if omitted, all whose weights are on this machine.
        scratch: Add the network from scratch that suits the images: ``simple-cnn`` for small ones
            (64 pixels a side at most), ``small-cnn`` for photos.
        output: PNG file for a chart of accuracy against speed, replaced if it exists.
        **knobs: Fields of `transfer.Recipe` such as ``weights``, ``image_size``, ``test`` or
            ``group_by``; those without meaning here are refused.

    Returns:
        One record per backbone, the most accurate first.

    Raises:
        UsageError: A name or knob is invalid, or `output` is no PNG file.
        DataError: The images cannot be used.
        WeightsError: Weights are not available.
        TransferError: The training of a network from scratch diverged.

    Example:
        >>> transfer.compare("data/dogs", ["mobilenetv2", "xception"])[0].backbone
        'xception'
    """
    path = None if output is None else check_png(output)
    whole = scratch or any(get_backbone(name).scratch for name in backbones or ())
    refuse_knobs(knobs, CompareKnobs if whole else FrozenKnobs, _WHY)
    base = make_recipe(None, knobs)
    if base.multi_label:
        raise UsageError(
            f"{option('task', base.task)} has no meaning here: accuracies are compared, for which"
            " each image needs one label."
        )
    recipes = _recipes(list(backbones) if backbones is not None else _at_hand(base), knobs)
    if not recipes and not scratch:
        raise UsageError(f"Expected at least one backbone as {option('backbones')}. Received none.")
    _, folder, audit = read_images(data, base)
    dataset = split_images(folder, audit, base)
    if "test" in dataset.images.splits:
        dataset = dataset.keep([split != "test" for split in dataset.images.splits])
    else:
        say(
            f"No test images are held out. If you mean to train with {option('test', 0.1)} later,"
            f" compare with {option('test', 0.1)} too, which keeps them out of the choice of a"
            " network."
        )
    if scratch:
        recipes |= _recipes([_suited(audit)], knobs)
    folds = {
        name: folds_from_scratch(dataset, split_options(recipe))
        for name, recipe in recipes.items()
        if _is_whole(recipe)
    }
    weights = {
        name: resolve_weights(get_backbone(name), recipe.weights)
        for name, recipe in recipes.items()
    }
    import_tensorflow()
    results = []
    with as_guest():
        for name, recipe in recipes.items():
            say(f"{name}:")
            results.append((recipe, _measure(dataset, recipe, weights[name], folds.get(name))))
    records = _rank(results)
    if path is not None:
        plot_comparison([vars(each) for each in records], path)
    return records


def _measure(
    dataset: Dataset, recipe: Recipe, weights: Weights, folds: Sequence[Dataset] | None
) -> Measured:
    from transfer.experiments.compare import measure
    from transfer.experiments.scratch_baseline import measure_from_scratch
    from transfer.training.settle import settle

    if folds is not None:
        return measure_from_scratch(folds, recipe)
    precision = "f32" if recipe.precision == "auto" else recipe.precision  # the same for all
    recipe = replace(recipe, unfreeze="none", precision=precision)
    settings, base = settle(recipe, dataset, weights)
    return measure(dataset, settings, weights, base)


def _is_whole(recipe: Recipe) -> bool:
    """Return whether a network is trained from scratch."""
    return locate(get_backbone(recipe.backbone), recipe.weights).origin == "none"


def which_is_better(records: Sequence[Compared]) -> str | None:
    """Say in words whether the most accurate network is better, or what transfer learning gains.

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
            own["weights"] = "none"  # the option is for the others
        recipe = make_recipe(None, own)
        check_recipe(recipe)
        recipes[recipe.backbone] = recipe
    return recipes


def _suited(audit: Audit) -> str:
    """Return the tutorial network for images of about this size."""
    headers = [look.header for look in audit.looks.values() if look.header]
    side = median(max(header.width, header.height) for header in headers)
    return "simple-cnn" if side <= SMALL else "small-cnn"


def _at_hand(recipe: Recipe) -> list[str]:
    """Return the backbones whose weights need no download."""
    names = []
    for backbone in list_backbones():
        try:
            weights = locate(backbone, recipe.weights)
        except UsageError:  # a folder of weights that holds none for this one
            continue
        if not weights.needs_download and weights.path is not None:
            names.append(backbone.name)
    return names


def _rank(results: Sequence[tuple[Recipe, Measured]]) -> list[Compared]:
    figures = [(float(m.right.mean()), m.images_per_second) for _, m in results]
    records = []
    for (recipe, measured), own in zip(results, figures, strict=True):
        accuracy, speed = own
        low, high = wilson_interval(int(measured.right.sum()), len(measured.right))
        beaten = any(a >= accuracy and s >= speed and (a, s) != own for a, s in figures)
        record = Compared(
            backbone=recipe.backbone,
            scratch=_is_whole(recipe),
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
        records.append((record, dict(zip(measured.paths, measured.right.tolist(), strict=True))))
    records.sort(key=lambda pair: (-pair[0].accuracy, -pair[0].images_per_second))
    (best, of_best), *others = records
    return [best, *(replace(each, p_value=paired_p_value(of_best, of)) for each, of in others)]
