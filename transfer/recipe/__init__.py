"""The Recipe: every knob of a run in one flat, frozen record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transfer.errors import UsageError, advice, did_you_mean, option
from transfer.recipe.reading import Reading
from transfer.system.files import read_json
from transfer.system.text import cut
from transfer.system.units import parse_bytes, parse_seconds

MONITORS = {
    "val_accuracy": "max",
    "val_macro_f1": "max",
    "val_loss": "min",
    "accuracy": "max",
    "loss": "min",
}
RESIZES = ("stretch", "crop", "pad")
COLOR_PROFILES = ("convert", "ignore")
BALANCES = ("none", "weights", "sqrt", "oversample")
ON_BAD = ("skip", "fail")
CHECKS = ("quick", "full")
CHOICES: dict[str, tuple[str, ...]] = {  # of the fields with a fixed set of values
    **Reading.CHOICES,
    "resize": RESIZES,
    "color_profiles": COLOR_PROFILES,
    "monitor": ("auto", *MONITORS),
    "balance": BALANCES,
    "optimizer": ("auto", "adam", "adamw", "sgd"),
    "schedule": ("cosine", "onecycle", "constant"),
    "mix": ("auto", "none", "mixup", "cutmix", "both"),
    "mixed_precision": ("auto", "on", "off"),
    "on_bad": ON_BAD,
    "check": CHECKS,
    "engine": ("auto", "keras", "openvino"),
    **dict.fromkeys(("precision", "views_precision"), ("auto", "f32", "bf16", "int8")),
}
BOUNDS: dict[str, tuple[int, int]] = {  # of whole numbers
    **Reading.BOUNDS,
    "image_size": (8, 2048),
    "views": (0, 32),
    "head_epochs": (1, 100_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 65_536),
    "patience": (1, 100_000),
    "accumulate": (1, 65_536),
    "seed": (0, 2**31 - 1),
}
RANGES = {  # of other numbers, in words
    "val": "between 0 and 1 (a share)",
    "test": "between 0 and 1 - val (a share)",
    "folds": "between 2 and 20, or 0",
    "layer_decay": "above 0 and at most 1",
}
RANGES |= dict.fromkeys(("label_smoothing", "ema"), "from 0 to below 1")
RANGES |= dict.fromkeys(("head_learning_rate", "learning_rate"), "above 0")
RANGES |= dict.fromkeys(("weight_decay", "clip_norm"), "of 0 or more")
RANGES |= {name: f"between {low} and {high}" for name, (low, high) in BOUNDS.items()}
LARGEST = 1e38  # of other numbers, which have to fit into a float32
UNEVEN = 3.0  # times the smallest class


@dataclass(frozen=True)
class Recipe(Reading):
    """Every knob of a run, as the user asks for it; `load` reads that of a run.

    Fields that are None or ``auto`` are open: `transfer.training.settle` decides them once, from
    the images, the network and the machine, and run.json records the result.

    Attributes:
        backbone: Name in the registry (see `transfer.list_backbones`).
        weights: ``auto``, ``bundled``, ``imagenet``, ``none`` or a path. With ``none`` the whole
            network is trained from scratch.
        image_size: Side of the square input in pixels; None: the backbone's default.
        resize: How a photo becomes a square: ``stretch``, ``crop`` (centre) or ``pad`` (white).
        color_profiles: ``convert`` colours to sRGB by their ICC profile, or ``ignore`` it.
        head: Head spec, for example ``"linear"`` or ``"flatten,1024,dropout=0.5"``.
        augment: Policy (``none``, ``light``, ``medium``, ``strong``) or spec
            (``"flip,rotate=10,shift=0.1"``).
        normalize: What is done to each image before a network that is trained from scratch:
            ``none``, or some of ``featurewise_center``, ``featurewise_std``,
            ``samplewise_center``, ``samplewise_std`` and ``zca`` (whitening; ``zca=EPSILON``), as
            in Keras' ImageDataGenerator. The statistics are those of the training images, and
            part of the saved model.
        views: Augmented views of each training image, in addition to the image itself. None: 3 to
            8, the more the fewer images; 0 without fine-tuning from 1,000 images on.
        unfreeze: ``auto`` (the top blocks that do at most half of the network's work), ``none``,
            ``all``, a number of blocks counted from the top, or the name of the lowest layer.
        head_epochs: Maximum number of epochs for a head that is trained rather than solved.
        epochs: Maximum number of epochs of fine-tuning. None: 5, more for few photos until there
            are 100 steps (50 at most); 50 from scratch.
        head_learning_rate: Peak Adam rate for the head (on standardised features).
        learning_rate: Peak rate of fine-tuning. None: 5e-4; 1e-4 for a backbone without
            normalisation layers (VGG); 1e-3 from scratch.
        optimizer: ``adam``, ``adamw``, ``sgd`` (momentum 0.9), or ``auto``: ``adamw``, from scratch
            ``adam``.
        schedule: ``cosine`` (with warm-up), ``onecycle`` or ``constant``.
        layer_decay: Factor of the learning rate from block to block, from the head down, above 0
            and at most 1. None: 0.8, from scratch 1.
        weight_decay: Decoupled for ``adamw`` and ``sgd`` (times the rate), an L2 term of the
            gradient for ``adam``; not for biases and normalisation. None: 0.01; 0 for ``adam``.
        label_smoothing: Share of each training target spread evenly over all classes, 0 to 1.
            None: 0.1 from 1,000 training images on, else 0; 0 from scratch.
        clip_norm: Maximum global norm of the gradients; 0 for no limit.
        ema: Momentum of the average of the weights, which is validated and kept in their place; 0
            for none. None: 0.98; 0 from scratch, and where the monitor is a training figure.
        mix: ``none``, ``mixup``, ``cutmix``, ``both`` (either at random), or ``auto``: both from
            20,000 training images on.
        interpolate: Whether points between the head's and the last weights are candidates too.
        accumulate: Batches whose gradients are accumulated for one update.
        batch_size: Images per step of fine-tuning.
        patience: Epochs without improvement before training stops. None: 10 for the head; half of
            all epochs, at least 5, for fine-tuning; 15 from scratch.
        trunk_cache: Disk space for the activations of the frozen layers, such as ``2GB``. Where
            they need more, the whole network runs in every step.
        engine: What runs the frozen network: ``keras``, ``openvino``, or ``auto``: OpenVINO where
            it is installed and there is no GPU, unless Keras is measured to be faster.
        precision: Of the training images' features: ``f32``, ``bf16``, ``int8`` (by OpenVINO; int8
            needs NNCF), or ``auto``: the fastest that does no harm. All else is float32.
        views_precision: The same for their augmented views; ``auto``: as `precision`.
        mixed_precision: Whether fine-tuning computes in float16: ``on``, ``off``, or ``auto``: on a
            GPU with tensor cores. Validation and the saved model are float32 in any case.
        monitor: What "best" means: ``val_accuracy``, ``val_macro_f1``, ``val_loss``, ``accuracy``,
            ``loss``, or ``auto``: ``val_accuracy``, but ``val_macro_f1`` where the largest class
            has more than 3 times the training images of the smallest. Ties go to the lower
            ``val_loss``. With ``accuracy`` or ``loss`` the fine-tuned model is always kept.
        balance: For rare classes: ``none``, ``weights`` in the loss (inverse frequency), ``sqrt``
            (its square root), or ``oversample``: every class is drawn equally often (the head
            uses ``weights`` instead).
        val: Share of the training images held out for validation where the data have no split.
        test: Share held out for the test where the data have none; 0 for none.
        group_by: Images that stay in the same split (bursts, patients, videos): ``none``,
            ``source`` (copies of one photo by their names, such as ``NAME_aug3``), ``folder`` (the
            folder inside the class folder), a regular expression on the path, or
            ``FILE.csv:COLUMN``.
        dedupe: Remove near duplicates of val and test images from train where folders give the
            splits.
        folds: Folds of a cross-validation over the training and validation images, 2 to 20; 0 for
            none. It evaluates the head on frozen features; the saved model is not affected.
        folds_finetune: Fine-tune in each fold too: a whole training per fold.
        time: Approximate time for the run (without folds), such as ``10m``; ``none`` for no limit.
        seed: Seed of split, shuffling, augmentation and initial weights.
        deterministic: Use only TensorFlow operations that give the same bits every time. Slower,
            and the results differ from those without it.
        on_bad: Unreadable images: ``skip`` (and report them) or ``fail``.
        check: How images are checked before training: ``quick``, or ``full`` (every file again,
            at full resolution); see `transfer.check`.
        task: ``single-label``: each image is of one class; or ``multi-label``: of any number of
            them, as a table says. Then each class has a probability and a threshold of its own.
        layout: What the folders in DATA are: ``classes``; ``splits``, of class folders; or
            ``flat``: nothing, the class is in the file names (see `label_regex`). ``auto`` decides
            by the rules in docs/data.md, and asks where they leave two readings.
        class_level: Which level of folders is the class, from 1 for those in DATA. Levels above it
            are ignored unless they are splits. None: found.
        label_regex: Regular expression on the path of each image relative to DATA, whose first
            group is the class; ``none``: the class is a folder.
        path_column: Column of a table that holds the paths: its name, or its number from 1 where
            there is no header; ``auto``: found.
        label_column: The same for the classes.
        split_column: The same for the splits; ``none``: the table's splits are ignored.
        class_names: File with the names of classes that are numbers or codes in DATA: text, CSV or
            JSON; ``none``: they are named already.
        negatives: Folder with images of none of the classes, in DATA or elsewhere, or the name of a
            class in DATA; ``auto``: classes called background, as in BACKGROUND_Google, beside two
            or more others; ``none``: no images. They are never trained on; they and the validation
            images decide which predictions are refused.
        limit: Most images of each class in each split, spread over the sorted paths, for a trial on
            a large set. None: all.
        allow_empty: Accept class folders without images.
        follow_links: Follow symbolic links that lead out of the folder.
    """

    CHOICES: ClassVar[Mapping[str, tuple[str, ...]]] = CHOICES
    BOUNDS: ClassVar[Mapping[str, tuple[int, int]]] = BOUNDS
    RANGES: ClassVar[Mapping[str, str]] = RANGES

    backbone: str = "mobilenetv2"
    weights: str = "auto"
    image_size: int | None = None
    resize: str = "stretch"
    color_profiles: str = "convert"
    head: str = "linear"
    augment: str = "light"
    normalize: str = "none"
    views: int | None = None
    unfreeze: str = "auto"
    head_epochs: int = 100
    epochs: int | None = None
    head_learning_rate: float = 1e-3
    learning_rate: float | None = None
    optimizer: str = "auto"
    schedule: str = "cosine"
    layer_decay: float | None = None
    weight_decay: float | None = None
    label_smoothing: float | None = None
    clip_norm: float = 0.0
    ema: float | None = None
    mix: str = "auto"
    interpolate: bool = True
    accumulate: int = 1
    batch_size: int = 32
    patience: int | None = None
    trunk_cache: str = "2GB"
    engine: str = "auto"
    precision: str = "auto"
    views_precision: str = "auto"
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

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_bytes(self.trunk_cache, option("trunk_cache"))
        parse_seconds(self.time)
        self._check_shares()
        self._check_rates()
        if self.folds != 0 and not 2 <= self.folds <= 20:
            raise self._unexpected("folds", self.folds)
        if self.folds_finetune and not self.folds:
            tuned = option("folds_finetune", True)
            raise self._unexpected("folds", self.folds, f"between 2 and 20 with {tuned}")
        if self.ema and self.monitor in ("accuracy", "loss"):
            wanted = f"as val_{self.monitor}, since ema keeps other weights than those that train"
            raise self._unexpected("monitor", self.monitor, wanted)

    def _check_shares(self) -> None:
        if not 0 < self.val < 1:
            raise self._unexpected("val", self.val)
        if not 0 <= self.test < 1 - self.val:
            raise self._unexpected("test", self.test)
        for name in ("label_smoothing", "ema"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise self._unexpected(name, value)

    def _check_rates(self) -> None:
        for name in ("head_learning_rate", "learning_rate"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate <= LARGEST:
                raise self._unexpected(name, rate)
        for name in ("weight_decay", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= LARGEST:
                raise self._unexpected(name, value)
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise self._unexpected("layer_decay", self.layer_decay)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Return a Recipe from a mapping. Raises UsageError for an unknown or ill-typed knob."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                hint = advice(name) or did_you_mean(name, [*known, "output"])
                raise UsageError(f"Unknown argument {name!r}.{hint} See help(transfer.Recipe).")
        return cls(**values)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe.json. Raises UsageError where it cannot be read."""
        try:
            values = read_json(Path(path))
        except (OSError, ValueError) as error:
            raise UsageError(f"Cannot read the recipe {str(path)!r}: {cut(error)}") from error
        if not isinstance(values, dict):
            raise UsageError(f"Expected a JSON object in the recipe {str(path)!r}.")
        return cls.from_dict(values)

    def to_dict(self) -> dict[str, Any]:
        """Return all knobs as a plain dict, in their order here; those of `Reading` come last."""
        values = dataclasses.asdict(self)
        reading = {field.name: values.pop(field.name) for field in dataclasses.fields(Reading)}
        return values | reading


def is_uneven(counts: Iterable[int]) -> bool:
    """Tell whether the largest class has more than `UNEVEN` times the images of the smallest.

    Args:
        counts: Images of each class; classes without any are ignored.
    """
    present = [count for count in counts if count]
    return max(present, default=0) > UNEVEN * min(present, default=0)
