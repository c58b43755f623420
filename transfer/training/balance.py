"""Classes of uneven sizes: how they are weighed, and what "best" means for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfer.recipe import Recipe

UNEVEN = 3.0  # times the smallest class


def is_uneven(counts: Sequence[int]) -> bool:
    """Tell whether the largest class has more than `UNEVEN` times the images of the smallest.

    Args:
        counts: Training images of each class; those without any are left out of account.
    """
    present = [count for count in counts if count]
    return max(present) > UNEVEN * min(present)


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


def undo_weights(probabilities: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the probabilities that hold where classes are as frequent as in the training images.

    A model trained with class weights w answers in proportion to w * p: it takes rare classes for
    more frequent than they are. Dividing by w gives p back (C. Elkan, "The Foundations of
    Cost-Sensitive Learning", IJCAI 2001). It also takes back what the weights were for, rare
    classes being found more often, which is why no model has it built in: use it where the
    probability itself is of interest.

        >>> undo_weights(run.predictions().probabilities, run.info["class_weights"])

    Args:
        probabilities: float array of shape (n, classes).
        weights: Weight of each class; classes with the weight 0 were not trained and get 0.
    """
    divisor = np.asarray(weights, dtype=float)
    natural = np.where(divisor > 0, probabilities / np.where(divisor > 0, divisor, 1.0), 0.0)
    total: np.ndarray = natural / natural.sum(axis=1, keepdims=True)
    return total
