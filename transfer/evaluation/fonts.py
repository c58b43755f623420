"""Fonts of figures: one that is always there, and those of the system for other scripts."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

from transfer.system.text import shorten

FONT = "DejaVu Sans"  # comes with matplotlib: the figure is the same everywhere
LONGEST_LABEL = 24
RIGHT_TO_LEFT = ("R", "AL", "RLE", "RLO", "RLI")
# Of Linux, Windows and macOS, those for all of East Asia first.
OTHERS = (
    *("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK TC"),
    *("Noto Sans KR", "Noto Sans JP", "Noto Sans SC", "Noto Sans TC"),
    *("Source Han Sans", "NanumGothic", "Nanum Gothic", "UnDotum", "Baekmuk Gulim"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAGothic", "TakaoGothic", "VL Gothic"),
    *("Malgun Gothic", "Yu Gothic", "Meiryo", "Microsoft YaHei", "Microsoft JhengHei", "SimSun"),
    *("Apple SD Gothic Neo", "AppleGothic", "Hiragino Sans", "PingFang SC", "Heiti TC"),
    *("Noto Sans", "Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew"),
    *("Noto Sans Thai", "Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil"),
    *("Segoe UI", "Tahoma", "Leelawadee UI", "Nirmala UI", "Geeza Pro", "Thonburi"),
    *("Arial Unicode MS", "FreeSans", "Droid Sans Fallback"),
)


def import_matplotlib() -> ModuleType:
    """Import matplotlib, even where MPLBACKEND names a backend that it does not know.

    A shell that was started from a notebook may carry the backend of another environment. A
    backend that matplotlib knows is set as usual, since the user may draw later.
    """
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    finally:
        if backend:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


def find_families(names: Sequence[str]) -> list[str]:
    """Return the families that matplotlib needs for texts: `FONT`, and those of the system.

    The first of `OTHERS` that is installed and has a letter is taken for it.
    """
    families = [FONT]
    for letter in sorted({letter for name in names for letter in name}):
        if letter.isprintable() and not any(_has(family, letter) for family in families):
            families += [family for family in OTHERS if _has(family, letter)][:1]
    return families


def label(name: str, index: int, families: Sequence[str]) -> str:
    """Return `name` as matplotlib can draw it: shortened, or ``#index`` where it cannot.

    Args:
        name: Of a class.
        index: Stands for a name that cannot be drawn.
        families: From `find_families`.
    """
    return _shown(name, index, families, _shapes())


def readable(name: str, index: int) -> str:
    """Return `name` as `FONT` can draw it: shortened, or ``#index`` where it lacks the glyphs."""
    return _shown(name, index, [FONT], False)


def _shown(name: str, index: int, families: Sequence[str], shapes: bool) -> str:
    drawable = bool(name.strip()) and all(
        letter.isprintable()
        and any(_has(family, letter) for family in families)
        and (shapes or unicodedata.bidirectional(letter) not in RIGHT_TO_LEFT)
        for letter in name
    )
    return shorten(name, LONGEST_LABEL) if drawable else f"#{index}"


def _shapes() -> bool:
    """Return whether matplotlib joins letters and writes from right to left: from 3.11 on."""
    import_matplotlib()
    from matplotlib import ft2font

    return hasattr(ft2font, "__libraqm_version__")


@cache
def _font(family: str) -> Any:
    """Return the font of a family, or None where it is not installed."""
    import_matplotlib()
    from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

    if family not in {font.name for font in fontManager.ttflist}:
        return None
    return get_font(findfont(FontProperties(family=[family])))


def _has(family: str, letter: str) -> bool:
    font = _font(family)
    return font is not None and bool(font.get_char_index(ord(letter)))
