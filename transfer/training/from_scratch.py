"""The one phase of a network without pretrained weights: all of it is trained at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from transfer.images.folder import ImageFolder
from transfer.images.groups import number_groups
from transfer.progress import say, warn
from transfer.recipe import Recipe
from transfer.run import Run
from transfer.training.checkpoint import save_model
from transfer.training.classifier import (
    build_classifier,
    image_size,
    layers_to_unfreeze,
    unfreeze,
)
from transfer.training.cross_validation import Material, judge_folds
from transfer.training.finetune import batches_of_images, fine_tune
from transfer.training.head import build_head, parse_head
from transfer.training.history import History, finite
from transfer.training.state import State
from transfer.weights import Weights


def train_from_scratch(
    run: Run,
    sides: tuple[ImageFolder, ImageFolder],
    class_weights: Sequence[float],
    extractor: keras.Model,
    recipe: Recipe,
    history: History,
    about: dict[str, Any],
    weights: Weights,
    groups: Mapping[str, str],
    saved: State | None = None,
) -> None:
    """Train a whole network, and leave it as it was at its best in the run's model.keras.

    A phase with frozen layers would only train a head on the features of random weights.

    Args:
        run: Where model.keras, history.csv and run.json go.
        sides: Training and validation images.
        class_weights: Weight in the loss of each class.
        extractor: From images to vectors, with random weights.
        recipe: The knobs.
        history: Where the epochs are recorded, as phase "finetune".
        about: JSON that is saved with the state of the training.
        weights: None are known: what networks of folds begin with.
        groups: Path to the key of its group: folds divide none.
        saved: The state to go on from, where the training is taken up again.

    Raises:
        TransferError: The training diverged.
    """
    say(f"{recipe.backbone} has no pretrained weights: all of it is trained from scratch.")
    base = extractor.get_layer(recipe.backbone)
    chosen = layers_to_unfreeze(base, "all" if recipe.unfreeze == "auto" else recipe.unfreeze)
    classifier = build_whole(extractor, chosen, len(class_weights), recipe)
    path = run.path / "model.keras"
    if saved is None:
        save_model(classifier, path)
    size, first_epoch = image_size(recipe), saved.epoch if saved else 0
    batches = batches_of_images(*sides, size, class_weights, recipe, first_epoch)
    model = keras.Model(classifier.input, classifier.output)  # to be compiled, and not saved
    tuned = fine_tune(model, classifier, batches, recipe, path, history, about, saved)
    best = tuned.best_logs
    if best:
        say(f"Best epoch: val_accuracy {best['val_accuracy']:.4f}, val_loss {best['val_loss']:.4f}")
    else:
        warn(f"No epoch was better than the untrained network ({recipe.monitor}), which is kept.")
    phase = finite(best) | {"seconds": history.seconds("finetune")}
    run.update_info(phase_kept="finetune" if best else None, phases={"finetune": phase}, seconds={})
    own = number_groups(groups, sides[0].paths + sides[1].paths)
    material = Material(sides, None, own, recipe, weights, base, chosen, None)
    judge_folds(run, material, saved is not None)


def build_whole(
    extractor: keras.Model, chosen: set[str], num_classes: int, recipe: Recipe
) -> keras.Model:
    """Return a classifier of which the head and the `chosen` layers of the backbone train.

    Args:
        extractor: From images to vectors; it becomes a part of the classifier.
        chosen: Names of layers.
        num_classes: Number of classes.
        recipe: The knobs.
    """
    spec = parse_head(recipe.head)
    head = build_head(spec, extractor.output_shape[-1], num_classes, recipe.seed)
    classifier = build_classifier(extractor, head)
    unfreeze(classifier, extractor.get_layer(recipe.backbone), chosen)
    return classifier
