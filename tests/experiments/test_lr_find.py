from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import transfer
from transfer.errors import UsageError
from transfer.experiments.lr_find import HIGHEST, LOWEST, QUIET, STEPS, read_curve, rising, smooth

RATES = np.geomspace(LOWEST, HIGHEST, STEPS).tolist()
GUESSING = float(np.log(8))


def losses(noise: float, fall: float) -> np.ndarray:
    """A loss of 2 that falls around a rate of 1e-3 and rises beyond 1e-1."""
    decades = np.log10(RATES)
    curve = 2 - fall / (1 + np.exp(-6 * (decades + 3))) + 40 ** np.maximum(decades + 1, 0) - 1
    return curve + np.random.default_rng(0).normal(0, noise, STEPS)


def test_the_rate_rises_by_the_same_factor() -> None:
    rate = rising(LOWEST, HIGHEST, STEPS)
    np.testing.assert_allclose([float(rate(step)) for step in range(STEPS)], RATES, rtol=1e-4)


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    curve = read_curve(RATES, losses(noise=0.01, fall=1.0), GUESSING)
    assert curve.suggestion == pytest.approx(1e-3, rel=0.5)
    assert curve.limit is not None
    assert 0.1 < curve.limit < 0.4
    assert len(curve.smoothed) == STEPS


def test_a_loss_that_starts_low_suggests_half_of_what_it_bears() -> None:
    decades = np.log10(RATES)
    solved = 0.03 / (1 + np.exp(3 * (decades + 5))) + 0.003  # all learned at 1e-5
    for seed in range(5):
        noise = np.random.default_rng(seed).lognormal(0, 0.4, STEPS)
        found = solved * noise + np.where(decades > -3, 10 ** (decades + 3), 0)
        found[60] = 5.0  # one bad batch at 7e-4, which does not affect the next ones
        curve = read_curve(RATES, found, GUESSING)
        assert curve.limit is not None
        assert 5e-4 < curve.limit < 3e-3
        assert curve.suggestion == curve.limit / 2
        fall = read_curve(RATES, solved * noise, GUESSING)  # which never rises
        assert fall.limit is None
        assert fall.suggestion is not None
        assert 2e-6 < fall.suggestion < 5e-5


def test_noise_suggests_nothing() -> None:
    for seed in range(20):
        flat = np.random.default_rng(seed).normal(1.0, 0.2, 60)
        assert read_curve(RATES[:60], flat, GUESSING).suggestion is None
    rising_only = read_curve(RATES, losses(noise=0.05, fall=0.0), GUESSING)
    assert rising_only.suggestion is None
    assert rising_only.limit is not None


@pytest.mark.parametrize("length", [0, 1, 5, QUIET])
def test_a_curve_that_broke_off_suggests_nothing(length: int) -> None:
    curve = read_curve(RATES[:length], np.ones(length), GUESSING)
    assert (curve.suggestion, curve.limit, len(curve.smoothed)) == (None, None, length)


def test_smoothing_keeps_a_straight_line_and_does_not_lag() -> None:
    line = np.linspace(0, 1, 50)
    np.testing.assert_allclose(smooth(line)[5:-5], line[5:-5])
    assert smooth(np.eye(50)[20]).argmax() == 20


@pytest.mark.parametrize(("backbone", "accumulate"), [("toy", 1), ("toy", 3), ("dnn", 1)])
def test_on_a_folder(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path, backbone: str, accumulate: int
) -> None:
    curve = transfer.lr_find(
        make_folder(),
        output=tmp_path / "curve.png",
        backbone=backbone,
        batch_size=8,
        head_epochs=1,
        views=1,
        layer_decay=0.5,
        accumulate=accumulate,
    )
    assert len(curve.rates) == len(curve.losses) <= STEPS
    assert np.isfinite(curve.losses).all()
    # the rate of the last batch of each update, on the way from one to the next
    np.testing.assert_allclose(
        curve.rates, RATES[: len(curve.rates)], rtol=0.2 if accumulate > 1 else 1e-4
    )
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {"colours", "curve.png"}


def test_what_makes_no_sense(toy: str, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder()
    with pytest.raises(UsageError, match="Nothing is fine-tuned with unfreeze='none'"):
        transfer.lr_find(folder, backbone=toy, unfreeze="none")
    for knob in ("learning_rate", "epochs", "folds", "time"):
        with pytest.raises(UsageError, match=f"{knob}= has no meaning here: the rate is raised"):
            transfer.lr_find(folder, backbone=toy, **{knob: 1})
    for output in (tmp_path / "curve.jpg", tmp_path / "missing" / "curve.png"):
        with pytest.raises(UsageError, match=r"Expected output= as a \.png file in an"):
            transfer.lr_find(folder, backbone=toy, output=output)
