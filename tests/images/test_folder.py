from __future__ import annotations

import os
import shutil
import socket
import unicodedata
from pathlib import Path

import pytest

from transfer.errors import DataError
from transfer.images.folder import ImageFolder
from transfer.images.scan import walk_images
from transfer.recipe.reading import Reading


def test_index_of_class_folders(tree):
    root = tree({"b": 2, "a": 1})
    folder = ImageFolder.index(root)
    assert folder.root == root
    assert folder.classes == ("a", "b")
    assert folder.paths == ("a/0.jpg", "b/0.jpg", "b/1.jpg")
    assert folder.labels == (0, 1, 1)
    assert folder.splits == ("", "", "")
    assert folder.counts() == {"": {"a": 1, "b": 2}}
    assert folder.file("a/0.jpg").is_file()


def test_keep_select_and_with_splits(tree):
    folder = ImageFolder.index(tree({"a": 2, "b": 1})).with_splits(["train", "val", "train"])
    assert folder.select("train").paths == ("a/0.jpg", "b/0.jpg")
    assert folder.select("val").counts() == {"val": {"a": 1, "b": 0}}
    assert len(folder.keep([False, False, True])) == 1
    with pytest.raises(ValueError, match="Expected 3 splits"):
        folder.with_splits(["train"])


@pytest.mark.case("D38")
def test_order_of_numbered_classes_is_stored(tree):
    assert ImageFolder.index(tree({"10": 1, "9": 1, "2": 1})).classes == ("10", "2", "9")


@pytest.mark.case("D14")
@pytest.mark.parametrize("suffix", [".webp", ".JPG", ".JPEG", ".jpe", ".jfif", ".gif", ".bmp"])
def test_every_usual_suffix_is_used(tree, encoded, suffix):
    root = tree({"a": 1, "b": 1})
    (root / "a" / f"x{suffix}").write_bytes(encoded())
    assert f"a/x{suffix}" in ImageFolder.index(root).paths


@pytest.mark.case("D13")
def test_unsupported_kinds_are_counted_and_said(tree, said):
    root = tree({"a": 1, "b": 1})
    for name in ("1.nef", "2.DNG", "3.jxl", "5.svg", "notes.txt", "README"):
        (root / "a" / name).write_bytes(b"x")
    folder = ImageFolder.index(root)
    assert len(folder) == 2
    assert folder.skipped == {
        "unsupported raw camera file": 2,
        "unsupported SVG": 1,
        "JPEG XL, which needs: pip install pillow-jxl-plugin": 1,
        "not an image": 2,
    }
    assert "Left out 2 file(s): unsupported raw camera file" in said()


@pytest.mark.case("D12")
def test_other_suffixes_are_read_by_content(tree, encoded):
    root = tree({"a": 1, "b": 1})
    for name in ("1", "2.txt", "3.jpg_large", "4.nef", "5.heic"):
        (root / "a" / name).write_bytes(encoded())
    (root / "a" / "6").write_bytes(encoded(kind="TIFF"))
    for name, data in {
        "a.csv": b"path,label\n1.jpg,a\n",
        "b.json": b"{}",
        "c.txt": b"P1 is the first of us\n",
        "d.txt": b"BM is a company\n",
        "Thumbs.db": b"\xd0\xcf\x11\xe0",
        ".DS_Store": b"\0\0\0\x01Bud1",
        "e.npy": b"\x93NUMPY\x01\0",
        "f.mp4": b"\0\0\0\x18ftypmp42",
        "g": b"",
    }.items():
        (root / "b" / name).write_bytes(data)
    folder = ImageFolder.index(root)
    assert folder.paths == (
        "a/0.jpg", "a/1", "a/2.txt", "a/3.jpg_large", "a/4.nef", "a/5.heic", "a/6", "b/0.jpg",
    )  # fmt: skip
    assert folder.skipped == {"not an image": 7}
    assert len(list(walk_images(root))) == 8


