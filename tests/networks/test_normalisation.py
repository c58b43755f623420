from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.networks.backbones import get_backbone
from transfer.networks.normalisation import (
    Normalisation,
    check_normalize,
    check_unscaled,
    fit_normalisation,
    parse_normalize,
)

SIDE = 6
RNG = np.random.default_rng(0)
# More images than values, so that whitening has no direction without variation.
TRAIN = RNG.uniform(0, 1, (150, SIDE, SIDE, 3)).astype(np.float32) * [0.3, 0.6, 1.0]
NEW = RNG.uniform(0, 1, (5, SIDE, SIDE, 3)).astype(np.float32)


def fitted(spec: str, images: np.ndarray = TRAIN) -> Callable[[np.ndarray], np.ndarray]:
    """Return the normalisation by these images, which arrive in uneven batches."""
    batches = (images[i : i + 32].astype(np.float32) for i in range(0, len(images), 32))
    model = fit_normalisation(spec, images.shape[1], batches)
    return lambda x: np.asarray(model.predict_on_batch(x.astype(np.float32)))


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        ("featurewise_center", {"featurewise_center": True}),
        (
            "featurewise_std",
            {"featurewise_center": True, "featurewise_std_normalization": True},
        ),
        ("samplewise_center", {"samplewise_center": True}),
        ("samplewise_std", {"samplewise_center": True, "samplewise_std_normalization": True}),
        ("zca", {"featurewise_center": True, "zca_whitening": True}),
        ("zca=0.5", {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 0.5}),
    ],
)
def test_it_is_what_imagedatagenerator_does(spec: str, arguments: dict[str, Any]) -> None:
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    generator = ImageDataGenerator(**arguments)
    generator.fit(TRAIN)
    wanted = np.stack([generator.standardize(image.copy()) for image in NEW])
    assert np.abs(wanted - NEW).max() > 0.05
    np.testing.assert_allclose(fitted(spec)(NEW), wanted, rtol=1e-3, atol=1e-4)


def test_statistics_are_of_the_values_that_arrive_there() -> None:
    both = fitted("samplewise_center,featurewise_std")
    centred = TRAIN - TRAIN.mean(axis=(1, 2, 3), keepdims=True)
    wanted = (centred - centred.mean(axis=(0, 1, 2))) / centred.std(axis=(0, 1, 2))
    np.testing.assert_allclose(both(TRAIN[:9]), wanted[:9], atol=1e-4)


def test_whitened_images_are_uncorrelated() -> None:
    white = fitted("zca")(TRAIN).reshape(len(TRAIN), -1)
    np.testing.assert_allclose(white.T @ white / len(TRAIN), np.eye(SIDE**2 * 3), atol=1e-3)


def test_nothing_is_magnified_without_limit() -> None:
    """Gray images and few of them, one of whose channels is constant: others may differ."""
    gray = np.repeat(TRAIN[:20, ..., 2:], 3, axis=3)
    assert np.abs(fitted("zca", gray)(NEW)).max() < 100
    gray[..., 0] = 0.25
    for spec in ("featurewise_std", "zca"):
        assert np.abs(fitted(spec, gray)(NEW)).max() < 100
    assert np.isfinite(fitted("samplewise_std")(np.zeros_like(NEW))).all()
    assert np.isfinite(fitted("zca", np.zeros_like(gray))(NEW)).all()


def test_it_is_made_of_layers_of_keras(tmp_path: Path) -> None:
    spec = "samplewise_std,zca"
    model = fit_normalisation(spec, SIDE, [TRAIN.astype(np.float32)])
    assert not model.trainable_variables
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", NEW)
    np.save(tmp_path / "y.npy", model.predict_on_batch(NEW))
    code = (
        "import sys, keras, numpy as np\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "got = model.predict_on_batch(np.load(sys.argv[2]))\n"
        "np.testing.assert_array_equal(got, np.load(sys.argv[3]))\n"
        "assert 'transfer' not in sys.modules"
    )
    paths = [str(tmp_path / name) for name in ("m.keras", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *paths], check=True)


def test_parse() -> None:
    assert parse_normalize("none") is None
    assert parse_normalize(" zca , samplewise_std") == Normalisation(
        samplewise_center=True, samplewise_std=True, featurewise_center=True, zca=1e-6
    )
    assert parse_normalize("zca=0.1") == Normalisation(featurewise_center=True, zca=0.1)
    assert parse_normalize("featurewise_center") == Normalisation(featurewise_center=True)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "Unknown word '' in normalize=''"),
        ("none,zca", "Unknown word 'none'"),
        ("featurewise_std_normalization", "Did you mean 'featurewise_std'?"),
        ("zca_whitening", "Did you mean 'zca'?"),
        ("featurewise_std=2", "Unknown word 'featurewise_std=2'"),
        ("zca=0", "zca=EPSILON with a number above 0. Received: zca=0"),
        ("zca=nan", "Received: zca=nan"),
        ("zca=", "Received: zca="),
        ("zca,featurewise_std", "Whitening includes featurewise_std"),
    ],
)
def test_parse_refuses(spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_normalize(spec)
    assert message in str(caught.value)


def test_what_does_not_suit_the_network_is_refused() -> None:
    check_normalize("none", "mobilenetv2", True, 224)
    check_normalize("zca", "lenet5", False, 48)
    check_normalize("featurewise_std", "lenet5", False, 2048)
    with pytest.raises(UsageError, match="'vgg16' needs its images scaled as in its own training"):
        check_normalize("featurewise_std", "vgg16", True, 224)
    with pytest.raises(UsageError, match=r"at most 48 x 48 pixels.*Add image_size=32"):
        check_normalize("zca", "small-cnn", False, 49)
    image = keras.Input((8, 8, 3))
    base = keras.Model(image, keras.layers.Rescaling(1 / 255)(image), name="net")
    with pytest.raises(UsageError, match="'net' scales pixels"):
        check_unscaled(base, "featurewise_std")
    check_unscaled(base, "none")
    check_unscaled(get_backbone("lenet5").build(), "featurewise_std")
