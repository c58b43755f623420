from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from transfer.errors import DataError
from transfer.images.audit import audit, clean
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder


@pytest.fixture
def audited(tree):
    """Audit two good classes and one file of the given bytes; return (reason or None, Audit)."""

    def run(data: bytes, name: str = "x.jpg"):
        root = tree({"a": 1, "b": 1})
        (root / "a" / name).write_bytes(data)
        result = audit(ImageFolder.index(root))
        return dict(result.bad).get(f"a/{name}"), result

    return run


def test_digests_of_good_images(tree):
    root = tree({"a": 2, "b": 1})
    result = audit(ImageFolder.index(root))
    assert result.bad == ()
    assert len(result.sha256) == 3
    digest = hashlib.sha256((root / "a" / "1.jpg").read_bytes()).hexdigest()
    assert result.sha256["a/1.jpg"] == digest


@pytest.mark.case("D01")
def test_empty_file(audited):
    assert audited(b"")[0] == "is empty."


@pytest.mark.case("D02")
def test_html_named_jpg(audited):
    assert "found HTML" in audited(b"<html>")[0]


@pytest.mark.case("D03")
@pytest.mark.parametrize("keep", [0.9, 0.5, -2])
def test_cut_jpeg(audited, encoded, picture, keep):
    data = encoded(picture(300, 200), quality=90)
    end = keep if keep < 0 else int(len(data) * keep)
    assert audited(data[:end])[0] == "is cut off: its end is missing."


@pytest.mark.case("D04")
@pytest.mark.parametrize("damage", ["cut", "end", "flip"])
def test_damaged_png(audited, encoded, damage):
    data = bytearray(encoded(kind="PNG"))
    if damage == "flip":
        data[len(data) // 2] ^= 16
    else:
        del data[len(data) // 2 if damage == "cut" else -12 :]
    assert audited(bytes(data), "x.png")[0].startswith(("is damaged", "is cut off"))


@pytest.mark.case("D05")
def test_zeroed_bytes_inside_a_jpeg_never_crash(audited, encoded, picture):
    data = bytearray(encoded(picture(300, 300), quality=95))
    data[len(data) // 2 :][:64] = bytes(64)
    assert audited(bytes(data))[0] is None


@pytest.mark.case("D11")
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_noted(audited, encoded, picture, kind):
    data = encoded(picture(), kind, save_all=True, append_images=[picture(seed=1)])
    assert audited(data, f"x.{kind.lower()}")[1].notes == {"animated, first frame used": 1}


@pytest.mark.case("D12")
@pytest.mark.case("D17")
def test_other_notes(audited, encoded):
    exif = Image.Exif()
    exif[0x0112] = 6
    reason, result = audited(encoded(Image.new("RGB", (1, 5000)), "PNG", exif=exif))
    assert reason is None
    assert result.notes == {
        "tiny (under 32 px)": 1,
        "turned upright by EXIF": 1,
        "wrong extension, read by content": 1,
    }


@pytest.mark.case("D16")
def test_bomb_is_bad(audited, encoded):
    data = encoded()
    at = data.index(b"\xff\xc0") + 5
    data = data[:at] + b"\xea\x60\xea\x60" + data[at + 4 :]
    assert "60000 x 60000" in audited(data)[0]


@pytest.mark.case("D30")
def test_dangling_link_is_bad(tree):
    root = tree({"a": 1, "b": 1})
    (root / "a" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    result = audit(ImageFolder.index(root))
    assert result.bad == (("a/gone.jpg", "is missing (a link that leads nowhere?)."),)


@pytest.mark.case("D34")
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_bad(tree):
    root = tree({"a": 1, "b": 1})
    (root / "a" / "0.jpg").chmod(0)
    assert audit(ImageFolder.index(root)).bad == (
        ("a/0.jpg", "cannot be read: Permission denied."),
    )


@pytest.mark.case("D01")
def test_clean_skips_or_fails(tree, said):
    root = tree({"a": 2, "b": 1})
    (root / "a" / "0.jpg").write_bytes(b"")
    folder = ImageFolder.index(root)
    good, _ = clean(folder)
    assert good.paths == ("a/1.jpg", "b/0.jpg")
    assert "1 unusable image(s): 'a/0.jpg' is empty." in said()
    with pytest.raises(DataError, match=r"1 unusable image.*'a/0\.jpg' is empty"):
        clean(folder, on_bad="fail")


def test_clean_names_the_class_that_is_lost(tree):
    root = tree({"a": 1, "b": 1})
    (root / "b" / "0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="Class 'b' has no usable image left"):
        clean(ImageFolder.index(root))


@pytest.mark.case("D35")
def test_same_bytes_in_two_classes(tree, said):
    root = tree({"a": 2, "b": 1})
    (root / "b" / "copy.jpg").write_bytes((root / "a" / "0.jpg").read_bytes())
    folder = ImageFolder.index(root)
    assert len(clean(folder)[0]) == 4
    assert "'a/0.jpg' = 'b/copy.jpg'" in said()
    with pytest.raises(DataError, match="two classes with the same bytes"):
        clean(folder, on_bad="fail")


def test_what_passes_the_audit_can_be_decoded(tree, encoded, picture):
    root = tree({"a": 1, "b": 1})
    for number, mode in enumerate(("L", "1", "LA", "P", "RGBA", "CMYK")):
        kind = "JPEG" if mode == "CMYK" else "PNG"
        data = encoded(picture().convert("L" if mode == "LA" else "RGB").convert(mode), kind)
        (root / "a" / f"x{number}.png").write_bytes(data)
    folder, result = clean(ImageFolder.index(root))
    assert not result.bad
    assert all(decode(folder.file(path), 8).dtype == np.uint8 for path in folder.paths)


def test_clean_names_the_split_that_is_lost(tree):
    root = tree({"train/a": 2, "train/b": 2, "val/a": 2, "val/b": 2})
    for path in (root / "train" / "b").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"'b' has no usable image left in train: all 2 are bad"):
        clean(ImageFolder.index(root))
