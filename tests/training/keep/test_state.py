"""Two generations of saved state after a kill, a full disk or a damaged byte."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import PROGRESS

from transfer.errors import RunError, TransferError
from transfer.system.digests import sha256_of
from transfer.training.keep.state import clear_state, load_state, roomy, save_state

ARRAYS = [np.arange(6.0).reshape(2, 3), np.array(7, np.int64), np.zeros((0, 2), np.float32)]


def save(directory: Path, *epochs: int) -> None:
    for epoch in epochs:
        save_state(directory, epoch, PROGRESS, ARRAYS)


def test_the_newest_comes_back(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    save(tmp_path, 0, 1, 2)
    saved = load_state(tmp_path)
    assert saved is not None
    assert saved.epoch == 2
    assert repr(saved.progress) == repr(PROGRESS)  # NaN is not equal to itself
    for array, stored in zip(ARRAYS, saved.arrays(), strict=True):
        assert stored.dtype == array.dtype
        np.testing.assert_array_equal(stored, array)
    assert len(list(tmp_path.iterdir())) == 4
    clear_state(tmp_path)
    assert list(tmp_path.iterdir()) == []


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.case("T13")
@pytest.mark.parametrize("suffix", ["json", "npz"])
@pytest.mark.parametrize("spoil", [cut, flip, Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_spoiled_generation_is_told_and_the_other_used(
    tmp_path: Path, suffix: str, spoil, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 3, 4)
    spoil(tmp_path / f"state-1.{suffix}")
    saved = load_state(tmp_path)
    assert saved is not None
    assert saved.epoch == 3
    assert "state-1" in caplog.text
    assert "resuming from the other, saved after epoch 3" in caplog.text
    spoil(tmp_path / f"state-2.{suffix}")
    if suffix == "json" and spoil is Path.unlink:
        return  # as if no save had ever been finished
    with pytest.raises(RunError, match=r"none of its saved states is valid.*Recipe.load") as caught:
        load_state(tmp_path)
    assert caught.value.exit_code == 2


@pytest.mark.case("T13")
def test_numbers_that_were_changed_are_noticed(tmp_path: Path) -> None:
    save(tmp_path, 3, 4)
    file = tmp_path / "state-1.json"
    file.write_text(file.read_text().replace('"epoch": 4', '"epoch": 9'))
    saved = load_state(tmp_path)
    assert saved is not None
    assert saved.epoch == 3


@pytest.mark.parametrize("change", [{}, {"best": None}, {"history": [{}]}, {"weights": 5}])
def test_a_valid_digest_of_something_else_is_told(tmp_path: Path, change: dict[str, Any]) -> None:
    progress = PROGRESS | change if change else {}
    save_state(tmp_path, 1, progress, ARRAYS)
    with pytest.raises(RunError, match=r"state-2 \(.*\$\.progress.*recipe\.json"):
        load_state(tmp_path)


def test_arrays_that_are_none_are_told(tmp_path: Path) -> None:
    save(tmp_path, 1)
    file = tmp_path / "state-2.npz"
    content = json.loads(file.with_suffix(".json").read_text())
    file.write_bytes(b"PK\x03\x04 and nothing else")
    del content["sha256"]
    content["arrays"] = sha256_of(file)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(content | {"sha256": digest}))
    saved = load_state(tmp_path)
    assert saved is not None
    with pytest.raises(RunError, match=r"state-2\.npz is damaged.*recipe\.json"):
        saved.arrays()


def test_a_first_save_that_was_cut_off_is_none(tmp_path: Path) -> None:
    save(tmp_path, 0)
    (tmp_path / "state-1.json").unlink()
    assert load_state(tmp_path) is None


def test_only_a_full_disk_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with (
        pytest.raises(TransferError, match=r"needs about 2\.0 MB, .* MB are free.*Make room"),
        roomy(path, 2_000_000),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), roomy(path, 2_000_000):
        raise PermissionError(errno.EACCES, "no")
