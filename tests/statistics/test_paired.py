from __future__ import annotations

import math

import pytest

from transfer.statistics.paired import mcnemar


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (6, 0, 2 / 2**6),
        (8, 1, 2 * (1 + 9) / 2**9),
        (9, 2, 2 * (1 + 11 + 55) / 2**11),
    ],
)
def test_known_values(gained: int, lost: int, expected: float) -> None:
    """Twice the tail of a fair coin, counted by hand."""
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-12)


def test_it_is_two_sided_whoever_is_ahead() -> None:
    for gained in range(15):
        for lost in range(15):
            n = gained + lost
            tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
            assert mcnemar(gained, lost) == pytest.approx(min(1.0, 2 * tail), rel=1e-12)
            assert mcnemar(gained, lost) == mcnemar(lost, gained)
