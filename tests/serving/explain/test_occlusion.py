from __future__ import annotations

import numpy as np
import pytest

from transfer.serving.explain.occlusion import CELLS, log_odds, occlusion


def corner(images: np.ndarray) -> list[np.ndarray]:
    """Say that an image is of class 1 by how red its upper left eighth is."""
    side = images.shape[1] // CELLS
    logit = images[:, :side, :side, 0].mean(axis=(1, 2)) / 25.5 - 5
    p = 1 / (1 + np.exp(-logit))
    return [np.stack([1 - p, p], axis=1).astype(np.float32)]


def test_only_what_matters_is_marked() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:8, :8, 0] = 255
    seen: list[int] = []
    found = occlusion(corner, image, 1, seen.append)
    assert found.shape == (CELLS, CELLS)
    assert found.argmax() == 0
    assert found[0, 0] == pytest.approx(10, rel=0.05)  # from a logit of 5 to one of about -5
    assert np.abs(found[2:, 2:]).max() < 1e-4
    assert sum(seen) == (CELLS + 1) ** 2
    np.testing.assert_allclose(occlusion(corner, image, 0), -found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("side", [5, 8, 37])
def test_any_size(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)

    def bright(images: np.ndarray) -> list[np.ndarray]:
        p = images.mean(axis=(1, 2, 3)) / 255
        return [np.stack([1 - p, p], axis=1).astype(np.float32)]

    found = occlusion(bright, image, 1)
    assert found.shape == (min(side, CELLS),) * 2
    assert np.isfinite(found).all()


def test_log_odds_keep_the_digits_that_one_minus_p_loses() -> None:
    sure = np.array([[1.0, 1e-12], [1.0, 1e-20], [1.0, 0.0]], np.float32)
    found = log_odds(sure, 0)
    assert found[0] == pytest.approx(np.log(1e12), rel=1e-5)
    assert found[1] == pytest.approx(np.log(1e20), rel=1e-5)
    assert np.isfinite(found[2])
    several = np.array([[0.9, 0.8]], np.float32)  # of an image that may be of both
    assert log_odds(several, 0)[0] == pytest.approx(np.log(9), rel=1e-5)
