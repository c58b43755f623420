from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from transfer.serving.explain.layercam import layercam
from transfer.serving.explain.parts import Parts

MakeParts = Callable[..., Parts]


def by_definition(parts: Parts, layer: str, image: np.ndarray, number: int) -> np.ndarray:
    """Equation 5 of the paper, with gradients by finite differences of the layers above."""
    from transfer.networks.blocks import split_at

    trunk, top = split_at(parts.base, layer)
    activations = np.asarray(trunk(parts.scale(image[None].astype(np.float32))), np.float64)
    step = 1e-2

    def logits(batch: np.ndarray) -> np.ndarray:
        vectors = parts.above(top(batch.astype(np.float32)))
        return np.asarray(vectors @ parts.predictions.kernel, np.float64)[:, number]

    flat = np.eye(activations.size).reshape(-1, *activations.shape[1:]) * step
    gradient = (logits(activations + flat) - logits(activations - flat)) / (2 * step)
    gradient = gradient.reshape(activations.shape[1:])
    return (np.maximum(gradient, 0) * activations[0]).clip(0).sum(axis=-1)


@pytest.mark.parametrize("head", ["avg,8", "linear"])
def test_it_is_the_sum_of_activations_times_positive_gradients(
    head: str, make_parts: MakeParts, image: np.ndarray
) -> None:
    parts = make_parts(head, side=16)
    small = image[:16, :16]
    found = layercam(parts, "out_relu")(small, 1)
    expected = by_definition(parts, "out_relu", small, 1)
    assert found.shape == (4, 4)
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.02 * expected.max())


def test_any_layer_with_a_feature_map(make_parts: MakeParts, image: np.ndarray) -> None:
    parts = make_parts("avg,8")
    for name in parts.map_layers[1:]:  # the first is the image
        found = layercam(parts, name)(image, 0)
        assert found.shape == tuple(parts.base.get_layer(name).output.shape[1:3])
        assert found.min() >= 0
        assert np.isfinite(found).all()
    assert layercam(parts, "block_1")(image, 0).max() > 0  # beside a connection that skips it


def test_a_random_head_gives_another_map(make_parts: MakeParts, image: np.ndarray) -> None:
    parts = make_parts("avg,8")
    before = layercam(parts, "out_relu")(image, 0)
    for number, layer in enumerate(parts.head.layers):
        rng = np.random.default_rng(number + 7)
        layer.set_weights([rng.normal(0, 0.5, each.shape) for each in layer.get_weights()])
    after = layercam(parts, "out_relu")(image, 0)
    assert abs(np.corrcoef(before.ravel(), after.ravel())[0, 1]) < 0.9
