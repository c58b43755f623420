"""The Recipe: every knob of a run in one flat, frozen record."""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import operator
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.errors import UsageError, did_you_mean
from transfer.system.units import parse_bytes, parse_seconds

MONITORS = {
    "val_accuracy": "max",
    "val_macro_f1": "max",
    "val_loss": "min",
    "accuracy": "max",
    "loss": "min",
}
RESIZES = ("stretch", "crop", "pad")
BALANCES = ("none", "weights", "sqrt", "oversample")
ON_BAD = ("skip", "fail")
CHECKS = ("quick", "full")
# Defaults that differ for networks without pretrained weights (`transfer.networks.scratch`).
FROM_SCRATCH = {
    "learning_rate": 1e-3,
    "epochs": 50,
    "patience": 15,
    "optimizer": "adam",
    "layer_decay": 1.0,
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
}
CHOICES = {  # of the fields that are one of a few words
    "resize": RESIZES,
    "monitor": ("auto", *MONITORS),
    "balance": BALANCES,
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("cosine", "onecycle", "constant"),
    "mix": ("auto", "none", "mixup", "cutmix", "both"),
    "mixed_precision": ("auto", "on", "off"),
    "on_bad": ON_BAD,
    "check": CHECKS,
    "engine": ("auto", "keras", "openvino"),
    "precision": ("f32", "bf16"),
}
BOUNDS = {  # of whole numbers
    "image_size": (8, 2048),
    "views": (0, 32),
    "head_epochs": (1, 100_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 65_536),
    "patience": (1, 100_000),
    "accumulate": (1, 65_536),
    "seed": (0, 2**31 - 1),
}
UNEVEN = 3.0  # times the smallest class


