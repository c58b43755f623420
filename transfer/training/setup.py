"""The set-up of a training: its settings, images, network and features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.data.dataset import Dataset
from transfer.features.cache import FeatureCache
from transfer.features.extract import ActivationOverflow, Features, FrozenNetwork, extract
from transfer.features.spec import feature_spec
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import image_batches, naming_bad_files
from transfer.networks.backbones import Backbone
from transfer.networks.classifier import Classifier, layers_to_unfreeze
from transfer.networks.normalisation import fit_normalisation
from transfer.networks.weights import Weights
from transfer.settings import Settings
from transfer.system.cachedir import cache_limit
from transfer.system.progress import say, warn
from transfer.training.optim.statistics import average_over_an_epoch
from transfer.training.settle import seed_everything
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
        network: The frozen part, with the engine that runs it.
        cache: The feature cache; None where it is off or the network cannot be identified.
        scratch: A folder for kept activations and other temporary files.
    """

    settings: Settings
    dataset: Dataset
    weights: Weights
    classifier: Classifier
    network: FrozenNetwork
    cache: FeatureCache | None
    scratch: Path

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
        return extract(self.network, images, views=views, keep=keep, cache=self.cache)

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
    network = FrozenNetwork(classifier.frozen_part(settings.cut), settings)
    cache = _open_cache(settings, dataset, weights, classifier)
    return Setup(settings, dataset, weights, classifier, network, cache, scratch)


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
    network = FrozenNetwork(setup.classifier.frozen_part(""), settings)
    cache = _open_cache(settings, setup.dataset, setup.weights, setup.classifier)
    return replace(setup, settings=settings, network=network, cache=cache)


def _open_cache(
    settings: Settings, dataset: Dataset, weights: Weights, classifier: Classifier
) -> FeatureCache | None:
    """Return the cache of the frozen part's features.

    None for random weights, which differ from run to run, and for functions, which unlike import
    strings have no stable name.
    """
    backbone = classifier.backbone
    named = not (callable(backbone.constructor) or callable(backbone.preprocess))
    if weights.sha256 is None or not named or cache_limit() == 0:
        return None
    images = keras.Input(classifier.base.input.shape[1:])
    graph = keras.Model(images, classifier.base(backbone.apply_preprocess(images)))
    pooling = classifier.head.pooling
    spec = feature_spec(backbone, graph, weights.sha256, settings, pooling)
    return FeatureCache(spec, spec.outputs, dataset.sha256, dataset.unusual)
