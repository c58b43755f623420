"""Divides groups of images of several classes each, so that every side has its share of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratify(
    counts: np.ndarray,
    sizes: np.ndarray,
    widths: Sequence[float],
    order: np.ndarray,
    decided: np.ndarray | None = None,
) -> np.ndarray:
    """Return the side of each group, int64 (groups,), by iterative stratification.

    The class with the fewest images left is divided first, since it has the least choice: each of
    its groups goes to the side that lacks most of that class, of these to the one that lacks most
    images. Groups without any class fill up the rest. (K. Sechidis, G. Tsoumakas, I. Vlahavas, "On
    the Stratification of Multi-Label Data", ECML PKDD 2011.) Unlike there, a side lacks at least
    one image of a class that has as many groups as there are sides.

    Args:
        counts: int array (groups, classes): how many images of each class a group has.
        sizes: int array (groups,): how many images it has.
        widths: Share of each side; they sum to 1.
        order: int array (groups,): groups with a lower number go first among equals.
        decided: int array (sides, classes + 1): images of each class, and all, that are on a side
            already.
    """
    needs = np.column_stack([counts, sizes]).astype(np.float64)
    before = np.zeros((len(widths), needs.shape[1])) if decided is None else decided
    shares = np.asarray(widths, np.float64)[:, None]
    lacking = shares * (needs.sum(axis=0) + before.sum(axis=0))
    enough = (needs > 0).sum(axis=0) >= len(widths)
    lacking = np.where(enough, np.maximum(lacking, 1.0), lacking) - before
    sides = np.full(len(needs), -1, np.int64)
    left = needs[:, :-1].sum(axis=0)
    while (left > 0).any():
        rarest = int(np.where(left > 0, left, np.inf).argmin())
        own = np.flatnonzero((sides < 0) & (needs[:, rarest] > 0))
        for group in own[np.lexsort((order[own], -needs[own, rarest]))]:
            side = _most_in_need(lacking[:, rarest], lacking[:, -1])
            sides[group] = side
            lacking[side] -= needs[group]
            left -= needs[group, :-1]
    for group in sorted(np.flatnonzero(sides < 0), key=lambda group: order[group]):
        sides[group] = int(lacking[:, -1].argmax())
        lacking[sides[group]] -= needs[group]
    return sides


def _most_in_need(of_class: np.ndarray, of_all: np.ndarray) -> int:
    best = np.flatnonzero(of_class >= of_class.max() - 1e-9)
    return int(best[of_all[best].argmax()])
