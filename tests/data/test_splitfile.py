from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from transfer.data.audit.clean import audit
from transfer.data.dataset import Dataset
from transfer.data.split import SplitOptions, assign_splits
from transfer.data.splitfile import match_sides, read_sides
from transfer.errors import DataError, RunError
from transfer.images.folder import ImageFolder

ZERO = 64 * "0"


def split_of(folder: ImageFolder) -> dict[str, str]:
    return dict(zip(folder.paths, folder.splits, strict=True))


@pytest.fixture
def earlier(tree, tmp_path) -> tuple[ImageFolder, dict[str, str], Path]:
    """Return images with their splits, their digests, and the split.csv of that."""
    folder = ImageFolder.index(tree({"a": 8, "b": 9}))
    digests = dict(audit(folder).sha256)
    folder = assign_splits(folder, digests, digests, SplitOptions(val=0.3))
    Dataset(folder, digests, digests, {}).write(tmp_path / "split.csv")
    return folder, digests, tmp_path / "split.csv"


def replayed(root: Path, file: Path, seed: int = 1) -> dict[str, str]:
    """Return digest -> split of the images in `root`, divided as `file` says."""
    folder = ImageFolder.index(root)
    digests = audit(folder).sha256
    known = match_sides(read_sides(file), folder, digests)
    folder = assign_splits(folder, digests, digests, SplitOptions(val=0.3, seed=seed), known)
    return {digests[path]: split for path, split in split_of(folder).items()}


@pytest.mark.case("D19")
def test_split_file_gives_the_split_back(tmp_path):
    classes = ("=1+1", "a\nb", "é 'q' \"")
    paths = tuple(f"{name}/{i}.jpg" for name in classes for i in range(3))
    splits = ("train", "val", "train") * 3
    folder = ImageFolder(tmp_path, classes, paths, (0, 0, 0, 1, 1, 1, 2, 2, 2), splits)
    digests = {path: hashlib.sha256(path.encode()).hexdigest() for path in paths}
    groups = digests | dict.fromkeys(paths[2:5], "patient 7")
    dataset = Dataset(folder, digests, groups, {paths[1]: paths[0]})
    dataset.write(tmp_path / "split.csv")
    assert Dataset.read(tmp_path, tmp_path, classes) == dataset
    assert match_sides(read_sides(tmp_path / "split.csv"), folder, digests) == split_of(folder)
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunError, match="cannot be read as a split"):
            Dataset.read(folder, tmp_path, ["x"])


@pytest.mark.parametrize("path", ["/etc/1.jpg", "../1.jpg", "x/../../1.jpg", "x\\..\\..\\1.jpg"])
def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path, path):
    (tmp_path / "split.csv").write_text(f"path,label,split\n{path},x,train\n")
    with pytest.raises(RunError, match="leads out of the image folder"):
        Dataset.read(tmp_path, tmp_path, ["x"])


def test_a_split_file_needs_no_more_than_path_label_and_split(tmp_path):
    (tmp_path / "split.csv").write_text("path,label,split\nx/1.jpg,x,train\nx/2.jpg,x,val\n")
    dataset = Dataset.read(tmp_path, tmp_path, ["x"])
    back = dataset.images
    assert back.splits == ("train", "val")
    assert dataset.leaks == {}
    assert len(set(dataset.group_numbers())) == 2
    digests = dict.fromkeys(back.paths, ZERO)
    known = match_sides(read_sides(tmp_path / "split.csv"), back, digests)
    assert known == split_of(back)


def test_the_same_again_by_another_seed(earlier, said):
    folder, digests, file = earlier
    assert replayed(folder.root, file) == {digests[p]: s for p, s in split_of(folder).items()}
    assert said() == "Read as: 2 classes: a, b"


def test_moved_and_renamed_images_are_known_by_their_bytes(earlier, said, tmp_path):
    folder, digests, file = earlier
    root = tmp_path / "new"
    for label in ("a", "b"):
        (root / label / "deep").mkdir(parents=True)
        for i, image in enumerate(sorted((folder.root / label).iterdir(), reverse=True)):
            shutil.copy(image, root / label / "deep" / f"{i}.jpg")  # each by another's name
    assert replayed(root, file) == {digests[p]: s for p, s in split_of(folder).items()}
    assert "17 image(s) were moved or renamed" in said()


