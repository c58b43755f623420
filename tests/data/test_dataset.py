from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from transfer.data.audit.clean import clean
from transfer.data.dataset import Dataset
from transfer.data.groups import number_groups
from transfer.data.split import SplitOptions, split_dataset
from transfer.data.splitfile import read_sides
from transfer.errors import RunError
from transfer.images.folder import ImageFolder

PATHS = ("a/1.jpg", "a/2.jpg", "b/=3.jpg", "b/4.jpg", "b/5.jpg")
SPLITS = ("train", "val", "train", "train", "test")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    images = ImageFolder(tmp_path, ("a", "b"), PATHS, (0, 0, 1, 1, 1), SPLITS)
    digests = {path: f"{number:064x}" for number, path in enumerate(PATHS)}
    groups = dict(zip(PATHS, ("z", "z", "y", "x", "y"), strict=True))
    return Dataset(images, digests, groups, {PATHS[1]: PATHS[0], PATHS[4]: PATHS[2]})


def test_a_dataset_comes_back_from_its_file_byte_for_byte(dataset, tmp_path):
    dataset.write(tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text() == (
        "path,label,split,sha256,leak,group\n"
        f"a/1.jpg,a,train,{0:064x},,z\n"
        f"a/2.jpg,a,val,{1:064x},a/1.jpg,z\n"
        f"b/=3.jpg,b,train,{2:064x},,y\n"
        f"b/4.jpg,b,train,{3:064x},,x\n"
        f"b/5.jpg,b,test,{4:064x},b/=3.jpg,y\n"
    )
    assert Dataset.read(tmp_path, tmp_path, ["a", "b"]) == dataset


def test_older_files_lack_columns(tmp_path):
    (tmp_path / "split.csv").write_text("path,label,split\nx/1.jpg,x,train\nx/2.jpg,x,val\n")
    read = Dataset.read(tmp_path, tmp_path, ["x"])
    assert read.sha256 == read.leaks == {}
    assert read.groups == {path: path for path in read.paths}
    (tmp_path / "split.csv").write_text("path,label,split,sha256\nx/1.jpg,x,train,ab\n")
    assert Dataset.read(tmp_path, tmp_path, ["x"]).groups == {"x/1.jpg": "ab"}


def test_a_missing_or_damaged_file_is_named(dataset, tmp_path):
    with pytest.raises(RunError, match=r"split\.csv' cannot be read"):
        Dataset.read(tmp_path, tmp_path, ["a", "b"])
    dataset.write(tmp_path / "split.csv")
    with pytest.raises(RunError, match=r"split\.csv' cannot be read as a split of these classes"):
        Dataset.read(tmp_path, tmp_path, ["a"])


def test_what_belongs_to_images_goes_with_them(dataset):
    test = dataset.test
    assert (test.paths, test.splits, len(test)) == ((PATHS[4],), ("test",), 1)
    assert test.leaks == {PATHS[4]: PATHS[2]}
    assert test.sha256.keys() == test.groups.keys() == {PATHS[4]}
    assert dataset.val.leaks == {PATHS[1]: PATHS[0]}
    assert dataset.train.leaks == {}
    assert dataset.keep(np.array(SPLITS) != "test").paths == PATHS[:4]
    assert dataset.class_counts("train") == [1, 2]
    assert dataset.class_counts("test") == [0, 1]
    assert dataset.labels.dtype == np.int64
    np.testing.assert_array_equal(dataset.labels, [0, 0, 1, 1, 1])


def test_group_numbers(dataset):
    np.testing.assert_array_equal(dataset.group_numbers(), [2, 2, 1, 0, 1])
    some = [PATHS[4], PATHS[0]]
    np.testing.assert_array_equal(dataset.group_numbers(some), number_groups(dataset.groups, some))


def test_an_audited_folder_becomes_a_dataset(tree, tmp_path, said):
    root = tree({"train/a": 6, "train/b": 6, "test/a": 2, "test/b": 2})
    shutil.copy(root / "test/a/0.jpg", root / "train/a/copy.jpg")
    options = SplitOptions(val=0.3, seed=4)
    dataset = split_dataset(*clean(ImageFolder.index(root)), options)
    assert "train/a/copy.jpg" not in dataset.paths
    assert set(dataset.sha256) == set(dataset.groups) == set(dataset.paths)
    assert set(dataset.splits) == {"train", "val", "test"}
    dataset.write(tmp_path / "split.csv")
    known = read_sides(tmp_path / "split.csv")
    again = split_dataset(*clean(ImageFolder.index(root)), SplitOptions(val=0.3, known=known))
    assert again == dataset
