"""Both phases of a run: from a split image folder to model.keras."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from transfer.backbones import get_backbone
from transfer.features.cache import FeatureCache
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.images.folder import ImageFolder
from transfer.images.groups import number_groups
from transfer.progress import say
from transfer.recipe import Recipe
from transfer.run import Predictions, Run
from transfer.training.balance import resolve_monitor, weigh_classes
from transfer.training.checkpoint import save_model
from transfer.training.choice import keep_the_best
from transfer.training.classifier import (
    build_classifier,
    build_extractor,
    image_size,
    layers_to_unfreeze,
    top_of,
    unfreeze,
)
from transfer.training.cross_validation import Material, judge_folds
from transfer.training.finetune import batches_of_activations, batches_of_images, fine_tune
from transfer.training.from_scratch import train_from_scratch
from transfer.training.frozen import (
    choose_cut,
    compute_features,
    frozen_network,
    open_cache,
    tell_features,
)
from transfer.training.head import build_head, parse_head
from transfer.training.history import History, finite
from transfer.training.mixed_precision import resolve_mixed_precision
from transfer.training.probe import fit_head
from transfer.training.state import State
from transfer.training.suspects import write_suspects
from transfer.weights import Weights


def train(
    run: Run,
    folder: ImageFolder,
    recipe: Recipe,
    weights: Weights,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
    about: dict[str, Any],
    saved: State | None = None,
) -> Predictions | None:
    """Train a classifier and leave the better of its two phases in the run's model.keras.

    Args:
        run: Where model.keras, history.csv and run.json go.
        folder: All images, each with its split.
        recipe: The knobs.
        weights: The backbone's weights, present as a file (or "none").
        sha256: Path to hex digest of the file, for every image: what features are found by.
        groups: Path to the key of its group, for every image: groups are judged together.
        about: JSON that is saved with the state of the training.
        saved: The state to go on from, where the training is taken up again.

    Returns:
        Predictions for the split that the run is evaluated on, where the features tell them as
        the saved model would: nothing was fine-tuned, in full precision.

    Raises:
        UsageError: ``unfreeze`` does not fit the backbone.
        TransferError: The training diverged.
    """
    keras.utils.set_random_seed(recipe.seed)
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
    sides = folder.select("train"), folder.select("val")
    counts = np.bincount(sides[0].labels, minlength=len(folder.classes)).tolist()
    recipe = replace(recipe, monitor=resolve_monitor(recipe, counts))
    begun = run.info.get("mixed_precision", "off") if saved else recipe.mixed_precision
    recipe = replace(recipe, mixed_precision=resolve_mixed_precision(begun))
    class_weights = weigh_classes(counts, recipe.balance)
    run.update_info(
        monitor=recipe.monitor,
        mixed_precision=recipe.mixed_precision,
        class_weights=class_weights,
    )
    extractor = build_extractor(
        get_backbone(recipe.backbone), parse_head(recipe.head), image_size(recipe), weights
    )
    history = History(run.path / "history.csv", saved.progress["history"] if saved else ())
    if get_backbone(recipe.backbone).scratch and weights.origin == "none":
        train_from_scratch(
            run, sides, class_weights, extractor, recipe, history, about, weights, groups, saved
        )
        return None
    base = extractor.get_layer(recipe.backbone)
    chosen = layers_to_unfreeze(base, recipe.unfreeze)
    with tempfile.TemporaryDirectory(prefix=".activations-", dir=run.path) as scratch:
        cut = choose_cut(base, chosen, recipe, images=(len(sides[0]), len(sides[1])))
        started = time.monotonic()
        network = frozen_network(extractor, base, cut, recipe)
        cache = open_cache(network, base, cut, weights, sha256)
        features = compute_features(network, sides, cache, None if cut is None else Path(scratch))
        seconds = time.monotonic() - started
        run.update_info(features=tell_features(features, network, cache))
        vectors, classes = extractor.output.shape[-1], len(class_weights)
        head = build_head(parse_head(recipe.head), vectors, classes, recipe.seed)
        own = number_groups(groups, sides[0].paths)
        if saved is None:  # a copy: the trained one is compiled, and saved with its metrics
            trained = _train_head(run, features, class_weights, recipe, history, own)
            head.set_weights(trained.get_weights())
        classifier = build_classifier(extractor, head)
        if saved is None:
            save_model(classifier, run.path / "model.keras")
            run.update_info(phase_kept="head", seconds={"features": seconds})
            write_suspects(run, sides, features, base.output.shape[-1], groups)
        own = number_groups(groups, sides[0].paths + sides[1].paths)
        material = Material(sides, features, own, recipe, weights, base, chosen, cut)
        if not chosen:
            judge_folds(run, material, saved is not None)
            return predict_frozen(run, folder, network, cache, features[1], head)
        unfreeze(classifier, base, chosen)
        first_epoch = saved.epoch if saved else 0
        if cut is None:
            # A model of its own: what is compiled would be saved with its metrics.
            model, size = keras.Model(classifier.input, classifier.output), image_size(recipe)
            batches = batches_of_images(*sides, size, class_weights, recipe, first_epoch)
        else:
            model = top_of(base, cut, head, recipe)
            batches = batches_of_activations(*features, class_weights, recipe, first_epoch)
        path = run.path / "model.keras"
        tuned = fine_tune(model, classifier, batches, recipe, path, history, about, saved)
        choice, figures = keep_the_best(model, classifier, tuned, recipe, path)
        phase = figures | {"seconds": history.seconds("finetune")}
        run.update_info(
            phase_kept="finetune" if figures else "head",
            choice=choice,
            phases=run.info["phases"] | {"finetune": phase},
        )
        judge_folds(run, material, saved is not None)
    return None


def _train_head(
    run: Run,
    features: tuple[Features, Features],
    class_weights: Sequence[float],
    recipe: Recipe,
    history: History,
    groups: np.ndarray,
) -> keras.Sequential:
    started = time.monotonic()
    head, figures = fit_head(*features, class_weights, recipe, history, groups)
    say(f"Head trained: {_figures(figures)}")
    phase = finite(figures) | {"seconds": time.monotonic() - started}
    run.update_info(phases={"head": phase})
    return head


def predict_frozen(
    run: Run,
    folder: ImageFolder,
    network: FrozenNetwork,
    cache: FeatureCache | None,
    val: Features,
    head: keras.Model,
) -> Predictions | None:
    """Predict the split that the run is evaluated on from its features, or return None."""
    if network.recipe.precision != "f32":
        return None
    chosen = folder.select(run.info["split"])
    features = val if run.info["split"] == "val" else extract(network, chosen, cache=cache)
    probabilities = network.apply(head, features.vectors)
    return Predictions(chosen.paths, features.labels, probabilities, chosen.classes)


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {figures[name]:.4f}" for name in ("val_accuracy", "val_loss"))
