"""What a type checker and a completing editor know of the public names."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
import types
import typing
from pathlib import Path
from typing import Any

import pytest

import transfer
from transfer.api import knobs
from transfer.api.run import Run
from transfer.cli import lr_find
from transfer.runs.metrics import Metrics

# What is accepted in addition to the type of the field, with a value that is.
WIDER: dict[str, tuple[Any, Any]] = {
    "weights": (os.PathLike[str], Path("auto")),
    "unfreeze": (int, 2),
    "trunk_cache": (int, 0),
    "class_names": (os.PathLike[str], Path("none")),
    "negatives": (os.PathLike[str], Path("none")),
}
CODE = """
from typing import Unpack
from pathlib import Path
import numpy as np
import transfer

def train(data: str, **knobs: Unpack[transfer.Knobs]) -> transfer.Run:
    return transfer.finetune(data, output="runs/today", **knobs)

run = train("x", epochs=3, weights=Path("w.h5"), unfreeze=2)
accuracy: float = run.metrics["accuracy"]
top5: float | None = run.evaluate().get("top5_accuracy")
recall: float | None = transfer.evaluate(run)["per_class"][0]["recall"]
run.predict([b"x", Path("x.jpg"), np.zeros((8, 8, 3), np.uint8)], prior={"a": 0.1, "b": 0.9})
with open("x.jpg", "rb") as file:
    label: str = run.predict(file)[0].label
best: str = transfer.compare("x", ["vgg16"], test=0.1)[0].backbone
rate: float | None = transfer.lr_find("x", unfreeze="all").suggestion
usable: int = transfer.check("x").usable
transfer.preview("x", augment="strong").exists()
transfer.resume(run, epochs=3)

transfer.finetune("x", epochs="3")  # arg-type
transfer.finetune("x", bckbone="x")  # call-arg
transfer.finetune("x", None)  # call-arg
transfer.resume("x", epoch=3)  # call-arg
transfer.compare("x", ["vgg16"], folds=5)  # call-arg
transfer.lr_find("x", learning_rate=0.1)  # call-arg
transfer.preview("x", epochs=3)  # call-arg
run.predict("x.jpg", topp=3)  # call-arg
run.predict(5)  # arg-type
run.predict(None)  # arg-type
run.evaluate(splt="val")  # call-arg
run.metrics["acuracy"]  # typeddict-item
transfer.check("x").usble  # attr-defined
transfer.lr_find("x").sugestion  # attr-defined
transfer.fintune("x")  # attr-defined
number: str = run.metrics["n"]  # assignment
"""


def test_a_type_checker_knows_the_right_calls_from_the_wrong(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(CODE, encoding="utf-8")
    root = Path(transfer.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "user.py"]
    command += ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(tmp_path / "c")]
    environment = os.environ | {"MYPYPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    found = re.findall(r"^user\.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    wanted = [
        (str(number), line.partition("  # ")[2])
        for number, line in enumerate(CODE.splitlines(), 1)
        if "  # " in line
    ]
    assert found == wanted, done.stdout


def test_knobs_are_the_fields_of_the_recipe_with_their_types() -> None:
    fields, known = typing.get_type_hints(transfer.Recipe), typing.get_type_hints(knobs.Knobs)
    assert known.keys() == {field.name for field in dataclasses.fields(transfer.Recipe)}
    for name, kind in known.items():
        wider = {WIDER[name][0]} if name in WIDER else set()
        assert members(kind) == members(fields[name]) | wider, name
        if wider:
            transfer.Recipe(**{name: WIDER[name][1]})
    for part in (knobs.CompareKnobs, knobs.RateKnobs, knobs.PreviewKnobs):
        assert typing.get_type_hints(part).items() <= known.items()


def members(kind: Any) -> set[Any]:
    """Return the types of a union."""
    union = isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union
    return set(typing.get_args(kind)) if union else {kind}


def test_the_command_line_has_the_knobs_of_each_verb() -> None:
    fields = knobs.Knobs.__annotations__.keys()
    assert fields - set(lr_find.UNUSED) == knobs.RateKnobs.__annotations__.keys()


def test_metrics_have_the_type_that_they_say(run: Run) -> None:
    check_type(run.metrics, Metrics)
    check_type(run.evaluate(split="train", prior="even"), Metrics)


def check_type(value: Any, kind: Any) -> None:
    """Check a value against a TypedDict, with all that it holds."""
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind)
        assert kind.__required_keys__ <= value.keys() <= hints.keys()
        for key, each in value.items():
            check_type(each, hints[key])
    elif typing.get_origin(kind) in (list, dict):
        assert isinstance(value, typing.get_origin(kind))
        for each in value.values() if isinstance(value, dict) else value:
            check_type(each, typing.get_args(kind)[-1])
    elif len(members(kind)) > 1:
        [one] = members(kind) - {type(None)}
        if value is not None:
            check_type(value, one)
    else:
        assert isinstance(value, kind)


def test_completion_shows_public_names_only(trained: Run) -> None:
    assert dir(transfer) == sorted(transfer.__all__)
    assert not [name for name in dir(transfer) if name.startswith("_")]
    names = (
        "classes confusion_matrix evaluate explain feature_maps history info metrics path predict"
    )
    names += " predictions predictions_frame recipe report uneven"
    assert dir(trained) == names.split()
    for name in dir(trained):
        getattr(trained, name)


@pytest.mark.parametrize("name", ["predict", "evaluate", "report"])
def test_the_methods_of_a_run_are_documented_where_they_are(name: str) -> None:
    method, function = getattr(Run, name), getattr(transfer, name)
    parameters = inspect.signature(method).parameters.keys() - {"self"}
    assert parameters == inspect.signature(function).parameters.keys() - {"run"}
    text, other = inspect.getdoc(method) or "", inspect.getdoc(function) or ""
    assert "see `transfer." not in text
    arguments = re.search(r"^Args:\n(.*?)\n\n", text, re.DOTALL | re.MULTILINE)
    documented = re.findall(r"^    \*{0,2}(\w+):", arguments[1], re.MULTILINE) if arguments else ()
    assert set(documented) == parameters
    assert arguments is None or arguments[1] in other
    assert "Raises:" in text
    assert "Returns:" in text
