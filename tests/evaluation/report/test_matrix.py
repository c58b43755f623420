from __future__ import annotations

import re
from pathlib import Path

import transfer.evaluation.report
from transfer.evaluation.contrast import BLACK, WHITE, contrast
from transfer.evaluation.report.matrix import (
    DARK,
    LIGHT,
    blend,
    confusion_tables,
    shades,
)

CSS = Path(transfer.evaluation.report.__file__).parent / "templates" / "report.css"


def test_shade_follows_the_share_of_row_column_and_mistakes() -> None:
    found = confusion_tables([[18, 2, 0], [0, 0, 0], [0, 1, 3]], ["a", "b", "c"], [[0, 1, 2]])
    assert found.groups is None
    assert found.full is not None
    first, absent, last = found.full.rows
    assert [cell.levels for cell in first.cells] == [(9, 10, 0), (1, 7, 10), (0, 0, 0)]
    assert [(c.count, c.row, c.column) for c in first.cells[:2]] == [
        (18, "90", "100"),
        (2, "10", "67"),
    ]
    assert (
        first.cells[1].title == "true \u2068a\u2069, predicted \u2068b\u2069: 2 of 20 (10.0\u00a0%)"
    )
    assert [cell.target for cell in last.cells] == ["", "c2-1", "c2-2"]
    assert [row.recall for row in found.full.rows] == ["90\u00a0%", "n/a", "75\u00a0%"]
    assert found.full.precisions == ("100\u00a0%", "0\u00a0%", "100\u00a0%")
    assert [cell.title for cell in absent.cells] == ["", "", ""]


def test_classes_stand_in_the_order_of_their_groups() -> None:
    matrix = [[i * 3 + j for j in range(3)] for i in range(3)]
    full = confusion_tables(matrix, ["a", "b", "c"], [[2, 0], [1]]).full
    assert full is not None
    assert [head for _, head in full.heads] == ["c", "a", "b"]
    assert [[cell.count for cell in row.cells] for row in full.rows] == [
        [8, 6, 7],
        [2, 0, 1],
        [5, 3, 4],
    ]


def test_many_classes_are_grouped_first() -> None:
    names = [f"class {i}" for i in range(40)]
    counts = [[10 if i == j else int(j == i + 1) for j in range(40)] for i in range(40)]
    groups = [list(range(i, i + 10)) for i in range(0, 40, 10)]
    found = confusion_tables(counts, names, groups)
    assert found.groups is not None
    assert [cell.count for cell in found.groups.rows[0].cells] == [109, 1, 0, 0]
    assert found.groups.rows[0].name == "1: class 0, class 1 and 8 more"
    assert found.links["g0-1"] == [("class 9", "class 10", "c9-10", 1)]
    assert len(found.links["g0-0"]) == 9
    assert [block.errors for block in found.blocks] == [9, 9, 9, 9]
    assert found.full is not None


def test_neighbours_without_images_are_one_cell_of_a_small_table() -> None:
    count = 60
    counts = [[5 if i == j else 0 for j in range(count)] for i in range(count)]
    full = confusion_tables(counts, [f"{i}" for i in range(count)], [list(range(count))]).full
    assert full is not None
    assert [[cell.span for cell in row.cells] for row in full.rows[:2]] == [[1, 59], [1, 1, 58]]
    assert {sum(cell.span for cell in row.cells) for row in full.rows} == {count}


def test_a_matrix_too_large_for_a_browser_is_left_out() -> None:
    names = [f"{i}" for i in range(257)]
    found = confusion_tables([[1] * 257] * 257, names, [list(range(257))])
    assert found.full is None
    assert found.groups is not None


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
