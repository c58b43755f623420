from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfer.evaluation.plots import figure_at
from transfer.evaluation.rates import plot_rates


@pytest.mark.parametrize("steep", [1.0, 1000.0])
def test_the_axes_are_labelled_in_plain_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steep: float
) -> None:
    drawn: list[Any] = []

    @contextmanager
    def noted(path: Path, size: tuple[float, float]) -> Iterator[Any]:
        with figure_at(path, size) as figure:
            yield figure
        drawn.append(figure)

    monkeypatch.setattr("transfer.evaluation.rates.figure_at", noted)
    rates = np.logspace(-6, 0, 50)
    curve = {"rates": rates, "losses": 1 + steep * rates, "smoothed": 1 + steep * rates}
    plot_rates(curve | {"suggestion": 0.001, "limit": None}, tmp_path / "r.png")
    (axes,) = drawn[0].axes
    for axis in (axes.xaxis, axes.yaxis):
        labels = [text.get_text() for text in axis.get_ticklabels(which="both")]
        numbers = [float(label.replace("\u2212", "-")) for label in labels if label]
        assert len(numbers) >= 2
