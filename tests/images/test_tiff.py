from __future__ import annotations

import io
import struct
import sys

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from transfer.errors import DataError
from transfer.images.decode import as_rgb, decode, variant
from transfer.images.levels import FULL, read_deep
from transfer.images.open import open_image, read_header
from transfer.settings import Decoding

tifffile = pytest.importorskip("tifffile")
ROWS, COLUMNS = np.mgrid[:40, :50]
COLOURS = np.stack([COLUMNS * 5, ROWS * 6, (ROWS + COLUMNS) * 2], axis=-1).astype(np.uint8)
GRAY = COLOURS[..., 0]
DTYPES = {  # values that show GRAY when they are read right
    "u16": GRAY.astype(np.uint16) * 257,
    "12 bits": GRAY.astype(np.uint16) * 16 + 15,
    "8 bits": np.maximum(GRAY, 1).astype(np.uint16),
    "i16": GRAY.astype(np.int16) * 8 - 1000,
    "u32": GRAY.astype(np.uint32) * 4112 + 15,
    "i32": GRAY.astype(np.int32) * 800 - 100_000,
    "u64": GRAY.astype(np.uint64),
    "f16": (GRAY / 255).astype(np.float16),
    "f32": (GRAY / 255).astype(np.float32),
    "f64": GRAY / 255,
}


def shown(path) -> np.ndarray:
    with open_image(path) as image:
        return np.asarray(as_rgb(image)).astype(int)


@pytest.mark.case("F01")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize(
    "compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "zstd", "lzma", "group4"]
)
def test_as_the_same_picture_in_png(tmp_path, mode, compression) -> None:
    if compression == "group4" and mode != "1":
        compression = "jpeg" if mode in ("L", "RGB", "CMYK") else "raw"
    image = Image.fromarray(COLOURS).convert(mode)
    image.save(tmp_path / "x.tif", compression=compression)
    if compression == "jpeg":
        with Image.open(tmp_path / "x.tif") as saved:
            image = saved.copy()
    image = image.convert("RGB") if mode in ("CMYK", "YCbCr") else image
    image.save(tmp_path / "x.png")
    rounding = mode == "YCbCr"  # libtiff converts it
    assert np.abs(shown(tmp_path / "x.tif") - shown(tmp_path / "x.png")).max() <= rounding
    assert read_header(tmp_path / "x.tif").format == "TIFF"


@pytest.mark.case("F01")
@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_inside(tmp_path, encoded, tiled, mode) -> None:
    image, height, width = Image.fromarray(COLOURS).convert(mode), 16, 16 if tiled else 50
    starts = [(x, y) for y in range(0, 40, height) for x in range(0, 50, width)]
    parts = [image.crop((x, y, x + width, y + height)) for x, y in starts]
    body, places, sizes = b"", [], []
    for part in parts:
        data = encoded(part, "WEBP", lossless=True)
        places.append(8 + len(body))
        sizes.append(len(data))
        body += data + bytes(len(data) % 2)
    channels = len(mode)
    lists = {324 if tiled else 273: places, 325 if tiled else 279: sizes, 258: [8] * channels}
    single = {256: 50, 257: 40, 259: 50001, 262: 2, 277: channels, 284: 1}
    single |= {322: width, 323: height} if tiled else {278: height}
    single |= {338: 2} if channels == 4 else {}
    rows = {tag: [value] for tag, value in single.items()} | lists
    directory, extra = struct.pack("<H", len(rows)), b""
    end = 8 + len(body) + 2 + 12 * len(rows) + 4
    for tag, values in sorted(rows.items()):
        data = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            extra, data = extra + data, struct.pack("<I", end + len(extra))
        directory += struct.pack("<HHI", tag, 4, len(values)) + data
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    (tmp_path / "x.tif").write_bytes(head + body + directory + bytes(4) + extra)
    assert (shown(tmp_path / "x.tif") == COLOURS).all()


@pytest.mark.case("F01")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_every_order_of_bytes(tmp_path, order, big, tile, planes, compression) -> None:
    for name, values in {"x": COLOURS, "deep": COLOURS.astype(np.uint16) * 16 + 15}.items():
        stored = np.moveaxis(values, 2, 0) if planes == "separate" else values
        tifffile.imwrite(
            tmp_path / name, stored, byteorder=order, bigtiff=big, tile=tile,
            planarconfig=planes, photometric="rgb", compression=compression,
        )  # fmt: skip
        assert np.abs(shown(tmp_path / name) - COLOURS).max() <= (name == "deep")


