"""--time: what a budget pays for, by speeds that are measured on the spot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_VIEWS, MOST_EPOCHS = 32, 50  # beyond these, more of the same teaches nothing


@dataclass(frozen=True)
class Costs:
    """What the parts of a run take, in seconds.

    Attributes:
        fixed: All that has to be: features of the images themselves, head, evaluation, report.
        view: The features of one augmented view of all training images.
        epoch: One epoch of fine-tuning with its validation.
    """

    fixed: float
    view: float
    epoch: float


@dataclass(frozen=True)
class Plan:
    """How many augmented views and epochs there are to be; 0 epochs: the head alone."""

    views: int
    epochs: int


def plan(seconds: float, costs: Costs, most_views: int = MOST_VIEWS) -> Plan:
    """Return what fits into a budget: as many epochs as possible, each with a view of its own.

    What is left, too short for an epoch, goes into views.

    Args:
        seconds: From now to the end of the run.
        costs: Of this run, on this machine.
        most_views: As many as there is room for.
    """
    left = seconds - costs.fixed
    most_views = min(most_views, MOST_VIEWS)
    epochs = _times(left, costs.view + costs.epoch)
    if epochs > most_views:
        epochs = _times(left - most_views * costs.view, costs.epoch)
    epochs = min(epochs, MOST_EPOCHS)
    views = min(_times(left - epochs * costs.epoch, costs.view), most_views)
    return Plan(max(views, 0), max(epochs, 0)) if epochs > 0 else Plan(0, 0)


def _times(seconds: float, each: float) -> int:
    return int(min(seconds / each, 1e6)) if each > 0 else int(1e6)


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long some work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
