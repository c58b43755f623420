"""The set-up of a training: its settings, images, network and features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.features.cache import FeatureCache
from transfer.features.extract import (
    ActivationOverflow,
    Features,
    FrozenNetwork,
    Source,
    extract,
)
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_batches, naming_bad_files
from transfer.networks.backbones import Backbone
from transfer.networks.classifier import Classifier, layers_to_unfreeze
from transfer.networks.normalisation import fit_normalisation
from transfer.networks.weights import Weights
from transfer.runs.info import EngineChoice
from transfer.settings import Settings
from transfer.system.progress import say, warn
from transfer.training.engines import choose_engine
from transfer.training.optim.statistics import average_over_an_epoch
from transfer.training.settle import seed_everything
from transfer.training.sources import Sources
from transfer.training.tuning.batches import (
    Batches,
    batches_of_activations,
    batches_of_images,
    options_of,
)

Pair = tuple[Features, Features]  # of training and validation images


@dataclass(frozen=True)
class Setup:
    """Everything that a training needs, made by `prepare`.

    Finetune, resume, lr-find, each fold of a cross-validation, compare and the baseline from
    scratch start from it. ``dataclasses.replace`` changes the plan (views, epochs) or the images,
    and keeps the network.

    Attributes:
        settings: All options, decided.
        dataset: The images, each with its split.
        weights: The backbone's.
        classifier: Backbone and head.
        network: The frozen part in float32, with the engine that runs it.
        cache: The feature cache; None where it is off or the network cannot be identified.
        scratch: A folder for kept activations and other temporary files.
        quick: The frozen part at the precision in which the features of the training images are
            computed; None for float32. All other images are judged in float32.
        for_views: The same for their augmented views.
        choice: How engine and precision were chosen; None where the settings name them.
    """

    settings: Settings
    dataset: Dataset
    weights: Weights
    classifier: Classifier
    network: FrozenNetwork
    cache: FeatureCache | None
    scratch: Path
    quick: Source | None = None
    for_views: Source | None = None
    choice: EngineChoice | None = None

    @property
    def plain(self) -> Source:
        """The frozen part in float32, and its cache."""
        return Source(self.network, self.cache)

    @property
    def for_training(self) -> Source:
        """What computes the features of the training images."""
        return self.quick or self.plain

    @property
    def layers(self) -> set[str]:
        """Names of the backbone's layers that train."""
        return layers_to_unfreeze(self.classifier.base, self.settings.unfreeze)

    def plan(self, **changes: Any) -> Setup:
        """Return the same set-up with other settings that leave the frozen part as it is."""
        return replace(self, settings=replace(self.settings, **changes))

    def new_head(self) -> keras.Sequential:
        """Return an untrained head."""
        settings = self.settings
        classes = len(settings.class_weights)
        return self.classifier.new_head(classes, settings.seed, settings.multi_label)

    def features_of(self, images: ImageFolder, views: int = 0) -> Features:
        """Return the features of images of one split, from the cache or computed.

        Args:
            images: The images.
            views: Augmented views of each.
        """
        keep = self.scratch / f"{images.splits[0]}.npy" if self.settings.cut else None
        network, cache = self.for_training if images.splits[0] == "train" else self.plain
        for_views = self.for_views or self.plain
        return extract(network, images, views=views, keep=keep, cache=cache, for_views=for_views)

    @property
    def sources(self) -> tuple[Source, ...]:
        """All that computes features: of other images, of training images, of their views."""
        return self.plain, self.for_training, self.for_views or self.plain

    def without_cache(self) -> Setup:
        """Return the same set-up that neither reads nor keeps features."""
        _, quick, for_views = (Source(each.network, None) for each in self.sources)
        return replace(self, cache=None, quick=quick, for_views=for_views)

    def start(self, head: keras.Model, features: Pair | None, first_epoch: int = 0) -> Tunable:
        """Return what is fine-tuned, with its batches.

        Args:
            head: From vectors to probabilities.
            features: Of the training and validation images; None from scratch.
            first_epoch: Epochs that a resumed training has completed.
        """
        settings, classifier = self.settings, self.classifier
        whole = classifier.join(head)
        classifier.unfreeze(whole, self.layers, normalise=not settings.pretrained)
        if not settings.cut or features is None:
            # A separate model: a compiled one would be saved with its metrics.
            model = keras.Model(whole.input, whole.output)
            train, val = self.dataset.train.images, self.dataset.val.images
            batches = batches_of_images(train, val, settings, first_epoch)
        else:
            model = classifier.above(settings.cut, head)
            batches = batches_of_activations(*features, settings, first_epoch)
        if not settings.pretrained:
            average_over_an_epoch(whole, batches.steps_per_epoch)
        return Tunable(whole, model, classifier.base, batches)


