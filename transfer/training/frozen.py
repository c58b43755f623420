"""What runs once per image: where the network is cut, and the number of views."""

from __future__ import annotations

import keras
import numpy as np

from transfer.errors import option
from transfer.images.augment import parse_augment
from transfer.networks.blocks import find_cuts, split_at
from transfer.networks.classifier import layers_to_unfreeze
from transfer.recipe import Recipe
from transfer.system.progress import say
from transfer.system.units import parse_bytes

VIEWS, FEW_VIEWS, MOST_VIEWS = 3, 2, 32
FEW = 900  # photos and views of them, for which more views are cheap
VIEWS_OF_FEW = 8
ENOUGH_WITHOUT_VIEWS = 1000  # photos


def choose_cut(
    base: keras.Model, unfreeze: str, recipe: Recipe, images: tuple[int, int]
) -> tuple[str, int]:
    """Return the highest cut below all layers that train, and the views there is room for.

    ``""``, with room for any number of views, means that the whole network runs in every step:
    nothing or everything is unfrozen, the backbone cannot be cut, or the activations would need
    more than ``recipe.trunk_cache``.

    Args:
        base: The backbone.
        unfreeze: From `settle_unfreeze`.
        recipe: Gives the limit and the number of views; if that is open, fewer are accepted.
        images: Number of training and of validation images.
    """
    layers = layers_to_unfreeze(base, unfreeze)
    order = {operation.name: i for i, operation in enumerate(base.operations)}
    lowest = min((order[name] for name in layers), default=0)
    cut = [name for name in find_cuts(base) if order[name] < lowest][-1:]
    if not cut or order[cut[0]] == 0:
        return "", MOST_VIEWS
    row = 2 * int(np.prod(split_at(base, cut[0])[0].output.shape[1:]))  # bytes, as float16
    views = views_of(recipe, images[0], tuned=True)
    least = views if recipe.views is not None else min(views, FEW_VIEWS)
    room = (parse_bytes(recipe.trunk_cache) // row - images[1]) // images[0] - 1
    if room >= least:
        return cut[0], min(room, MOST_VIEWS)
    needed = row * (images[0] * (least + 1) + images[1])
    say(
        f"The frozen layers' activations would take {needed / 1e9:.1f} GB, more than"
        f" {option('trunk_cache', recipe.trunk_cache)}: fine-tuning runs the whole network instead."
    )
    return "", MOST_VIEWS


def views_of(recipe: Recipe, images: int, tuned: bool) -> int:
    """Return the augmented views per training image: none where nothing is augmented.

    Args:
        recipe: May set the number.
        images: Number of training images.
        tuned: Whether fine-tuning also trains on the views.
    """
    if not parse_augment(recipe.augment).keys() - {"fill"}:
        return 0
    if recipe.views is not None:
        return recipe.views
    if not tuned and images >= ENOUGH_WITHOUT_VIEWS:
        return 0
    return min(VIEWS_OF_FEW, max(VIEWS, FEW // images))
