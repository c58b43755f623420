"""A picture of backbones: accuracy against speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.evaluation.plots import FONT
from transfer.run import atomic

GREY, BLUE = "#8996a3", "#1f6fb2"


def plot_comparison(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy (with its interval) against images per second; the unbeaten are joined.

    Args:
        records: Per backbone ``backbone``, ``accuracy``, ``low``, ``high`` (0..1),
            ``images_per_second``, ``images`` and ``unbeaten`` (see `transfer.compare`).
        path: The PNG file to write.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.family": [FONT], "text.parse_math": False})
        figure = Figure(figsize=(8.5, 5.5), dpi=120, layout="constrained")
        axes = figure.subplots()
        front = sorted((r for r in records if r["unbeaten"]), key=_speed)
        axes.plot([_speed(r) for r in front], [100 * r["accuracy"] for r in front], color=BLUE)
        for record in records:
            _draw(axes, record)
        axes.set_xscale("log")
        plain = FuncFormatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_major_formatter(plain)
        axes.xaxis.set_minor_formatter(plain if _narrow(records) else NullFormatter())
        axes.margins(x=0.18, y=0.12)
        axes.set_xlabel("images per second, frozen network alone", fontsize=11)
        axes.set_ylabel("cross-validated accuracy (%), 95 % interval", fontsize=11)
        images = f"{records[0]['images']:,}"
        axes.set_title(f"Linear head on frozen features of {images} images", fontsize=12, pad=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e9ee", linewidth=0.8)
        axes.set_axisbelow(True)
        with atomic(path) as temporary, temporary.open("wb") as file:
            figure.savefig(file, format="png", metadata={"Software": None})


def _speed(record: Mapping[str, Any]) -> float:
    return float(record["images_per_second"])


def _narrow(records: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether all speeds lie within one decade, so that few round numbers are on the axis."""
    speeds = [_speed(record) for record in records]
    return max(speeds) < 10 * min(speeds)


def _draw(axes: Any, record: Mapping[str, Any]) -> None:
    accuracy, low, high = (100 * record[name] for name in ("accuracy", "low", "high"))
    colour = BLUE if record["unbeaten"] else GREY
    axes.errorbar(
        _speed(record),
        accuracy,
        yerr=[[accuracy - low], [high - accuracy]],
        fmt="o",
        color=colour,
        capsize=3,
        linewidth=1,
        markersize=6,
    )
    axes.annotate(
        record["backbone"],
        (_speed(record), accuracy),
        xytext=(8, 6),
        textcoords="offset points",
        fontsize=10,
        color=colour,
    )
