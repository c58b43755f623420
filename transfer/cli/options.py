"""Options that several commands share, mostly the fields of the Recipe."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from transfer.errors import RunError, UsageError
from transfer.recipe import CHOICES, Recipe
from transfer.system.files import is_file

F = TypeVar("F", bound=Callable[..., Any])

# Field of the Recipe -> its help text. Type and default are those of the field.
HELP = {
    "backbone": 'The network; see "transfer backbones".',
    "weights": "auto, bundled, imagenet, none, or a file or folder.",
    "image_size": "Side of the input in pixels.  [default: the network's own, mostly 224]",
    "resize": "How a photo becomes a square.",
    "color_profiles": "Convert the colours of ICC profiles to sRGB, or take them as they are.",
    "head": 'Layers on top: "linear", "flatten,1024,dropout=0.5", "avg+max,256".',
    "augment": 'none, light, medium, strong, or "flip,rotate=10,shift=0.1"; "light,flip=0" if'
    " mirroring changes what an image shows, as with digits.",
    "normalize": "For networks from scratch: none, or some of featurewise_center, featurewise_std,"
    " samplewise_center, samplewise_std, zca[=EPSILON]; statistics of the training images.",
    "views": "Augmented views of each training image."
    "  [default: 3, up to 8 below 300 images; for a head alone, 0 from 1,000 images on]",
    "unfreeze": "What to fine-tune: auto, none, all, a number of blocks from the top, or a layer.",
    "head_epochs": "Maximum epochs for the head; a linear one is solved without any.",
    "epochs": "Maximum epochs of fine-tuning.  [default: 5, more for few photos; 50 from scratch]",
    "head_learning_rate": "Learning rate for a head with hidden layers.",
    "learning_rate": "Peak learning rate of fine-tuning."
    "  [default: 0.0005; 0.0001 for VGG, 0.001 from scratch]",
    "optimizer": "Optimizer of fine-tuning; sgd has a momentum of 0.9.",
    "schedule": "Learning-rate schedule; cosine has a warm-up.",
    "layer_decay": "Factor of the learning rate from block to block, from the head down.",
    "weight_decay": "Decoupled; not for biases and normalisation.",
    "label_smoothing": "Share of each training target that is spread over all classes."
    "  [default: 0.1 from 1,000 images on; 0 from scratch]",
    "clip_norm": "Maximum norm of the gradients; 0 for no limit.",
    "ema": "Keep a moving average of the weights, with this momentum; 0 for none."
    "  [default: 0.98; from scratch 0]",
    "mix": "Mix training images; auto: both from 20,000 images.",
    "interpolate": "Try weights between the head's and the last epoch's too.",
    "accumulate": "Batches whose gradients are accumulated for one update.",
    "batch_size": "Images per step of fine-tuning.",
    "patience": "Epochs without improvement before a phase stops."
    "  [default: half of all, at least 5; 10 for the head; 15 from scratch]",
    "trunk_cache": "Disk space for the frozen layers' activations.",
    "engine": "What runs the frozen network.",
    "precision": "Of the training images' features; auto: the fastest that does no harm.",
    "views_precision": "Of the features of their augmented views; auto: the same.",
    "mixed_precision": "Fine-tune in float16, keep float32; auto: on a GPU with tensor cores.",
    "monitor": 'What "best" means; auto: accuracy, or macro-F1 where classes are uneven.',
    "balance": "For rare classes: weights in the loss, their square root, or oversampling.",
    "val": "Share held out for validation where DATA has no val/ folder.",
    "test": "Share held out for a test that training never sees.",
    "group_by": "Keep images of one patient, burst or video together: source (NAME_aug3), folder"
    " (inside the class), a regex on the path, or FILE.csv:COLUMN.",
    "dedupe": "Leave near duplicates of val and test images out of train.",
    "folds": "Cross-validate the head in this many folds over all but the test images.",
    "folds_finetune": "Fine-tune in each fold too: a whole training per fold.",
    "time": "Approximate time for the run without folds, such as 10m: sets views and epochs.",
    "seed": "Seed of split, shuffling, augmentation and weights.",
    "deterministic": "The same seed gives the same bits, at some cost in speed.",
    "on_bad": "Unusable images: leave them out and report them, or stop.",
    "check": "How images are checked first; full decodes every file again.",
    "task": "multi-label: a table gives each image any number of labels, such as tags.",
    "layout": "What the folders in DATA are, where that is not plain; flat: the class is in the"
    " file names.",
    "class_level": "Level of folders that is the class; 1 for those in DATA.  [default: found]",
    "label_regex": "Regex on the path of each image, whose group is the class: '([^/]+)_\\d+'.",
    "path_column": "Column of a table with the paths: its name, or its number without a header.",
    "label_column": "Column of a table with the classes.",
    "split_column": "Column of a table with the splits; none ignores it.",
    "class_names": "File that names classes which are numbers or codes: text, CSV or JSON.",
    "negatives": "Folder with photos of none of the classes, or the name of a class in DATA: never"
    " trained on, they decide which predictions are refused.",
    "limit": "Use at most this many images of each class in each split, for a trial.",
    "allow_empty": "Accept class folders without images.",
    "follow_links": "Follow links that lead out of the folder.",
}
TYPES = {"str": str, "int": int, "int | None": int, "float": float, "float | None": float}


def _read_prior(
    ctx: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> str | dict[str, Any] | None:
    """Return --prior as the library takes it; given several times, once for each class."""
    if not given:
        return None
    if len(given) == 1:
        return _read_json(given[0]) or given[0]
    pairs = [text.rpartition("=") for text in given]
    for text, (name, _, _) in zip(given, pairs, strict=True):
        if not name:
            raise UsageError(f"Expected CLASS=SHARE in each of several --prior. Received: {text!r}")
    return _shares((name, share) for name, _, share in pairs)


def _read_json(text: str) -> dict[str, Any] | None:
    """Return shares that are given as a JSON object, None for other text."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return dict(json.loads(text, object_pairs_hook=_shares))
    except ValueError:  # a class may be called so
        return None


