"""How well text can be read on a colour."""

from __future__ import annotations

BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Colour = tuple[int, int, int]


def text_on(ground: Colour) -> str:
    """Return ``"#000"`` or ``"#fff"``, whichever contrasts more with `ground`.

    The contrast is then at least 4.58 on any ground, above the 4.5 of WCAG 2.2, level AA.
    """
    return "#000" if contrast(BLACK, ground) >= contrast(WHITE, ground) else "#fff"


def contrast(first: Colour, second: Colour) -> float:
    """Return the contrast ratio, 1..21, of two sRGB colours, as WCAG 2.2 defines it."""
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Colour) -> float:
    shares = [part / 255 for part in colour]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
