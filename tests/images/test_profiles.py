from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from transfer.images.decode import as_rgb, decode, variant
from transfer.images.open import read_header
from transfer.settings import EARLIER_DECODING, Decoding

IGNORE = Decoding(profiles="ignore")
D50 = (0.9642, 1.0, 0.8249)
D65 = (0.3127, 0.329)
P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
OLD_MAC = ((0.625, 0.34), (0.28, 0.595), (0.155, 0.07))
# Lab of paper and of full inks, about those of web offset: K, Y, Y+K, M, M+K, M+Y...
INKS = ((100, 0, 0), (18, 0, 0), (88, -5, 92), (16, 0, 5), (48, 73, -3), (10, 8, 0), (47, 67, 47),
        (9, 6, 4), (55, -37, -49), (11, -4, -5), (50, -67, 26), (10, -6, 3), (25, 22, -45),
        (7, 3, -6), (23, 0, 0), (5, 0, 0))  # fmt: skip


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return an ICC profile of version 2 with these tags."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79),
        b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(fixed, D50)),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    } | tags
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, kind, space, connection)
    head += bytes(12) + b"acsp" + bytes(28) + b"".join(map(fixed, D50))
    return head.ljust(128, b"\0") + table + body


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def rgb_profile(primaries, gamma: float, white=D65) -> bytes:
    def xyz(x: float, y: float) -> np.ndarray:
        return np.array([x / y, 1, (1 - x - y) / y])

    corners, light = np.stack([xyz(*each) for each in primaries], 1), xyz(*white)
    matrix = corners @ np.diag(np.linalg.solve(corners, light))
    rows = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
    cones = np.array(rows)  # of Bradford
    matrix = np.linalg.inv(cones) @ np.diag((cones @ D50) / (cones @ light)) @ cones @ matrix
    tags = {
        name + b"XYZ": b"XYZ \0\0\0\0" + b"".join(map(fixed, matrix[:, i]))
        for i, name in enumerate((b"r", b"g", b"b"))
    }
    tags |= {name + b"TRC": curve(gamma) for name in (b"r", b"g", b"b")}
    return profile(b"RGB ", b"XYZ ", tags)


def cmyk_profile() -> bytes:
    identity = struct.pack(">256B", *range(256))
    nodes = b"".join(
        struct.pack("3B", round(light * 2.55), a + 128, b + 128) for light, a, b in INKS
    )
    table = b"mft1\0\0\0\0" + struct.pack("4B", 4, 3, 2, 0)
    table += b"".join(map(fixed, (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    return profile(b"CMYK", b"Lab ", {b"A2B0": table + 4 * identity + nodes + 3 * identity})


def managed(image: Image.Image, data: bytes) -> np.ndarray:
    source, target = ImageCms.ImageCmsProfile(io.BytesIO(data)), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB")).astype(
        int
    )


@pytest.mark.case("F08")
@pytest.mark.parametrize(
    ("data", "mode", "kind"),
    [
        (rgb_profile(P3, 2.2), "RGB", "PNG"),
        (rgb_profile(ADOBE, 2.19921875), "RGB", "WEBP"),
        (rgb_profile(OLD_MAC, 1.8), "RGB", "TIFF"),
        (rgb_profile(ADOBE, 2.19921875), "RGB", "AVIF"),
        (cmyk_profile(), "CMYK", "TIFF"),
        (cmyk_profile(), "CMYK", "JPEG"),
        (profile(b"GRAY", b"XYZ ", {b"kTRC": curve(1.8)}), "L", "PNG"),
    ],
)
def test_colours_become_srgb(data, mode, kind, picture, tmp_path) -> None:
    path = tmp_path / "x"
    options = {"quality": 100} if kind in ("JPEG", "AVIF") else {}
    options = {"lossless": True} if kind == "WEBP" else options
    picture(64, 48).convert(mode).save(path, kind, icc_profile=data, **options)
    with Image.open(path) as image:
        expected = managed(image, data)
        plain = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(plain - expected).mean() > 2
    with Image.open(path) as image:
        assert np.abs(np.asarray(as_rgb(image)) - expected).max() <= 1
    assert read_header(path).profile == "other"
    assert (decode(path, 64, "stretch", IGNORE) != decode(path, 64)).any()
    with Image.open(path) as image:
        assert (np.asarray(as_rgb(image, IGNORE)) == plain).all()
    assert variant(path, Decoding()) == "sRGB"
    assert variant(path, IGNORE) == variant(path, EARLIER_DECODING) == ""


@pytest.mark.case("F08")
def test_transparency_and_palettes_keep_their_shape(picture) -> None:
    data = rgb_profile(ADOBE, 2.19921875)
    image = picture(32, 32)
    expected = managed(image, data)
    clear = image.convert("RGBA")
    clear.putalpha(Image.new("L", image.size, 255))
    clear.paste((1, 2, 3, 0), (0, 0, 8, 8))
    clear.info["icc_profile"] = data
    result = np.asarray(as_rgb(clear)).astype(int)
    assert (result[:8, :8] == 255).all()
    assert np.abs(result[8:] - expected[8:]).max() <= 1
    palette = image.quantize(200)
    coloured = palette.convert("RGB")
    palette.info["icc_profile"] = data
    assert np.abs(np.asarray(as_rgb(palette)) - managed(coloured, data)).max() <= 1


@pytest.mark.case("F08")
def test_gray_photos_with_the_profile_of_a_camera(picture, encoded, tmp_path) -> None:
    gray, data = picture().convert("L"), rgb_profile(OLD_MAC, 1.8)
    (tmp_path / "x.jpg").write_bytes(encoded(gray, icc_profile=data, quality=100))
    with Image.open(tmp_path / "x.jpg") as image:
        expected = managed(image.convert("RGB"), data)
        assert np.abs(np.asarray(as_rgb(image)) - expected).max() <= 1
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "y.jpg").write_bytes(encoded(gray, icc_profile=own))
    assert read_header(tmp_path / "y.jpg").profile == ""


@pytest.mark.case("F08")
@pytest.mark.parametrize(
    "data", [b"nonsense", cmyk_profile(), rgb_profile(P3, 2.2)[:200]], ids=["junk", "cmyk", "cut"]
)
def test_unusable_profiles_are_ignored(data, picture, encoded, tmp_path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(picture(), "PNG", icc_profile=data))
    assert (decode(path, 32) == decode(picture(), 32)).all()
    assert read_header(path).profile == "unusable"
    assert variant(path, Decoding()) == ""


@pytest.mark.case("F08")
def test_srgb_by_any_vendor_changes_nothing(picture, encoded, tmp_path) -> None:
    path = tmp_path / "x.png"
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path.write_bytes(encoded(picture(), "PNG", icc_profile=own))
    assert (decode(path, 32) == decode(picture(), 32)).all()
    assert read_header(path).profile == ""
    assert variant(path, Decoding()) == ""
