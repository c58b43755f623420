"""Colours that files mark without an ICC profile, against the formulas of their standards."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from transfer.images.decode import as_rgb, decode, variant
from transfer.images.icc import matrix_profile
from transfer.images.open import open_image, read_header
from transfer.settings import Decoding

D65 = (0.3127, 0.329)
BT709 = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT2020 = (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)
PNG = b"\x89PNG\r\n\x1a\n"


def to_linear(values: np.ndarray, gamma: float | None) -> np.ndarray:
    if gamma is not None:
        return values**gamma
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def matrix(primaries: tuple[float, ...]) -> np.ndarray:
    xyz = [
        np.array([x / y, 1, (1 - x - y) / y])
        for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    ]
    corners = np.stack(xyz[1:], 1)
    return corners @ np.diag(np.linalg.solve(corners, xyz[0]))


def expected(pixels: np.ndarray, primaries: tuple[float, ...], gamma: float | None) -> np.ndarray:
    """Return what some values are in sRGB: uint8 (h, w, 3)."""
    light = to_linear(pixels / 255, gamma) @ (np.linalg.inv(matrix(BT709)) @ matrix(primaries)).T
    light = light.clip(0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * values).astype(int)


def colours() -> np.ndarray:
    steps = np.arange(0, 256, 51, dtype=np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(12, 18, 3)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(image: Image.Image, *chunks: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    whole = buffer.getvalue()
    return whole[:33] + b"".join(chunks) + whole[33:]


def chrm(primaries: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(each * 100_000) for each in primaries)))


def gama(exponent: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 / exponent)))


def cicp(primaries: int, curve: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, curve, 0, 1]))


@pytest.mark.case("F08")
@pytest.mark.parametrize(
    ("chunks", "primaries", "gamma"),
    [
        ([cicp(12, 13)], P3, None),
        ([cicp(9, 14)], BT2020, None),
        ([cicp(12, 4)], P3, 2.2),
        ([cicp(1, 8)], BT709, 1.0),
        ([chrm(P3)], P3, None),
        ([chrm(P3), gama(2.2)], P3, None),
        ([gama(1.8)], BT709, 1.8),
        ([gama(1.0)], BT709, 1.0),
        ([chunk(b"sRGB", b"\0"), cicp(12, 13)], P3, None),
        ([gama(1.0), cicp(12, 13)], P3, None),
    ],
)
@pytest.mark.parametrize("alpha", [False, True])
def test_marks_of_png(chunks, primaries, gamma, alpha, tmp_path) -> None:
    image = Image.fromarray(colours())
    if alpha:
        image.putalpha(255)
    path = tmp_path / "x.png"
    path.write_bytes(png(image, *chunks))
    with open_image(path) as opened:
        found = np.asarray(as_rgb(opened)).astype(int)
    assert np.abs(found - expected(colours(), primaries, gamma)).max() <= 2
    assert read_header(path).profile == "other"
    assert variant(path, Decoding()) == "sRGB"
    assert (decode(path, 8, decoding=Decoding(profiles="ignore"))
            == decode(Image.fromarray(colours()), 8)).all()  # fmt: skip


@pytest.mark.case("F08")
@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [gama(2.2)],
        [chrm(BT709), gama(2.2)],
        [cicp(1, 13)],
        [cicp(1, 1)],
        [cicp(2, 2)],
        [chunk(b"sRGB", b"\0"), gama(1.0), chrm(P3)],
        [chunk(b"gAMA", bytes(4))],
        [chunk(b"cHRM", bytes(32))],
        [chunk(b"cICP", b"\x0c")],
    ],
)
def test_marks_of_srgb_and_damaged_ones_change_nothing(chunks, tmp_path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(Image.fromarray(colours()), *chunks))
    assert (decode(path, 8) == decode(Image.fromarray(colours()), 8)).all()
    assert variant(path, Decoding()) == ""


@pytest.mark.case("F08")
def test_cicp_counts_more_than_a_profile(tmp_path) -> None:
    path = tmp_path / "x.png"
    info = zlib.compress(matrix_profile(BT2020, 1.0))
    path.write_bytes(png(Image.fromarray(colours()), cicp(1, 13), chunk(b"iCCP", b"x\0\0" + info)))
    assert (decode(path, 8) == decode(Image.fromarray(colours()), 8)).all()


@pytest.mark.case("F08")
@pytest.mark.parametrize("curve", [16, 18])
def test_hdr_is_told_and_read_as_it_is(curve, tmp_path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(Image.fromarray(colours()), cicp(9, curve)))
    assert read_header(path).profile == "hdr"
    assert (decode(path, 8) == decode(Image.fromarray(colours()), 8)).all()


def with_nclx(data: bytes, primaries: int, curve: int) -> bytes:
    """Return an AVIF or HEIC file whose nclx says other colours."""
    place = data.index(b"colrnclx") + 8
    return data[:place] + struct.pack(">HH", primaries, curve) + data[place + 4 :]


@pytest.mark.case("F08")
@pytest.mark.parametrize(("primaries", "number"), [(P3, 12), (BT2020, 9), (BT709, 1)])
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_marks_of_avif_and_heic(kind, primaries, number, tmp_path) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    image = Image.fromarray(np.repeat(np.repeat(colours(), 8, 0), 8, 1))
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=95)
    path = tmp_path / f"x.{kind.lower()}"
    path.write_bytes(with_nclx(buffer.getvalue(), number, 13))
    with open_image(path) as opened:
        plain = np.asarray(as_rgb(opened, Decoding(profiles="ignore")))
    with open_image(path) as opened:
        found = np.asarray(as_rgb(opened)).astype(int)
    assert np.abs(found - expected(plain, primaries, None)).max() <= 2
    assert read_header(path).profile == ("other" if number != 1 else "")
    path.write_bytes(with_nclx(buffer.getvalue(), number, 16))
    assert read_header(path).profile == "hdr"


def test_text_chunks_are_passed_over(tmp_path) -> None:
    info = PngInfo()
    info.add_text("Comment", "cICP" * 100)
    Image.fromarray(colours()).save(tmp_path / "x.png", pnginfo=info)
    assert read_header(tmp_path / "x.png").profile == ""
