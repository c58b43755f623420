from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from transfer.api.unused import FEATURES, HEAD, TUNING, tell_unused, tell_unused_shares
from transfer.errors import command_line
from transfer.recipe import Recipe

HIDDEN = "256,dropout=0.1"


def told(caplog: pytest.LogCaptureFixture, **knobs: Any) -> list[str]:
    caplog.clear()
    tell_unused(Recipe.from_dict(knobs), knobs)
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.fixture(autouse=True)
def on_the_command_line() -> Iterator[None]:
    with command_line():
        yield


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"unfreeze": "none", "epochs": 3}, "--epochs has no effect with --unfreeze none."),
        (
            {"unfreeze": "none", "ema": 0.9, "learning_rate": 0.1},
            "--learning-rate and --ema have no effect with --unfreeze none.",
        ),
        (
            {"backbone": "dnn", "head_epochs": 3, "views": 2},
            "--head-epochs and --views have no effect where all of a network is trained from"
            " scratch.",
        ),
        (
            {"head_learning_rate": 0.1},
            "--head-learning-rate has no effect on a linear head, unless it is too large to solve.",
        ),
        ({"augment": "none", "views": 2}, "--views has no effect with --augment none."),
        (
            {"unfreeze": "none", "views": 0, "augment": "strong"},
            "--augment has no effect with --unfreeze none and --views 0.",
        ),
        (
            {"unfreeze": "all", "trunk_cache": "9GB"},
            "--trunk-cache has no effect with --unfreeze all.",
        ),
        (
            {"monitor": "loss", "interpolate": True},
            "--interpolate has no effect with --monitor loss.",
        ),
    ],
)
def test_knobs_without_effect_are_named_once(
    caplog: pytest.LogCaptureFixture, knobs: dict[str, Any], message: str
) -> None:
    assert told(caplog, **knobs) == [message]


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"epochs": 3, "views": 2, "augment": "strong"},
        {"unfreeze": "none", "views": 4, "patience": 3, "balance": "weights"},
        {"unfreeze": "none", "mix": "none", "ema": 0.0},  # which asks for nothing
        {"head": HIDDEN, "head_epochs": 3, "unfreeze": "none"},
        {"backbone": "dnn", "epochs": 3, "learning_rate": 0.1, "augment": "none"},
        {"monitor": "val_loss", "interpolate": True},
    ],
)
def test_knobs_with_an_effect_are_not(
    caplog: pytest.LogCaptureFixture, knobs: dict[str, Any]
) -> None:
    assert told(caplog, **knobs) == []


def test_only_what_was_given_now_is_named(caplog: pytest.LogCaptureFixture) -> None:
    tell_unused(Recipe(unfreeze="none", epochs=3), {"unfreeze": "none"})
    assert not caplog.records


def test_the_names_are_those_of_knobs() -> None:
    assert {*FEATURES, *HEAD, *TUNING} <= Recipe().to_dict().keys()


@pytest.mark.parametrize(
    ("splits", "again", "messages"),
    [
        (["train", "val"], False, ["--val has no effect where DATA has folders for it."]),
        (["train", "val"], True, []),
        ([""], False, ["--dedupe has no effect where DATA has no folders for val or test."]),
    ],
)
def test_shares_that_folders_decide(
    caplog: pytest.LogCaptureFixture, splits: list[str], again: bool, messages: list[str]
) -> None:
    tell_unused_shares({"val": 0.3, "test": 0.1, "dedupe": True}, splits, again)
    assert [record.getMessage() for record in caplog.records] == messages
