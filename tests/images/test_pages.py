from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfer.images.decode import as_rgb
from transfer.images.open import open_image, read_header
from transfer.images.pages import MOST, TiffPages

tifffile = pytest.importorskip("tifffile")
COLOURS = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)


def shown(path: Path) -> np.ndarray:
    with open_image(path) as image:
        return np.asarray(as_rgb(image)).astype(int)


def taken(path: Path) -> list[Path]:
    """Return the pages of a file, each written to a file of its own."""
    written = []
    with path.open("rb") as stream:
        found = TiffPages(stream)
        for number, page in enumerate(found.pages):
            target = path.with_name(f"page{number}.tif")
            with target.open("wb") as file:
                found.write(page, file)
            written.append(target)
    return written


def directory(*entries: tuple[int, int, int, int], after: int = 0) -> bytes:
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + rows + struct.pack("<I", after)


@pytest.mark.case("F03")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": None},
        {"compression": "zlib", "rowsperstrip": 7},
        {"compression": "zlib", "tile": (16, 16)},
        {"planarconfig": "separate", "compression": "zlib"},
    ],
)
def test_each_page_is_the_picture_that_it_was(
    tmp_path: Path, order: str, big: bool, options: dict[str, Any]
) -> None:
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as writer:
        for colours in COLOURS:
            stored = np.moveaxis(colours, 2, 0) if "planarconfig" in options else colours
            writer.write(stored, photometric="rgb", contiguous=False, **options)
    pages = taken(path)
    assert len(pages) == 3
    for page, colours in zip(pages, COLOURS, strict=True):
        assert (shown(page) == colours).all()
        assert not read_header(page).animated
        with tifffile.TiffFile(page) as opened:
            assert (opened.is_bigtiff, opened.byteorder) == (big, order)
            assert len(opened.pages) == 1


@pytest.mark.case("F03")
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_numbers_of_more_bits_are_kept(tmp_path: Path, dtype: str) -> None:
    values = (COLOURS[..., 0].astype(np.float64) * 100 + 7).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="minisblack")
    for number, page in enumerate(taken(tmp_path / "x.tif")):
        assert (tifffile.imread(page) == values[number]).all()


@pytest.mark.case("F03")
@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "packbits", "group4"])
def test_compressions_profiles_and_sizes_of_pages(tmp_path: Path, compression: str) -> None:
    mode = "1" if compression == "group4" else "RGB"
    images = [Image.fromarray(each).convert(mode) for each in COLOURS]
    images[1] = images[1].crop((0, 0, 20, 30))
    path = tmp_path / "x.tif"
    images[0].save(
        path, save_all=True, append_images=images[1:], compression=compression, dpi=(300, 300)
    )
    with Image.open(path) as image:
        expected = []
        for number in range(3):
            image.seek(number)
            expected.append(np.asarray(image.convert("RGB")).astype(int))
    for page, wanted in zip(taken(path), expected, strict=True):
        assert (shown(page) == wanted).all()
        with Image.open(page) as image:
            assert image.info["dpi"] == (300, 300)


@pytest.mark.case("F03")
def test_smaller_versions_and_masks_are_no_pages(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        for number, kind in enumerate((0, 1, 0)):
            writer.write(COLOURS[number], photometric="rgb", subfiletype=kind, contiguous=False)
        writer.write(np.ones((40, 50), bool), photometric="minisblack", subfiletype=4)
    pages = taken(tmp_path / "x.tif")
    assert [bool((shown(page) == COLOURS[k]).all()) for page, k in zip(pages, (0, 2), strict=True)]


@pytest.mark.case("F10")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cut off"),
        (b"II+\0\x08\0\0\0", "cut off"),
        (b"no TIFF at all", "no TIFF"),
        (b"II*\0\x08\0\0\0" + directory((256, 3, 1, 5), after=8), "where its picture is"),
        (b"II*\0\x08\0\0\0" + directory((273, 4, 1, 0), (279, 4, 1, 8), after=8), "in a circle"),
        (b"II*\0\x08\0\0\0" + directory((273, 4, 2**30, 0), (279, 4, 1, 8)), "cut off"),
        (b"II*\0\x08\0\0\0\xff\xff", "cut off"),
        (b"II*\0\x00\x00\x00\x70", "cut off"),
        (b"II*\0\x08\0\0\0" + directory((259, 3, 1, 6), (273, 4, 1, 0)), "old JPEG"),
    ],
)
def test_what_is_damaged_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TiffPages(io.BytesIO(data))


@pytest.mark.case("F10")
def test_a_strip_outside_of_the_file_is_refused() -> None:
    data = b"II*\0\x08\0\0\0" + directory((273, 4, 1, 0), (279, 4, 1, 10**6))
    found = TiffPages(io.BytesIO(data + bytes(10**6 // 2)))
    with pytest.raises(ValueError, match="cut off"):
        found.write(found.pages[0], io.BytesIO())


@pytest.mark.case("F10")
def test_pages_that_share_one_large_picture_are_refused() -> None:
    strip, head, pages = 100_000, 8, 50
    data, at = b"", head
    for number in range(pages):
        entries = ((273, 4, 1, head), (279, 4, 1, strip))
        size = len(directory(*entries))
        data += directory(*entries, after=0 if number == pages - 1 else at + size)
        at += size
    found = TiffPages(io.BytesIO(struct.pack("<2sHI", b"II", 42, head) + data + bytes(strip)))
    assert len(found.pages) == pages
    found.write(found.pages[0], io.BytesIO())
    with pytest.raises(ValueError, match="share their bytes"):
        [found.write(page, io.BytesIO()) for page in found.pages[1:]]


@pytest.mark.case("F10")
def test_too_many_pages_are_refused() -> None:
    entries = ((273, 4, 1, 0), (279, 4, 1, 8))
    size = len(directory(*entries))
    data = b"".join(directory(*entries, after=8 + (n + 1) * size) for n in range(MOST + 1))
    with pytest.raises(ValueError, match="more than 10,000 pages"):
        TiffPages(io.BytesIO(struct.pack("<2sHI", b"II", 42, 8) + data))