@pytest.mark.case("F02")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("kind", DTYPES)
def test_every_kind_of_number(tmp_path, kind, order, compression, photometric) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(
        path, DTYPES[kind], byteorder=order, compression=compression, photometric=photometric
    )
    signed = kind[0] == "i"  # from the lowest to the highest: nearly all of GRAY's range
    expected = GRAY * (255 / GRAY.max() if signed else 1.0)
    expected = 255 - expected if photometric == "miniswhite" else expected
    assert np.abs(shown(path)[..., 0] - expected).max() <= 1
    assert read_header(path).bits > 8
    assert decode(path, 32).shape == (32, 32, 3)


@pytest.mark.case("F02")
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_colours_of_every_kind_of_number(tmp_path, dtype) -> None:
    values = COLOURS / 255 if dtype == np.float32 else COLOURS
    tifffile.imwrite(tmp_path / "x.tif", values.astype(dtype), photometric="rgb")
    assert np.abs(shown(tmp_path / "x.tif") - COLOURS).max() <= 1


@pytest.mark.case("F02")
@pytest.mark.parametrize("kind", ["f16", "f32", "f64", "colours", "u64", "i16"])
def test_arrays_that_differ_have_different_keys(tmp_path, kind) -> None:
    colours = (COLOURS / 255).astype(np.float32)
    values = colours if kind == "colours" else DTYPES[kind]
    photometric = "rgb" if kind == "colours" else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", values, photometric=photometric)
    with open_image(tmp_path / "x.tif") as image:
        deep = read_deep(image)
    assert deep is not None
    assert deep.span.floats is (kind not in ("u64", "i16"))
    name = "floats" if deep.span.floats else "integers"
    readings = [Decoding(**{name: levels}) for levels in ((0, 5), (0, 50), FULL)]
    arrays = {decode(tmp_path / "x.tif", 32, decoding=each).tobytes() for each in readings}
    assert len(arrays) == len({variant(tmp_path / "x.tif", each) for each in readings}) == 3
    assert (variant(tmp_path / "x.tif", readings[-1]) == "") is (name == "integers")


@pytest.mark.case("F02")
def test_12_bits_packed_and_declared(tmp_path, encoded) -> None:
    values = (GRAY.astype(np.uint16) * 2).reshape(40, 25, 2)
    first, second = values[..., 0], values[..., 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1)
    data = packed.astype(np.uint8).tobytes()
    tags = [(256, 50), (257, 40), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 40),
            (279, len(data))]  # fmt: skip
    directory = struct.pack("<H", len(tags))
    for tag, value in tags:
        directory += struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    (tmp_path / "x.tif").write_bytes(head + data + directory + bytes(4))
    expected = GRAY.astype(float) * 2 * 255 / 4095
    assert np.abs(shown(tmp_path / "x.tif")[..., 0] - expected).max() <= 0.5


@pytest.mark.case("F03")
def test_the_first_page_counts(tmp_path) -> None:
    pages = [Image.fromarray(COLOURS), Image.new("RGB", (9, 9))]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert (shown(tmp_path / "x.tif") == COLOURS).all()
    assert read_header(tmp_path / "x.tif").animated
    tifffile.imwrite(
        tmp_path / "y.tif", np.stack([GRAY / 255, GRAY * 0.0]), photometric="minisblack"
    )
    assert np.abs(shown(tmp_path / "y.tif")[..., 0] - GRAY).max() <= 1
    assert read_header(tmp_path / "y.tif").animated


@pytest.mark.case("F09")
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["uint8", "float64"])
def test_upright(tmp_path, orientation, kind) -> None:
    turn = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]
    upright = Image.fromarray(GRAY)
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    values = np.asarray(stored) if kind == "uint8" else np.asarray(stored) / 255
    tag = [("Orientation", "H", 1, orientation, False)]
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack", extratags=tag)
    assert np.abs(shown(tmp_path / "x.tif")[..., 0] - GRAY).max() <= 1
    assert read_header(tmp_path / "x.tif").exif_orientation == orientation


@pytest.mark.parametrize("tag", ["dng", "preview"])
def test_raw_files_are_named(tmp_path, tag) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if tag == "dng":
        tags[50706] = b"\1\4\0\0"
        tags.tagtype[50706] = 1
    else:
        tags[254], tags[330] = 1, 8
    Image.fromarray(COLOURS).save(tmp_path / "x.tif", tiffinfo=tags)
    with pytest.raises(DataError, match=r"not read \(raw camera file\)\. Export it as JPEG"):
        decode(tmp_path / "x.tif", 32)


