"""check and finetune see the same folder: both accept the same, and say how it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import files, tree

import transfer
from transfer.api.images import read_images, split_images
from transfer.errors import DataError
from transfer.recipe import Recipe

FOLDERS = {
    "good": tree({"cat": 8, "dog": 8}),
    "splits": tree({f"{s}/{c}": 8 for s in ("training", "testing") for c in ("cat", "dog")}),
    "an empty class": tree({"cat": 8, "dog": 8, "cow": 0}),
    "one class": tree({"cat": 8}),
    "classes differ": tree({"train/cat": 8, "train/dog": 8, "val/cat": 8}),
    "no training images": tree({"val/cat": 8, "val/dog": 8}),
    "flat": files(*(f"{c}.{n}.png" for c in ("cat", "dog") for n in range(4))),
    "ambiguous": tree({"a/cat": 2, "a/dog": 2, "b/cat": 2, "b/dog": 2}),
    "nothing": tree({"cat": 0}),
    "one photo": tree({"cat": 8, "dog": 1}),
}


def refused_by_check(data: Path, **options: object) -> bool:
    try:
        return bool(transfer.check(data, **options).refused())
    except DataError:
        return True


def refused_by_finetune(data: Path, **options: object) -> bool:
    try:
        _, folder, audit = read_images(data, Recipe(**options))
        split_images(folder, audit, Recipe(**options))
    except DataError:
        return True
    return False


@pytest.mark.parametrize("allow_empty", [False, True])
@pytest.mark.parametrize("name", FOLDERS)
def test_both_refuse_the_same(name: str, allow_empty: bool, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    data = FOLDERS[name](tmp_path / "x")
    refused = refused_by_check(data, allow_empty=allow_empty)
    assert refused == refused_by_finetune(data, allow_empty=allow_empty)
    assert refused == (
        name not in ("good", "splits")
        and not (allow_empty and name in ("an empty class", "classes differ"))
    )


def test_both_say_the_same(tmp_path: Path, said: Callable[[], str]) -> None:
    data = tree({"train/cat": 8, "train/dog": 8, "train/other": 8, "test": 2})(tmp_path)
    files("train/cat/0_aug1.png", "train/x.png")(data)
    found = transfer.check(data)
    assert said() == ""
    read_images(data, Recipe())
    assert f"Read as: {found.read_as}" in said()
    assert [each for each in found.left_out if each[0] == "train/x.png"]
    titles = [each.title for each in found.findings if each.kind.startswith(("read-", "sources"))]
    assert len(titles) == 3
    for title in titles:
        assert title in said()


def test_unknown_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(transfer.UsageError, match=r"Unknown argument 'layuot'.*'layout'"):
        transfer.check(tmp_path, layuot="classes")  # type: ignore[call-arg]
    with pytest.raises(transfer.UsageError, match="Did you mean 'classes'"):
        transfer.check(tmp_path, layout="clases")
    with pytest.raises(transfer.UsageError, match="group around the class"):
        transfer.check(tmp_path, label_regex="cat")
