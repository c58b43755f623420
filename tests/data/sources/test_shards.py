from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from layouts import png

from transfer.data.sources.members import Limits
from transfer.data.sources.shards import images_of, is_shard


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
