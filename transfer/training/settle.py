"""Settle: decide every open field of a recipe, once, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.data.dataset import Dataset
from transfer.errors import UsageError, option
from transfer.features.engines import choose_engine
from transfer.images.levels import choose_decoding
from transfer.networks.backbones import Backbone, get_backbone
from transfer.networks.classifier import settle_unfreeze
from transfer.networks.normalisation import check_unscaled
from transfer.networks.own import check_saving
from transfer.networks.weights import Weights
from transfer.recipe import Recipe, is_uneven
from transfer.settings import Settings
from transfer.system.progress import say
from transfer.system.units import parse_seconds
from transfer.training.frozen import ENOUGH_WITHOUT_VIEWS, choose_cut, views_of
from transfer.training.optim.precision import gains_from_half

EPOCHS = 5  # of fine-tuning, at least
UPDATES = 100  # of the weights, at least: with few photos, that takes more epochs
MOST_EPOCHS = 50  # more passes over the same few photos teach nothing
SMOOTHING, ENOUGH_TO_SMOOTH = 0.1, 1000  # images
ENOUGH_TO_MIX = 20_000  # images
HEAD_PATIENCE = 10
EMA = 0.98  # an average over 50 steps: it is never worse than the solved head for long

# Fields of the recipe that are never open.
AS_ASKED = (
    *("backbone", "resize", "head", "augment", "head_epochs", "head_learning_rate", "schedule"),
    *("clip_norm", "interpolate", "accumulate", "batch_size", "balance", "val", "folds"),
    *("folds_finetune", "seed", "deterministic", "normalize", "task"),
)


@dataclass(frozen=True)
class _Defaults:
    """Values of open fields, by how training starts."""

    learning_rate: float
    optimizer: str
    layer_decay: float
    weight_decay: float


PRETRAINED = _Defaults(5e-4, "adamw", 0.8, 0.01)
PRETRAINED_PLAIN = _Defaults(1e-4, "adamw", 0.8, 0.01)  # no normalisation layers: VGG
FROM_SCRATCH = _Defaults(1e-3, "adam", 1.0, 0.0)
SCRATCH_EPOCHS, SCRATCH_PATIENCE = 50, 15


def settle(recipe: Recipe, dataset: Dataset, weights: Weights) -> tuple[Settings, keras.Model]:
    """Decide every open field of a recipe.

    Args:
        recipe: What the user asks for.
        dataset: The images with their splits; those of train and val count.
        weights: Where the backbone's weights come from.

    Returns:
        The settings, and the backbone that had to be built for them, with random weights.

    Raises:
        UsageError: A field does not fit the network, the images or the machine.
    """
    seed_everything(recipe.seed, recipe.deterministic)
    base = _build(get_backbone(recipe.backbone), recipe)
    pretrained = weights.pretrained
    unfreeze = settle_unfreeze(base, recipe.unfreeze) if pretrained else "all"
    images = len(dataset.train), len(dataset.val)
    cut, room = choose_cut(base, unfreeze, recipe, images) if pretrained else ("", 0)
    views = views_of(recipe, images[0], bool(cut)) if pretrained else 0
    free = bool(cut) and views > 0 and recipe.views is None and recipe.epochs is None
    epochs = _epochs(recipe, images[0], pretrained)
    defaults, counts = _defaults(base, pretrained), dataset.class_counts("train")
    optimizer, decay = _optimizer(recipe, defaults)
    settings = Settings(
        **{name: getattr(recipe, name) for name in AS_ASKED},
        pretrained=pretrained,
        image_size=base.input.shape[1],
        decoding=choose_decoding(dataset.train.spans, recipe.color_profiles),
        views=min(views, room),
        least_views=0 if recipe.views is None else min(views, room),
        most_views=room if free else min(views, room),
        solve_on_views=recipe.views is not None or images[0] < ENOUGH_WITHOUT_VIEWS,
        unfreeze=unfreeze,
        cut=cut,
        head_patience=recipe.patience or HEAD_PATIENCE,
        epochs=epochs,
        most_epochs=recipe.epochs or MOST_EPOCHS,
        patience=recipe.patience or (max(5, epochs // 2) if pretrained else SCRATCH_PATIENCE),
        learning_rate=recipe.learning_rate or defaults.learning_rate,
        optimizer=optimizer,
        layer_decay=_given(recipe.layer_decay, defaults.layer_decay),
        weight_decay=decay,
        label_smoothing=_given(recipe.label_smoothing, _smoothing(recipe, images[0], pretrained)),
        ema=_ema(recipe, pretrained),
        mix=_mix(recipe, images[0]),
        **_engine(recipe, pretrained),
        mixed_precision=wants_half(recipe.mixed_precision),
        monitor=settle_monitor(recipe.monitor, counts, recipe.multi_label),
        class_weights=tuple(weigh_classes(counts, recipe.balance)),
        seconds=parse_seconds(recipe.time) or 0.0,
    )
    check_updates(settings, images[0])
    return settings, base


def _build(backbone: Backbone, recipe: Recipe) -> keras.Model:
    """Return the backbone; one of a user is checked, since its constructor may return anything."""
    base = backbone.build(recipe.image_size)
    check_unscaled(base, recipe.normalize)
    if backbone.own:
        images = keras.Input(base.input.shape[1:])
        check_saving(keras.Model(images, base(backbone.apply_preprocess(images))), backbone.name)
    if len(base.output.shape) == 3:
        tokens = base.output.shape[1]
        say(f"{backbone.name} returns {tokens or 'any number of'} tokens: the head pools them.")
    return base


def seed_everything(seed: int, deterministic: bool) -> None:
    """Seed Python's, NumPy's and TensorFlow's random numbers.

    Args:
        seed: 0 or more.
        deterministic: Also make TensorFlow deterministic, for the rest of the process.
    """
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def _engine(recipe: Recipe, pretrained: bool) -> dict[str, Any]:
    """Return the settings of what computes features; open precisions are measured later."""
    precisions = recipe.precision, recipe.views_precision
    narrow = [each for each in precisions if each in ("bf16", "int8")]
    return {
        "engine": choose_engine(recipe.engine, narrow[0] if narrow else "f32"),
        "engine_required": recipe.engine != "auto" or bool(narrow),
        "precision": precisions[0] if pretrained else "f32",
        "views_precision": precisions[1] if pretrained else "f32",
    }


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _defaults(base: keras.Model, pretrained: bool) -> _Defaults:
    if not pretrained:
        return FROM_SCRATCH
    kinds = (
        keras.layers.BatchNormalization,
        keras.layers.GroupNormalization,
        keras.layers.LayerNormalization,
    )
    normalised = any(isinstance(layer, kinds) for layer in base._flatten_layers())
    return PRETRAINED if normalised else PRETRAINED_PLAIN


def _optimizer(recipe: Recipe, defaults: _Defaults) -> tuple[str, float]:
    """Return the name of the optimizer, and its weight decay."""
    name = defaults.optimizer if recipe.optimizer == "auto" else recipe.optimizer
    decay = 0.0 if name == "adam" else defaults.weight_decay
    return name, _given(recipe.weight_decay, decay)


def _epochs(recipe: Recipe, images: int, pretrained: bool) -> int:
    """Return the epochs of fine-tuning.

    A few steps at the usual rate leave the solved head and are too few to recover: with few photos,
    enough steps take more epochs.
    """
    if recipe.epochs is not None:
        return recipe.epochs
    if not pretrained:
        return SCRATCH_EPOCHS
    updates = math.ceil(images / recipe.batch_size) / recipe.accumulate  # in one epoch
    return min(MOST_EPOCHS, max(EPOCHS, math.ceil(UPDATES / updates)))


def _smoothing(recipe: Recipe, images: int, pretrained: bool) -> float:
    """Return the default; where each class has a probability of its own, it is not distorted."""
    smooth = pretrained and images >= ENOUGH_TO_SMOOTH and not recipe.multi_label
    return SMOOTHING if smooth else 0.0


def _ema(recipe: Recipe, pretrained: bool) -> float:
    """Return the default momentum where the solved head is a start worth keeping.

    The first steps leave it and make the weights worse before they are better; their average stays
    near it (B. Polyak and A. Juditsky, "Acceleration of Stochastic Approximation by Averaging",
    1992).
    """
    follows = pretrained and recipe.monitor not in ("accuracy", "loss")
    return _given(recipe.ema, EMA if follows else 0.0)


def _mix(recipe: Recipe, images: int) -> str:
    if recipe.mix != "auto":
        return recipe.mix
    return "both" if images >= ENOUGH_TO_MIX else "none"


def wants_half(wanted: str) -> bool:
    """Return whether fine-tuning computes in float16, for the recipe's ``mixed_precision``.

    ``auto`` means: if TensorFlow's first GPU, the one that trains, gains from it.
    """
    if wanted != "auto":
        return wanted == "on"
    gpus = tf.config.list_physical_devices("GPU")[:1]
    return any(map(gains_from_half, map(tf.config.experimental.get_device_details, gpus)))


def settle_monitor(monitor: str, counts: Sequence[int], multi_label: bool = False) -> str:
    """Return the name in the epoch's logs by which the best epoch is chosen.

    With uneven classes, accuracy rewards a model that is right on the large ones only: there
    ``auto`` is macro-F1. Where an image may be of several classes it is the loss, which depends on
    no threshold.

    Args:
        monitor: Key of `transfer.recipe.MONITORS`, or ``auto``.
        counts: Training images of each class.
        multi_label: Whether an image may be of several classes.
    """
    if monitor != "auto":
        return monitor
    if multi_label:
        return "val_loss"
    return "val_macro_f1" if is_uneven(counts) else "val_accuracy"


def weigh_classes(counts: Sequence[int], balance: str) -> Sequence[float]:
    """Return the weight of each class in the loss; 1 on average over the images.

    Args:
        counts: Training images of each class.
        balance: ``none``, ``weights`` (inverse frequency, as scikit-learn's "balanced"), ``sqrt``
            (its square root), or ``oversample``: as ``weights``, where no images are sampled.
    """
    if balance == "none":
        return [1.0] * len(counts)
    sizes = np.asarray(counts, dtype=float)
    power = 0.5 if balance == "sqrt" else 1.0
    raw = np.where(sizes > 0, 1.0 / np.maximum(sizes, 1.0) ** power, 0.0)
    return list((raw * sizes.sum() / (raw * sizes).sum()).tolist())


def check_updates(settings: Settings, images: int) -> None:
    """Raise UsageError where there are too few batches to update the weights even once.

    Args:
        settings: With the epochs that will be trained.
        images: Number of training images.
    """
    batches = math.ceil(images / settings.batch_size) * settings.epochs
    if settings.fine_tunes and settings.accumulate > batches:
        raise UsageError(
            f"{option('accumulate', settings.accumulate)} never updates the weights: there are"
            f" {batches:,} batches in {settings.epochs} epochs. Lower it, or {option('batch_size')}"
        )
