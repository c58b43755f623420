"""Text for a terminal: names come from files and archives, and may hold what a terminal obeys."""

from __future__ import annotations

import re

from transfer.system.text import cut

LONGEST = 2000  # characters of a message; a path has 4,096 at most, names 255

# Control characters, what reorders the text around it, line separators, and halves of a pair.
# Letters of any script, combining marks, joiners and emoji stay.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return text whose control characters, line ends and bidi overrides are shown as escapes.

    >>> visible("a\x1b[2J")
    'a\\x1b[2J'
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def visible_lines(text: str) -> str:
    """Return text of several lines, each `visible`."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    """Return JSON in one line whose values are the same and that a terminal shows as it is."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return a message in one visible line, the middle of a very long one left out."""
    return cut(visible(re.sub(r"[ \t\r\n]+", " ", text).strip()), LONGEST)
