"""Both phases of a run: from a split image folder to model.keras."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.backbones import get_backbone
from transfer.blocks import find_cuts, split_at
from transfer.features.extract import Features, extract
from transfer.images.augment import parse_augment
from transfer.images.folder import ImageFolder
from transfer.progress import say
from transfer.recipe import Recipe, parse_bytes
from transfer.run import Run
from transfer.training.checkpoint import save_model
from transfer.training.classifier import (
    build_classifier,
    build_extractor,
    image_size,
    layers_to_unfreeze,
    unfreeze,
)
from transfer.training.finetune import batches_of_activations, batches_of_images, fine_tune
from transfer.training.head import parse_head, pool
from transfer.training.history import History
from transfer.training.probe import fit_head
from transfer.weights import Weights


def train(run: Run, folder: ImageFolder, recipe: Recipe, weights: Weights) -> None:
    """Train a classifier and leave the better of its two phases in the run's model.keras.

    Args:
        run: Where model.keras, history.csv and run.json go.
        folder: All images, each with its split.
        recipe: The knobs.
        weights: The backbone's weights, present as a file (or "none").

    Raises:
        UsageError: ``unfreeze`` does not fit the backbone.
        TransferError: The training diverged.
    """
    keras.utils.set_random_seed(recipe.seed)
    sides = folder.select("train"), folder.select("val")
    class_weights = weigh_classes(sides[0], recipe.balance)
    extractor = build_extractor(
        get_backbone(recipe.backbone), parse_head(recipe.head), image_size(recipe), weights
    )
    base = extractor.get_layer(recipe.backbone)
    chosen = layers_to_unfreeze(base, recipe.unfreeze)
    history = History(run.path / "history.csv")
    with tempfile.TemporaryDirectory(prefix=".activations-", dir=run.path) as scratch:
        cut = choose_cut(base, chosen, recipe, images=(len(sides[0]), len(sides[1])))
        started = time.monotonic()
        features = compute_features(extractor, base, cut, sides, recipe, Path(scratch))
        computed = time.monotonic()
        head, figures = fit_head(*features, class_weights, recipe, history)
        phases: dict[str, Any] = {"head": figures | {"seconds": time.monotonic() - computed}}
        classifier = build_classifier(extractor, head)
        save_model(classifier, run.path / "model.keras")
        say(f"Head trained: {_figures(figures)}")
        run.update_info(phase_kept="head", phases=phases, seconds={"features": computed - started})
        if not chosen:
            return
        unfreeze(classifier, base, chosen)
        if cut is None:
            model = classifier
            batches = batches_of_images(*sides, image_size(recipe), class_weights, recipe)
        else:
            model = top_of(base, cut, head, recipe)
            batches = batches_of_activations(*features, class_weights, recipe)
        started = time.monotonic()
        best = fine_tune(model, classifier, batches, recipe, run.path / "model.keras", history)
    phases["finetune"] = best | {"seconds": time.monotonic() - started}
    kept = "finetune" if best else "head"
    run.update_info(phase_kept=kept, phases=phases)
    if best:
        say(f"Fine-tuning was better and is kept: {_figures(best)}")
    else:
        say(f"Fine-tuning was no better ({recipe.monitor}): the model of the frozen phase is kept.")


def compute_features(
    extractor: keras.Model,
    base: keras.Model,
    cut: str | None,
    sides: tuple[ImageFolder, ImageFolder],
    recipe: Recipe,
    scratch: Path,
) -> tuple[Features, Features]:
    """Run the frozen network over both sides; keep what it hands over at `cut`, if there is one.

    Args:
        extractor: From images to vectors.
        base: The backbone in it.
        cut: Name of a layer of the backbone, or None.
        sides: Training and validation images. Training images are seen in augmented views too.
        recipe: The knobs.
        scratch: Folder for the activations.
    """
    model = extractor
    if cut is not None:
        trunk, top = split_at(base, cut)
        activations = trunk(get_backbone(recipe.backbone).apply_preprocess(extractor.input))
        vectors = pool(parse_head(recipe.head), top(activations))
        model = keras.Model(extractor.input, [activations, vectors])
    train, val = (
        extract(
            model,
            side,
            recipe,
            views=views,
            keep=None if cut is None else scratch / f"{side.splits[0]}.npy",
        )
        for side, views in zip(sides, (views_of(recipe), 0), strict=True)
    )
    return train, val


def top_of(base: keras.Model, cut: str, head: keras.Model, recipe: Recipe) -> keras.Model:
    """Return the classifier above a cut: activations (b, h, w, c) -> probabilities (b, classes).

    It shares its layers with the backbone and the head.
    """
    top = split_at(base, cut)[1]
    activations = keras.Input(top.input.shape[1:], name="activations")
    return keras.Model(activations, head(pool(parse_head(recipe.head), top(activations))))


def choose_cut(
    base: keras.Model, chosen: set[str], recipe: Recipe, images: tuple[int, int]
) -> str | None:
    """Return the highest cut below all layers that are to train, or None.

    None means that the whole network has to run in every step: nothing or everything is
    unfrozen, the backbone cannot be cut, or the activations would need more than
    ``recipe.trunk_cache``.

    Args:
        base: The backbone.
        chosen: Names of its layers that are to train.
        recipe: Gives the limit and the number of views.
        images: Number of training and of validation images.
    """
    if not chosen:
        return None
    order = {operation.name: i for i, operation in enumerate(base.operations)}
    lowest = min(order[name] for name in chosen)
    cut = [name for name in find_cuts(base) if order[name] < lowest][-1:]
    if not cut or order[cut[0]] == 0:
        return None
    shape = split_at(base, cut[0])[0].output.shape[1:]
    needed = 2 * int(np.prod(shape)) * (images[0] * (views_of(recipe) + 1) + images[1])
    if needed <= parse_bytes(recipe.trunk_cache):
        return cut[0]
    say(
        f"The frozen layers' activations would take {needed / 1e9:.1f} GB, more than"
        f" --trunk-cache {recipe.trunk_cache}: fine-tuning runs the whole network instead."
    )
    return None


def views_of(recipe: Recipe) -> int:
    """Return the augmented views per training image: none where nothing is augmented."""
    return recipe.views if parse_augment(recipe.augment).keys() - {"fill"} else 0


def weigh_classes(folder: ImageFolder, balance: str) -> Sequence[float]:
    """Return the weight of each class in the loss; 1 on average over the images.

    Args:
        folder: The training images.
        balance: ``none``, ``weights`` (inverse frequency, as scikit-learn's "balanced") or
            ``sqrt`` (its square root).
    """
    counts = np.bincount(folder.labels, minlength=len(folder.classes)).astype(float)
    if balance == "none":
        return [1.0] * len(counts)
    power = {"weights": 1.0, "sqrt": 0.5}[balance]
    raw = np.where(counts > 0, 1.0 / np.maximum(counts, 1.0) ** power, 0.0)
    return list(raw * counts.sum() / (raw * counts).sum())


def _figures(figures: dict[str, Any]) -> str:
    return ", ".join(f"{name} {figures[name]:.4f}" for name in ("val_accuracy", "val_loss"))
