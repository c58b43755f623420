from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from transfer.audit.clean import audit
from transfer.cachedir import cache_dir
from transfer.errors import DataError, UsageError
from transfer.images.folder import ImageFolder
from transfer.sources.prepare import resolve
from transfer.sources.samples import prepare_sample, sample_names


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def digest(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_shapes_are_the_same_each_time(cache, tmp_path, monkeypatch):
    folder = prepare_sample("shapes")
    assert folder == cache / "samples" / "shapes-v1"
    index = ImageFolder.index(folder)
    assert index.counts() == {"": {"circle": 100, "rectangle": 100, "triangle": 100}}
    assert len(set(audit(index).sha256.values())) == 300
    assert list((cache / "samples").iterdir()) == [folder]  # nothing temporary stays
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "again"))
    assert digest(prepare_sample("shapes")) == digest(folder)


def test_digits(cache):
    index = ImageFolder.index(prepare_sample("digits"))
    assert index.classes == tuple("0123456789")
    assert len(index) == 1797


def test_two_processes_at_once(cache):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        folders = set(pool.map(prepare_sample, ["shapes"] * 2))
    assert folders == {cache / "samples" / "shapes-v1"}
    assert len(ImageFolder.index(folders.pop())) == 300


def test_nothing_half_made_stays(cache, monkeypatch):
    monkeypatch.setattr(
        "PIL.Image.Image.save", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(DataError, match=r"full.*TRANSFER_CACHE_DIR"):
        prepare_sample("shapes")
    assert list((cache / "samples").iterdir()) == []


def test_cache_dir(monkeypatch, tmp_path):
    monkeypatch.delenv("TRANSFER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "transfer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "transfer"


def test_resolve(cache, tmp_path):
    assert sample_names() == ["digits", "shapes"]
    assert resolve("sample:shapes") == (cache / "samples" / "shapes-v1", "shapes")
    assert resolve(tmp_path) == (tmp_path, tmp_path.name)
    assert resolve("~/dogs") == (Path.home() / "dogs", "dogs")
    assert resolve(".")[1] == Path.cwd().name
    with pytest.raises(UsageError, match=r"Unknown sample 'shape'\. Did you mean 'shapes'"):
        resolve("sample:shape")
