"""The formats besides JPEG, PNG, GIF, BMP, WebP, TIFF and DICOM."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.errors import DataError
from transfer.images.decode import as_rgb, decode
from transfer.images.open import open_image, read_header
from transfer.images.scan import reason_left_out

LOSSLESS = {
    "ppm": ("PPM", {}), "pgm": ("PPM", {}), "pbm": ("PPM", {}), "tga": ("TGA", {}),
    "qoi": ("QOI", {}), "ico": ("ICO", {"sizes": [(64, 48)]}), "pcx": ("PCX", {}),
    "sgi": ("SGI", {}), "dib": ("DIB", {}), "bmp": ("BMP", {}), "dds": ("DDS", {}),
    "jp2": ("JPEG2000", {"irreversible": False}), "j2k": ("JPEG2000", {"no_jp2": True}),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
}  # fmt: skip


EXACT = {"quality": 99, "chroma": 444}  # of HEIC


def shown(path: Path) -> np.ndarray:
    with open_image(path) as image:
        return np.asarray(as_rgb(image)).astype(int)


@pytest.mark.case("F05")
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_as_the_same_picture_in_png(picture, tmp_path, suffix) -> None:
    kind, options = LOSSLESS[suffix]
    image = picture(64, 48).convert({"pgm": "L", "pbm": "1"}.get(suffix, "RGB"))
    image.save(tmp_path / f"x.{suffix}", kind, **options)
    difference = np.abs(shown(tmp_path / f"x.{suffix}") - np.asarray(image.convert("RGB")))
    assert difference.mean() <= (1 if suffix == "avif" else 0)
    assert read_header(tmp_path / f"x.{suffix}").format == kind
    assert reason_left_out(tmp_path / f"x.{suffix}", f"x.{suffix}") == ""


@pytest.mark.case("F05")
@pytest.mark.parametrize("suffix", ["tga", "qoi", "ico", "jp2", "avif", "sgi", "dds"])
def test_transparency_is_put_on_white(tmp_path, suffix) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    image.paste((200, 10, 10, 0), (0, 0, 32, 64))
    kind, options = LOSSLESS[suffix][0], dict(LOSSLESS[suffix][1])
    options |= {"sizes": [(64, 64)]} if kind == "ICO" else {}
    image.save(tmp_path / f"x.{suffix}", kind, **options)
    result = shown(tmp_path / f"x.{suffix}")
    assert (result[:, :30] >= 254).all()
    assert (result[:, 34:] <= 1).all()


@pytest.mark.case("F05")
def test_the_largest_icon_counts(picture, tmp_path) -> None:
    picture(128, 128).save(tmp_path / "x.ico", sizes=[(16, 16), (128, 128), (48, 48)])
    assert (shown(tmp_path / "x.ico") == np.asarray(picture(128, 128))).all()
    assert not read_header(tmp_path / "x.ico").animated


@pytest.mark.case("F05")
@pytest.mark.parametrize("most", [255, 1000, 4095, 65535])
def test_gray_maps_of_any_depth(tmp_path, most) -> None:
    values = np.linspace(0, most, 48 * 64).round().astype(">u2" if most > 255 else "u1")
    (tmp_path / "x.pgm").write_bytes(b"P5\n# by hand\n64 48\n%d\n" % most + values.tobytes())
    expected = values.reshape(48, 64) * (255 / most)
    assert np.abs(shown(tmp_path / "x.pgm")[..., 0] - expected).max() <= 1


def photoshop(image: Image.Image) -> bytes:
    """Return an image as the merged picture of a Photoshop file."""
    head = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, image.height, image.width, 8, 3)
    planes = b"".join(channel.tobytes() for channel in image.split())
    return head + bytes(12) + b"\0\0" + planes


@pytest.mark.case("F05")
def test_the_merged_picture_of_photoshop(picture, tmp_path) -> None:
    (tmp_path / "x.psd").write_bytes(photoshop(picture(64, 48)))
    assert (shown(tmp_path / "x.psd") == np.asarray(picture(64, 48))).all()
    assert not read_header(tmp_path / "x.psd").animated


@pytest.mark.case("F05")
@pytest.mark.parametrize("header", ["os2", "bitfields", "odd bitfields", "os2-16"])
def test_kinds_of_bmp(tmp_path, header) -> None:
    """Those that Pillow cannot read are named."""
    row = b"\x10\x20\x30\x40\x50\x60\0\0"  # two pixels, blue first, filled up to four bytes
    if header == "os2":
        body, head = row, struct.pack("<IHHHH", 12, 2, 1, 1, 24)
    elif header == "os2-16":
        body, head = row, struct.pack("<IIIHH", 16, 2, 1, 1, 24)
    else:
        body = struct.pack("<HH", 0b11111_000000_00000, 0b00000_111111_11111)
        masks = (0xF800, 0x7E0, 0x1F) if header == "bitfields" else (0xE000, 0x1FC0, 0x3F)
        head = struct.pack("<IiiHHIIIIII", 40, 2, 1, 1, 16, 3, 4, 0, 0, 0, 0)
        head += struct.pack("<III", *masks)
    start = 14 + len(head)
    data = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + body
    (tmp_path / "x.bmp").write_bytes(data)
    if header in ("odd bitfields", "os2-16"):
        with pytest.raises(DataError, match=r"of a kind that is not read \(Unsupported BMP"):
            decode(tmp_path / "x.bmp", 8)
    else:
        expected = [[48, 32, 16], [96, 80, 64]] if header == "os2" else [[255, 0, 0], [0, 255, 255]]
        assert shown(tmp_path / "x.bmp")[0].tolist() == expected


@pytest.mark.case("F09")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF", "TIFF"])
def test_upright(picture, tmp_path, orientation, kind) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    turn = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]
    upright = picture(64, 48)
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "TIFF": {}, "AVIF": LOSSLESS["avif"][1]}.get(kind, EXACT)
    stored.save(tmp_path / "x", kind, exif=exif.tobytes(), **options)
    assert np.abs(shown(tmp_path / "x") - np.asarray(upright)).mean() < 2


@pytest.mark.case("F04")
def test_heic(picture, tmp_path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(picture(64, 48))
    file.add_from_pillow(picture(64, 48, seed=1))
    file.save(tmp_path / "IMG_0001", **EXACT)
    assert reason_left_out(tmp_path / "IMG_0001", "IMG_0001") == ""
    header = read_header(tmp_path / "IMG_0001")
    assert (header.format, header.width, header.height, header.animated) == ("HEIF", 64, 48, True)
    assert np.abs(shown(tmp_path / "IMG_0001") - np.asarray(picture(64, 48))).mean() < 2


@pytest.mark.case("F04")
def test_heic_of_10_bits(tmp_path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    colours = np.stack([ramp] * 3, axis=-1)
    file = pillow_heif.from_bytes("RGB;16", (64, 64), colours.tobytes())
    file.save(tmp_path / "x.heic", quality=95, save_to_12bit=False)
    assert np.abs(shown(tmp_path / "x.heic") - colours / 257).mean() < 2


UNLIKE = ("x.avif", "x.heic")  # whose readers go by the sizes inside


def bombs(folder: Path) -> dict[str, bytes]:
    """Return files that declare 60,000 x 60,000 pixels, or as many as their headers can."""
    side = 60_000
    files = {}
    tags = [(256, side), (257, side), (258, 8), (259, 8), (262, 1), (273, 8), (277, 1),
            (278, side), (279, 9)]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    files["x.tif"] = b"II*\0" + struct.pack("<I", 24) + zlib.compress(bytes(999))[:16].ljust(16)
    files["x.tif"] += directory + bytes(4)
    deep = directory.replace(
        struct.pack("<HHII", 258, 4, 1, 8), struct.pack("<HHII", 258, 4, 1, 64)
    )
    files["deep.tif"] = files["x.tif"][:24] + deep + bytes(4)
    files["x.ppm"] = b"P6 60000 60000 255\n"
    files["x.qoi"] = b"qoif" + struct.pack(">II", side, side) + b"\3\0"
    files["x.psd"] = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, side, side, 8, 3) + bytes(14)
    files["x.tga"] = bytes((0, 0, 10)) + bytes(9) + struct.pack("<HH", side, side) + b"\x18\0" * 50
    files["x.pcx"] = b"\n\5\1\x08" + struct.pack("<4H", 0, 0, side, side) + bytes(53) + b"\1"
    files["x.pcx"] = files["x.pcx"][:65] + b"\3" + struct.pack("<H", side) + bytes(60)
    files["x.sgi"] = b"\x01\xda\1\1\0\3" + struct.pack(">HHH", side, side, 3) + bytes(500)
    files["x.dib"] = struct.pack("<IiiHH", 40, side, side, 1, 24) + bytes(30)
    for kind, suffix in (("JPEG2000", "jp2"), ("AVIF", "avif"), ("HEIF", "heic")):
        if kind == "HEIF":
            pytest.importorskip("pillow_heif").register_heif_opener()
        Image.new("RGB", (70, 50)).save(folder / "plain", kind)
        data, small = (folder / "plain").read_bytes(), struct.pack(">II", 70, 50)
        if kind == "JPEG2000":
            files[f"x.{suffix}"] = data.replace(small, struct.pack(">II", side, side)).replace(
                struct.pack(">II", 50, 70), struct.pack(">II", side, side)
            )
        else:
            files[f"x.{suffix}"] = data.replace(small, struct.pack(">II", side, side))
    inner = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    inner += (
        struct.pack(">I", zlib.crc32(inner[12:])) + struct.pack(">I4s", 99, b"IDAT") + bytes(99)
    )
    files["x.ico"] = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inner), 22) + inner
    return files


def traps(folder: Path) -> dict[str, bytes]:
    """Return small pictures whose tiles, strips, pages or frames are declared huge or endless."""
    files = {}
    common = {256: 64, 257: 48, 258: 8, 259: 8, 262: 1, 277: 1}
    strip = zlib.compress(bytes(64 * 48))
    for name, tags, following in (
        ("tile.tif", {322: 60_000, 323: 60_000, 324: 8, 325: len(strip)}, 0),
        ("strip.tif", {273: 8, 278: 2**31 - 1, 279: 2**31 - 1}, 0),
        ("loop.tif", {273: 8, 278: 48, 279: len(strip)}, 8 + len(strip)),
    ):
        tags = sorted((common | tags).items())
        directory = struct.pack("<H", len(tags))
        directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        files[name] = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory
        files[name] += struct.pack("<I", following)
    return files


@pytest.mark.case("F10")
def test_bombs_are_refused_from_their_headers(tmp_path) -> None:
    files = bombs(tmp_path) | traps(tmp_path)
    harmless = traps(tmp_path)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    script = (
        "import resource, sys\n"
        "from transfer.images.decode import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for path in sys.argv[1:]:\n"
        "    try: print('read', decode(path, 64).shape)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    paths = [str(tmp_path / name) for name in files]
    command = [sys.executable, "-c", script, *paths]
    *messages, growth = subprocess.check_output(command, text=True, timeout=60).splitlines()
    for name, message in zip(files, messages, strict=True):
        if name in harmless or name in UNLIKE:
            assert message.startswith(("DataError", "read")), message
        else:
            assert message.startswith("DataError"), message
            assert "is too large" in message, message
    assert int(growth) < 100_000  # kilobytes