@dataclass(frozen=True)
class Recipe:
    """Every knob of a run. The file recipe.json of a run is itself a valid ``--recipe``.

    Networks without pretrained weights have other defaults where none is given: `FROM_SCRATCH`.

    Attributes:
        backbone: Name in the registry (see ``transfer backbones``).
        weights: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path.
        image_size: Side of the square input in pixels; None takes the backbone's default.
        resize: How a photo becomes a square: ``stretch``, ``crop`` (centre) or ``pad`` (white).
        head: Head spec, for example ``"linear"`` or ``"flatten,1024,dropout=0.5"``.
        augment: Policy (``none``, ``light``, ``medium``, ``strong``) or spec
            (``"flip,rotate=10,shift=0.1"``).
        views: Augmented views of each training image, beside the image itself, that the head and
            fine-tuning learn from. None takes 8. Where nothing is fine-tuned and there are 1,000
            images or more, it takes 2, or 0 for a linear head: more would only cost time.
        unfreeze: ``auto`` (the top blocks that do half of the network's work, or less), ``none``,
            ``all``, a number of blocks counted from the top, or a layer's name.
        head_epochs: Most epochs of the frozen phase.
        epochs: Most epochs of the fine-tuning phase. None takes 8, and for few photos as many as
            make 100 steps (50 at most).
        head_learning_rate: Peak Adam rate of the frozen phase (on standardised features).
        learning_rate: Peak rate of the fine-tuning phase. None takes 5e-4, and 1e-4 for a backbone
            without normalisation layers (VGG), which bears less.
        optimizer: What fine-tunes: ``adam``, ``adamw`` or ``sgd`` (momentum 0.9).
        schedule: Course of the rate: ``cosine`` (with warm-up), ``onecycle`` or ``constant``.
        layer_decay: What the rate is multiplied by from block to block, from the head down.
        weight_decay: Decoupled weight decay of fine-tuning, times the rate; never of biases and
            normalisations.
        label_smoothing: Share of each training target that is spread over all classes. None takes
            0.1 from 1,000 training images on, and 0 below: against few it pulls at a head that has
            found its optimum already.
        clip_norm: Largest global norm of the gradients; 0 for no limit.
        mix: Training on mixtures of images: ``mixup``, ``cutmix``, ``both`` by turns at random,
            ``none``, or ``auto``: both from 20,000 training images.
        interpolate: Whether weights between the head's and the last are tried too.
        ema: Momentum of the exponential moving average of the weights, for example 0.99: each step
            moves it by 1 percent towards the weights as they are. The average, which starts with
            the weights before fine-tuning, is what is judged and kept. 0 for the weights
            themselves. With few steps it lags behind: 0.99 looks back on some 100 of them.
        accumulate: Batches after which the weights move once.
        batch_size: Images per step of fine-tuning.
        patience: Epochs without a better monitored value after which a phase stops. None takes 10
            for the head, and half of all, but 5 at least, for fine-tuning.
        trunk_cache: Disk space for what the frozen layers below the unfrozen ones make of each
            image. Where it does not suffice, the whole network runs in every step.
        engine: What runs the frozen network: ``keras``, ``openvino``, or ``auto``: OpenVINO where
            it is installed and there is no GPU.
        precision: ``f32``, or ``bf16`` (OpenVINO only): faster features with fewer digits.
        mixed_precision: Whether the backbone computes in float16 in the steps of fine-tuning:
            ``on``, ``off``, or ``auto``: on a GPU with tensor cores. What is judged and saved is
            float32 in any case.
        monitor: What "best" means: ``val_accuracy``, ``val_macro_f1``, ``val_loss``, ``accuracy``,
            ``loss``, or ``auto``: ``val_accuracy``, but ``val_macro_f1`` where the largest class
            has more than 3 times the training images of the smallest. Of epochs with the same
            value, the one with the lower ``val_loss`` is the better.
            The head has no training figure to be beaten: with ``accuracy`` or ``loss`` the
            fine-tuned model is always the one that is kept.
        balance: What is done for rare classes: ``none``, ``weights`` in the loss (inverse
            frequency), ``sqrt`` (its square root), or ``oversample``: fine-tuning draws every
            class equally often (the head, which is not trained on draws, has ``weights``).
        val: Share of the training images held out for validation where no split stands.
        test: Share held out for the test where no test folder stands; 0 for none.
        group_by: Images that belong together (bursts, patients, videos) and are never divided:
            ``none``, a regular expression on the path, or ``FILE.csv:COLUMN``.
        dedupe: Leave near duplicates of val and test images out of train where folders give the
            splits.
        folds: Folds of a cross-validation over the training and validation images, 2 to 20; 0 for
            none. It judges the head on frozen features, beside the model that is trained as always.
        folds_finetune: Fine-tune in each fold too: a whole training per fold.
        time: About how long the run takes (without folds), as in ``10m``: views and epochs follow
            from speeds that are measured first. ``none`` for as many as the other fields say.
        seed: Seed of split, shuffling, augmentation and initial weights.
        deterministic: Have TensorFlow use operations alone that give the same bits every time, for
            the rest of the process. Slower, and other numbers than without.
        on_bad: What to do with unreadable images: ``skip`` (and say so) or ``fail``.
        check: How images are looked at before training: ``quick``, or ``full`` (every file anew,
            at full resolution); see `transfer.check`.
        allow_empty: Accept a class folder without images.
        follow_links: Follow symbolic links that lead out of the folder.
    """

    backbone: str = "mobilenetv2"
    weights: str = "auto"
    image_size: int | None = None
    resize: str = "stretch"
    head: str = "linear"
    augment: str = "light"
    views: int | None = None
    unfreeze: str = "auto"
    head_epochs: int = 100
    epochs: int | None = None
    head_learning_rate: float = 1e-3
    learning_rate: float | None = None
    optimizer: str = "adamw"
    schedule: str = "cosine"
    layer_decay: float = 0.8
    weight_decay: float = 0.01
    label_smoothing: float | None = None
    clip_norm: float = 0.0
    ema: float = 0.0
    mix: str = "auto"
    interpolate: bool = True
    accumulate: int = 1
    batch_size: int = 32
    patience: int | None = None
    trunk_cache: str = "2GB"
    engine: str = "auto"
    precision: str = "f32"
    mixed_precision: str = "auto"
    monitor: str = "auto"
    balance: str = "none"
    val: float = 0.2
    test: float = 0.0
    group_by: str = "none"
    dedupe: bool = False
    folds: int = 0
    folds_finetune: bool = False
    time: str = "none"
    seed: int = 0
    deterministic: bool = False
    on_bad: str = "skip"
    check: str = "quick"
    allow_empty: bool = False
    follow_links: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            self._check_type(field.name, str(field.type))
            self._check_value(field.name)
        self._check_shares_and_rates()
        if self.folds != 0 and not 2 <= self.folds <= 20:
            raise UsageError(f"Expected folds between 2 and 20, or 0. Received: {self.folds}")
        if self.folds_finetune and not self.folds:
            raise UsageError("Expected a number of folds beside folds_finetune, such as --folds 5.")
        if self.ema and self.monitor in ("accuracy", "loss"):
            raise UsageError(
                f"Expected a monitor of the validation, val_{self.monitor}, with ema: what is"
                f" trained is not what is kept. Received: {self.monitor}"
            )

    def _check_type(self, name: str, annotation: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, bool):  # notebooks have unfreeze=2, np.int64(3), Path("weights")
            if annotation == "str" and isinstance(value, (int, os.PathLike)):
                value = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
            elif annotation.startswith("int") and hasattr(value, "__index__"):
                value = operator.index(value)
            elif annotation.startswith("float") and isinstance(value, numbers.Real):
                value = float(value)
            object.__setattr__(self, name, value)
        expected: tuple[type, ...] = {
            "str": (str,),
            "int": (int,),
            "float": (float,),
            "bool": (bool,),
            "int | None": (int, type(None)),
            "float | None": (float, type(None)),
        }[annotation]
        if type(value) not in expected:
            raise UsageError(f"Expected {name} as {annotation}. Received: {value!r}")

    def _check_value(self, name: str) -> None:
        value, choices = getattr(self, name), CHOICES.get(name)
        if choices is not None and value not in choices:
            raise UsageError(
                f"Unknown {name} {value!r}.{did_you_mean(value, choices)}"
                f" Expected one of: {', '.join(choices)}."
            )
        low, high = BOUNDS.get(name, (0, 0))
        if name in BOUNDS and value is not None and not low <= value <= high:
            raise UsageError(f"Expected {name} between {low} and {high}. Received: {value}")

    def _check_shares_and_rates(self) -> None:
        parse_bytes(self.trunk_cache)
        parse_seconds(self.time)
        if not 0 < self.val < 1:
            raise UsageError(f"Expected val between 0 and 1 (a share). Received: {self.val}")
        if not 0 <= self.test < 1 - self.val:
            raise UsageError(
                f"Expected test between 0 and 1 - val (a share). Received: {self.test}"
            )
        for name in ("head_learning_rate", "learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate < math.inf:
                raise UsageError(f"Expected {name} above 0. Received: {rate}")
        for name in ("weight_decay", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"Expected {name} of 0 or more. Received: {getattr(self, name)}")
        if not 0 < self.layer_decay <= 1:
            raise UsageError(
                f"Expected layer_decay above 0 and at most 1. Received: {self.layer_decay}"
            )
        for name in ("label_smoothing", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise UsageError(f"Expected {name} from 0 to below 1. Received: {value}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return a Recipe from a mapping. Raises UsageError for an unknown or ill-typed knob."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise UsageError(
                    f"Unknown recipe knob {name!r}.{did_you_mean(name, known)}"
                    " All are in help(transfer.Recipe)."
                )
        return cls(**values)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe.json. Raises UsageError where it cannot be read."""
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise UsageError(f"Cannot read the recipe {str(path)!r}: {error}") from error
        if not isinstance(values, dict):
            raise UsageError(f"Expected a JSON object in the recipe {str(path)!r}.")
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return all knobs as a plain dict, in their order here."""
        return dataclasses.asdict(self)


def is_uneven(counts: Iterable[int]) -> bool:
    """Tell whether the largest class has more than `UNEVEN` times the images of the smallest.

    Args:
        counts: Images of each class; those without any are left out of account.
    """
    present = [count for count in counts if count]
    return max(present, default=0) > UNEVEN * min(present, default=0)
