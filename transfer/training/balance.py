"""Classes of uneven sizes: how they are weighed, and what "best" means for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfer.recipe import Recipe, is_uneven


def resolve_monitor(recipe: Recipe, counts: Sequence[int]) -> str:
    """Return the name in the epoch's logs by which the best epoch is chosen.

    Where classes are uneven, accuracy rewards a model that knows the large ones alone: ``auto``
    is macro-F1 there.

    Args:
        recipe: Its ``monitor`` is a key of `transfer.recipe.MONITORS`, or ``auto``.
        counts: Training images of each class.
    """
    if recipe.monitor != "auto":
        return recipe.monitor
    return "val_macro_f1" if is_uneven(counts) else "val_accuracy"


def weigh_classes(counts: Sequence[int], balance: str) -> Sequence[float]:
    """Return the weight of each class in the loss; 1 on average over the images.

    Args:
        counts: Training images of each class.
        balance: ``none``, ``weights`` (inverse frequency, as scikit-learn's "balanced"), ``sqrt``
            (its square root), or ``oversample``: as ``weights``, for where nothing is drawn.
    """
    if balance == "none":
        return [1.0] * len(counts)
    sizes = np.asarray(counts, dtype=float)
    power = 0.5 if balance == "sqrt" else 1.0
    raw = np.where(sizes > 0, 1.0 / np.maximum(sizes, 1.0) ** power, 0.0)
    return list(raw * sizes.sum() / (raw * sizes).sum())
