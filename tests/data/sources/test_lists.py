from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import put

from transfer.data.sources.lists import find_lists
from transfer.errors import DataError
from transfer.images.layout.describe import describe

NAMES = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose images are a link to a folder elsewhere."""
    put(tmp_path / "elsewhere", NAMES)
    (tmp_path / "set").mkdir()
    (tmp_path / "set/images").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "set"


def numbered(root: Path) -> None:
    rows = [(n, f"images/{name}") for n, name in enumerate(NAMES, 1)]
    (root / "images.txt").write_text("".join(f"{n} {name}\n" for n, name in rows))
    (root / "train_test_split.txt").write_text("".join(f"{n} {n % 2}\n" for n, _ in rows))


def divided(root: Path) -> None:
    (root / "train.txt").write_text(f"images/{NAMES[0]}\nimages/{NAMES[2]}\n")
    (root / "test.txt").write_text(f"images/{NAMES[1]}\nimages/{NAMES[3]}\n")


@pytest.mark.parametrize("write", [numbered, divided])
def test_links_are_followed_in_every_kind_of_list(
    root: Path, write: Callable[[Path], None]
) -> None:
    write(root)
    survey = describe(root, follow_links=True)
    found = find_lists(survey, follow_links=True)
    assert found is not None
    assert sorted((row.label, row.split) for row in found.rows) == [
        ("cat", "test"),
        ("cat", "train"),
        ("dog", "test"),
        ("dog", "train"),
    ]
    with pytest.raises(DataError, match="leads out"):
        find_lists(survey)