@pytest.mark.case("D19")
@pytest.mark.parametrize("name", ["🐕", "e\u0301te\u0301", "two words", "a\nb", 'it\'s "x"', "<b>"])
def test_unusual_names(tree, name):
    root = tree({name: 1, "z": 1})
    (root / "z" / "0.jpg").rename(root / "z" / f"{name}.jpg")
    folder = ImageFolder.index(root)
    assert set(folder.classes) == {unicodedata.normalize("NFC", name), "z"}
    assert set(folder.paths) == {f"{name}/0.jpg", f"z/{name}.jpg"}


@pytest.mark.case("D20")
def test_file_name_that_is_not_utf8(tree, said):
    root = tree({"a": 1, "b": 1})
    Path(os.fsdecode(os.fsencode(root) + b"/a/caf\xe9.jpg")).write_bytes(b"x")
    folder = ImageFolder.index(root)
    assert folder.paths == ("a/0.jpg", "b/0.jpg")
    assert folder.skipped == {"file name is not UTF-8": 1}
    read_as, warning = said().splitlines()
    assert read_as == "Read as: 2 classes: a, b"
    assert warning == r"Left out 1 file(s): file name is not UTF-8, such as a/caf\xe9.jpg."
    assert len(list(walk_images(root))) == 2
    assert said().splitlines() == [read_as, warning, warning]


@pytest.mark.case("D21")
def test_leftovers_of_other_systems_are_ignored(tree, said):
    root = tree({"a": 1, "b": 1})
    for name in (".DS_Store", "Thumbs.db", "._0.jpg", "desktop.ini"):
        (root / "a" / name).write_bytes(b"x")
        (root / name).write_bytes(b"x")
    folder = ImageFolder.index(root)
    assert folder.paths == ("a/0.jpg", "b/0.jpg")
    assert folder.skipped == {}
    assert said() == "Read as: 2 classes: a, b"


@pytest.mark.case("D22")
def test_hidden_folders_are_not_classes(tree):
    root = tree({"a": 1, "b": 1, "__MACOSX": 1, ".git": 1, ".ipynb_checkpoints": 1})
    assert ImageFolder.index(root).classes == ("a", "b")


@pytest.mark.case("D23")
def test_empty_class_folder(tree):
    root = tree({"a": 1, "b": 1, "c": 0})
    with pytest.raises(DataError, match=r"data/c' holds no image.*allow_empty=True"):
        ImageFolder.index(root)
    folder = ImageFolder.index(root, Reading(allow_empty=True))
    assert folder.classes == ("a", "b", "c")
    assert folder.counts()[""]["c"] == 0


@pytest.mark.case("D24")
def test_one_class(tree):
    with pytest.raises(DataError, match="Need at least 2 classes"):
        ImageFolder.index(tree({"a": 3}))


@pytest.mark.case("D24")
def test_a_wrapping_folder_is_unwrapped(tree, said):
    folder = ImageFolder.index(tree({"photos/a": 1, "photos/b": 1}))
    assert folder.classes == ("a", "b")
    assert folder.paths == ("photos/a/0.jpg", "photos/b/0.jpg")
    assert said() == "Read as: 2 classes: a, b in photos/"


