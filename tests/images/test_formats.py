from __future__ import annotations

import configparser
import io
import sys
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from transfer.errors import DataError
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.images.formats import (
    FORMATS,
    HEAD,
    _installed,
    format_of,
    guess_kind,
    left_out,
    listed,
)

ROOT = Path(__file__).parents[2]
READ = [each for each in FORMATS.values() if each.readable]


def test_every_suffix_has_one_format() -> None:
    suffixes = [suffix for each in FORMATS.values() for suffix in each.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in suffixes)


@pytest.mark.parametrize("each", READ, ids=lambda each: each.name)
def test_readers_are_there(each) -> None:
    module, _, name = each.reader.partition(":")
    reader = getattr(import_module(module), name)
    assert getattr(reader, "format", "TIFF") == each.name


@pytest.mark.parametrize(
    ("kind", "mode", "suffix"),
    [
        ("JPEG", "RGB", ""), ("PNG", "P", ""), ("GIF", "P", ""), ("BMP", "RGB", ""),
        ("WEBP", "RGB", ""), ("TIFF", "RGB", ""), ("TIFF", "I;16", ""), ("AVIF", "RGB", ""),
        ("JPEG2000", "RGB", ""), ("PPM", "RGB", ""), ("PPM", "L", ""), ("PPM", "1", ""),
        ("PPM", "F", ""), ("ICO", "RGB", ""), ("QOI", "RGB", ""), ("PCX", "RGB", ""),
        ("SGI", "RGB", ""), ("DIB", "RGB", ".dib"), ("TGA", "RGB", ".tga"), ("TGA", "L", ".tga"),
    ],
)  # fmt: skip
def test_recognised_by_content(kind, mode, suffix) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (40, 30)).save(buffer, kind)
    head = buffer.getvalue()[:HEAD]
    found = format_of(head, suffix)
    assert found is not None
    assert found.name == kind
    assert left_out(head, ".txt") == (None if suffix else "")


def test_big_tiff_is_tiff() -> None:
    for head in (b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"):
        assert guess_kind(head) == "TIFF"


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heicmiaf", "HEIC"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01", "raw camera file"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000"),
        (b"\xff\xd8\xff\xf7\0\x0b", "JPEG-LS"),
        (bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_brands(head, shown) -> None:
    assert guess_kind(head) == shown


@pytest.mark.parametrize(
    "head",
    [b"", b"BM is a company", b"P1 is the first", b"P5 5 things", b"\0" * HEAD, b"\n\n# Notes\n",
     b"a,b\n1,2\n", b"{}", b"GIF8", b"\0\0\x01\0\0\0"],
)  # fmt: skip
def test_what_is_no_image(head) -> None:
    assert format_of(head) is None
    assert left_out(head, ".txt") is None


def test_what_is_missing_is_said_with_its_command() -> None:
    reason = "JPEG XL, which needs: pip install pillow-jxl-plugin"
    assert left_out(b"\xff\x0a", "") == reason
    assert left_out(b"", ".jxl") == reason
    assert "JPEG XL" not in listed("and")
    assert FORMATS["HEIF"].unread == 'HEIC, which needs: pip install "transfer-classifier[heif]"'


def test_the_table_in_the_docs() -> None:
    lines = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").splitlines()
    at = lines.index("| format | suffixes | read by |") + 2
    shown = lines[at : at + len(FORMATS)]
    assert not lines[at + len(FORMATS)]
    for each, line in zip(FORMATS.values(), shown, strict=True):
        package = f"`pip install {each.extra}`" if "-" in each.extra else f"extra `{each.extra}`"
        reader = (package if each.extra else "Pillow") if each.reader else "not read"
        assert line == f"| {each.shown} | {' '.join(each.suffixes)} | {reader} |"


def test_every_extra_can_be_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    for name in {each.extra for each in FORMATS.values() if each.extra and "-" not in each.extra}:
        assert extras[name].strip() in extras["test"]


@pytest.mark.case("F04")
@pytest.mark.case("F06")
@pytest.mark.parametrize(("module", "name"), [("pillow_heif", "heif"), ("pydicom", "dicom")])
def test_a_folder_that_needs_a_missing_extra(module, name, tree, monkeypatch) -> None:
    root = tree({"a": 0, "b": 0})
    head = {"heif": b"\0\0\0\x18ftypheic", "dicom": bytes(128) + b"DICM"}[name]
    for folder in "ab":
        (root / folder / "IMG_1").write_bytes(head)
    monkeypatch.setitem(sys.modules, module, None)
    _installed.cache_clear()
    try:
        with pytest.raises(DataError, match=rf'pip install "transfer-classifier\[{name}\]"'):
            ImageFolder.index(root)
        with pytest.raises(DataError, match=rf'pip install "transfer-classifier\[{name}\]"'):
            decode(root / "a" / "IMG_1", 32)
    finally:
        _installed.cache_clear()
