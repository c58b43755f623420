from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.evaluation.plots import figure_at
from transfer.evaluation.rates import draw_rates, plot_rates


def curve(steep: float) -> dict[str, object]:
    rates = np.logspace(-6, 0, 50)
    losses = 1 + steep * rates
    return {
        "rates": rates,
        "losses": losses,
        "smoothed": losses,
        "suggestion": 0.001,
        "limit": None,
    }


@pytest.mark.parametrize("steep", [1.0, 1000.0])
def test_the_axes_are_labelled_in_plain_numbers(tmp_path: Path, steep: float) -> None:
    with figure_at(tmp_path / "r.png", (7, 4)) as figure:
        axes = figure.subplots()
        draw_rates(axes, curve(steep))
        figure.draw_without_rendering()
        for axis in (axes.xaxis, axes.yaxis):
            labels = [text.get_text() for text in axis.get_ticklabels(which="both")]
            numbers = [float(label.replace("\u2212", "-")) for label in labels if label]
            assert len(numbers) >= 2


def test_the_file_shows_the_smoothed_curve_and_the_suggestion(tmp_path: Path) -> None:
    plot_rates(curve(1000.0), tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    for colour in ((31, 78, 121), (46, 125, 50)):
        assert (np.abs(pixels.astype(int) - colour).max(axis=1) < 8).sum() > 100
