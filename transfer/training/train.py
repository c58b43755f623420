"""Both phases of a run: from a set-up to model.keras."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.errors import option
from transfer.features.extract import extract
from transfer.networks.backbones import Backbone
from transfer.networks.saved.model import load_weights_file
from transfer.runs.info import Calibration, FeatureInfo
from transfer.runs.run import Run
from transfer.settings import Settings
from transfer.system.progress import say, warn
from transfer.training.budget import Costs, measure_costs, tell_plan
from transfer.training.head.fitting import fit_head
from transfer.training.keep.calibration import calibrate
from transfer.training.keep.checkpoint import save_model
from transfer.training.keep.selection import keep_the_best, predict_val
from transfer.training.keep.state import State
from transfer.training.setup import Pair, Setup, Tunable, compute_features
from transfer.training.tuning.fit import Record, Tuned, fine_tune
from transfer.training.tuning.history import History, finite

SLACK = 0.03  # of the time limit


@dataclass(frozen=True)
class Clock:
    """When a run should be over.

    Attributes:
        seconds: The time limit; 0 for none.
        began: When the run began, by `time.monotonic`.
    """

    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds to the end of the run."""
        return self.began + self.seconds - time.monotonic()

    @property
    def slack(self) -> float:
        """Seconds by which the run may exceed its limit."""
        return SLACK * self.seconds


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training, in addition to the files of the run.

    Attributes:
        setup: As it was trained: with the views and epochs of the plan.
        features: Of the training and validation images; None from scratch.
        known: Probabilities (classes,) by path for images of the split that the run is evaluated
            on, bit for bit those of the saved model; only where just the head was fitted, whose
            features exist already.
    """

    setup: Setup
    features: Pair | None
    known: Mapping[str, np.ndarray]


def train(
    run: Run, setup: Setup, identity: dict[str, Any], clock: Clock, saved: State | None = None
) -> Outcome:
    """Train a classifier and leave the best model of its phases in the run's model.keras.

    Args:
        run: Where model.keras, history.csv and run.json go.
        setup: What is trained, and on what.
        identity: JSON that is saved with the state and compared on resume.
        clock: When the run should be over.
        saved: The state to resume from; None at the start.

    Raises:
        TransferError: The training diverged.
    """
    history = History(run.path / "history.csv", saved.progress["history"] if saved else ())
    record = Record(run.path / "model.keras", history, identity, saved)
    if setup.settings.pretrained:
        return _train_pretrained(run, setup, record, clock)
    return _train_from_scratch(run, setup, record, clock)


def tell_from_scratch(backbone: Backbone) -> None:
    """Say that a network is trained from scratch, and what to expect of it."""
    if backbone.scratch:
        say(f"{backbone.name} has no pretrained weights: all of it is trained from scratch.")
        return
    warn(
        f"Without pretrained weights, all of {backbone.name} is trained from scratch. Expect a long"
        " training and, with fewer than tens of thousands of photos, far lower accuracy than with"
        f" pretrained weights, which {option('weights', 'auto')} uses."
    )


def _train_from_scratch(run: Run, setup: Setup, record: Record, clock: Clock) -> Outcome:
    """Train the whole network at once: a frozen phase would fit a head to random features."""
    tell_from_scratch(setup.classifier.backbone)
    if record.saved is None and clock.seconds:
        costs = measure_costs(setup, len(setup.dataset.select(run.info.split)), clock.left)
        epochs = costs.epochs(clock.left, clock.slack, setup.settings.most_epochs)
        setup = setup.plan(epochs=max(1, epochs))  # with none there would be no model
        tell_plan(setup.settings.epochs, None, clock.left)
        run.update(settings=setup.settings)
    tunable = setup.start(setup.new_head(), None, record.first_epoch)
    if record.saved is None:
        save_model(tunable.classifier, record.path)
    tuned = fine_tune(tunable, setup.settings, record)
    best = tuned.best_logs
    if best:
        _calibrate_once(run, tunable, tuned, setup.settings, record.path)
        say(f"Best epoch: val_accuracy {best['val_accuracy']:.4f}, val_loss {best['val_loss']:.4f}")
    else:
        monitor = setup.settings.monitor
        warn(f"No epoch was better than the untrained network ({monitor}), which is kept.")
    phase = finite(best) | {"seconds": record.history.seconds("finetune")}
    run.update(phase_kept="finetune" if best else "", phases={"finetune": phase})
    return Outcome(setup, None, {})


def _train_pretrained(run: Run, setup: Setup, record: Record, clock: Clock) -> Outcome:
    """Fit the head to features, then fine-tune the top of the backbone."""
    costs, settings = None, setup.settings
    if record.saved is None and clock.seconds and (settings.fine_tunes or settings.views):
        costs = measure_costs(setup, len(setup.dataset.select(run.info.split)), clock.left)
        views = costs.views(clock.left, settings.most_views)
        setup = setup.plan(views=max(settings.least_views, views))
    started = time.monotonic()
    setup, features = compute_features(setup)
    run.update(
        features=_feature_info(run, setup, features),
        seconds=run.info.seconds | {"features": time.monotonic() - started},
    )
    head = _fit_head(run, setup, features, record)
    if costs is not None:
        setup = _plan_epochs(setup, costs, clock)
    run.update(settings=setup.settings)
    if setup.settings.fine_tunes:
        _fine_tune(run, setup, record, head, features)
        return Outcome(setup, features, {})
    return Outcome(setup, features, _known(run, setup, features, head))


def _feature_info(run: Run, setup: Setup, features: Pair) -> FeatureInfo:
    images, computed = sum(map(len, features)), sum(each.computed for each in features)
    name, precision = setup.network.engine_name, setup.settings.precision
    known = run.info.features  # of a resumed run, which does not choose again
    choice = setup.choice or (None if known is None else known.choice)
    return FeatureInfo(images - computed, computed, name, precision, choice)


def _plan_epochs(setup: Setup, costs: Costs, clock: Clock) -> Setup:
    """Return the setup with as many epochs as there is time for."""
    settings = setup.settings
    if not settings.fine_tunes:
        return setup
    epochs = costs.epochs(clock.left, clock.slack, settings.most_epochs)
    tell_plan(epochs, settings.views if settings.cut else None, clock.left)
    return setup.plan(epochs=epochs)


def _fit_head(run: Run, setup: Setup, features: Pair, record: Record) -> keras.Sequential:
    """Return the fitted head, saved on top of the backbone; on resume, one to be restored."""
    head = setup.new_head()
    if record.saved is not None:
        return head
    started = time.monotonic()
    groups = setup.dataset.train.group_numbers()
    fitted, figures = fit_head(*features, setup.settings, record.history, groups)
    head.set_weights(fitted.get_weights())  # a copy: the other may be compiled
    names = dict.fromkeys(("val_accuracy", "val_loss", setup.settings.monitor))
    say("Head fitted: " + ", ".join(f"{name} {figures[name]:.4f}" for name in names))
    model = setup.classifier.join(head)
    if not setup.settings.fine_tunes:
        targets = setup.dataset.val.images.targets()
        probabilities = setup.network.apply(head, features[1].vectors)
        found = calibrate(head, probabilities, targets, setup.settings.multi_label)
        run.update(calibration=found)
    save_model(model, record.path)
    phase = finite(figures) | {"seconds": time.monotonic() - started}
    run.update(phase_kept="head", phases={"head": phase})
    return head


def _fine_tune(
    run: Run, setup: Setup, record: Record, head: keras.Sequential, features: Pair
) -> None:
    """Fine-tune, and leave the best of the head's and the fine-tuned models in model.keras."""
    chosen = run.path / "chosen.keras"  # becomes model.keras once run.json says what it is
    if (
        record.saved is None or run.info.choice is None
    ):  # else it was chosen before the interruption
        tunable = setup.start(head, features, record.first_epoch)
        tuned = fine_tune(tunable, setup.settings, record)
        chosen.unlink(missing_ok=True)  # of an attempt that was not recorded
        choice, figures = keep_the_best(tunable, tuned, setup.settings, record.path, chosen)
        if not chosen.exists():  # the best epoch is kept without a choice
            load_weights_file(tunable.classifier, record.path)
        calibration = _calibrate(tunable, tuned, setup.settings, chosen)
        phase = figures | {"seconds": record.history.seconds("finetune")}
        run.update(
            calibration=calibration,
            phase_kept="finetune" if figures else "head",
            choice=choice,
            phases=run.info.phases | {"finetune": phase},
        )
    if chosen.exists():
        chosen.replace(record.path)


