"""What a file may be, and which members it has."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
from tampering import members, saved_run, write

from transfer.errors import RunError
from transfer.networks.classifier import load_classifier
from transfer.networks.saved.archive import open_archive
from transfer.runs.run import Run


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere.keras"))
    file.symlink_to("elsewhere.keras")


def a_dangling_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere.keras")


def a_directory(file: Path) -> None:
    contents = members(file)
    file.unlink()
    file.mkdir()
    for name, content in contents.items():
        (file / name).write_bytes(content)


def a_renamed_h5(file: Path) -> None:
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    model.save_weights(file.with_name("x.weights.h5"))
    file.with_name("x.weights.h5").replace(file)


@pytest.mark.case("M07")
@pytest.mark.parametrize("change", [a_link, a_dangling_link, a_directory, a_renamed_h5])
def test_only_a_regular_file_is_read(
    toy: str, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    run = saved_run(tmp_path / "run", toy)
    change(run.path / "model.keras")
    with pytest.raises(
        RunError, match=r"model\.keras is not a valid model: .*Restore it"
    ) as caught:
        load_classifier(run)
    assert "\n" not in str(caught.value)


@pytest.mark.case("M07")
@pytest.mark.parametrize("address", ["hf://somebody/model", "http://127.0.0.1:9/model.keras"])
def test_no_address_is_a_run(address: str) -> None:
    with pytest.raises(RunError, match="is not a run directory"):
        Run(address)


def extra(file: Path) -> None:
    write(file, members(file) | {"assets/notes.txt": b"more"})


def outside(file: Path) -> None:
    write(file, members(file) | {"../escaped.txt": b"more"})


def twice(file: Path) -> None:
    contents = members(file)
    with (
        zipfile.ZipFile(file, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("config.json", contents["config.json"])


def without_metadata(file: Path) -> None:
    contents = members(file)
    del contents["metadata.json"]
    write(file, contents)


def packed(file: Path) -> None:
    write(file, members(file), zipfile.ZIP_DEFLATED)


def blanks(file: Path) -> None:
    config = members(file)["config.json"] + b" " * (200 << 20)
    write(file, members(file) | {"config.json": config}, zipfile.ZIP_DEFLATED)


def stored_blanks(file: Path) -> None:
    config = members(file)["config.json"] + b" " * (9 << 20)
    write(file, members(file) | {"config.json": config})


def another_size(file: Path) -> None:
    """State in the directory that the weights have 1 GB."""
    content = bytearray(file.read_bytes())
    at = content.rindex(b"model.weights.h5") - 46  # the entry in the central directory
    assert content[at : at + 4] == b"PK\x01\x02"
    content[at + 20 : at + 28] = struct.pack("<II", 1 << 30, 1 << 30)
    file.write_bytes(content)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.case("M08")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (extra, "expected the members config.json, metadata.json, model.weights.h5, each once"),
        (outside, "each once; it has '../escaped.txt'"),
        (twice, "each once; it has 'config.json', 'config.json'"),
        (without_metadata, "each once; it has 'config.json', 'model.weights.h5'"),
        (packed, "is compressed, or not of the size that it states"),
        (blanks, "is compressed, or not of the size that it states"),
        (stored_blanks, "its config.json has 9,4.* bytes; at most 8,388,608"),
        (another_size, "its model.weights.h5 is cut off"),
        (cut_off, "it is cut off, or not in Keras' format"),
    ],
)
def test_its_members_are_those_that_keras_writes(
    toy: str, tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    run = saved_run(tmp_path / "run", toy)
    change(run.path / "model.keras")
    with pytest.raises(RunError, match=f"is not a valid model: .*{said}"):
        load_classifier(run)


def test_the_weights_are_read_where_they_are(toy: str, tmp_path: Path) -> None:
    file = saved_run(tmp_path / "run", toy).path / "model.keras"
    with open_archive(file) as archive:
        assert archive.weights.read() == members(file)["model.weights.h5"]
        assert archive.weights.seek(-4, 2) == archive.size - 4
        assert archive.weights.read(100) == members(file)["model.weights.h5"][-4:]
