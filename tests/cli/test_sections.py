from __future__ import annotations

import re

import click
import pytest

from transfer.cli.main import transfer
from transfer.cli.sections import SECTIONS


@pytest.mark.parametrize("name", ["finetune", "lr-find"])
def test_every_option_stands_in_one_section(name: str) -> None:
    command = transfer.get_command(click.Context(transfer), name)
    assert command is not None
    context = click.Context(command, help_option_names=["-h", "--help"])
    shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", command.get_help(context), re.MULTILINE)
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    assert sorted(shown) == sorted(max(each.opts, key=len) for each in options)


def test_common_options_come_first_and_others_last() -> None:
    command = transfer.get_command(click.Context(transfer), "finetune")
    assert command is not None
    lines = command.get_help(click.Context(command)).splitlines()
    titles = [line[:-1] for line in lines if re.fullmatch(r"\w[\w -]+:", line)]
    assert titles == [*SECTIONS, "Other options"]
    known = {each.name for each in command.params}
    assert not {name for names in SECTIONS.values() for name in names} - known
    assert lines[-1].split()[0] in ("-h,", "--help")
