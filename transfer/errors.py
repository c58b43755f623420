"""The exceptions of this package, with their exit codes.

    TransferError          exit code 1: a fault (training diverged, disk full, ...)
    ├── UsageError         exit code 2: a wrong option or argument
    ├── DataError          exit code 2: images or folders that cannot be used
    ├── RunError           exit code 2: a run directory that cannot be read or written
    └── WeightsError       exit code 1: pretrained weights that are not available

Every message names the file or value, says what was expected and how to fix it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_GPU = "It runs on the GPU that TensorFlow finds; set CUDA_VISIBLE_DEVICES to choose one."
_FORM = "Give --format json or csv."
_MODEL = "A run's model.keras is a Keras model: keras.models.load_model(...).export(DIR)."
_FOLDS = "Cross-validation is part of a training: transfer finetune DATA --folds 5"
_RUNS = "Runs are folders below runs/: transfer report RUN shows one, RUN/run.json describes it."
_WORKERS = "Images are read by one thread per processor."
# Name of an option or command in other tools -> its name here, or a sentence on the equivalent.
ELSEWHERE = {
    "amp": "mixed_precision",
    "arch": "backbone",
    "base_lr": "learning_rate",
    "batch": "batch_size",
    "bs": "batch_size",
    "classify": "predict",
    "convert": _MODEL,
    "cross_val": _FOLDS,
    "cross_validate": _FOLDS,
    "cv": _FOLDS,
    "device": _GPU,
    "diff": "To compare runs, evaluate each on the same images: transfer evaluate RUN DATA",
    "dropout": 'It is part of the head: --head "avg,dropout=0.5".',
    "evaluation": "evaluate",
    "exist_ok": "Each run gets a new directory; --output names one.",
    "explain": "What a run's model confuses is in its report: transfer report RUN --open",
    "export": _MODEL,
    "fit": "finetune",
    "freeze": "unfreeze",
    "gpu": _GPU,
    "img_size": "image_size",
    "imgsz": "image_size",
    "infer": "predict",
    "inference": "predict",
    "info": _RUNS,
    "json": _FORM,
    "lr": "learning_rate",
    "lr0": "learning_rate",
    "model": "backbone",
    "models": "backbones",
    "name": "output",
    "num_workers": _WORKERS,
    "opt": "optimizer",
    "out": "output",
    "output_dir": "output",
    "output_format": _FORM,
    "project": "output",
    "resume": "To resume an interrupted run: transfer finetune --resume RUN",
    "runs": _RUNS,
    "save_dir": "output",
    "serve": "There is no server; in your own, transfer.Run(RUN).predict(images) is fast and"
    " thread-safe.",
    "smoothing": "label_smoothing",
    "test": "evaluate",
    "train": "finetune",
    "val": "evaluate",
    "valid": "evaluate",
    "verbose": "debug",
    "wd": "weight_decay",
    "workers": _WORKERS,
}


class TransferError(Exception):
    """Base of all errors that this package raises on purpose."""

    exit_code = 1


class UsageError(TransferError):
    """An option or argument is invalid.

    Args:
        message: ``{knob}`` in it is replaced by the name of the argument: ``image_size`` in the
            library, ``--image-size`` on the command line.
        knob: The argument, as the library names it.
    """

    exit_code = 2

    def __init__(self, message: str, *, knob: str = "") -> None:
        super().__init__(message.replace("{knob}", knob) if knob else message)
        self.template, self.knob = message, knob

    @property
    def as_option(self) -> str:
        """The message as the command line shows it."""
        option = "--" + self.knob.replace("_", "-")
        return self.template.replace("{knob}", option) if self.knob else self.template


class DataError(TransferError):
    """The images or their folders cannot be used as they are."""

    exit_code = 2


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
        "Out of memory. Try a smaller --batch-size or --image-size, or fewer --views. Files"
        " saved before are intact."
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
    if ELSEWHERE.get(word) in known:
        return ELSEWHERE[word]

    def likeness(other: str) -> tuple[float, bool]:
        swapped = sorted(other) == sorted(word)  # vgg61 is closer to vgg16 than to vgg19
        return difflib.SequenceMatcher(None, other, word).ratio(), swapped

    return max(difflib.get_close_matches(word, known, n=5), key=likeness, default=None)
