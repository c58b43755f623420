"""The curve of a learning rate range test as a PNG file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.evaluation.plots import figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_rates(curve: Mapping[str, Any], path: Path) -> None:
    """Draw the loss over the learning rate, on logarithmic axes.

    Args:
        curve: The fields of a `transfer.experiments.lr_find.RateCurve`.
        path: The PNG file to write.
    """
    with figure_at(path, (7, 4)) as figure:
        draw_rates(figure.subplots(), curve)


def draw_rates(axes: Axes, curve: Mapping[str, Any]) -> None:
    """Draw what `plot_rates` saves."""
    from matplotlib.ticker import LogFormatter

    axes.plot(
        curve["rates"], curve["losses"], ".", color="#9db4cc", markersize=4, label="each step"
    )
    axes.plot(curve["rates"], curve["smoothed"], color="#1f4e79", linewidth=2, label="smoothed")
    for name, colour in (("suggestion", "#2e7d32"), ("limit", "#b3401f")):
        if curve[name] is not None:
            label = f"{name}: {curve[name]:.2g}"
            axes.axvline(curve[name], color=colour, linestyle="--", label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")  # the loss of a solved head hardly falls before it diverges
    for axis in (axes.xaxis, axes.yaxis):  # the default formatter needs mathtext, which is off
        axis.set_major_formatter(LogFormatter())
        axis.set_minor_formatter(LogFormatter())
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.grid(alpha=0.3)
    axes.legend()
