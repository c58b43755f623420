from __future__ import annotations

import pytest

from transfer.system.text import cut


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 100_000])
def test_long_text_loses_its_middle(length: int) -> None:
    text = "a" * (length // 2) + "b" * (length - length // 2)
    if length <= 200:
        assert cut(text) == text
    else:
        assert cut(text) == "a" * 100 + " ... " + "b" * 100
    assert len(cut(text, 20)) <= 25
