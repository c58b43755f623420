from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from transfer.images.decode import as_rgb, decode, variant
from transfer.images.levels import FULL, Deep, Span, _span, choose_decoding, levels_of, read_deep
from transfer.images.open import open_image, read_header
from transfer.settings import EARLIER_DECODING, Decoding

RAMP = np.linspace(0, 255, 48 * 64).round().astype(np.uint16).reshape(48, 64)


def png16(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of uint16 values: (h, w), or (h, w, 2), (h, w, 3) or (h, w, 4)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    channels = 1 if values.ndim == 2 else values.shape[2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(
    ("spans", "levels"),
    [
        ([Span(0, 65535)], FULL),
        ([Span(3, 4000)], (0, 4095)),
        ([Span(3, 900), Span(0, 1500)], (0, 4095)),
        ([Span(0, 900, 12)], (0, 4095)),
        ([Span(0, 5000, 12)], (0, 16383)),
        ([Span(0, 200)], (0, 255)),
        ([Span(0, 0)], (0, 255)),
        ([Span(0, 2**20 - 1)], (0, 2**20 - 1)),
        ([Span(-1000, 3000), Span(-5, 70)], (-1000, 3000)),
        ([Span(0, 1, floats=True)], (0, 1)),
        ([Span(0.1, 0.8, floats=True)], (0, 1)),
        ([Span(0.1, 0.2, floats=True)], (0.1, 0.2)),
        ([Span(-2, 700, floats=True)], (-2, 700)),
    ],
)
def test_levels(spans, levels) -> None:
    assert levels_of(spans) == levels


def test_one_rule_for_integers_and_one_for_floats() -> None:
    spans = [Span(0, 4095), Span(0, 1, floats=True), Span(0, 100)]
    assert choose_decoding(spans, "ignore") == Decoding((0, 4095), (0, 1), "ignore")
    assert choose_decoding([], "convert") == Decoding()


@pytest.mark.case("F02")
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_pngs_of_every_depth(tmp_path, channels, bits) -> None:
    gray = (RAMP.astype(np.uint32) * (2**bits - 1) // 255).astype(np.uint16)
    values = np.stack([gray, gray[::-1], gray[:, ::-1]][: 1 if channels < 3 else 3], axis=-1)
    if channels in (2, 4):
        values = np.concatenate([values, np.full_like(values[..., :1], 65535)], axis=-1)
    (tmp_path / "x.png").write_bytes(png16(values[..., 0] if channels == 1 else values))
    shown = values[..., :3] if channels > 2 else np.repeat(values[..., :1], 3, axis=-1)
    expected = shown.astype(float) * 255 / (2**bits - 1)
    with open_image(tmp_path / "x.png") as image:
        result = np.asarray(as_rgb(image)).astype(int)
    assert np.abs(result - expected).max() <= (1 if bits == 16 else 0.5)
    assert read_header(tmp_path / "x.png").bits == (16)
    with Image.open(tmp_path / "x.png") as image:  # a file that Pillow opened itself
        assert (np.asarray(as_rgb(image)) == result).all()


@pytest.mark.case("F02")
def test_a_reading_applies_to_every_picture(tmp_path) -> None:
    dark, light = RAMP, RAMP * 16
    for name, values in (("dark", dark), ("light", light)):
        (tmp_path / name).write_bytes(png16(values))
        (tmp_path / f"{name}-colours").write_bytes(png16(np.stack([values] * 3, axis=-1)))
    decoding = Decoding(integers=(0, 4095))
    for name in ("dark", "dark-colours"):
        assert decode(tmp_path / name, 32, decoding=decoding).max() == 16
        assert decode(tmp_path / name, 32).max() > 250
        assert decode(tmp_path / name, 32, decoding=EARLIER_DECODING).max() <= 1
    assert decode(tmp_path / "light", 32, decoding=decoding).max() > 250
    assert variant(tmp_path / "light", decoding) == "levels (0, 4095)"
    assert variant(tmp_path / "light", Decoding(integers=FULL)) == ""
    assert variant(tmp_path / "light", EARLIER_DECODING) == ""


@pytest.mark.case("F02")
def test_the_declared_depth_counts_where_it_holds(tmp_path) -> None:
    (tmp_path / "x.png").write_bytes(png16(RAMP * 3, (b"sBIT", b"\x0c")))
    (tmp_path / "y.png").write_bytes(png16(RAMP * 200, (b"sBIT", b"\x0c")))
    (tmp_path / "z.png").write_bytes(png16(RAMP * 3))
    tops = [decode(tmp_path / name, 32).max() for name in ("x.png", "y.png", "z.png")]
    assert tops[0] == round(765 * 255 / 4095)
    assert tops[1] > 190  # scaled to 16 bits, as PNG wants it
    assert tops[2] > 180


def test_a_transparent_gray_of_another_depth(tmp_path) -> None:
    (tmp_path / "x.png").write_bytes(png16(RAMP * 257, (b"tRNS", b"\x10\0")))
    expected = decode(RAMP.astype(np.uint8), 32)
    assert np.abs(decode(tmp_path / "x.png", 32).astype(int) - expected).max() <= 1


def test_numbers_that_are_none_are_black_and_white() -> None:
    values = np.array([[0, 1, np.nan, np.inf, -np.inf, 0.5]], np.float32)
    result = np.asarray(as_rgb(Image.fromarray(values)))[0, :, 0]
    assert result.tolist() == [0, 255, 0, 255, 0, 128]


@pytest.mark.parametrize("mark", [-3.4028235e38, 3.4028235e38, 1e300, -np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_mark_for_no_value_does_not_flatten_a_picture(mark, dtype) -> None:
    values = RAMP.astype(dtype) * 20
    expected = np.asarray(as_rgb(Image.fromarray(values.astype(np.float32))))
    with np.errstate(over="ignore"):
        values[0, 0] = mark
    span = _span(values, 0, floats=True)
    assert (span.low, span.high) == (0, 5100)
    deep = Deep(Image.new("L", (1, 1)), lambda: values, span)
    result = np.asarray(deep.scaled(levels_of([span])))
    assert result[0, 0] == (255 if mark > 0 else 0)
    assert (result[1:] == expected[1:, :, 0]).all()
    assert np.asarray(deep.stretched()).std() > 50


def test_a_picture_of_nothing_but_marks_is_black() -> None:
    values = np.full((8, 8), -3.4028235e38, np.float32)
    assert levels_of([_span(values, 0, floats=True)]) == (0, 0)
    assert not np.asarray(as_rgb(Image.fromarray(values))).any()


@pytest.mark.parametrize("highest", [255, 4095, 16383, 16384, 65535])
def test_earlier_versions_took_the_high_bytes_of_colours(tmp_path, highest) -> None:
    values = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=-1).astype(np.uint32)
    values = (values * highest // 255).astype(np.uint16)
    (tmp_path / "x.png").write_bytes(png16(values))
    with open_image(tmp_path / "x.png") as image:
        shown = np.asarray(as_rgb(image, EARLIER_DECODING))
    assert (shown == values >> 8).all()
    assert variant(tmp_path / "x.png", EARLIER_DECODING) == ""


def test_a_hot_pixel_does_not_hide_the_rest() -> None:
    values = RAMP.copy()
    values[0, 0] = 65535
    deep = read_deep(Image.fromarray(values))
    assert deep is not None
    assert np.asarray(deep.stretched()).std() > 50


@pytest.mark.case("F02")
def test_large_deep_pictures_take_little_memory(tmp_path) -> None:

    script = (
        "import resource, sys\n"
        "from PIL import PngImagePlugin\n"
        "from transfer.images.decode import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(decode(sys.argv[1], 64).max())\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    Image.new("I;16", (5000, 4000), 4095).save(tmp_path / "x.png", compress_level=1)
    output = subprocess.check_output([sys.executable, "-c", script, tmp_path / "x.png"], text=True)
    top, growth = map(int, output.split())
    assert top == 255
    assert growth < 200_000  # kilobytes for 20 megapixels; as float64 they took 500 MB


def test_large_pictures_are_decoded_one_at_a_time(tmp_path) -> None:
    script = (
        "import resource, sys\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from PIL import PngImagePlugin\n"
        "from transfer.images.decode import decode\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    list(pool.map(lambda _: decode(sys.argv[1], 64), range(4)))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    Image.new("RGB", (5000, 5000)).save(tmp_path / "x.png", compress_level=1)
    growth = subprocess.check_output([sys.executable, "-c", script, tmp_path / "x.png"], text=True)
    assert int(growth) < 180_000  # kilobytes, for 100,000 of one picture
