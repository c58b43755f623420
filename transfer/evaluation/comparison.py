"""Comparison of backbones: a chart of accuracy against speed, and which one is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfer.evaluation.plots import figure_at
from transfer.statistics.paired import mcnemar

GREY, BLUE = "#8996a3", "#1f6fb2"
CHANCE = 0.05  # p-value from which a difference is attributed to chance


def plot_comparison(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy (with its interval) against images per second; the unbeaten are joined.

    Args:
        records: Per backbone ``backbone``, ``scratch``, ``accuracy``, ``low``, ``high`` (0..1),
            ``images_per_second``, ``images`` and ``unbeaten`` (see `transfer.compare`).
        path: The PNG file to write.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with figure_at(path, (8.5, 5.5)) as figure:
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
        axes.set_xlabel("images per second, network alone", fontsize=11)
        axes.set_ylabel("accuracy on images not seen (%), 95 % interval", fontsize=11)
        axes.set_title(_title(records), fontsize=12, pad=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e9ee", linewidth=0.8)
        axes.set_axisbelow(True)


def paired_p_value(first: Mapping[str, bool], second: Mapping[str, bool]) -> float | None:
    """Return the two-sided p-value of McNemar's exact test on the images that both predicted.

    Args:
        first: Path to whether the image was recognised.
        second: The same of another network.

    Returns:
        0..1; None where no image is common.
    """
    common = first.keys() & second.keys()
    if not common:
        return None
    gained = sum(first[path] and not second[path] for path in common)
    lost = sum(second[path] and not first[path] for path in common)
    return mcnemar(gained, lost)


def tell_winner(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Compare the best pretrained network with the best one from scratch, else the best two.

    Args:
        records: As for `plot_comparison`, with ``p_value`` (see `transfer.compare`), the most
            accurate first.

    Returns:
        A sentence or two; None where there is only one network.
    """
    if len(records) < 2:
        return None
    kinds = _of_kind(records, False), _of_kind(records, True)
    one, other = (kind[0] for kind in kinds) if all(kinds) else records[:2]
    scratch = ", from scratch," if all(kinds) else ""
    told = (
        f"{one['backbone']} gets {100 * one['accuracy']:.1f} % where {other['backbone']}{scratch}"
        f" gets {100 * other['accuracy']:.1f} %"
    )
    p_value = other["p_value"] if one["p_value"] is None else one["p_value"]
    if p_value is None:
        return f"{told}, but on other images: it is open which is better."
    shown = f"p = {p_value:.2g}" if p_value >= 0.001 else "p < 0.001"
    shown = f"({shown}, McNemar's test on the same images)"
    if p_value >= CHANCE:
        return f"{told}: too close to call {shown}."
    errors = [1 - record["accuracy"] for record in (one, other)]
    if errors[0] > errors[1]:
        nothing = "frozen features gain nothing on these images"
        return f"{told}: {nothing} {shown}. Fine-tuning may."
    times = f"{errors[1] / errors[0]:.1f} times fewer" if errors[0] else "no"
    return f"{told}: {times} errors {shown}."


def _of_kind(records: Sequence[Mapping[str, Any]], scratch: bool) -> list[Mapping[str, Any]]:
    return [record for record in records if record["scratch"] is scratch]


def _title(records: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"{what}, evaluated on {_counts(kind)} images"
        for what, kind in (
            ("● linear head on frozen features", _of_kind(records, False)),
            ("◆ network trained from scratch", _of_kind(records, True)),
        )
        if kind
    ]
    return "\n".join(lines)


def _counts(records: Sequence[Mapping[str, Any]]) -> str:
    counts = {record["images"] for record in records}
    return f"{min(counts):,}" + (f" to {max(counts):,}" if len(counts) > 1 else "")


def _speed(record: Mapping[str, Any]) -> float:
    return float(record["images_per_second"])


def _narrow(records: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether all speeds lie within one decade, with few round numbers on the axis."""
    speeds = [_speed(record) for record in records]
    return max(speeds) < 10 * min(speeds)


def _draw(axes: Any, record: Mapping[str, Any]) -> None:
    accuracy, low, high = (100 * record[name] for name in ("accuracy", "low", "high"))
    colour = BLUE if record["unbeaten"] else GREY
    axes.errorbar(
        _speed(record),
        accuracy,
        yerr=[[accuracy - low], [high - accuracy]],
        fmt="D" if record["scratch"] else "o",
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