def test_changed_missing_and_new_images(earlier, said, picture):
    folder, _, file = earlier
    held, *_ = folder.select("val").paths
    gone = folder.select("train").paths[0]
    (folder.root / gone).unlink()
    picture(seed=77).save(folder.root / held)
    for i in range(30):
        picture(seed=1000 + i).save(folder.root / f"a/new{i}.jpg")
    known = match_sides(read_sides(file), *(again := indexed(folder.root)))
    assert known == {path: side for path, side in split_of(folder).items() if path != gone}
    assert "1 of the 17 images of the split file are missing" in said()
    assert "30 image(s) are not in the split file" in said()
    found = split_of(assign_splits(*again, again[1], SplitOptions(val=0.3, seed=1), known))
    assert {side for path, side in found.items() if "new" in path} == {"train", "val"}


def indexed(root: Path) -> tuple[ImageFolder, dict[str, str]]:
    folder = ImageFolder.index(root)
    return folder, dict(audit(folder).sha256)


@pytest.mark.parametrize("other", ["val", "test"])
def test_copies_that_were_left_out_stay_out(tree, tmp_path, other):
    root = tree({"train/a": 4, "train/b": 4, f"{other}/a": 2, f"{other}/b": 2})
    shutil.copy(root / f"{other}/a/0.jpg", root / "train/a/copy.jpg")
    folder, digests = indexed(root)
    folder = assign_splits(folder, digests, digests, SplitOptions(val=0.3))
    Dataset(folder, digests, digests, {}).write(tmp_path / "split.csv")
    folder, digests = indexed(root)
    known = match_sides(read_sides(tmp_path / "split.csv"), folder, digests)
    again = assign_splits(folder, digests, digests, SplitOptions(val=0.3, seed=1), known)
    assert split_of(again) == known == split_of(Dataset.read(tmp_path, root, "ab").images)
    assert "train/a/copy.jpg" not in known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,split\na/1.jpg,vall\n", "Line 2 of .* unknown split 'vall'. Did you mean 'val'"),
        ("path,split\n\na/1.jpg,\n", "Line 3 of .* unknown split ''. Expected train, val or test"),
        ("path,split,sha256\na,val,xyz\n", "Line 2 of .* no SHA-256 in lower-case hex: 'xyz'"),
        (
            "path,split\na,val\nb,val\na,train\n",
            "Line 4 .* puts 'a' into train, and line 2 into val",
        ),
        (f"path,split,sha256\na,val,{ZERO}\nb,test,{ZERO}\n", "Line 3 .*into test, and line 2"),
        ("path,split\n", "holds no row"),
        ("path,label\n", "no column 'split'"),
    ],
)
def test_a_broken_file_is_named_with_line_and_value(tmp_path, text, words):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match=words) as raised:
        read_sides(tmp_path / "s.csv")
    assert "s.csv" in str(raised.value)


def test_a_file_of_other_images(earlier, tmp_path):
    folder, digests, _ = earlier
    (tmp_path / "s.csv").write_text("path,split\nz/1.jpg,val\n")
    with pytest.raises(DataError, match=r"lists none of the 17 images in .*such as 'z/1\.jpg'"):
        match_sides(read_sides(tmp_path / "s.csv"), folder, digests)


def test_swapped_names_go_by_bytes(earlier):
    folder, digests, file = earlier
    held, kept = (folder.select(split).paths[0] for split in ("val", "train"))
    swapped = digests | {held: digests[kept], kept: digests[held]}
    known = match_sides(read_sides(file), folder, swapped)
    assert (known[held], known[kept]) == ("train", "val")
    fewer = dataclasses.replace(folder, root=Path("/elsewhere"))
    assert match_sides(read_sides(file), fewer, digests) == split_of(folder)


def test_paths_in_another_unicode_form_are_the_same(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9/1.jpg", "cafe\u0301/1.jpg"
    folder = ImageFolder(tmp_path, ("a", "b"), (composed, "b/1.jpg"), (0, 1), ("", ""))
    (tmp_path / "sides.csv").write_text(f"path,split\n{decomposed},val\nb/1.jpg,train\n")
    known = match_sides(read_sides(tmp_path / "sides.csv"), folder, dict.fromkeys(folder.paths, ""))
    assert known == {composed: "val", "b/1.jpg": "train"}
