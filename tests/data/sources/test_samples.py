from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
from toys import place

from transfer.data.audit.clean import audit
from transfer.data.sources.prepare import prepared
from transfer.errors import TransferError, UsageError
from transfer.images.folder import ImageFolder
from transfer.system.cachedir import cache_dir


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def digest(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def test_shapes_are_the_same_each_time(cache, tmp_path, monkeypatch):
    folder, name = place("sample:shapes")
    assert (folder.parent, name) == (cache / "prepared", "shapes")
    index = ImageFolder.index(folder)
    assert index.counts() == {"": {"circle": 100, "rectangle": 100, "triangle": 100}}
    assert len(set(audit(index).sha256.values())) == 300
    assert list(folder.parent.iterdir()) == [folder]  # nothing temporary stays
    assert place("sample:shapes") == (folder, name)
    [(path, about)] = prepared()
    assert (path, about["source"], about["sample"]) == (folder, "sample:shapes", "shapes")
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "again"))
    assert digest(place("sample:shapes")[0]) == digest(folder)


def test_digits(cache):
    index = ImageFolder.index(place("sample:digits")[0])
    assert index.classes == tuple("0123456789")
    assert len(index) == 1797


def test_two_processes_at_once(cache):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        [folder] = {folder for folder, _ in pool.map(place, ["sample:shapes"] * 2)}
    assert list((cache / "prepared").iterdir()) == [folder]
    assert len(ImageFolder.index(folder)) == 300


def test_nothing_half_made_stays(cache, monkeypatch):
    monkeypatch.setattr(
        "PIL.Image.Image.save", lambda *_: (_ for _ in ()).throw(OSError(28, "full"))
    )
    with pytest.raises(TransferError, match=r"full.*TRANSFER_CACHE_DIR"):
        place("sample:shapes")
    assert list((cache / "prepared").iterdir()) == []


def test_cache_dir(monkeypatch, tmp_path):
    monkeypatch.delenv("TRANSFER_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "transfer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "transfer"


def test_resolve(cache, tmp_path):
    assert place(tmp_path) == (tmp_path, tmp_path.name)
    assert place("~/dogs") == (Path.home() / "dogs", "dogs")
    assert place(".")[1] == Path.cwd().name
    with pytest.raises(UsageError, match=r"Unknown sample 'shape'\. Did.*'shapes'.*sample:digits"):
        place("sample:shape")
