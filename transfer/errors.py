"""The exceptions of this package, with their exit codes.

    TransferError          exit code 1: a fault (training diverged, disk full, ...)
    ├── UsageError         exit code 2: a wrong option or argument
    ├── DataError          exit code 2: images or folders that cannot be used
    ├── RunError           exit code 2: a run directory that cannot be read or written
    └── WeightsError       exit code 1: pretrained weights that are not available

Every message names the file or value, says what was expected and how to fix it. It names arguments
and functions as its reader writes them: see `option` and `call`.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Name of an option or command in other tools -> its name here.
ELSEWHERE = {
    "amp": "mixed_precision",
    "arch": "backbone",
    "base_lr": "learning_rate",
    "batch": "batch_size",
    "bs": "batch_size",
    "classify": "predict",
    "evaluation": "evaluate",
    "fit": "finetune",
    "freeze": "unfreeze",
    "img_size": "image_size",
    "imgsz": "image_size",
    "infer": "predict",
    "inference": "predict",
    "lr": "learning_rate",
    "lr0": "learning_rate",
    "model": "backbone",
    "models": "backbones",
    "name": "output",
    "opt": "optimizer",
    "out": "output",
    "output_dir": "output",
    "project": "output",
    "save_dir": "output",
    "smoothing": "label_smoothing",
    "test": "evaluate",
    "train": "finetune",
    "val": "evaluate",
    "valid": "evaluate",
    "verbose": "debug",
    "wd": "weight_decay",
}
# Argument of Keras' ImageDataGenerator -> word of augment or normalize.
GENERATOR = {
    "brightness_range": "brightness",
    "channel_shift_range": "channel_shift",
    "cval": "fill",
    "featurewise_center": "featurewise_center",
    "featurewise_std_normalization": "featurewise_std",
    "fill_mode": "fill",
    "height_shift_range": "shift",
    "horizontal_flip": "flip",
    "rotation_range": "rotate",
    "samplewise_center": "samplewise_center",
    "samplewise_std_normalization": "samplewise_std",
    "shear_range": "shear",
    "vertical_flip": "vertical_flip",
    "width_shift_range": "shift",
    "zca_epsilon": "zca",
    "zca_whitening": "zca",
    "zoom_range": "zoom",
}
_on_command_line = False


@contextmanager
def command_line() -> Iterator[None]:
    """Make messages name options and commands instead of arguments and functions in the block."""
    global _on_command_line
    before, _on_command_line = _on_command_line, True
    try:
        yield
    finally:
        _on_command_line = before


def either(library: str, command: str) -> str:
    """Return what a message says to users of the library, or to those of the command line."""
    return command if _on_command_line else library


def option(name: str, value: object = None) -> str:
    """Return an argument as its user writes it, with its value unless that is None.

    ``output=`` in the library is ``--output`` on the command line, ``test=0.1`` is ``--test 0.1``,
    ``allow_empty=True`` is ``--allow-empty`` and ``interpolate=False`` is ``--no-interpolate``.
    """
    word = name.replace("_", "-")
    value = str(value) if isinstance(value, Path) else value
    if isinstance(value, bool):
        return either(f"{name}={value}", f"--{word}" if value else f"--no-{word}")
    if value is None:
        return either(f"{name}=", f"--{word}")
    return either(f"{name}={value!r}", f"--{word} {shlex.quote(str(value))}")


def call(verb: str, *arguments: str | Path, **options: object) -> str:
    """Return a call as its user writes it.

    ``transfer.finetune(DATA, folds=5)`` in the library is ``transfer finetune DATA --folds 5`` on
    the command line.

    Args:
        verb: A public function.
        arguments: Paths, or words such as ``DATA`` that stand for one.
        options: See `option`.
    """
    given = [option(name, value) for name, value in options.items()]
    quoted = [repr(str(each)) if isinstance(each, Path) else each for each in arguments]
    words = [shlex.quote(str(each)) if isinstance(each, Path) else each for each in arguments]
    return either(
        f"transfer.{verb}({', '.join([*quoted, *given])})",
        " ".join(["transfer", verb.replace("_", "-"), *words, *given]),
    )


def call_to_resume(run: str | Path, data: str = "") -> str:
    """Return the call that resumes a run, see `call`."""
    words = [data] if data else []
    return either(call("resume", run, *words), call("finetune", *words, resume=run))


def call_to_train_again(run: Path) -> str:
    """Return the call that trains with the recipe of a run, see `call`."""
    recipe = run / "recipe.json"
    return either(
        f"transfer.finetune(DATA, recipe=transfer.Recipe.load({str(recipe)!r}))",
        call("finetune", "DATA", recipe=recipe),
    )


class TransferError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class UsageError(TransferError):
    """An option or argument is invalid."""

    exit_code = 2


class DataError(TransferError):
    """The images or their folders cannot be used as they are.

    Attributes:
        source: The image of a prediction that cannot be read; ``""`` where it is about more.
    """

    exit_code = 2
    source = ""


class RunError(TransferError):
    """A run directory cannot be read or written."""

    exit_code = 2


class WeightsError(TransferError):
    """Pretrained weights are missing, unreachable or do not fit."""


def out_of_memory(error: BaseException) -> TransferError | None:
    """Return an error with advice if memory ran out, None for any other error.

    TensorFlow raises a class of its own, and wraps errors of its threads in other classes.
    """
    text = " ".join([*(kind.__name__ for kind in type(error).__mro__), str(error)])
    words = ["MemoryError", "ResourceExhausted", "bad_alloc", "OOM when allocating"]
    words.append("Failed to allocate")  # OpenVINO's
    if not any(word in text for word in words):
        return None
    return TransferError(
        f"Out of memory. Try a smaller {option('batch_size')} or {option('image_size')}, or fewer"
        f" {option('views')}. Files saved before are intact."
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'vgg16'?"`` for a near miss of one of `known`, else ``""``.

    Names that other tools use count as near misses.
    """
    near = nearest(word, known)
    return "" if near is None else f" Did you mean {near!r}?"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return which of `known` was probably meant, None if none is close; see `did_you_mean`."""
    known = list(known)
    for elsewhere in (ELSEWHERE, GENERATOR):
        if elsewhere.get(word) in known:
            return elsewhere[word]

    def likeness(other: str) -> tuple[float, bool]:
        swapped = sorted(other) == sorted(word)  # vgg61 is closer to vgg16 than to vgg19
        return difflib.SequenceMatcher(None, other, word).ratio(), swapped

    return max(difflib.get_close_matches(word, known, n=5), key=likeness, default=None)


def advice(word: str) -> str:
    """Return a sentence, after a space, on what another tool's word is here; ``""`` for none."""
    found = _equivalents().get(word.replace("-", "_"), "")
    return f" {found}" if found else ""


