"""Both phases of a run: from a split image folder to model.keras."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.evaluation.label_errors import LabelledVectors, write_label_errors
from transfer.experiments.cross_validation import Material, judge_folds
from transfer.features.cache import FeatureCache
from transfer.features.extract import Features, FrozenNetwork, extract
from transfer.images.folder import ImageFolder
from transfer.networks.classifier import (
    build_classifier,
    build_extractor,
    is_from_scratch,
    layers_to_unfreeze,
)
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Predictions, Run
from transfer.system.progress import say
from transfer.training.balance import resolve_monitor, weigh_classes
from transfer.training.budget import measure_costs, tell_plan
from transfer.training.feature_plan import (
    choose_cut,
    compute_features,
    frozen_network,
    open_cache,
    tell_features,
    views_of,
)
from transfer.training.from_scratch import train_from_scratch
from transfer.training.head.fitting import fit_head
from transfer.training.keep.checkpoint import save_model
from transfer.training.keep.selection import keep_the_best
from transfer.training.keep.state import State
from transfer.training.optim.precision import resolve_mixed_precision
from transfer.training.optim.schedules import settle
from transfer.training.seeds import sow
from transfer.training.setup import Job
from transfer.training.tuning.batches import Tuning
from transfer.training.tuning.fit import fine_tune
from transfer.training.tuning.history import History, finite


def train(
    run: Run,
    folder: ImageFolder,
    recipe: Recipe,
    weights: Weights,
    sha256: Mapping[str, str],
    groups: Mapping[str, str],
    about: dict[str, Any],
    saved: State | None = None,
    until: float | None = None,
) -> Predictions | None:
    """Train a classifier and leave the best of its two phases in the run's model.keras.

    The arguments are those of `transfer.training.setup.Job`.

    Returns:
        Predictions for the split that the run is evaluated on, where the features tell them as
        the saved model would: nothing was fine-tuned, in full precision.

    Raises:
        UsageError: ``unfreeze`` does not fit the backbone.
        TransferError: The training diverged.
    """
    sow(recipe)
    labels = folder.select("train").labels
    counts = np.bincount(labels, minlength=len(folder.classes)).tolist()
    extractor = build_extractor(recipe, weights)
    recipe = settle(recipe, len(labels), extractor.get_layer(recipe.backbone))
    begun = run.info["mixed_precision"] if saved else recipe.mixed_precision
    recipe = replace(
        recipe,
        monitor=resolve_monitor(recipe, counts),
        mixed_precision=resolve_mixed_precision(begun),
    )
    class_weights = weigh_classes(counts, recipe.balance)
    run.update_info(
        monitor=recipe.monitor,
        learning_rate=recipe.learning_rate,
        label_smoothing=recipe.label_smoothing,
        image_size=extractor.input.shape[1],
        mixed_precision=recipe.mixed_precision,
        class_weights=class_weights,
    )
    history = History(run.path / "history.csv", saved.progress["history"] if saved else ())
    job = Job(
        run=run,
        folder=folder,
        recipe=recipe,
        weights=weights,
        sha256=sha256,
        groups=groups,
        about=about,
        class_weights=class_weights,
        history=history,
        saved=saved,
        until=until,
    )
    if is_from_scratch(recipe, weights):
        train_from_scratch(job, extractor)
        return None
    return _train_pretrained(job, extractor)


def _train_pretrained(job: Job, extractor: keras.Model) -> Predictions | None:
    """Fit the head to features, then fine-tune the top of the backbone."""
    recipe, sides = job.recipe, job.sides
    base = extractor.get_layer(recipe.backbone)
    chosen = layers_to_unfreeze(base, recipe.unfreeze)
    with tempfile.TemporaryDirectory(prefix=".activations-", dir=job.run.path) as directory:
        scratch = Path(directory)
        cut, room = choose_cut(base, chosen, recipe, (len(sides[0]), len(sides[1])))
        network = frozen_network(extractor, base, cut, recipe)
        cache = open_cache(network, base, cut, job.weights, job.sha256)
        tuning = Tuning(extractor, base, chosen, cut, job.class_weights)
        views = min(views_of(recipe, len(sides[0]), tuned=cut is not None), room)
        epochs, costs = recipe.epochs, None
        if job.saved is not None:
            plan = job.run.info["plan"]
            views, epochs = plan["views"], plan["epochs"]
        elif job.until is not None and (chosen or views):
            judged = len(job.folder.select(job.run.info["split"]))
            frozen = network, cache, scratch
            costs = measure_costs(tuning, sides, recipe, judged, job.left, frozen)
            if recipe.views is None:  # more than usual where epochs may be more too
                free = cut and views and job.run.recipe.epochs is None
                views = costs.views(job.left, room if free else views)
        started = time.monotonic()
        features = compute_features(network, sides, cache, scratch if cut else None, views)
        seconds = {"features": time.monotonic() - started}
        job.run.update_info(features=tell_features(features, network, cache))
        head = _fit_head(job, tuning, features, seconds)
        if costs is not None and chosen:
            epochs = costs.epochs(job.left, job.slack, job.run.recipe.epochs)
            tell_plan(epochs, views if cut else None, job.left)
        if not epochs:
            chosen = set()
        job.run.update_info(plan={"views": views, "epochs": epochs if chosen else 0})
        if chosen:
            recipe = replace(recipe, epochs=epochs)
            _fine_tune(replace(job, recipe=recipe), tuning, head, features)
        material = Material(
            sides, features, job.numbers(*sides), recipe, job.weights, base, chosen, cut
        )
        judge_folds(job.run, material, job.saved is not None)
        if chosen:
            return None
        return _predict_frozen(job.run, job.folder, network, cache, features[1], head)


def _fit_head(
    job: Job, tuning: Tuning, features: tuple[Features, Features], seconds: dict[str, float]
) -> keras.Sequential:
    """Return the fitted head, saved on top of the backbone; where resumed, one to be restored."""
    recipe, sides = job.recipe, job.sides
    head = tuning.new_head(recipe)
    if job.saved is not None:
        return head
    started = time.monotonic()
    own = job.numbers(sides[0])
    trained, figures = fit_head(*features, job.class_weights, recipe, job.history, own)
    head.set_weights(trained.get_weights())  # a copy: the other may be compiled
    say(f"Head trained: {_figures(figures, recipe.monitor)}")
    save_model(build_classifier(tuning.extractor, head), job.path)
    phase = finite(figures) | {"seconds": time.monotonic() - started}
    job.run.update_info(phase_kept="head", seconds=seconds, phases={"head": phase})
    _find_label_errors(job, features, tuning.base.output.shape[-1])
    return head


def _find_label_errors(job: Job, features: tuple[Features, Features], channels: int) -> None:
    shapes = [(each.views, len(each), -1, channels) for each in features]
    vectors = [
        each.vectors.reshape(shape).mean(axis=(0, 2))
        for each, shape in zip(features, shapes, strict=True)
    ]
    images = LabelledVectors(
        np.concatenate(vectors).astype(np.float32),
        np.array([label for side in job.sides for label in side.labels]),
        [path for side in job.sides for path in side.paths],
        job.folder.classes,
        job.numbers(*job.sides),
    )
    result = write_label_errors(job.run.path, images, job.recipe.seed)
    if result is not None:
        job.run.update_info(label_errors=asdict(result))


def _fine_tune(
    job: Job, tuning: Tuning, head: keras.Sequential, features: tuple[Features, Features]
) -> None:
    """Fine-tune, and leave the best of the head's and the fine-tuned models in model.keras."""
    chosen = job.run.path / "chosen.keras"  # becomes model.keras once it is noted what it is
    if job.saved is None or "choice" not in job.run.info:  # else it was made before a kill
        classifier, model, batches = tuning.start(
            head, job.sides, features, job.recipe, job.first_epoch
        )
        tuned = fine_tune(
            model, classifier, batches, job.recipe, job.path, job.history, job.about, job.saved
        )
        choice, figures = keep_the_best(model, classifier, tuned, job.recipe, job.path, chosen)
        phase = figures | {"seconds": job.history.seconds("finetune")}
        kept = "finetune" if figures else "head"
        phases = job.run.info["phases"] | {"finetune": phase}
        job.run.update_info(phase_kept=kept, choice=choice, phases=phases)
    if chosen.exists():
        chosen.replace(job.path)


def _predict_frozen(
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


def _figures(figures: dict[str, Any], monitor: str) -> str:
    names = dict.fromkeys(("val_accuracy", "val_loss", monitor))
    return ", ".join(f"{name} {figures[name]:.4f}" for name in names)
