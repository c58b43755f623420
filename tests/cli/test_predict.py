"""predict --copy-to, with the model of a trained toy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import transfer
from transfer.cli.predict import predict
from transfer.errors import DataError, UsageError


def call(*arguments: object) -> str:
    done = CliRunner().invoke(predict, [str(each) for each in arguments], catch_exceptions=False)
    return done.output


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_photos_are_copied_by_what_is_predicted(
    run: transfer.Run, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = make_folder("new", per_class=2), tmp_path / "sorted"
    (folder / "red/bad.jpg").write_bytes(b"<html>")
    before = names(folder)
    for _ in range(2):
        with pytest.raises(DataError, match="1 of the images could not be read"):
            call(run.path, folder, "--copy-to", out)
    colours = {f"{name}/{i}.png" for name in ("blue", "green", "red") for i in range(2)}
    assert names(out) == colours | {"_unreadable/bad.jpg"}
    assert names(folder) == before


def test_mistakes_are_copied_apart(
    run: transfer.Run, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = make_folder("new", per_class=2), tmp_path / "sorted"
    shutil.move(folder / "red/1.png", folder / "blue/was-red.png")
    call(run.path, folder, "--copy-to", out, "--by", "mistake")
    assert names(out) == {"blue as red/was-red.png"}


def test_what_cannot_be_copied_is_refused(
    run: transfer.Run, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder("new", per_class=1)
    with pytest.raises(UsageError, match="without --copy-to"):
        call(run.path, folder, "--by", "label")
    with pytest.raises(UsageError, match="outside of"):
        call(run.path, folder, "--copy-to", folder / "x")
    assert not (folder / "x").exists()
