"""lr_find: which learning rate suits the fine-tuning of a folder of images."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Unpack

from transfer.api.images import read_images, split_images
from transfer.api.knobs import RateKnobs
from transfer.api.recipes import check_recipe, make_recipe, refuse_knobs
from transfer.evaluation.plots import check_png
from transfer.evaluation.rates import plot_rates
from transfer.networks.weights import resolve_weights
from transfer.recipe import Recipe
from transfer.system.guest import as_guest
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    from transfer.experiments.lr_find import RateCurve


def lr_find(
    data: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    **knobs: Unpack[RateKnobs],
) -> RateCurve:
    """Raise the learning rate over 100 steps of fine-tuning, and suggest one.

    Args:
        data: As in `transfer.finetune`.
        recipe: Starting point; the defaults if omitted.
        output: PNG file for the curve, replaced if it exists; none if omitted.
        **knobs: Fields of `Recipe` that differ, as for `transfer.finetune`; those of the schedule
            (``learning_rate``, ``epochs``, ``time``...) and ``folds`` are refused.

    Returns:
        Rates, losses and the suggestion.

    Raises:
        UsageError: A knob is invalid, nothing is fine-tuned, or `output` is no PNG file.
        DataError: The images cannot be used.
        WeightsError: The backbone's weights are not available.

    Example:
        >>> rate = transfer.lr_find("data/dogs").suggestion
        >>> transfer.finetune("data/dogs", learning_rate=rate)
    """
    refuse_knobs(knobs, RateKnobs, "the rate is raised over 100 steps and nothing else is trained")
    recipe = make_recipe(recipe, knobs)
    backbone = check_recipe(recipe)
    path = None if output is None else check_png(output)
    _, folder, audit = read_images(data, recipe)
    dataset = split_images(folder, audit, recipe)
    weights = resolve_weights(backbone, recipe.weights)
    import_tensorflow()
    from transfer.experiments.lr_find import find_rate

    with as_guest():
        curve = find_rate(dataset, recipe, weights)
    if path is not None:
        plot_rates(dataclasses.asdict(curve), path)
    return curve
