"""lr_find: which learning rate suits the fine-tuning of a folder of images."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from transfer.api.training import check_recipe, divide, make_recipe, read_images
from transfer.evaluation.plots import check_png
from transfer.evaluation.rates import plot_rates
from transfer.networks.weights import resolve_weights
from transfer.recipe import Recipe
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    from transfer.experiments.lr_find import RateCurve


def lr_find(
    data: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    **knobs: Any,
) -> RateCurve:
    """Raise the learning rate over 100 steps of fine-tuning, and suggest one.

    Args:
        data: As in `transfer.finetune`.
        recipe: Where to start from; the defaults where not given.
        output: PNG file for the curve, replaced where it exists; none where not given.
        **knobs: Fields of `Recipe` that differ.

    Returns:
        Rates, losses and the suggestion.

    Raises:
        UsageError: A knob makes no sense, nothing is fine-tuned, or `output` is no PNG file.
        DataError: The images cannot be used.
        WeightsError: The backbone's weights cannot be had.

    Example:
        >>> rate = transfer.lr_find("data/dogs").suggestion
        >>> transfer.finetune("data/dogs", learning_rate=rate)
    """
    recipe = make_recipe(recipe, knobs)
    backbone = check_recipe(recipe)
    path = None if output is None else check_png(output)
    _, folder, audit = read_images(data, recipe)
    folder, _, groups = divide(folder, audit, recipe)
    weights = resolve_weights(backbone, recipe.weights)
    import_tensorflow()
    from transfer.experiments.lr_find import find_rate

    curve = find_rate(folder, recipe, weights, audit.sha256, groups)
    if path is not None:
        plot_rates(dataclasses.asdict(curve), path)
    return curve
