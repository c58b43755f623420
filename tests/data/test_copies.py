from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from transfer.data.copies import hint_at_sources
from transfer.data.groups import group_images
from transfer.errors import DataError
from transfer.images.folder import ImageFolder


def made(*paths: str) -> ImageFolder:
    classes = tuple(sorted({path.split("/")[0] for path in paths}))
    labels = tuple(classes.index(path.split("/")[0]) for path in paths)
    folders = frozenset(classes)
    splits = ("",) * len(paths)
    return ImageFolder(Path("/x"), classes, paths, labels, splits, class_folders=folders)


def grouped(folder: ImageFolder, group_by: str) -> list[set[str]]:
    """Return the groups of more than one image."""
    digests = {path: hashlib.sha256(path.encode()).hexdigest() for path in folder.paths}
    keys = group_images(folder, digests, digests, group_by)
    groups = [{path for path in keys if keys[path] == key} for key in set(keys.values())]
    return sorted((group for group in groups if len(group) > 1), key=min)


@pytest.mark.parametrize(
    "pair",
    [
        ("a/x_jpg.rf.01ab.jpg", "a/x_jpg.rf.02cd.jpg"),
        ("a/x.jpg", "a/x_aug1.jpg"),
        ("a/x.jpg", "a/x (2).jpg"),
        ("a/x.jpg", "a/Copy of x.jpg"),
    ],
)
def test_copies_by_name_are_said_and_grouped(pair: tuple[str, str]) -> None:
    folder = made(*pair, "a/y.jpg", "b/x.jpg", "b/z.jpg")
    hint = hint_at_sources(folder)
    assert hint.startswith("2 images are copies of 1 photos by their names")
    assert "group_by='source'" in hint
    assert grouped(folder, "source") == [set(pair)]
    assert grouped(folder, "none") == []


def test_numbered_photos_are_no_copies() -> None:
    numbered = [f"a/rose ({number}).jpg" for number in range(1, 9)]
    assert hint_at_sources(made(*numbered, "b/1.jpg")) == ""
    assert hint_at_sources(made(*numbered, "a/rose.jpg", "b/1.jpg")) == ""
    assert hint_at_sources(made("a/s/1.jpg", "a/t/1.jpg", "b/1.jpg")) == ""
    with pytest.raises(DataError, match="gives none of the 9 images a group"):
        grouped(made(*numbered, "b/1.jpg"), "source")


@pytest.mark.case("L05")
def test_folders_inside_classes_are_groups() -> None:
    folder = made("a/p1/1.jpg", "a/p1/deep/2.jpg", "a/p2/1.jpg", "a/3.jpg", "b/p1/1.jpg", "b/4.jpg")
    assert grouped(folder, "folder") == [{"a/p1/1.jpg", "a/p1/deep/2.jpg", "b/p1/1.jpg"}]
