"""Colours that a file marks without an ICC profile.

These are nclx in AVIF and HEIC, and cICP, gAMA and cHRM in PNG.
What they say becomes an ICC profile, so that the rest of the package need only know these.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from PIL.ImageFile import ImageFile

from transfer.images.icc import SRGB, Primaries, matrix_profile

HDR = "hdr"
"""Key in the info of an image whose values are of PQ or HLG, which have no way to sRGB."""

_D65 = (0.3127, 0.3290)
_BT709: Primaries = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# By their numbers in ITU-T H.273; those that differ little from BT.709 are taken for it.
_PRIMARIES: dict[int, Primaries] = {
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
_CURVES = {4: 2.2, 5: 2.8, 8: 1.0}  # all others but HDR are near that of sRGB
_HDR = (16, 18)  # PQ, HLG
_GAMMA, _NEAR = 1 / 2.2, 0.01
_MOST_META = 4_000_000  # bytes


def mark_colours(image: ImageFile, file: IO[bytes]) -> None:
    """Give an image that is not yet decoded the profile that its file marks otherwise.

    Args:
        image: The image.
        file: Its file; the position is kept.
    """
    code = None
    if image.format in ("PNG", "AVIF", "HEIF"):
        place = file.tell()
        with suppress(OSError, struct.error, ValueError):
            code = _cicp(file) if image.format == "PNG" else _nclx(file)
        file.seek(place)
    if code is not None and (image.format == "PNG" or "icc_profile" not in image.info):
        primaries, number = code
        if number in _HDR:
            image.info[HDR] = True
        _set(image, _PRIMARIES.get(primaries, _BT709), _CURVES.get(number, SRGB))
    elif image.format == "PNG" and not {"icc_profile", "srgb"} & image.info.keys():
        gamma = image.info.get("gamma", _GAMMA)
        curve = SRGB if abs(gamma - _GAMMA) < _NEAR or gamma <= 0 else 1 / gamma
        _set(image, tuple(image.info.get("chromaticity", _BT709)), curve)


def _set(image: ImageFile, primaries: Primaries, curve: float) -> None:
    near = all(abs(a - b) < _NEAR for a, b in zip(primaries, _BT709, strict=True))
    if HDR in image.info or (near and curve == SRGB):
        image.info.pop("icc_profile", None)
        return
    with suppress(ValueError):
        image.info["icc_profile"] = matrix_profile(primaries, curve)


def _cicp(file: IO[bytes]) -> tuple[int, int] | None:
    """Return primaries and curve of the cICP chunk of a PNG file; None without."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"cICP" and length == 4:
            primaries, curve, *_ = file.read(4)
            return primaries, curve
        if kind == b"IDAT":
            break
        file.seek(length + 4, 1)
    return None


def _nclx(file: IO[bytes]) -> tuple[int, int] | None:
    """Return primaries and curve of the main picture of an AVIF or HEIC file; None without."""
    file.seek(0)
    meta = next((data for kind, data in _boxes_of(file) if kind == b"meta"), b"")
    boxes = dict(_boxes(meta[4:]))
    within = dict(_boxes(boxes.get(b"iprp", b"")))
    main = boxes.get(b"pitm", b"")
    item = int.from_bytes(main[4 : 8 if main[:1] != b"\0" else 6], "big")
    properties = list(_boxes(within.get(b"ipco", b"")))
    for number in _associations(within.get(b"ipma", b"")).get(item, ()):
        kind, data = properties[number - 1]
        if kind == b"colr" and data[:4] == b"nclx":
            primaries, curve = struct.unpack(">HH", data[4:8])
            return primaries, curve
    return None


def _boxes_of(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and contents of the boxes of a file up to the one called meta."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        if size < 8 or (kind == b"meta" and size > _MOST_META):
            return
        if kind == b"meta":
            yield kind, file.read(size - 8)
            return
        file.seek(size - 8, 1)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    while len(data) >= 8:
        size, kind = struct.unpack(">I4s", data[:8])
        if size < 8:
            return
        yield kind, data[8:size]
        data = data[size:]


def _associations(data: bytes) -> dict[int, list[int]]:
    """Return the numbers of the properties of each item, from an ipma box."""
    if not data:
        return {}
    version, wide = data[0], data[3] & 1
    found: dict[int, list[int]] = {}
    place = 8
    for _ in range(int.from_bytes(data[4:8], "big")):
        width = 4 if version else 2
        item, count = int.from_bytes(data[place : place + width], "big"), data[place + width]
        place += width + 1
        step = 2 if wide else 1
        parts = [data[place + n * step : place + (n + 1) * step] for n in range(count)]
        found[item] = [int.from_bytes(part, "big") & (0x7FFF if wide else 0x7F) for part in parts]
        place += count * step
    return found
