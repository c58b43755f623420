from __future__ import annotations

import pytest

from transfer.errors import UsageError
from transfer.system.units import parse_bytes, parse_seconds


def test_sizes_in_bytes() -> None:
    sizes = ["2GB", "500MB", "1.5k", "0", " 12 B"]
    assert [parse_bytes(text) for text in sizes] == [2_000_000_000, 500_000_000, 1500, 0, 12]


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "2XB", "1e9", "GB", "9" * 400])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 2GB or 500MB\. Received"):
        parse_bytes(text)


def test_times_in_seconds() -> None:
    times = ["10m", "90s", "1h30m", " 0.5H ", "1h1m1s", "none"]
    assert [parse_seconds(text) for text in times] == [600, 90, 5400, 1800, 3661, None]


@pytest.mark.parametrize(
    "text", ["", "10", "0m", "abc", "-1m", "10m5", "1d", "m", "1e3s", "nan", "9" * 400 + "s"]
)
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 10m, 90s or 1h30m\. Received"):
        parse_seconds(text)