def _shares(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    shares: dict[str, Any] = {}
    for name, share in pairs:
        if name in shares:
            raise UsageError(f"Expected one share for each class. Received two for {name!r}.")
        shares[name] = share
    return shares


prior_option = click.option(
    "--prior",
    metavar="train|even|SHARES",
    multiple=True,
    callback=_read_prior,
    help="Correct probabilities to class frequencies: those of the training images, equal ones, or"
    ' "cat=0.9,dog=0.1"; for names with commas, JSON or one --prior CLASS=SHARE for each class.'
    " Default: the model's own probabilities.",
)


def recipe_options(command: F, names: Collection[str] = tuple(HELP)) -> F:
    """Add one option per field of the Recipe; those that are omitted arrive as None."""
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    for field in [fields[name] for name in reversed(HELP) if name in names]:
        name = "--" + field.name.replace("_", "-")
        plain = field.default is None or field.default is False
        default = "" if plain else f"  [default: {field.default}]"
        text = HELP[field.name] + default
        if field.default is True:
            both = f"{name}/--no-{name.removeprefix('--')}"
            option = click.option(both, default=None, help=HELP[field.name])
        elif field.type == "bool":
            option = click.option(name, is_flag=True, default=None, help=text)
        elif field.name in CHOICES:
            option = click.option(name, metavar="|".join(CHOICES[field.name]), help=text)
        else:
            kind = TYPES[str(field.type)]
            option = click.option(name, type=kind, metavar=_metavar(field.name, kind), help=text)
        command = option(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def require_run(command: str, run: str, others: Collection[str] = ()) -> None:
    """Raise RunError if RUN is not one: it comes after the data, or is left out.

    Args:
        command: Whose argument it is.
        run: The argument.
        others: Those after it.
    """
    if is_run(run):
        return
    runs = [other for other in others if is_run(other)]
    if runs:
        right = [runs[0], *(each for each in (run, *others) if each != runs[0])]
        raise RunError(
            f"{run!r} is not a run directory, but {runs[0]!r} is. Did you mean: transfer {command}"
            f" {shlex.join(right)}"
        )
    newest = _newest_run()
    if newest is None:
        hint = "Runs are made by: transfer finetune DATA"
    elif others or command == "predict":
        hint = f"Did you mean the newest: transfer {command} {shlex.join([newest, run, *others])}"
    else:
        hint = f"Did you mean the newest: transfer {command} {shlex.quote(newest)}"
    raise RunError(f"RUN is missing: {run!r} is not a run directory (no recipe.json). {hint}")


def _newest_run() -> str | None:
    """Return the last run below runs/ that has a model."""
    models = [path for path in Path("runs").glob("*/model.keras") if is_run(str(path.parent))]
    newest = max(models, key=lambda path: path.stat().st_mtime, default=None)
    return None if newest is None else str(newest.parent)


def is_run(path: str) -> bool:
    """Return whether a path is that of a run."""
    return is_file(Path(path, "recipe.json"))


def _metavar(name: str, kind: type) -> str:
    if kind is not str:
        return "NUMBER"
    words = {"backbone": "NAME", "trunk_cache": "SIZE", "time": "TIME", "weights": "WEIGHTS"}
    words |= {"label_regex": "REGEX", "class_names": "FILE", "negatives": "FOLDER"}
    return words.get(name, "NAME" if name.endswith("_column") else "SPEC")
