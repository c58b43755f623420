"""The frozen part of a run: where it ends, and what it makes of the images."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.features.cache import FeatureCache
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.images.augment import parse_augment
from transfer.images.decode import DECODE_VERSION
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import get_backbone
from transfer.networks.blocks import find_cuts, split_at
from transfer.networks.classifier import image_size
from transfer.networks.head import is_linear, parse_head, pool
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.system.cachedir import cache_limit
from transfer.system.progress import say
from transfer.system.units import parse_bytes
from transfer.training.head.fitting import ENOUGH_WITHOUT_VIEWS

VIEWS, FEW_VIEWS, MOST_VIEWS = 8, 2, 32


def choose_cut(
    base: keras.Model, chosen: set[str], recipe: Recipe, images: tuple[int, int]
) -> tuple[str | None, int]:
    """Return the highest cut below all layers that are to train, and the views there is room for.

    None, with room for any number of views, means that the whole network has to run in every step:
    nothing or everything is unfrozen, the backbone cannot be cut, or the activations would need
    more than ``recipe.trunk_cache``.

    Args:
        base: The backbone.
        chosen: Names of its layers that are to train.
        recipe: Gives the limit and the number of views; where it leaves that open, fewer will do.
        images: Number of training and of validation images.
    """
    if not chosen:
        return None, MOST_VIEWS
    order = {operation.name: i for i, operation in enumerate(base.operations)}
    lowest = min(order[name] for name in chosen)
    cut = [name for name in find_cuts(base) if order[name] < lowest][-1:]
    if not cut or order[cut[0]] == 0:
        return None, MOST_VIEWS
    row = 2 * int(np.prod(split_at(base, cut[0])[0].output.shape[1:]))
    views = views_of(recipe, images[0], tuned=True)
    least = views if recipe.views is not None else min(views, FEW_VIEWS)
    room = (parse_bytes(recipe.trunk_cache) // row - images[1]) // images[0] - 1
    if room >= least:
        return cut[0], min(room, MOST_VIEWS)
    needed = row * (images[0] * (least + 1) + images[1])
    say(
        f"The frozen layers' activations would take {needed / 1e9:.1f} GB, more than"
        f" --trunk-cache {recipe.trunk_cache}: fine-tuning runs the whole network instead."
    )
    return None, MOST_VIEWS


def views_of(recipe: Recipe, images: int, tuned: bool) -> int:
    """Return the augmented views per training image: none where nothing is augmented.

    Args:
        recipe: Says how many are wanted.
        images: Number of training images.
        tuned: Whether the views are fine-tuned on as well.
    """
    if not parse_augment(recipe.augment).keys() - {"fill"}:
        return 0
    if recipe.views is not None:
        return recipe.views
    if tuned or images < ENOUGH_WITHOUT_VIEWS:
        return VIEWS
    return 0 if is_linear(parse_head(recipe.head)) else FEW_VIEWS


def frozen_network(
    extractor: keras.Model,
    base: keras.Model,
    cut: str | None,
    recipe: Recipe,
) -> FrozenNetwork:
    """Return what runs once over all images: it gives vectors, before them the values at `cut`.

    Args:
        extractor: From images to vectors.
        base: The backbone in it.
        cut: Name of a layer of the backbone, or None.
        recipe: The knobs.
    """
    model = extractor
    if cut is not None:
        trunk, top = split_at(base, cut)
        activations = trunk(get_backbone(recipe.backbone).apply_preprocess(extractor.input))
        vectors = pool(parse_head(recipe.head), top(activations))
        model = keras.Model(extractor.input, [activations, vectors])
    return FrozenNetwork(model, recipe)


def open_cache(
    network: FrozenNetwork,
    base: keras.Model,
    cut: str | None,
    weights: Weights,
    sha256: Mapping[str, str],
) -> FeatureCache | None:
    """Return the cache of what `network` computes; None where it is off or nothing identifies it.

    Random weights differ from run to run, and a function, unlike an import string, has no name
    that would mean the same tomorrow.

    Args:
        network: From `frozen_network`.
        base: The backbone in it.
        cut: Name of the layer whose values it gives out, or None.
        weights: The backbone's weights.
        sha256: Path to hex digest of the file, for every image.
    """
    recipe = network.recipe
    backbone = get_backbone(recipe.backbone)
    named = not (callable(backbone.constructor) or callable(backbone.preprocess))
    if weights.sha256 is None or not named or cache_limit() == 0:
        return None
    images = keras.Input(base.input.shape[1:])
    outputs = [f"vectors ({parse_head(recipe.head).pooling})"]
    about = {
        "backbone": backbone.name,
        "family": backbone.family,
        "constructor": backbone.constructor,
        "preprocess": backbone.preprocess,
        "graph": fingerprint(keras.Model(images, base(backbone.apply_preprocess(images)))),
        "weights": weights.sha256,
        "image_size": image_size(recipe),
        "resize": recipe.resize,
        "decode": DECODE_VERSION,
        "engine": network.engine_name,
        "precision": recipe.precision,
    }
    return FeatureCache(about, outputs if cut is None else [f"at {cut}", *outputs], sha256)


def fingerprint(model: keras.Model) -> str:
    """Return a hash of a model's layers and operations with their options, without the weights.

    It notices that the code behind an import string has changed. Numbers at the end of names are
    left out: they say how many layers of a kind this process has made before.
    """
    text = json.dumps(model.get_config(), sort_keys=True, default=str)
    return hashlib.sha256(re.sub(r'_\d+"', '"', text).encode()).hexdigest()


def compute_features(
    network: FrozenNetwork,
    sides: tuple[ImageFolder, ImageFolder],
    cache: FeatureCache | None,
    scratch: Path | None,
    views: int,
) -> tuple[Features, Features]:
    """Have the features of both sides, from the cache or computed.

    Args:
        network: From `frozen_network`.
        sides: Training and validation images.
        cache: From `open_cache`.
        scratch: Folder for the activations, where the network gives them out.
        views: Augmented views in which training images are seen too.
    """
    train, val = (
        extract(
            network,
            side,
            views=each,
            keep=None if scratch is None else scratch / f"{side.splits[0]}.npy",
            cache=cache,
        )
        for side, each in zip(sides, (views, 0), strict=True)
    )
    return train, val


def tell_features(
    features: tuple[Features, Features], network: FrozenNetwork, cache: FeatureCache | None
) -> dict[str, Any]:
    """Say how many images came from the cache; return the same for run.json."""
    images = sum(map(len, features))
    computed = sum(each.computed for each in features)
    if cache is not None:
        say(
            f"Features of {images:,} images: {images - computed:,} from the cache,"
            f" {computed:,} computed"
        )
    return {
        "cached": images - computed,
        "computed": computed,
        "engine": network.engine_name,
        "precision": network.recipe.precision,
    }
