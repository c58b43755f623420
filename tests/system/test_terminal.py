from __future__ import annotations

import json

import pytest

from transfer.system.terminal import LONGEST, one_line, visible, visible_json, visible_lines

# Each moves the cursor, clears, recolours, rings, or reorders what stands beside it.
OBEYED = {
    "\x1b[31mred": r"\x1b[31mred",
    "\x9b2J": r"\x9b2J",
    "a\rb\bc\ad\x7f": r"a\rb\x08c\x07d\x7f",
    "two\nlines\u2028three": r"two\nlines\u2028three",
    "cat\u202egnp.exe": r"cat\u202egnp.exe",
    "\u2066x\u2069": r"\u2066x\u2069",
    "not UTF-8 \udcff": r"not UTF-8 \udcff",
}
PRINTABLE = [
    "Müßiggang",
    "e\u0301 a\u0308",  # combining marks
    "日本語 한국어 עברית العربية हिन्दी ไทย",
    "می\u200cخواهم",  # a joiner that Persian needs
    "👩\u200d🌾 🏴\U000e0067\U000e0062\U000e007f ❤\ufe0f",
    "c:\\new \\x1b 'quoted'",
]


@pytest.mark.parametrize(("text", "shown"), OBEYED.items(), ids=range(len(OBEYED)))
def test_what_a_terminal_obeys_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", PRINTABLE, ids=range(len(PRINTABLE)))
def test_every_script_stays_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert visible(visible(text)) == text


def test_lines_stay_lines() -> None:
    assert visible_lines("a\x1b\nb\r\n") == "a\\x1b\nb\\r\n"
    assert one_line("  a\tb \n\n c\x1b\n") == "a b c\\x1b"


def test_json_keeps_its_values() -> None:
    names = [*OBEYED, *PRINTABLE]
    text = visible_json(json.dumps(names, ensure_ascii=False))
    assert visible(text) == text
    assert json.loads(text) == names


def test_a_long_message_keeps_its_start_and_its_end() -> None:
    line = one_line(f"Unknown {'x' * 100_000}. Expected train or even.")
    assert len(line) <= LONGEST + 10
    assert line.startswith("Unknown xxx")
    assert line.endswith("xxx. Expected train or even.")
    assert one_line("y" * LONGEST) == "y" * LONGEST
