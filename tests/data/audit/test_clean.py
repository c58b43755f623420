from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from transfer.data.audit.clean import audit, clean
from transfer.data.audit.look import Look
from transfer.errors import DataError
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
        "blank or nearly so": 1,
        "one side more than 5 times as long as the other": 1,
        "tiny (under 32 px)": 1,
        "rotated upright by EXIF orientation": 1,
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
    assert result.bad == (("a/gone.jpg", "is missing (a broken link?)."),)


@pytest.mark.case("D34")
def test_unreadable_file_is_bad(tree, unprivileged):
    root = shutil.copytree(tree({"a": 1, "b": 1}), unprivileged.home / "data")
    (root / "a" / "0.jpg").chmod(0)
    said = unprivileged("print(audit(ImageFolder.index(os.environ['HERE'] + '/data')).bad)")
    assert said == "(('a/0.jpg', 'cannot be read: Permission denied.'),)"


@pytest.mark.case("D33")
def test_pipe_that_takes_the_place_of_an_image_does_not_block(tree):
    root = tree({"a": 1, "b": 1})
    folder = ImageFolder.index(root)
    (root / "a" / "0.jpg").unlink()
    os.mkfifo(root / "a" / "0.jpg")
    assert audit(folder).bad == (("a/0.jpg", "is not a regular file."),)


@pytest.mark.case("D42")
def test_image_that_is_deleted_before_it_is_read(tree):
    root = tree({"a": 1, "b": 1})
    folder = ImageFolder.index(root)
    (root / "a" / "0.jpg").unlink()
    assert audit(folder).bad == (("a/0.jpg", "is missing."),)


@pytest.mark.case("D15")
def test_bomb_needs_no_memory(tree):
    root = tree({"a": 1, "b": 1})
    Image.new("1", (20_000, 20_000)).save(root / "a" / "bomb.png")
    assert (root / "a" / "bomb.png").stat().st_size < 60_000
    code = "from resource import RUSAGE_SELF, getrusage; import sys\n"
    code += "from transfer.data.audit.clean import audit; from transfer.images.folder import *\n"
    code += "folder = ImageFolder.index(sys.argv[1]); before = getrusage(RUSAGE_SELF).ru_maxrss\n"
    code += "print(audit(folder).bad[0][1]); print(getrusage(RUSAGE_SELF).ru_maxrss - before)"
    done = subprocess.run(
        [sys.executable, "-c", code, root], capture_output=True, text=True, check=True
    )
    reason, kilobytes = done.stdout.splitlines()
    assert reason.startswith("is too large: 20000 x 20000 pixels")
    assert int(kilobytes) < 100_000


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
    with pytest.raises(DataError, match="different classes as identical files"):
        clean(folder, on_bad="fail")


@pytest.fixture
def photos(tmp_path, photo):
    """Two splits of two classes, with a photo in train/a that is elsewhere too."""

    def write(path, edit=lambda image: image, **options):
        for number, name in enumerate(("train/a/1", "train/b/1", "val/a/1", "val/b/1")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            photo(number).save(tmp_path / f"{name}.jpg")
        edit(photo(0)).save(tmp_path / path, **options)
        return ImageFolder.index(tmp_path)

    return write


@pytest.mark.case("D36")
@pytest.mark.parametrize(
    ("edit", "options"),
    [
        (lambda image: image, {"quality": 30}),
        (lambda image: image.resize((216, 162)), {"quality": 90}),
        (ImageOps.mirror, {}),
        (lambda image: image.convert("L"), {}),
    ],
)
def test_near_duplicates_have_one_key(photos, edit, options):
    folder = photos("val/a/x.jpg", edit, **options)
    _, result = clean(folder)
    assert result.groups["val/a/x.jpg"] == result.groups["train/a/1.jpg"]
    both = (result.sha256["val/a/x.jpg"], result.sha256["train/a/1.jpg"])
    assert both[0] != both[1]
    assert result.groups["val/a/x.jpg"] == min(both)
    assert len(set(result.groups.values())) == 4
    assert result.groups["val/b/1.jpg"] == result.sha256["val/b/1.jpg"]


def test_near_duplicates_in_two_classes_are_named(photos, said):
    clean(photos("train/b/x.jpg", quality=30))
    assert "different classes as near duplicates: 'train/a/1.jpg' = 'train/b/x.jpg'" in said()


def test_full_check_believes_nothing(tree, monkeypatch):
    root = tree({"a": 1, "b": 1})
    for path in root.rglob("*.jpg"):
        os.utime(path, (1, 1))
    folder = ImageFolder.index(root)
    before = audit(folder)
    monkeypatch.setattr(
        "transfer.data.audit.clean.look_at", lambda file, full: Look(f"full={full}")
    )
    assert audit(folder) == before
    assert audit(folder, "full").bad == (("a/0.jpg", "full=True"), ("b/0.jpg", "full=True"))


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
