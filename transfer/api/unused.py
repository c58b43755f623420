"""Knobs that were given and that the run will not read: nothing else would show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from transfer.errors import option
from transfer.images.augment import parse_augment
from transfer.networks.backbones import get_backbone
from transfer.networks.head import is_linear, parse_head
from transfer.networks.weights import locate
from transfer.recipe import Recipe
from transfer.system.progress import warn_unused

Rule = tuple[bool, Collection[str], str]

FEATURES = ("views", "trunk_cache", "engine", "precision", "views_precision", "interpolate")
HEAD = ("head_epochs", "head_learning_rate")
TUNING: tuple[str, ...] = ("epochs", "learning_rate", "optimizer", "schedule", "layer_decay")
TUNING += ("weight_decay", "label_smoothing", "clip_norm", "ema", "mix", "interpolate")
TUNING += ("accumulate", "batch_size", "trunk_cache", "mixed_precision", "folds_finetune")
_ASKS_FOR_NOTHING = (None, 0, "none", "off", "auto")


def tell_unused(recipe: Recipe, knobs: Mapping[str, Any]) -> None:
    """Warn of knobs that mean nothing with the rest of a recipe.

    Args:
        recipe: A valid one.
        knobs: What was given for this run; values that ask for nothing are not mentioned.
    """
    _tell(_of_recipe(recipe), knobs)


def tell_unused_shares(knobs: Mapping[str, Any], splits: Collection[str], again: bool) -> None:
    """Warn of knobs for a split that the folders decide.

    Args:
        knobs: What was given for this run.
        splits: Names of the split folders; ``""`` where there are none.
        again: Whether something else divides images too: folds, or an earlier split.
    """
    given = [name for name in ("val", "test") if name in splits and not again]
    whole = set(splits) == {""} and not again
    _tell(
        [
            (True, given, "where DATA has folders for it"),
            (whole, ("dedupe",), "where DATA has no folders for val or test"),
        ],
        knobs,
    )


def _tell(rules: Collection[Rule] | Iterator[Rule], knobs: Mapping[str, Any]) -> None:
    left = {name for name, value in knobs.items() if value not in _ASKS_FOR_NOTHING}
    for applies, names, why in rules:
        found = [name for name in names if applies and name in left]
        left -= set(found)
        warn_unused(found, why)


def _of_recipe(recipe: Recipe) -> Iterator[Rule]:
    pretrained = locate(get_backbone(recipe.backbone), recipe.weights).pretrained
    frozen = pretrained and recipe.unfreeze == "none"
    plain = not parse_augment(recipe.augment).keys() - {"fill"}
    yield not pretrained, HEAD + FEATURES, "where all of a network is trained from scratch"
    yield frozen, TUNING, f"with {option('unfreeze', 'none')}"
    linear = is_linear(parse_head(recipe.head))
    yield linear, HEAD, "on a linear head, unless it is too large to solve"
    yield plain, ("views", "views_precision"), f"with {option('augment', recipe.augment)}"
    without = f"with {option('unfreeze', 'none')} and {option('views', 0)}"
    yield frozen and recipe.views == 0, ("augment", "views_precision"), without
    yield recipe.unfreeze == "all", ("trunk_cache",), f"with {option('unfreeze', 'all')}"
    trained = recipe.monitor in ("accuracy", "loss")
    yield trained, ("interpolate",), f"with {option('monitor', recipe.monitor)}"