def _equivalents() -> dict[str, str]:
    form = either("", "Give --format json or csv.")
    model = "A run's model.keras is a Keras model: keras.models.load_model(...).export(DIR)."
    folds = f"Cross-validation is part of a training: {call('finetune', 'DATA', folds=5)}"
    gpu = "It runs on the GPU that TensorFlow finds; set CUDA_VISIBLE_DEVICES to choose one."
    listed = either("transfer.list_runs()", "transfer runs")
    runs = f"{listed} lists all runs, {call('report', 'RUN')} shows one."
    change = f"It is a word of {option('augment', 'flip,rotate=10,shift=0.1,fill=reflect')}."
    scale = f"It is a word of {option('normalize', 'featurewise_std')}."
    workers = "Images are read by one thread per processor."
    words = {
        old: scale if new.startswith(("feature", "sample", "zca")) else change
        for old, new in GENERATOR.items()
    }
    return words | {
        "convert": model,
        "cross_val": folds,
        "cross_validate": folds,
        "cv": folds,
        "device": gpu,
        "dropout": f"It is part of the head: {option('head', 'avg,dropout=0.5')}.",
        "exist_ok": f"Each run gets a new directory; {option('output')} names one.",
        "export": model,
        "gpu": gpu,
        "info": runs,
        "json": form,
        "num_workers": workers,
        "output_format": form,
        "resume": f"To resume an interrupted run: {call_to_resume('RUN')}",
        "serve": "There is no server; in your own, transfer.Run(RUN).predict(images) is fast and"
        " thread-safe.",
        "workers": workers,
    }
