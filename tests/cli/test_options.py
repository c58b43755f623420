from __future__ import annotations

from typing import Any

import click
import pytest

from transfer.cli.options import prior_option
from transfer.errors import UsageError


def read(*words: str) -> Any:
    """Return --prior as a command gets it."""

    @click.command
    @prior_option
    def command(prior: Any) -> Any:
        return prior

    return command.main(list(words), standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "prior"),
    [
        ([], None),
        (["even"], "even"),
        (["cat=0.9,dog=0.1"], "cat=0.9,dog=0.1"),
        (["x=1,y=0.9", "a=b=0.1"], {"x=1,y": "0.9", "a=b": "0.1"}),
        (['{"x=1,y": 0.9, "a=b": 0.1, " \\u00e9": 0}'], {"x=1,y": 0.9, "a=b": 0.1, " é": 0}),
        (["{odd}=1,b=2"], "{odd}=1,b=2"),
    ],
)
def test_a_prior_may_name_any_class(words: list[str], prior: object) -> None:
    assert read(*(f"--prior={word}" for word in words)) == prior


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cat=1", "cat=2"], "Received two for 'cat'"),
        (['{"cat": 1, "cat": 2}'], "Received two for 'cat'"),
        (["cat=1", "even"], "Expected CLASS=SHARE in each of several --prior. Received: 'even'"),
    ],
)
def test_priors_that_make_no_sense(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(*(f"--prior={word}" for word in words))
