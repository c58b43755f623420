"""Makes the ICC profile of colours that are given by their primaries and a curve."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache

import numpy as np

Primaries = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green and blue."""
SRGB = 0.0
"""The curve of sRGB; any other number is the exponent of a power."""

_D50 = np.array([0.9642, 1.0, 0.8249])  # white of all profiles
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_POINTS = 4096  # of a curve


@lru_cache(maxsize=16)
def matrix_profile(primaries: Primaries, curve: float) -> bytes:
    """Return an ICC profile (version 2.4) of an RGB space.

    Args:
        primaries: x and y of white, red, green and blue.
        curve: `SRGB`, or the exponent by which values become light.

    Raises:
        ValueError: The primaries span no space.
    """
    matrix = _to_d50(primaries)
    light = linear(curve)(np.linspace(0, 1, _POINTS))
    table = np.rint(light * 65535).astype(">u2").tobytes()
    text = b"primaries and curve\0"
    curve_part = b"curv\0\0\0\0" + struct.pack(">I", _POINTS) + table
    parts: list[tuple[tuple[bytes, ...], bytes]] = [
        ((b"desc",), b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)),
        ((b"cprt",), b"text\0\0\0\0none\0"),
        ((b"wtpt",), _xyz(_D50)),
        ((b"rXYZ",), _xyz(matrix[:, 0])),
        ((b"gXYZ",), _xyz(matrix[:, 1])),
        ((b"bXYZ",), _xyz(matrix[:, 2])),
        ((b"rTRC", b"gTRC", b"bTRC"), curve_part),
    ]
    tags = sum(len(names) for names, _ in parts)
    start, places, body = 128 + 4 + 12 * tags, b"", b""
    for names, part in parts:
        for name in names:
            places += struct.pack(">4sII", name, start + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    kinds = struct.pack(">4sI4s4s4s", b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    date = struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp")
    head = struct.pack(">I", start + len(body)) + kinds + date + bytes(28) + _xyz(_D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", tags) + places + body


def linear(curve: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what makes light of values, both 0..1."""
    if curve != SRGB:
        return lambda values: values**curve
    return lambda values: np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )


def to_xyz(primaries: Primaries) -> np.ndarray:
    """Return the matrix from linear RGB to XYZ: float array (3, 3). Raises ValueError for none."""
    white, *rgb = (
        np.array([x / y, 1.0, (1 - x - y) / y])
        for x, y in zip(primaries[::2], (y or np.nan for y in primaries[1::2]), strict=True)
    )
    columns = np.stack(rgb, axis=1)
    if not np.isfinite(columns).all() or abs(np.linalg.det(columns)) < 1e-6:
        raise ValueError("the primaries span no space")
    return np.asarray(columns * np.linalg.solve(columns, white))


def _to_d50(primaries: Primaries) -> np.ndarray:
    """Return the matrix from linear RGB to XYZ with the white of profiles, after Bradford."""
    matrix = to_xyz(primaries)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ matrix.sum(axis=1)))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix)


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + bytes(np.rint(values * 65536).astype(">i4").tobytes())
