from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import transfer
from transfer.api.training import warn_of_few
from transfer.errors import UsageError
from transfer.recipe import Recipe

MakeFolder = Callable[..., Path]


def test_a_layer_that_does_not_exist_is_told_before_anything_is_written(
    toy: str, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no layer of that name\. Did you mean 'block_2'"):
        transfer.finetune(make_folder(per_class=4), backbone=toy, unfreeze="blok_2")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ({"train": 22, "val": 2}, ["val has 2 of 24 images, where --val 0.2 was asked"]),
        ({"train": 21, "val": 3}, []),
        ({"train": 83, "val": 15, "test": 2}, ["test has 2 of 100 images, where --test 0.1"]),
    ],
)
def test_a_side_that_chance_left_small_is_told(
    totals: dict[str, int], told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_few(totals, Recipe(test=0.1))
    messages = [record.getMessage() for record in caplog.records]
    assert [text for text, hint in zip(messages, told, strict=True) if hint in text] == messages
