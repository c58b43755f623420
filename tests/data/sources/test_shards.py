from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from layouts import png

from transfer.data.sources.members import Limits
from transfer.data.sources.shards import images_of, is_shard
from transfer.errors import DataError


def shard(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def labels(path: Path) -> list[str]:
    return [each.label for each in images_of([path], Limits())]


@pytest.mark.parametrize("end", ["cls", "class", "label", "json"])
def test_ends_that_say_the_class(tmp_path: Path, end: str) -> None:
    said = b'"cat"' if end == "json" else b"cat"
    path = shard(tmp_path / "a.tar", ("1.png", png()), (f"1.{end}", said))
    assert is_shard(path)
    assert labels(path) == ["cat"]


def test_a_text_beside_an_image_is_a_caption(tmp_path: Path) -> None:
    assert not is_shard(shard(tmp_path / "a.tar", ("1.png", png()), ("1.txt", b"a cat")))


@pytest.mark.parametrize("name", ["1", "1.bin", "1.image"])
def test_images_without_a_known_suffix(tmp_path: Path, name: str) -> None:
    """They may be longer than what says a class, which is limited."""
    path = shard(tmp_path / "a.tar", ("1.cls", b"cat"), (name, png() + bytes(2_000_000)))
    assert is_shard(path)
    assert labels(path) == ["cat"]


@pytest.mark.parametrize("other", ["1.mask.png", "1.thumb"])
def test_the_suffix_of_an_image_counts_before_its_content(tmp_path: Path, other: str) -> None:
    right = png()
    path = shard(tmp_path / "a.tar", (other, png()), ("1.png", right), ("1.cls", b"cat"))
    assert [each.data for each in images_of([path], Limits())] == [right]


def test_what_is_only_named_like_an_image(tmp_path: Path) -> None:
    assert not is_shard(shard(tmp_path / "a.tar", ("1.image", b"text"), ("1.cls", b"cat")))


def test_masks_alone_are_no_images(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", ("1.mask.png", png()), ("1.cls", b"cat"))
    assert not is_shard(path)
    assert labels(path) == []


def test_several_labels_are_refused_and_one_in_a_list_is_read(tmp_path: Path) -> None:
    def sample(label: str) -> Path:
        about = ("1.json", f'{{"label": {label}}}'.encode())
        return shard(tmp_path / "x.tar", ("1.png", png()), about)

    assert labels(sample('["cat"]')) == labels(sample('{"name": "cat"}')) == ["cat"]
    with pytest.raises(DataError, match=r"its class cannot be read: .*several labels"):
        labels(sample('["cat", "dog"]'))