def _calibrate_once(
    run: Run, tunable: Tunable, tuned: Tuned, settings: Settings, path: Path
) -> None:
    """Calibrate the best epoch, in model.keras, unless that was done before an interruption."""
    chosen = run.path / "chosen.keras"  # becomes model.keras once run.json says what it is
    if run.info.calibration is None:
        load_weights_file(tunable.classifier, path)
        run.update(calibration=_calibrate(tunable, tuned, settings, chosen))
    if chosen.exists():
        chosen.replace(path)


def _calibrate(tunable: Tunable, tuned: Tuned, settings: Settings, path: Path) -> Calibration:
    """Calibrate a fine-tuned model as it is, and save it."""
    probabilities, targets = predict_val(tunable, tuned)
    found = calibrate(tunable.model, probabilities, targets, settings.multi_label)
    save_model(tunable.classifier, path)
    return found


def _known(
    run: Run, setup: Setup, features: Pair, head: keras.Sequential
) -> Mapping[str, np.ndarray]:
    """Return the probabilities of the split that the run is evaluated on, from its features."""
    split = run.info.split
    images = setup.dataset.select(split).images
    own = features[1] if split == "val" else extract(setup.network, images, cache=setup.cache)
    return dict(zip(images.paths, setup.network.apply(head, own.vectors), strict=True))
