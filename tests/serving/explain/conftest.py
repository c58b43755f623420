"""Classifiers with random weights; nothing here trains."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from transfer.networks.classifier import Classifier
from transfer.networks.weights import Weights
from transfer.serving.explain.parts import Parts

MakeParts = Callable[..., Parts]


@pytest.fixture
def make_parts(toy: str) -> MakeParts:
    """Return a maker of classifiers of three classes, taken apart."""

    def make(
        head: str = "linear", backbone: str = toy, side: int = 32, multi_label: bool = False
    ) -> Parts:
        classifier = Classifier.build(backbone, side, head, Weights("none"))
        top = classifier.new_head(3, 0, multi_label)
        rng = np.random.default_rng(0)
        for layer in top.layers:  # nothing stays as it is initialised: zeros and ones
            values = [rng.normal(0, 0.5, each.shape) for each in layer.get_weights()]
            if layer.name.startswith("batchnorm"):
                values = [np.abs(each) + 0.1 for each in values]
            layer.set_weights([each.astype(np.float32) for each in values])
        return Parts.of(classifier.join(top))

    return make


@pytest.fixture
def image() -> np.ndarray:
    """uint8 (32, 32, 3)."""
    return np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