@pytest.mark.parametrize("channels", [2, 5, 7])
def test_what_is_no_photo_is_named(tmp_path, channels) -> None:
    values = np.zeros((40, 50, channels), np.float32)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb" if channels > 2 else None)
    if channels > 4:
        with pytest.raises(DataError, match="of a kind that is not read"):
            decode(tmp_path / "x.tif", 32)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_cut_off(tmp_path, keep, kind) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.random.default_rng(0).random((40, 50)).astype(kind))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(DataError):
        decode(path, 32)


def test_the_missing_extra_is_named(tmp_path, monkeypatch) -> None:
    tifffile.imwrite(tmp_path / "x.tif", GRAY / 255, photometric="minisblack")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match=r'pip install "transfer-classifier\[tiff\]"'):
        decode(tmp_path / "x.tif", 32)


def lzw_planes(values: np.ndarray, rows: int, predictor: int) -> bytes:
    """Return a TIFF file of 16-bit colours in planes of LZW strips, which Pillow cannot write."""
    strips, height = [], len(values)
    for plane in np.moveaxis(values, 2, 0):
        buffer = io.BytesIO()
        info = {278: rows, 317: predictor}
        Image.fromarray(plane).save(buffer, "TIFF", compression="tiff_lzw", tiffinfo=info)
        buffer.seek(0)
        tags = TiffImagePlugin.TiffImageFile(buffer).tag_v2
        for offset, count in zip(tags[273], tags[279], strict=True):
            strips.append(buffer.getvalue()[offset : offset + count])
    number = len(strips)
    start = 8 + 2 + 12 * 11 + 4
    body = start + 6 + 2 + 8 * number
    places = [body + sum(map(len, strips[:n])) for n in range(number)]
    fields = [
        *((256, 4, [values.shape[1]]), (257, 4, [height]), (258, 3, [16] * 3), (259, 3, [5])),
        *((262, 3, [2]), (273, 4, places), (277, 3, [3]), (278, 4, [rows])),
        *((279, 4, list(map(len, strips))), (284, 3, [2]), (317, 3, [predictor])),
    ]
    directory, more = b"", b""
    for tag, kind, numbers in fields:
        data = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(data) > 4:
            place, more = struct.pack("<I", start + len(more)), more + data + bytes(-len(data) % 4)
        else:
            place = data.ljust(4, b"\0")
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + place
    head = struct.pack("<2sHIH", b"II", 42, 8, len(fields))
    return head + directory + bytes(4) + more.ljust(body - start, b"\0") + b"".join(strips)


@pytest.mark.case("F02")
@pytest.mark.parametrize("rows", [7, 16])
@pytest.mark.parametrize("predictor", [1, 2])
def test_compressed_planes_of_16_bits(tmp_path, rows, predictor) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (16, 12, 3), dtype=np.uint16)
    path = tmp_path / "x.tif"
    path.write_bytes(lzw_planes(values, rows, predictor))
    found = decode(path, 12, "crop")
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, values, photometric="rgb")
    assert (found == decode(plain, 12, "crop")).all()
    with open_image(path) as image:
        deep = read_deep(image)
        assert deep is not None
        assert (deep.values == values).all()
        assert deep.span.high == values.max()
    assert variant(path, Decoding((0.0, 4095.0))) == "levels (0.0, 4095.0), planes"
    assert variant(path, Decoding(FULL)) == ""


@pytest.mark.case("F02")
@pytest.mark.parametrize(
    ("dtype", "missing"),
    [("uint16", 65535), ("int16", -9999), ("float32", -9999.0), ("float64", 5.0), ("uint16", 7)],
)
def test_missing_values_count_as_the_lowest(tmp_path, dtype, missing) -> None:
    values = np.random.default_rng(0).integers(100, 1000, (8, 8)).astype(dtype)
    clean, marked = values.copy(), values.copy()
    clean[0], marked[0] = values[1:].min(), missing
    tag = [(42113, "s", 0, f"{missing:g}", True)]
    tifffile.imwrite(tmp_path / "marked.tif", marked, extratags=tag)
    tifffile.imwrite(tmp_path / "clean.tif", clean)
    tifffile.imwrite(tmp_path / "unmarked.tif", marked)
    found = decode(tmp_path / "marked.tif", 8)
    assert (found == decode(tmp_path / "clean.tif", 8)).all()
    rule = Decoding((0.0, 65535.0), (0.0, 65535.0))
    assert f"missing {missing:g}" in variant(tmp_path / "marked.tif", rule)
    assert "missing" not in variant(tmp_path / "unmarked.tif", rule)
