"""The one phase of a network without pretrained weights: all of it is trained at once."""

from __future__ import annotations

from dataclasses import replace

import keras

from transfer.experiments.cross_validation import Material, judge_folds
from transfer.networks.classifier import layers_to_unfreeze
from transfer.system.progress import say, warn
from transfer.training.budget import measure_costs, tell_plan
from transfer.training.keep.checkpoint import save_model
from transfer.training.setup import Job
from transfer.training.tuning.batches import Tuning
from transfer.training.tuning.fit import fine_tune
from transfer.training.tuning.history import finite


def train_from_scratch(job: Job, extractor: keras.Model) -> None:
    """Train a whole network, and leave it as it was at its best in the run's model.keras.

    A phase with frozen layers would only train a head on the features of random weights.

    Args:
        job: See `Job`; the epochs are recorded as phase "finetune".
        extractor: From images to vectors, with random weights.

    Raises:
        TransferError: The training diverged.
    """
    recipe, sides = job.recipe, job.sides
    say(f"{recipe.backbone} has no pretrained weights: all of it is trained from scratch.")
    base = extractor.get_layer(recipe.backbone)
    chosen = layers_to_unfreeze(base, recipe.unfreeze, from_scratch=True)
    tuning = Tuning(extractor, base, chosen, None, job.class_weights)
    epochs = recipe.epochs
    if job.saved is not None:
        epochs = job.run.info["plan"]["epochs"]
    elif job.until is not None:
        judged = len(job.folder.select(job.run.info["split"]))
        costs = measure_costs(tuning, sides, recipe, judged, job.left)
        fit = costs.epochs(job.left, job.slack, job.run.recipe.epochs)
        epochs = max(1, fit)  # without any there would be nothing
        tell_plan(epochs, None, job.left)
    recipe = replace(recipe, epochs=epochs)
    job.run.update_info(plan={"epochs": epochs})
    head = tuning.new_head(recipe)
    classifier, model, batches = tuning.start(head, sides, None, recipe, job.first_epoch)
    if job.saved is None:
        save_model(classifier, job.path)
    tuned = fine_tune(
        model, classifier, batches, recipe, job.path, job.history, job.about, job.saved
    )
    best = tuned.best_logs
    if best:
        say(f"Best epoch: val_accuracy {best['val_accuracy']:.4f}, val_loss {best['val_loss']:.4f}")
    else:
        warn(f"No epoch was better than the untrained network ({recipe.monitor}), which is kept.")
    phase = finite(best) | {"seconds": job.history.seconds("finetune")}
    kept = "finetune" if best else None
    job.run.update_info(phase_kept=kept, phases={"finetune": phase}, seconds={})
    own = job.numbers(*sides)
    material = Material(sides, None, own, recipe, job.weights, base, chosen, None)
    judge_folds(job.run, material, job.saved is not None)