@pytest.mark.case("D26")
def test_flat_folder_shows_the_layout(tmp_path, encoded):
    (tmp_path / "1.jpg").write_bytes(encoded())
    with pytest.raises(DataError, match=r"DATA/cats/1\.jpg.*1 loose image") as caught:
        ImageFolder.index(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.case("D27")
def test_loose_images_are_counted_and_said(tree, encoded, said):
    root = tree({"a": 1, "b": 1})
    (root / "loose.jpg").write_bytes(encoded())
    assert ImageFolder.index(root).skipped == {"loose file at the top": 1}
    assert "Left out 1 file(s): loose file at the top" in said()


@pytest.mark.case("D28")
def test_nested_images_count_to_the_top_class(tree, said):
    root = tree({"a": 1, "a/sub/deep": 2, "b": 1})
    folder = ImageFolder.index(root)
    assert folder.classes == ("a", "b")
    assert folder.labels == (0, 0, 0, 1)
    assert "2 image(s) lie in folders inside class folders" in said()


@pytest.mark.case("D29")
@pytest.mark.parametrize("val", ["val", "validation", "Valid"])
def test_split_folders(tree, val):
    root = tree({f"{s}/{c}": 1 for s in ("Train", val, "TEST") for c in ("a", "b")})
    folder = ImageFolder.index(root)
    assert folder.classes == ("a", "b")
    assert {s: n["a"] for s, n in folder.counts().items()} == {"train": 1, "val": 1, "test": 1}


@pytest.mark.case("D29")
def test_split_folders_whose_classes_differ(tree):
    root = tree({"train/a": 1, "train/b": 1, "val/a": 1, "val/c": 1})
    with pytest.raises(DataError, match=r"train/ lacks c; val/ lacks b"):
        ImageFolder.index(root)
    assert ImageFolder.index(root, Reading(allow_empty=True)).classes == ("a", "b", "c")


def test_train_folder_alone_and_train_as_a_class(tree):
    assert ImageFolder.index(tree({"train/a": 1, "train/b": 1})).splits == ("train", "train")
    assert ImageFolder.index(tree({"train": 1, "car": 1}, "x")).classes == ("car", "train")


def test_two_names_for_one_split(tree):
    root = tree({f"{s}/{c}": 1 for s in ("train", "val", "valid") for c in ("a", "b")})
    with pytest.raises(DataError, match="all mean the val split"):
        ImageFolder.index(root)


@pytest.mark.case("D30")
def test_dangling_link_stays_in_the_index(tree):
    root = tree({"a": 1, "b": 1})
    (root / "a" / "gone.jpg").symlink_to(root / "nowhere.jpg")
    assert "a/gone.jpg" in ImageFolder.index(root).paths


@pytest.mark.case("D31")
def test_link_loops_end_and_each_file_counts_once(tree):
    root = tree({"a": 5, "b": 5})
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (root / "b" / "again.jpg").symlink_to(root / "b" / "0.jpg")
    (root / "b" / "me").symlink_to(root / "b" / "me")
    for follow in (False, True):
        assert len(ImageFolder.index(root, Reading(follow_links=follow))) == 10


@pytest.mark.case("D32")
@pytest.mark.parametrize("what", ["class", "file"])
def test_link_out_of_the_folder(tree, what):
    elsewhere = tree({"pool": 2}, "elsewhere")
    root = tree({"a": 1, "b": 1})
    if what == "class":
        (root / "c").symlink_to(elsewhere / "pool")
    else:
        (root / "b" / "c.jpg").symlink_to(elsewhere / "pool" / "0.jpg")
    with pytest.raises(DataError, match=r"leads out of .*follow_links=True"):
        ImageFolder.index(root)
    assert len(ImageFolder.index(root, Reading(follow_links=True))) == (4 if what == "class" else 3)


@pytest.mark.case("D33")
def test_folders_pipes_and_sockets_named_like_images(tree, monkeypatch):
    root = tree({"a": 1, "b": 1})
    (root / "a" / "folder.jpg").mkdir()
    os.mkfifo(root / "a" / "pipe.jpg")
    (root / "a" / "link.jpg").symlink_to(root / "a" / "pipe.jpg")
    monkeypatch.chdir(root / "a")  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("socket.jpg")
        assert ImageFolder.index(root).paths == ("a/0.jpg", "b/0.jpg")


@pytest.mark.case("D34")
def test_folder_that_may_not_be_listed(tree, unprivileged):
    root = shutil.copytree(tree({"a": 1, "b": 1}), unprivileged.home / "data")
    (root / "a").chmod(0)
    code = "try: ImageFolder.index(os.environ['HERE'] + '/data')\n"
    said = unprivileged(code + "except Exception as error: print(error)")
    assert said.startswith(f"Cannot list the folder '{root}/a': Permission denied.")


@pytest.mark.case("D39")
def test_class_names_that_are_easily_confused(tree, said):
    assert len(ImageFolder.index(tree({"Dog": 1, "dog": 1})).classes) == 2
    assert "The classes Dog, dog are easily confused" in said()


@pytest.mark.case("D39")
def test_names_that_differ_in_their_unicode_form_are_one_class(tree, said):
    folder = ImageFolder.index(tree({"e\u0301te": 1, "\u00e9te": 2, "z": 1}))
    assert folder.classes == ("z", "\u00e9te")
    assert folder.labels.count(1) == 3
    assert "2 folders are one class, \u00e9te" in said()


def test_a_class_that_is_named_like_masks_is_told_and_has_a_way_in(tree, said):
    root = tree({"cat/photos": 2, "cat/gt": 2, "dog/photos": 1, "dog/thumbs": 1})
    assert len(ImageFolder.index(root)) == 3
    told = said()
    assert "Left out 3 file(s): in a folder that is named like one of masks" in told
    assert "if it is a class: layout='classes'" in told
    assert len(ImageFolder.index(root, Reading(layout="classes"))) == 6


def test_classes_with_numbered_photos_are_no_masks(tree):
    root = tree({"gloves": 2, "images": 2, "masks": 2})
    assert ImageFolder.index(root).classes == ("gloves", "images", "masks")


def test_a_folder_named_like_masks_without_their_files_is_a_class(tree, encoded):
    root = tree({"images": 1, "gloves": 1})
    for name in ("masks", "thumbs"):
        (root / name).mkdir()
        (root / name / "another.png").write_bytes(encoded())
    index = ImageFolder.index(root)
    assert index.classes == ("gloves", "images", "masks", "thumbs")
    (root / "$RECYCLE.BIN").mkdir()
    (root / "$RECYCLE.BIN" / "x.png").write_bytes(encoded())
    assert ImageFolder.index(root).classes == index.classes


def test_a_finger_is_no_thumbnail(tree):
    assert ImageFolder.index(tree({"ring": 1, "thumb": 1})).classes == ("ring", "thumb")


@pytest.mark.case("D41")
def test_folders_are_mapped_to_given_classes_by_name(tree, said):
    folder = ImageFolder.index(tree({"c": 1, "new": 2}), classes=["b", "c"])
    assert folder.classes == ("b", "c")
    assert folder.labels == (1,)
    assert folder.skipped == {"class unknown to the model": 2}
    assert "Left out 2 image(s) of classes unknown to the model: new." in said()
    with pytest.raises(DataError, match="No usable image"):
        ImageFolder.index(folder.root, classes=["x", "y"])


@pytest.mark.case("D41")
def test_given_classes_are_matched_in_any_unicode_form_and_never_unwrapped(tree):
    folder = ImageFolder.index(
        tree({"\u00e9t\u00e9/deep": 1, "\u00e9t\u00e9/more": 1}), classes=["a", "e\u0301te\u0301"]
    )
    assert folder.labels == (1, 1)
    again = ImageFolder.index(tree({"train": 1, "test": 1}, "two"), classes=["test", "train"])
    assert again.labels == (0, 1)


def test_a_limit_is_spread_over_the_paths(tree, said):
    root = tree({"train/a": 9, "train/b": 2, "val/a": 1, "val/b": 4})
    folder = ImageFolder.index(root, Reading(limit=3))
    assert folder.counts() == {"train": {"a": 3, "b": 2}, "val": {"a": 1, "b": 3}}
    assert folder.paths[:3] == ("train/a/0.jpg", "train/a/3.jpg", "train/a/6.jpg")
    assert "Limited to 9 of 16 images by limit=3" in said()


def test_what_is_no_folder(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"Expected a folder of images.*a file"):
        ImageFolder.index(tmp_path / "data.zip")
    with pytest.raises(DataError, match="no such file or folder"):
        ImageFolder.index(tmp_path / "missing")


def test_folder_without_images(tree):
    root = tree({"a": 0, "b": 0})
    (root / "a" / "1.nef").write_bytes(b"x")
    with pytest.raises(DataError, match=r"No usable image.*1 unsupported raw camera file"):
        ImageFolder.index(root)


def test_runs_are_no_class(tree, said):
    root = tree({"a": 2, "b": 1})
    run = root / "runs" / "dogs-001"
    run.mkdir(parents=True)
    for name in ("recipe.json", "confusion_matrix.png"):
        (run / name).write_bytes(b"{}")
    shutil.copytree(run, root / "a" / "mine")
    assert ImageFolder.index(root).paths == ("a/0.jpg", "a/1.jpg", "b/0.jpg")
    assert "Left out a/mine, runs: runs, not images." in said()
    assert len(list(walk_images(root))) == 3
    (run / "recipe.json").unlink()  # then it may be a class: people who run
    assert ImageFolder.index(root).classes == ("a", "b", "runs")
