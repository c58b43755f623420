from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from transfer.errors import DataError, UsageError
from transfer.images.decode import decode, variant
from transfer.images.open import read_header
from transfer.settings import Decoding


@pytest.fixture
def save(tmp_path):
    def write(data: bytes, name: str = "x.jpg"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def png(width: int, height: int, body: bytes, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_path_image_and_array_agree(save, encoded, picture, resize):
    path = save(encoded(picture(150, 100)))
    with Image.open(path) as image:
        image.load()
        array = np.asarray(image)
        results = [decode(source, 48, resize) for source in (path, str(path), image, array)]
    for result in results:
        assert result.shape == (48, 48, 3)
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result, results[0])


def test_resizes_differ_as_they_say(picture):
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    assert (decode(wide, 30, "crop") == (0, 0, 255)).all()
    padded = decode(wide, 30, "pad")
    assert (padded[0] == 255).all()
    assert (padded[15, 2] == (255, 0, 0)).all()
    assert (decode(wide, 30)[:, 2] == (255, 0, 0)).all()
    with pytest.raises(UsageError, match="stretch, crop, pad"):
        decode(wide, 30, "squash")


def test_large_jpeg_is_drafted_and_stays_close(save, encoded, picture):
    path = save(encoded(picture(1200, 1000), quality=95))
    with Image.open(path) as image:
        whole = decode(np.asarray(image), 100)
    assert np.abs(decode(path, 100).astype(int) - whole).mean() < 1.5


@pytest.mark.case("D01")
def test_empty_file(save):
    with pytest.raises(DataError, match=r"x\.jpg' is empty"):
        decode(save(b""), 32)


@pytest.mark.case("D02")
@pytest.mark.parametrize(
    ("data", "found"),
    [(b"<!DOCTYPE html><p>404", "HTML"), (b"hello\n", "text"), (b"\0\1\2\xff", "unknown bytes")],
)
def test_text_named_like_an_image(save, data, found):
    with pytest.raises(DataError, match=rf"is not an image \(found {found}\)"):
        decode(save(data), 32)


@pytest.mark.case("D03")
@pytest.mark.parametrize("keep", [0.9, 0.5, -2])
def test_cut_jpeg(save, encoded, keep):
    data = encoded()
    end = keep if keep < 0 else int(len(data) * keep)
    with pytest.raises(DataError, match=r"x\.jpg' is cut off"):
        decode(save(data[:end]), 32)


@pytest.mark.case("D04")
def test_cut_png(save, encoded):
    data = encoded(kind="PNG")
    with pytest.raises(DataError, match=r"x\.png' is cut off"):
        decode(save(data[: len(data) // 2], "x.png"), 32)


@pytest.mark.case("D05")
def test_zeroed_bytes_inside_a_jpeg_are_survived(save, encoded, picture):
    data = bytearray(encoded(picture(300, 300), quality=95))
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    assert decode(save(bytes(data)), 32).shape == (32, 32, 3)


@pytest.mark.case("D06")
def test_cmyk_jpeg(save, encoded, picture):
    result = decode(save(encoded(picture().convert("CMYK"), quality=95)), 32)
    assert np.abs(result.astype(int) - decode(picture(), 32)).mean() < 4


@pytest.mark.case("D07")
def test_16_bit_gray_is_scaled_not_clipped(save, encoded):
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    result = decode(save(encoded(Image.fromarray(ramp), "PNG"), "x.png"), 64)
    np.testing.assert_allclose(result[..., 0], ramp / 257, atol=0.51)


@pytest.mark.case("D07")
def test_16_bit_rgb(save):
    row = b"\0" + struct.pack(">3H", 0x1000, 0x8000, 0xFF00) * 32
    result = decode(save(png(32, 32, row * 32, depth=16), "x.png"), 32)
    assert result[5, 5].tolist() == [0x10, 0x80, 0xFF]


@pytest.mark.case("D08")
@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "PA"])
def test_few_channels_become_three(save, encoded, picture, mode):
    image = picture().convert("L" if mode in ("1", "LA") else "RGB")
    image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
    expected = decode(image, 32)
    assert expected.shape == (32, 32, 3)
    if mode != "PA":  # which PNG does not have
        path = save(encoded(image, "PNG"), "x.png")
        np.testing.assert_array_equal(decode(path, 32), expected)


@pytest.mark.case("D09")
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_put_on_white(save, encoded, mode):
    image = Image.new("RGBA", (32, 32), (200, 10, 10, 0))
    image.paste((0, 0, 0, 255), (0, 0, 16, 32))
    options = {}
    if mode == "P":
        image = Image.new("P", (32, 32), 1)
        image.putpalette([0, 0, 0, 200, 10, 10])
        image.paste(0, (0, 0, 16, 32))
        options = {"transparency": 1}
    else:
        image = image.convert(mode)
    result = decode(save(encoded(image, "PNG", **options), "x.png"), 32)
    assert (result[:, :16] == 0).all()
    assert (result[:, 16:] == 255).all()


@pytest.mark.case("D10")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_equals_the_baked_picture(save, encoded, picture, orientation):
    turns = [None, 0, 3, 1, 5, 2, 6, 4]  # Image.Transpose that makes the stored picture
    turn = turns[orientation - 1]
    upright = picture(64, 48)
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(encoded(stored, "PNG", exif=exif), "x.png")
    np.testing.assert_array_equal(decode(path, 40), decode(upright, 40))
    assert read_header(path).exif_orientation == orientation


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_hurt(save, encoded):
    path = save(encoded(exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"))
    np.testing.assert_array_equal(decode(path, 32), decode(save(encoded(), "y.jpg"), 32))


@pytest.mark.case("D11")
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_first_frame_of_animations(save, encoded, kind):
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    path = save(data, f"x.{kind.lower()}")
    assert read_header(path).animated
    assert (decode(path, 16) == (255, 0, 0)).all()


@pytest.mark.case("F07")
def test_phone_jpeg_with_a_second_picture(save, encoded, picture):
    path = save(encoded(picture(), "MPO", save_all=True, append_images=[picture(seed=1)]))
    assert read_header(path).format == "JPEG"
    np.testing.assert_array_equal(decode(path, 32), decode(save(encoded(), "y.jpg"), 32))


@pytest.mark.case("D12")
def test_content_counts_not_the_extension(save, encoded):
    assert read_header(save(encoded(kind="PNG"), "x.jpg")).format == "PNG"
    assert read_header(save(encoded(kind="JPEG"), "x.png")).format == "JPEG"
    assert decode(save(encoded(kind="PNG"), "x.jpg"), 16).shape == (16, 16, 3)


@pytest.mark.case("D13")
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"\xff\x0a" + bytes(60), "is JPEG XL, which needs: pip install pillow-jxl-plugin"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(60), r"not read \(raw camera file\)"),
        (b"FUJIFILMCCD-RAW " + bytes(60), r"not read \(raw camera file\)"),
        (b'<?xml version="1.0"?><svg/>', r"not read \(SVG\)"),
    ],
)
def test_unsupported_by_content(save, data, found):
    with pytest.raises(DataError, match=found):
        decode(save(data), 16)


@pytest.mark.case("D15")
def test_bomb_is_refused_from_its_header(save):
    path = save(png(20000, 20000, bytes(2501 * 20000), depth=1, colour=0), "x.png")
    assert path.stat().st_size < 300_000
    script = (
        "import resource, sys\n"
        "from transfer.images.decode import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: decode(sys.argv[1], 64)\n"
        "except Exception as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, path]
    message, growth = subprocess.check_output(command, text=True).splitlines()
    assert "is too large: 20000 x 20000 pixels" in message
    assert int(growth) < 20_000  # kilobytes


@pytest.mark.case("D16")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_huge_declared_size(save, encoded, kind):
    if kind == "PNG":
        data = png(60000, 60000, b"\0")
    else:
        data = encoded()
        at = data.index(b"\xff\xc0") + 5
        data = data[:at] + struct.pack(">HH", 60000, 60000) + data[at + 4 :]
    with pytest.raises(DataError, match="60000 x 60000"):
        decode(save(data), 32)


def test_header_is_read_without_decoding(save, encoded):
    path = save(encoded(kind="PNG")[:400], "x.png")
    assert (read_header(path).width, read_header(path).height) == (64, 48)


@pytest.mark.case("D17")
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_tiny_and_thin(picture, shape, resize):
    assert decode(Image.new("RGB", shape, "red"), 32, resize).shape == (32, 32, 3)


@pytest.mark.case("D18")
def test_100_megapixels(save, encoded):
    path = save(encoded(Image.new("L", (11000, 9100), 77)))
    assert (decode(path, 64) == 77).all()


@pytest.mark.case("D42")
def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg' is missing"):
        decode(tmp_path / "gone.jpg", 32)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        decode(tmp_path, 32)


@pytest.mark.case("M04")
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
@pytest.mark.parametrize("shape", [(40, 50, 3), (40, 50), (40, 50, 4), (40, 50, 1)])
def test_the_callers_array_is_unchanged(dtype, shape):
    array = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    before = array.copy()
    array.setflags(write=False)
    result = decode(array, 32)
    result += 1  # and the result is the caller's own
    np.testing.assert_array_equal(array, before)


@pytest.mark.case("M04")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_the_callers_image_is_unchanged(picture, mode):
    image = picture().convert(mode)
    before = image.tobytes()
    decode(image, 32)
    assert (image.mode, image.tobytes()) == (mode, before)


def test_float_arrays_are_rounded():
    array = np.full((8, 8, 3), 99.6, np.float32)
    assert (decode(array, 8) == 100).all()
    assert (decode(np.zeros((8, 8), np.float32), 8) == 0).all()


@pytest.mark.parametrize(
    "array",
    [
        np.full((8, 8, 3), 0.5),
        np.full((8, 8, 3), 256.0),
        np.full((8, 8, 3), -1),
        np.full((8, 8, 3), np.nan),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.full((8, 8, 3), "a"),
    ],
)
def test_arrays_that_are_no_pictures(array):
    with pytest.raises(UsageError, match="Expected"):
        decode(array, 8)


def test_what_is_no_picture():
    with pytest.raises(UsageError, match="Expected an image as a path"):
        decode(io.StringIO(), 8)  # type: ignore[arg-type]
    assert decode(Image.new("F", (8, 8), 0.7), 8)[0, 0, 0] == 178


@pytest.mark.case("D33")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DataError, match=r"pipe\.jpg' is a pipe"):
        decode(tmp_path / "pipe.jpg", 8)


@pytest.mark.parametrize("size", [32, 224])
@pytest.mark.parametrize("sides", [(1, 5000), (5000, 1), (2, 30_000), (30_000, 2)])
def test_the_longest_pictures_are_padded_to_a_line_of_one_pixel(sides, size, tmp_path):
    Image.new("RGB", sides, (200, 0, 0)).save(tmp_path / "long.png")
    array = decode(tmp_path / "long.png", size, "pad")
    lines = array if sides[0] > sides[1] else array.transpose(1, 0, 2)
    coloured = (lines != 255).any(axis=2)
    assert array.shape == (size, size, 3)
    assert coloured.sum(axis=1).tolist() == [0] * (size // 2) + [size] + [0] * (size // 2 - 1)
    assert (lines[size // 2] == (200, 0, 0)).all()
    for resize in ("stretch", "crop"):
        assert (decode(tmp_path / "long.png", size, resize) == (200, 0, 0)).all()


@pytest.mark.parametrize("sides", [(1, 447), (300, 1), (3, 1000), (7, 5), (64, 64), (1, 448)])
def test_padding_of_other_pictures_is_that_of_pillow(sides):
    values = np.random.default_rng(0).integers(0, 256, (sides[1], sides[0], 3), np.uint8)
    image = Image.fromarray(values)
    expected = ImageOps.pad(image, (224, 224), Image.Resampling.BILINEAR, color="white")
    if sides != (1, 448):  # half a pixel, which Pillow rounds to none
        np.testing.assert_array_equal(decode(image, 224, "pad"), np.asarray(expected))
    assert (decode(image, 224, "pad") != 255).any()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.case("F02")
@pytest.mark.parametrize("gray", [False, True])
def test_the_transparent_colour_of_16_bits(tmp_path, gray) -> None:
    clear, near = (0x1234, 0x5678, 0x9ABC), (0x1235, 0x5678, 0x9ABC)
    pixels = np.zeros((4, 4, 3), ">u2")
    pixels[:2], pixels[2], pixels[3] = clear, near, 65535
    pixels = pixels[..., :1] if gray else pixels
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    data = b"\x89PNG\r\n\x1a\n"
    data += chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 0 if gray else 2, 0, 0, 0))
    data += chunk(b"tRNS", struct.pack(">3H", *clear)[: 2 if gray else 6])
    data += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(data)
    found = decode(tmp_path / "x.png", 4)
    assert (found[:2] == 255).all()
    assert found[2, 0].tolist() == ([0x12] * 3 if gray else [0x12, 0x56, 0x9A])
    full = Decoding((0.0, 65535.0))
    assert variant(tmp_path / "x.png", full) == "transparent colour"


def test_what_pillow_warns_of_in_a_file_is_not_passed_on(tmp_path) -> None:
    Image.new("RGB", (4, 4), "red").save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    (tmp_path / "x.png").write_bytes(data[:33] + chunk(b"acTL", bytes(8)) + data[33:])
    call = f"decode({str(tmp_path / 'x.png')!r}, 4)"
    code = f"from transfer.images.decode import decode; print({call}.max())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("255\n", "")
