from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from transfer.data.sources.bytefiles import Labelled, suffix_of, write_labelled


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("JPEG", ".jpg"), ("PNG", ".png"), ("GIF", ".gif"), ("BMP", ".bmp"), ("WEBP", ".webp"),
     ("TIFF", ".tif"), ("PPM", ".ppm"), ("AVIF", ".avif"), ("ICO", ".ico")],
)  # fmt: skip
def test_files_are_named_by_their_content(tmp_path: Path, name: str, suffix: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(buffer, name)
    write_labelled([Labelled(buffer.getvalue(), "x", "", "a", "here")], tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == [f"a{suffix}"]


def test_formats_that_begin_late() -> None:
    assert suffix_of(bytes(128) + b"DICM" + bytes(200)) == ".dcm"
    assert suffix_of(b"\0\0\0\x1cftypheic" + bytes(20)) == ".heic"


def test_what_is_unknown() -> None:
    assert suffix_of(b"text") == suffix_of(b"") == ".jpg"
