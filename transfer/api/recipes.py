"""The recipe of a verb: made from knobs, and checked before any image is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfer.data.groups import check_group_by
from transfer.errors import UsageError, did_you_mean, option
from transfer.features.engines import choose_engine
from transfer.images.augment import parse_augment
from transfer.networks.backbones import Backbone, get_backbone
from transfer.networks.head import parse_head
from transfer.networks.normalisation import check_normalize
from transfer.networks.weights import locate
from transfer.recipe import Recipe
from transfer.recipe.reading import Reading
from transfer.system.cachedir import cache_limit


def make_recipe(recipe: Recipe | None, knobs: Mapping[str, Any]) -> Recipe:
    """Return `recipe` (the defaults where None) with some knobs changed.

    The paths of weights, class names and negatives become absolute, so that the run can be resumed
    from anywhere; negatives without a separator may be a class of the data, and stay as they are.

    Raises:
        UsageError: A knob or the backbone is unknown, or a knob ill-typed.
    """
    made = Recipe.from_dict((recipe.to_dict() if recipe else {}) | dict(knobs))
    files: dict[str, Any] = {}
    names = ("weights", "class_names", *["negatives"] * ("/" in made.negatives.rstrip("/")))
    for name in names:
        path = Path(getattr(made, name)).expanduser()
        files[name] = str(path.absolute()) if path.exists() else getattr(made, name)
    # VGG16 is called vgg16 from here on
    return replace(made, backbone=get_backbone(made.backbone).name, **files)


def make_reading(knobs: Mapping[str, Any]) -> Reading:
    """Return how data are read, from some fields of `Reading`. Raises UsageError for others."""
    known = list(Reading.__dataclass_fields__)
    for name in knobs:
        if name not in known:
            raise UsageError(
                f"Unknown argument {name!r}.{did_you_mean(name, known)}"
                f" Expected {', '.join(known)}."
            )
    return Reading(**knobs)


def refuse_knobs(knobs: Mapping[str, Any], known: type, why: str) -> None:
    """Raise UsageError for knobs that exist but have no meaning for a verb.

    Args:
        knobs: What the user gave.
        known: A TypedDict of `transfer.api.knobs`, with the fields that have a meaning.
        why: Ends the sentence "... has no meaning here: ".
    """
    for name in knobs:
        if name not in known.__annotations__ and name in Recipe.__dataclass_fields__:
            raise UsageError(f"{option(name)} has no meaning here: {why}.")


def check_recipe(recipe: Recipe) -> Backbone:
    """Return the backbone of a recipe.

    Raises:
        UsageError: A value is invalid, as far as this shows without images and TensorFlow.
    """
    backbone = get_backbone(recipe.backbone)
    backbone.side(recipe.image_size)
    parse_head(recipe.head)
    parse_augment(recipe.augment)
    check_normalisation(recipe)
    check_group_by(recipe.group_by)
    cache_limit()
    if recipe.multi_label:
        _check_multi_label(recipe)
    for precision in (recipe.precision, recipe.views_precision):
        if recipe.engine != "auto" or precision not in ("auto", "f32"):  # these look for a GPU
            choose_engine(recipe.engine, precision)
    if not locate(backbone, recipe.weights).pretrained:
        _check_from_scratch(recipe)
    return backbone


def _check_multi_label(recipe: Recipe) -> None:
    """Raise UsageError for what needs one class for each image."""
    task = option("task", recipe.task)
    if recipe.balance != "none":
        raise UsageError(
            f"{option('balance', recipe.balance)} has no meaning with {task}: each class gets a"
            " threshold of its own instead. Leave it out."
        )
    if recipe.folds:
        raise UsageError(
            f"{option('folds', recipe.folds)} cannot be combined with {task}. Leave it out, and"
            f" hold out a test with {option('test', 0.2)}."
        )


def check_normalisation(recipe: Recipe) -> None:
    """Raise UsageError where ``normalize`` cannot be read or does not suit the network."""
    backbone = get_backbone(recipe.backbone)
    pretrained = locate(backbone, recipe.weights).pretrained
    check_normalize(recipe.normalize, backbone.name, pretrained, backbone.side(recipe.image_size))


def _check_from_scratch(recipe: Recipe) -> None:
    if recipe.unfreeze not in ("auto", "all"):
        raise UsageError(
            f"{recipe.backbone!r} has no pretrained weights here, so there is nothing worth"
            f" freezing: leave {option('unfreeze')} out."
        )
    if recipe.folds and not recipe.folds_finetune:
        raise UsageError(
            f"{recipe.backbone!r} has no pretrained weights here, so each fold is a whole training:"
            f" add {option('folds_finetune', True)}, or leave {option('folds')} out."
        )
