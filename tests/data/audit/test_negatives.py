from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from transfer.data.audit.clean import clean
from transfer.data.audit.negatives import Negatives, clean_negatives
from transfer.errors import DataError
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading


@pytest.fixture
def root(tmp_path: Path, photo: Callable[..., Image.Image]) -> Path:
    """Two classes of two photos, and three negatives."""
    for number, name in enumerate(("cat/0", "cat/1", "dog/0", "dog/1", "no/0", "no/1", "no/2")):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(number).save(path)
    return tmp_path / "data"


def check(root: Path, on_bad: str = "skip") -> Negatives:
    folder, audit = clean(ImageFolder.index(root, Reading(negatives="no")))
    found = clean_negatives(folder, audit, on_bad)
    assert found is not None
    return found


def test_bad_ones_are_named_and_left_out(root: Path, said: Callable[[], str]) -> None:
    (root / "no/1.png").write_bytes(b"")
    found = check(root)
    assert found.images.paths == ("no/0.png", "no/2.png")
    assert found.bad == (("no/1.png", "is empty."),)
    assert set(found.sha256) == set(found.images.paths)
    assert "1 unusable negative(s): 'no/1.png' is empty. Left out of the negatives." in said()
    with pytest.raises(DataError, match=r"unusable negative.*no/1\.png"):
        check(root, "fail")


@pytest.mark.parametrize("mirrored", [False, True])
def test_what_is_of_a_class_is_no_negative(
    root: Path, mirrored: bool, said: Callable[[], str]
) -> None:
    if mirrored:
        ImageOps.mirror(Image.open(root / "dog/1.png")).save(root / "no/1.png")
    else:
        shutil.copyfile(root / "dog/1.png", root / "no/1.png")
    found = check(root)
    assert found.images.paths == ("no/0.png", "no/2.png")
    assert found.shared == (("no/1.png", "dog/1.png"),)
    assert "1 negative(s) show the same as images of classes: 'no/1.png' = 'dog/1.png'" in said()
    with pytest.raises(DataError, match=r"no/1\.png"):
        check(root, "fail")


def test_none_left(root: Path) -> None:
    for path in (root / "no").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"No negative in .* can be used"):
        check(root)


def test_without_negatives(root: Path) -> None:
    folder, audit = clean(ImageFolder.index(root))
    assert clean_negatives(folder, audit) is None
