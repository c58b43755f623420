from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer.evaluation.gallery import encode_thumbnail, thumbnailer
from transfer.system.digests import sha256_of


def decode(uri: str | None) -> Image.Image:
    assert uri is not None
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_a_thumbnail_is_small_and_upright_by_exif(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 200), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert decode(encode_thumbnail(tmp_path / "turned.jpg")).size == (96, 192)


def test_transparency_lies_on_white_and_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((20, 20), 32896, np.uint16)).save(tmp_path / "deep.png")
    assert decode(encode_thumbnail(tmp_path / "clear.png")).getpixel((9, 9)) == (255, 255, 255)
    assert decode(encode_thumbnail(tmp_path / "deep.png")).getpixel((9, 9)) == (128, 128, 128)


def test_what_cannot_be_shown_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("missing.jpg", "text.jpg", "empty.jpg", "pipe.jpg", "."):
        assert encode_thumbnail(tmp_path / name) is None


def test_pictures_are_decoded_as_for_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(np.full((20, 20), 33050, np.uint16)).save(tmp_path / "deep.png")  # 128.6
    assert decode(encode_thumbnail(tmp_path / "deep.png")).getpixel((9, 9)) == (129, 129, 129)
    monkeypatch.setattr("transfer.images.open.MAX_PIXELS", 399)
    assert encode_thumbnail(tmp_path / "deep.png") is None


def test_no_file_outside_the_data_folder_gets_into_the_page(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.png").symlink_to(tmp_path / "secret.png")
    secret = str(tmp_path / "secret.png")
    for listed in ({}, dict.fromkeys(["../secret.png", secret, "link.png"], 64 * "0")):
        thumbnail = thumbnailer(tmp_path / "data", listed)
        assert [thumbnail(name) for name in ("../secret.png", secret, "link.png")] == 3 * [None]


def test_only_what_was_indexed_gets_into_the_page(tmp_path: Path) -> None:
    for name in ("listed.png", "other.png"):
        Image.new("RGB", (9, 9)).save(tmp_path / name)
    listed = {"listed.png": sha256_of(tmp_path / "listed.png"), "old.png": ""}
    thumbnail = thumbnailer(tmp_path, listed)
    assert thumbnail("listed.png") is not None
    assert thumbnail("other.png") is None
    assert thumbnailer(None, listed)("listed.png") is None
    Image.new("RGB", (9, 9), "red").save(tmp_path / "listed.png")
    assert thumbnailer(tmp_path, listed)("listed.png") is None


def test_the_page_has_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        Image.new("RGB", (9, 9), "red").save(tmp_path / f"{name}.png")
    each = len(encode_thumbnail(tmp_path / "a.png") or "")
    monkeypatch.setattr("transfer.evaluation.gallery.MOST_BYTES", 2 * each)
    digests = {f"{name}.png": sha256_of(tmp_path / f"{name}.png") for name in "abc"}
    thumbnail = thumbnailer(tmp_path, digests)
    assert [thumbnail(f"{name}.png") is not None for name in "aabc"] == [True, True, True, False]
