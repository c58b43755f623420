from __future__ import annotations

import pytest

from transfer.system.text import cut, shorten


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 100_000])
def test_long_text_loses_its_middle(length: int) -> None:
    text = "a" * (length // 2) + "b" * (length - length // 2)
    if length <= 200:
        assert cut(text) == text
    else:
        assert cut(text) == "a" * 100 + " ... " + "b" * 100
    assert len(cut(text, 20)) <= 25


@pytest.mark.case("R03")
def test_long_names_lose_their_middle_whatever_their_script() -> None:
    assert shorten("short", 10) == "short"
    assert shorten("the golden retriever", 11) == "the g…iever"
    assert shorten("가나다라마바사아", 9) == "가나…사아"  # each as wide as two letters
    assert shorten("กำ" * 8, 20) == "กำ" * 8
