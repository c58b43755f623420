"""The group of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import glob
import importlib
import io
import os
import re
import sys
from typing import Any, NoReturn

import click

from transfer import __version__
from transfer.errors import (
    TransferError,
    advice,
    command_line,
    did_you_mean,
    nearest,
    out_of_memory,
)
from transfer.system import signals
from transfer.system.terminal import one_line

COMMANDS = (
    "check",
    "finetune",
    "evaluate",
    "report",
    "runs",
    "diff",
    "track",
    "predict",
    "explain",
    "prepare",
    "compare",
    "lr-find",
    "preview",
    "backbones",
    "weights",
    "cache",
)
WINDOWS = os.name == "nt"
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """Imports the module of a command on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        name = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"transfer.cli.{name}"), name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        elif args[:1] == ["version"]:
            args = ["--version"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = advice(args[0]) or did_you_mean(args[0], COMMANDS)
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # here, since click would turn it into exit code 1
            _drop_output()


@click.group(cls=LazyGroup, context_settings=HELP)
@click.version_option(__version__, "-V", "--version", message="transfer %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def transfer(debug: bool) -> None:
    """Train an image classifier on a folder of photos, and see what it confuses.

    \b
      transfer finetune data/dogs
      transfer report runs/dogs-mobilenetv2-001
      transfer predict runs/dogs-mobilenetv2-001 rex.jpg
    """


@command_line()
def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 ok, 1 fault, 2 bad usage or data, 130 Ctrl-C, 143 SIGTERM."""
    arguments = _from_shell(sys.argv[1:]) if arguments is None else arguments
    debug = "--debug" in arguments or bool(os.environ.get("TRANSFER_DEBUG"))
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and (
            stream.errors == "strict" or stream.encoding.lower() != "utf-8"
        ):
            stream.reconfigure(errors="backslashreplace")  # file names may hold any character
    try:
        with signals.handled():
            words = [a for a in arguments if a != "--debug"]
            transfer.main(words, "transfer", standalone_mode=False)
            sys.stdout.flush()
        code = 0
    except BrokenPipeError:
        _drop_output()
        code = 0
    except BaseException as error:
        if debug and not isinstance(error, (click.exceptions.Exit, SystemExit)):
            raise
        code = _explain(error)
    sys.exit(code)


def _from_shell(words: list[str]) -> list[str]:
    """Return arguments with patterns such as *.jpg replaced by the files that they match.

    The shells of Windows leave that to the programs; click would do it if it read sys.argv itself.
    """
    if not WINDOWS:
        return words
    return [each for word in words for each in _matches(word) or [word]]


def _matches(word: str) -> list[str]:
    if word.startswith("-") or not glob.has_magic(word) or os.path.lexists(word):
        return []
    return sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - names as the pattern has them


def _open_streams() -> None:
    """Open closed standard streams on /dev/null, or one of our files would get their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _explain(error: BaseException) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            return _show(_in_our_words(error))
        case KeyboardInterrupt() | click.Abort():
            return _say("Interrupted.", 130)
        case SystemExit():
            return int(error.code or 0)
        case TransferError():
            return _say(f"Error: {error}", error.exit_code)
        case OSError() if error.filename is not None:
            code = 2 if error.errno == errno.ENAMETOOLONG else 1
            return _say(f"Error: Cannot read or write {error.filename!r}: {error.strerror}.", code)
        case OSError() if error.errno is not None:
            return _say(f"Error: {error}", 1)
    if (told := out_of_memory(error)) is not None:
        return _say(f"Error: {told}", told.exit_code)
    line = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return _say(f"Error: {line} (run again with --debug for the traceback)", 1)


def _in_our_words(error: click.ClickException) -> click.ClickException:
    """Return the error for an unknown option with a better hint than click's, which compares the
    dashes too."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    word, given = error.option_name.lstrip("-").replace("-", "_"), error.option_name
    known = _options(error.ctx)
    near = nearest(word, known)
    if near is None and given.startswith("--"):
        near = next((name for name in known if name.startswith(word)), None)
    hint = advice(word)
    if not hint or not set(re.findall(r"--([a-z]+)", hint)) <= set(known):
        hint = "" if near is None else f" Did you mean '--{near.replace('_', '-')}'?"
    return click.NoSuchOption(given, f"No such option {given!r}.{hint}", ctx=error.ctx)


def _options(ctx: click.Context) -> list[str]:
    """Return the names of the options of a command and of its parents."""
    above = [] if ctx.parent is None else _options(ctx.parent)
    names = [
        name[2:].replace("-", "_")
        for parameter in ctx.command.get_params(ctx)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    ]
    return names + above


def _show(error: click.ClickException) -> int:
    """Show an error as click does, with the usage, but its message in one visible line."""
    message = one_line(error.format_message())
    click.UsageError(message, getattr(error, "ctx", None)).show()
    return error.exit_code


def _say(message: str, code: int) -> int:
    click.echo(one_line(message), err=True)
    return code


def _drop_output() -> None:
    """Redirect stdout to /dev/null: its reader, such as `head`, has exited."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
