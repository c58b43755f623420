"""The frozen part of a training's network, on any engine at any precision."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import keras

from transfer.data.dataset import Dataset
from transfer.features.cache import FeatureCache
from transfer.features.extract import FrozenNetwork, Source
from transfer.features.spec import feature_spec, fingerprint
from transfer.features.speeds import speeds_of
from transfer.features.store import Space
from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights
from transfer.settings import Settings
from transfer.system.cachedir import cache_limit

CALIBRATION = (
    32  # photos; more of them change the vectors no more (scripts/benchmarks/precision.py)
)


@dataclass(frozen=True)
class Sources:
    """Makes the sources of a training's features; they share layers, and room in the cache.

    Attributes:
        settings: All options; engine and precision may be open.
        dataset: The images, each with its split.
        weights: The backbone's.
        classifier: Backbone and head.
    """

    settings: Settings
    dataset: Dataset
    weights: Weights
    classifier: Classifier
    _in_use: set[Path] = field(default_factory=set)
    _made: dict[tuple[str, str], Source] = field(default_factory=dict)

    def at(self, engine: str, precision: str) -> Source:
        """Return the frozen part on an engine at a precision; always the same object.

        Where the usual engine of a recipe that names none cannot run the network, Keras takes over;
        otherwise that is an error.

        Args:
            engine: ``keras`` or ``openvino``.
            precision: ``f32``, ``bf16`` or ``int8``, which is calibrated on training photos.
        """
        key = (engine, precision)
        if key not in self._made:
            self._made[key] = self._make(engine, precision)
        return self._made[key]

    def _make(self, engine: str, precision: str) -> Source:
        usual = precision == "f32" and engine == self.settings.engine
        required = self.settings.engine_required or not usual
        settings = replace(
            self.settings, engine=engine, precision=precision, engine_required=required
        )
        photos = self.calibration.images if precision == "int8" else None
        network = FrozenNetwork(self._model, settings, photos)
        return Source(network, self._open_cache(settings))

    @cached_property
    def calibration(self) -> Dataset:
        """The training photos that int8 is calibrated on: those with the smallest digests.

        Which they are hardly changes when photos are added, and not with the seed alone.
        """
        train = self.dataset.train
        chosen = set(sorted(train.paths, key=lambda path: train.sha256[path])[:CALIBRATION])
        return train.keep([path in chosen for path in train.paths])

    def speeds(self) -> Space | None:
        """Return where this machine's speeds on this network are remembered, if anywhere."""
        if not self._is_named:
            return None
        about = {"backbone": self.settings.backbone, "graph": fingerprint(self._graph)}
        return speeds_of(about | {"image_size": self.settings.image_size})

    @cached_property
    def _model(self) -> keras.Model:
        return self.classifier.frozen_part(self.settings.cut)

    @cached_property
    def _graph(self) -> keras.Model:
        """Preprocessing and backbone."""
        base, backbone = self.classifier.base, self.classifier.backbone
        images = keras.Input(base.input.shape[1:])
        return keras.Model(images, base(backbone.apply_preprocess(images)))

    @property
    def _is_named(self) -> bool:
        """Whether the network is built from import strings, which unlike functions are stable."""
        backbone = self.classifier.backbone
        return not (callable(backbone.constructor) or callable(backbone.preprocess))

    def _open_cache(self, settings: Settings) -> FeatureCache | None:
        """Return the cache of the frozen part's features.

        None for random weights, which differ from run to run, and for networks without a name.
        """
        if self.weights.sha256 is None or not self._is_named or cache_limit() == 0:
            return None
        spec = feature_spec(
            self.classifier.backbone,
            self._graph,
            self.weights.sha256,
            settings,
            self.classifier.head.pooling,
            self._calibration_digest() if settings.precision == "int8" else "",
        )
        cache = FeatureCache(spec, spec.outputs, self.dataset.sha256, self.dataset.unusual)
        cache.in_use = self._in_use
        return cache

    def _calibration_digest(self) -> str:
        photos = self.calibration
        digests = sorted(photos.sha256[path] for path in photos.paths)
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()
