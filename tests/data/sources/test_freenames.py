from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from transfer.data.sources import freenames
from transfer.data.sources.bytefiles import Labelled, write_labelled
from transfer.data.sources.freenames import FreeNames
from transfer.data.sources.prepare import write_to
from transfer.data.sources.rows import Row, Table, copy_table
from transfer.data.sources.source import Options
from transfer.recipe.reading import Reading


def test_numbers() -> None:
    names = FreeNames()
    wanted = ["x/a.b.jpg", "x/a.b.jpg", "x/a.b-3.jpg", "x/a.b.jpg", "y/a.b.jpg", "x/A.B.JPG"]
    assert [names.take(Path(each)).as_posix() for each in wanted] == [
        "x/a.b.jpg",
        "x/a.b-2.jpg",
        "x/a.b-3.jpg",
        "x/a.b-4.jpg",
        "y/a.b.jpg",
        "x/A.B-5.JPG",
    ]


def test_spellings_that_are_one_file_elsewhere() -> None:
    names = FreeNames()
    assert names.take(Path("\xe4.jpg")).name == "\xe4.jpg"
    decomposed = unicodedata.normalize("NFD", "\xe4")
    assert names.take(Path(f"{decomposed}.jpg")).name == f"{decomposed}-2.jpg"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The paths that were looked at, beside the real thing."""
    found: list[Path] = []
    real = freenames._key
    monkeypatch.setattr(freenames, "_key", lambda path: found.append(path) or real(path))
    return found


MANY = 50


def test_many_equal_names_in_bytes(tmp_path: Path, looked_at: list[Path]) -> None:
    write_labelled((Labelled(b"GIF89a", "x", "", "0", "here") for _ in range(MANY)), tmp_path)
    assert len(list((tmp_path / "x").iterdir())) == MANY
    assert len(looked_at) <= 4 * MANY


def test_many_equal_names_in_a_table(tmp_path: Path, looked_at: list[Path]) -> None:
    (tmp_path / "long").mkdir()
    rows = []
    for number in range(MANY):  # alike in the last 200 bytes, which are kept
        file = tmp_path / f"long/{number:03d}{'y' * 210}.gif"
        file.write_bytes(b"GIF89a")
        rows.append(Row(number, file.name, file, "x", ""))
    copy_table(Table(rows, ""), tmp_path / "out")
    assert len(list((tmp_path / "out/x").iterdir())) == MANY
    assert len(looked_at) <= 4 * MANY


def test_many_equal_names_in_a_folder(tmp_path: Path, looked_at: list[Path]) -> None:
    for number in range(MANY):
        for name in ("cat", "dog"):
            folder = tmp_path / f"in/site{number}" / name
            folder.mkdir(parents=True)
            (folder / "0.gif").write_bytes(b"GIF89a")
    options = Options(reading=Reading(class_level=2))
    write_to(tmp_path / "in", tmp_path / "out", options)
    assert len(list((tmp_path / "out/cat").iterdir())) == MANY
    assert 2 * MANY <= len(looked_at) <= 8 * MANY
