from __future__ import annotations

import pytest

from transfer.system.digests import is_sha256


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("0123456789abcdef" * 4, True),
        ("0" * 63, False),
        ("0" * 65, False),
        ("z" * 64, False),
        ("A" * 64, False),
        ("0" * 64 + "\n", False),
    ],
)
def test_what_is_a_sha256(text: str, known: bool) -> None:
    assert is_sha256(text) is known