@dataclass(frozen=True)
class Tunable:
    """What fine-tuning trains.

    Attributes:
        classifier: What is saved.
        model: What is trained: the classifier, or the part of it above a cut. They share layers.
        base: The backbone, some or all of whose layers are in both.
        batches: Inputs of `model`.
    """

    classifier: keras.Model
    model: keras.Model
    base: keras.Model
    batches: Batches


def prepare(
    settings: Settings,
    dataset: Dataset,
    weights: Weights,
    scratch: Path,
    base: keras.Model | None = None,
) -> Setup:
    """Build the network of a training with its weights, after seeding all random numbers.

    Args:
        settings: All options, decided.
        dataset: The images, each with its split.
        weights: The backbone's, present as a file (or none).
        scratch: An existing folder for temporary files.
        base: The backbone from `settle`, which has seeded already; its weights are replaced.

    Raises:
        WeightsError: The weights do not fit.
    """
    if base is None:
        seed_everything(settings.seed, settings.deterministic)
    classifier = Classifier.build(
        settings.backbone, settings.image_size, settings.head, weights, base
    )
    if settings.normalize != "none":
        normalisation = _fit_normalisation(settings, dataset, classifier.backbone)
        classifier = replace(classifier, normalisation=normalisation)
    return _with_sources(Sources(settings, dataset, weights, classifier), scratch)


def _with_sources(sources: Sources, scratch: Path) -> Setup:
    """Return a set-up, after engine and precision were chosen where they are open."""
    settings, choice = sources.settings, None
    if settings.precision == "auto":
        choice = choose_engine(sources)
        settings = replace(settings, precision="f32")
    if choice is not None:
        say(f"Features by {choice.engine} in {choice.precision}: {choice.why}.")
        settings = replace(settings, engine=choice.engine, precision=choice.precision)
    if settings.views_precision == "auto":
        settings = replace(settings, views_precision=settings.precision)
    network, cache = sources.at(settings.engine, "f32")
    quick, for_views = (
        None if precision == "f32" else sources.at("openvino", precision)
        for precision in (settings.precision, settings.views_precision)
    )
    return Setup(
        settings,
        sources.dataset,
        sources.weights,
        sources.classifier,
        network,
        cache,
        scratch,
        quick,
        for_views,
        choice,
    )


def _fit_normalisation(settings: Settings, dataset: Dataset, backbone: Backbone) -> keras.Model:
    """Return the normalisation with the statistics of the training images, not augmented."""
    train = dataset.train.images
    say(f"Normalising by {len(train):,} training images: {settings.normalize}")
    images = image_batches(train, options_of(settings), labels=False)
    with naming_bad_files():
        scaled = (np.asarray(backbone.apply_preprocess(batch)) for batch in images)
        return fit_normalisation(settings.normalize, settings.image_size, scaled)


def compute_features(setup: Setup) -> tuple[Setup, Pair]:
    """Return the features of the training and validation images, and the setup that made them.

    Where activations exceed float16, in which they would be kept, the returned setup has no cut:
    the whole network runs in every step.
    """
    train, val = setup.dataset.train.images, setup.dataset.val.images
    try:
        pair = setup.features_of(train, setup.settings.views), setup.features_of(val)
    except ActivationOverflow:
        warn(
            "The frozen layers' activations are beyond the range of float16, in which they would be"
            " kept: fine-tuning runs the whole network instead, which takes longer."
        )
        setup = _without_cut(setup)
        pair = setup.features_of(train, setup.settings.views), setup.features_of(val)
    if setup.cache is not None:
        images, computed = sum(map(len, pair)), sum(each.computed for each in pair)
        say(
            f"Features of {images:,} images: {images - computed:,} from the cache,"
            f" {computed:,} computed"
        )
    return setup, pair


def _without_cut(setup: Setup) -> Setup:
    settings = replace(setup.settings, cut="")
    sources = Sources(settings, setup.dataset, setup.weights, setup.classifier)
    return replace(_with_sources(sources, setup.scratch), choice=setup.choice)
