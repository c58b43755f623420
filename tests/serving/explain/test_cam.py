from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from transfer.serving.explain.cam import cam_network, has_cam
from transfer.serving.explain.parts import Parts

MakeParts = Callable[..., Parts]
LINEAR = ("linear", "avg", "max", "avg+max", "flatten", "avg+max,unitnorm", "flatten,unitnorm")


def contributions(parts: Parts, image: np.ndarray) -> np.ndarray:
    """Return the map of each class, float32 (h, w, classes)."""
    return np.asarray(cam_network(parts)(image[None].astype(np.float32)))[0]


def gradients(parts: Parts, image: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the last feature map, the gradient of a logit there, and the logit without bias."""
    import tensorflow as tf

    feature_map = parts.base(parts.scale(image[None].astype(np.float32)))
    with tf.GradientTape() as tape:
        tape.watch(feature_map)
        logit = (parts.above(feature_map) @ parts.predictions.kernel)[0, number]
    found = np.asarray(tape.gradient(logit, feature_map))[0]
    return np.asarray(feature_map)[0], found, float(logit)


@pytest.mark.parametrize("head", ["linear", "avg", "avg,batchnorm,dropout=0.5"])
def test_it_is_grad_cam_up_to_a_factor(head: str, make_parts: MakeParts, image: np.ndarray) -> None:
    """R. Selvaraju et al., 2017: channels weighted by their mean gradient."""
    parts = make_parts(head)
    found = contributions(parts, image)
    for number in range(3):
        feature_map, gradient, _ = gradients(parts, image, number)
        grad_cam = feature_map @ gradient.mean(axis=(0, 1))
        np.testing.assert_allclose(found[:, :, number], grad_cam, rtol=1e-4, atol=1e-6)
        assert np.ptp(grad_cam) > 1e-3


@pytest.mark.parametrize("head", LINEAR)
def test_it_is_the_gradient_times_the_activation(
    head: str, make_parts: MakeParts, image: np.ndarray
) -> None:
    parts = make_parts(head)
    found = contributions(parts, image)
    for number in range(3):
        feature_map, gradient, logit = gradients(parts, image, number)
        expected = (feature_map * gradient).sum(axis=-1)
        np.testing.assert_allclose(found[:, :, number], expected, rtol=1e-3, atol=2e-6)
        if "unitnorm" not in head and head != "linear":
            assert found[:, :, number].sum() == pytest.approx(logit, rel=1e-4)


def test_the_backbone_may_end_in_equal_values(make_parts: MakeParts) -> None:
    """On a black image every place is the maximum; they share it."""
    parts = make_parts("max")
    found = contributions(parts, np.zeros((32, 32, 3), np.uint8))
    _, _, logit = gradients(parts, np.zeros((32, 32, 3), np.uint8), 1)
    assert found[:, :, 1].sum() == pytest.approx(logit, rel=1e-4)


@pytest.mark.parametrize("head", ["avg,8", "flatten,8,dropout=0.5", "avg,8,batchnorm"])
def test_hidden_layers_have_none(head: str, make_parts: MakeParts) -> None:
    assert not has_cam(make_parts(head))


def test_maps_of_few_cells_are_not_worth_it(make_parts: MakeParts) -> None:
    assert has_cam(make_parts("linear", side=16))
    assert not has_cam(make_parts("linear", backbone="mobilenetv2", side=32))


def test_a_random_head_gives_another_map(make_parts: MakeParts, image: np.ndarray) -> None:
    """J. Adebayo et al., "Sanity Checks for Saliency Maps", 2018."""
    parts = make_parts("linear")
    before = contributions(parts, image)
    kernel, bias = parts.predictions.get_weights()
    drawn = np.random.default_rng(5).normal(0, 0.5, kernel.shape).astype(np.float32)
    parts.predictions.set_weights([drawn, bias])
    after = contributions(parts, image)
    for number in range(3):
        pair = np.corrcoef(before[:, :, number].ravel(), after[:, :, number].ravel())
        assert abs(pair[0, 1]) < 0.9
