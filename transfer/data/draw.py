"""Assigns a side to each group by its hash, within the bounds of `transfer.data.split`."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate


def divide(
    sizes: Mapping[int, Counter[str]],
    decided: Mapping[int, Counter[int]],
    widths: Sequence[float],
    salt: str,
) -> dict[str, int]:
    """Return the side, a number, of each group.

    Args:
        sizes: Label to group to number of images, for the images to be divided.
        decided: Label to side to number of images already there.
        widths: Share of each side; they sum to 1.
        salt: String that is hashed with each group.
    """
    sides: dict[str, int] = {}
    # A group in two classes is placed by the class with fewer groups, which has less choice.
    for label in sorted(sizes, key=lambda label: (len(sizes[label]), label)):
        counts = Counter(decided.get(label, {}))
        for group in sizes[label].keys() & sides.keys():
            counts[sides[group]] += sizes[label][group]
        ranks = {group: rank(salt, group) for group in sizes[label].keys() - sides.keys()}
        _place(sizes[label], ranks, counts, widths, sides)
    return sides


def _place(
    sizes: Counter[str],
    ranks: Mapping[str, float],
    counts: Counter[int],
    widths: Sequence[float],
    sides: dict[str, int],
) -> None:
    """Add the sides of one class's groups to `sides`; `counts` are its images on each so far."""
    numbers = range(len(widths))
    edges = [0.0, *accumulate(widths)]
    total = counts.total() + sum(sizes[group] for group in ranks)
    room = [2 * width * total for width in widths]
    for group in sorted(ranks, key=ranks.__getitem__):
        side = min(bisect_right(edges, ranks[group]), len(widths)) - 1
        if counts[side] + sizes[group] > room[side]:
            side = max(numbers, key=lambda side: widths[side] * total - counts[side])
        sides[group] = side
        counts[side] += sizes[group]
    for side in numbers:
        movable = [group for group in ranks if counts[sides[group]] > sizes[group]]
        if movable and not counts[side]:
            group = min(
                movable,
                key=lambda group: (
                    max(0.0, sizes[group] - room[side]),
                    max(edges[side] - ranks[group], ranks[group] - edges[side + 1]),
                ),
            )
            counts[sides[group]] -= sizes[group]
            counts[side] = sizes[group]
            sides[group] = side


def rank(salt: str, group: str) -> float:
    """Return the hash of a group as a number 0..1."""
    digest = hashlib.sha256(f"{salt}:{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
