from __future__ import annotations

import re
from pathlib import Path

import transfer.evaluation.report
from transfer.evaluation.report.matrix import (
    BLACK,
    DARK,
    LIGHT,
    WHITE,
    blend,
    contrast,
    matrix_rows,
    shades,
)

CSS = Path(transfer.evaluation.report.__file__).parent / "templates" / "report.css"


def test_shade_follows_the_share_of_the_row() -> None:
    (first, absent) = matrix_rows([[19, 1], [0, 0]], ["a", "b"])
    assert [cell.level for cell in first] == [19, 1]
    assert [cell.level for cell in absent] == [0, 0]
    assert first[1].title == "true \u2068a\u2069, predicted \u2068b\u2069: 1 of 20 (5.0\u00a0%)"
    assert absent[0].title == ""


def test_a_matrix_too_large_for_a_browser_is_left_out() -> None:
    assert matrix_rows([[1] * 257] * 257, [f"{i}" for i in range(257)]) == []


def test_text_can_be_read_on_every_shade() -> None:
    inks = {"#000": BLACK, "#fff": WHITE}
    for shade in shades():
        for theme, ink in ((LIGHT, shade.light), (DARK, shade.dark)):
            assert contrast(inks[ink], blend(*theme, shade.opacity)) >= 4.5
    assert contrast(BLACK, WHITE) == 21


def test_the_themes_are_those_of_the_page() -> None:
    css = CSS.read_text(encoding="utf-8")
    assert re.findall(r"--accent-rgb: (\d+ \d+ \d+)", css) == [
        " ".join(map(str, theme[1])) for theme in (LIGHT, DARK)
    ]
    cards = [card.lstrip("#") for card in re.findall(r"--card: (#\w+)", css)]
    assert [bytes.fromhex(c if len(c) == 6 else c[0] * 6) for c in cards] == [
        bytes(theme[0]) for theme in (LIGHT, DARK)
    ]
