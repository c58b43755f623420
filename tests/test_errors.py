from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import transfer
from transfer.cli.main import COMMANDS
from transfer.errors import (
    call,
    call_to_resume,
    call_to_train_again,
    command_line,
    did_you_mean,
    option,
    out_of_memory,
)


def test_near_misses() -> None:
    names = ["vgg16", "vgg19", "resnet50"]
    assert did_you_mean("vgg61", names) == " Did you mean 'vgg16'?"
    assert did_you_mean("vgg91", names) == " Did you mean 'vgg19'?"
    assert did_you_mean("resnet5", names) == " Did you mean 'resnet50'?"
    assert did_you_mean("alexnet", ["vgg16"]) == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), True),
        (RuntimeError("cpu_memory.cpp:257: Failed to allocate 234881024 bytes of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("No such layer"), False),
    ],
)
def test_what_means_that_memory_ran_out(error: Exception, told: bool) -> None:
    assert (out_of_memory(error) is not None) is told


@pytest.mark.parametrize(
    ("name", "value", "library", "command"),
    [
        ("image_size", None, "image_size=", "--image-size"),
        ("test", 0.1, "test=0.1", "--test 0.1"),
        ("balance", "weights", "balance='weights'", "--balance weights"),
        ("group_by", "(a|b)", "group_by='(a|b)'", "--group-by '(a|b)'"),
        ("allow_empty", True, "allow_empty=True", "--allow-empty"),
        ("interpolate", False, "interpolate=False", "--no-interpolate"),
        ("output", Path("a b"), "output='a b'", "--output 'a b'"),
    ],
)
def test_an_argument_is_written_as_its_user_writes_it(
    name: str, value: object, library: str, command: str
) -> None:
    assert option(name, value) == library
    with command_line():
        assert option(name, value) == command
    assert option(name, value) == library


def test_a_call_is_written_as_its_user_writes_it() -> None:
    path = Path("runs/a b")
    lines = [
        lambda: call("lr_find", "DATA", folds=5),
        lambda: call("evaluate", path),
        lambda: call_to_resume(path),
        lambda: call_to_resume("RUN", "DATA"),
        lambda: call_to_train_again(path),
    ]
    assert [line() for line in lines] == [
        "transfer.lr_find(DATA, folds=5)",
        "transfer.evaluate('runs/a b')",
        "transfer.resume('runs/a b')",
        "transfer.resume(RUN, DATA)",
        "transfer.finetune(DATA, recipe=transfer.Recipe.load('runs/a b/recipe.json'))",
    ]
    with command_line():
        assert [line() for line in lines] == [
            "transfer lr-find DATA --folds 5",
            "transfer evaluate 'runs/a b'",
            "transfer finetune --resume 'runs/a b'",
            "transfer finetune DATA --resume RUN",
            "transfer finetune DATA --recipe 'runs/a b/recipe.json'",
        ]


def test_no_message_names_options_or_commands_to_users_of_the_library() -> None:
    """Below the command line, `option` and `call` write them."""
    root = Path(transfer.__file__).parent
    spelled = re.compile(rf"--[a-z]|{{knob}}|\btransfer ({'|'.join(COMMANDS)})\b")
    found = [
        f"{path.relative_to(root)}: {text}"
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] != "cli"
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if spelled.search(text)
    ]
    assert found == []


def texts(tree: ast.Module) -> Iterator[str]:
    """Yield the text of a file, without docstrings and what `either` says on the command line."""
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            skipped |= {id(node.body[0].value)} if isinstance(node.body[0], ast.Expr) else set()
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "either":
            skipped |= {id(each) for each in ast.walk(node.args[1])}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in skipped:
            yield text
