"""The command in a process of its own, with the toy backbone: to be killed and starved."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from transfer.runs.run import Run

MAIN = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from conftest import register_toy
register_toy()
from transfer.cli.main import main
"""
KNOBS = {
    "backbone": "toy",
    "head": "flatten,8,batchnorm,dropout=0.5",
    "head_epochs": 2,
    "epochs": 12,
    "patience": 100,
    "batch_size": 8,
    "views": 1,
    "unfreeze": "2",
    "learning_rate": 0.002,
    "monitor": "val_loss",
}


class Toy:
    """A process of the command whose stderr is read line by line.

    Args:
        arguments: Of the command.
        before: Python code that runs first.
        knobs: The toy's, in addition to `KNOBS`; None for none at all.
    """

    def __init__(
        self,
        *arguments: object,
        before: str = "",
        knobs: dict[str, object] | None = None,
    ) -> None:
        words = [str(argument) for argument in arguments]
        for name, value in ({} if knobs is None else KNOBS | knobs).items():
            option = "--" + name.replace("_", "-")
            words += [option] if value is True else [option, str(value)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{MAIN}\n{before}\nmain()", *words],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def wait_for(self, word: str) -> bool:
        """Read stderr up to a line with `word`; return False where it ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if word in line:
                return True
        return False

    def end(self, number: int | None = None) -> int:
        """Send a signal, where one is given, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        started = time.monotonic()
        assert self.process.stderr is not None
        self.said += self.process.stderr.read()
        self.process.stderr.close()
        code = self.process.wait(120)
        self.seconds = time.monotonic() - started
        return code


@pytest.fixture
def start() -> Iterator[Callable[..., Toy]]:
    """Return a function that starts a `Toy`; none outlives the test."""
    toys: list[Toy] = []

    def make(*arguments: object, **options: Any) -> Toy:
        toys.append(Toy(*arguments, **options))
        return toys[-1]

    yield make
    for toy in toys:
        toy.process.kill()
        toy.process.wait()
        assert toy.process.stderr is not None
        toy.process.stderr.close()


@pytest.fixture(scope="session")
def stopped(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, and a run on them that Ctrl-C stopped after some epochs.

    Its validation metrics do not improve after the first: it ends when its patience does.
    """
    root = tmp_path_factory.mktemp("stopped")
    shutil.copytree(trained.info.data, root / "photos")
    knobs = {"monitor": "val_accuracy", "epochs": 500, "patience": 80, "learning_rate": 1e-9}
    toy = Toy("finetune", root / "photos", "-o", root / "run", knobs=knobs)
    assert toy.wait_for("Epoch 3/"), toy.said
    assert toy.end(signal.SIGINT) == 130, toy.said
    (root / "said").write_text(toy.said)
    return root
