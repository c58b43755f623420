"""The verbs: what the command line and a notebook both call. Each runs the rooms in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer import backbones, weights
from transfer.cachedir import cache_limit
from transfer.errors import DataError, UsageError, did_you_mean
from transfer.evaluation.report import write_evaluation, write_report
from transfer.images.audit import Audit, clean
from transfer.images.augment import parse_augment
from transfer.images.folder import SPLITS, ImageFolder
from transfer.images.sources import resolve
from transfer.images.split import assign_splits, read_split, write_split
from transfer.progress import say, warn
from transfer.quiet import import_tensorflow
from transfer.recipe import ON_BAD, Recipe
from transfer.run import Run, versions, write_json
from transfer.training.head import parse_head

if TYPE_CHECKING:
    from transfer.images.decode import Source
    from transfer.serving.predict import Prediction

RunLike = Run | str | os.PathLike[str]


def finetune(
    data: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    **knobs: Any,
) -> Run:
    """Train a classifier on a folder of images and evaluate it.

    The backbone runs once over the images and the head is trained on its features; then the top
    of the backbone is fine-tuned; the better of the two on the validation images is kept and
    evaluated on ``test`` where the data have it, else on ``val``.

    Args:
        data: Folder with one folder per class, or with train/, val/ and test/ of such; or
            ``sample:digits``, ``sample:shapes``.
        recipe: Where to start from; the defaults where not given.
        output: Directory of the run, new or empty; the next free ``runs/<data>-<backbone>-001``
            where not given.
        **knobs: Fields of `Recipe` that differ, for example ``backbone="vgg16"``.

    Returns:
        The finished run.

    Raises:
        UsageError: A knob has a value that makes no sense.
        DataError: The images cannot be used.
        WeightsError: The backbone's weights cannot be had.
        TransferError: The training diverged.

    Example:
        >>> run = finetune("data/dogs", backbone="vgg16")
        >>> run.metrics["accuracy"]
    """
    recipe = make_recipe(recipe, knobs)
    backbone = check_recipe(recipe)
    root, name = resolve(data)
    folder = ImageFolder.index(
        root, allow_empty=recipe.allow_empty, follow_links=recipe.follow_links
    )
    say(f"{len(folder):,} images of {len(folder.classes)} classes in {root}")
    folder, audit = clean(folder, recipe.on_bad)
    folder = assign_splits(folder, audit.sha256, val=recipe.val, seed=recipe.seed)
    _tell_counts(folder, recipe)
    run = Run.create(
        None if output is None else Path(output),
        f"{name}-{backbone.name}",
        recipe,
        folder.classes,
    )
    say(f"Writing to {run.path}")
    write_split(folder, run.path / "split.csv")
    run.update_info(status="running", data=str(folder.root), **_about(folder, audit))
    try:
        _train_and_evaluate(run, folder, recipe, audit.sha256)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        reason = str(error) if isinstance(error, Exception) else type(error).__name__
        run.update_info(status=status, error=reason)
        raise
    return run


def _train_and_evaluate(
    run: Run, folder: ImageFolder, recipe: Recipe, sha256: Mapping[str, str]
) -> None:
    started = time.monotonic()
    backbone = backbones.get_backbone(recipe.backbone)
    found = weights.resolve_weights(backbone, recipe.weights)
    run.update_info(
        weights={
            "origin": found.origin,
            "file": None if found.path is None else found.path.name,
            "sha256": found.sha256,
        },
    )
    import_tensorflow()
    from transfer.training.train import train

    run.update_info(versions=versions())
    train(run, folder, recipe, found, sha256)
    split = "test" if "test" in folder.splits else "val"
    _evaluate_into(run, run.path, folder.select(split), split)
    seconds = run.info["seconds"] | {"total": time.monotonic() - started}
    run.update_info(status="done", split=split, seconds=seconds)
    report(run)  # last, since it shows what run.json says


def evaluate(
    run: RunLike,
    data: str | os.PathLike[str] | None = None,
    split: str | None = None,
) -> Mapping[str, Any]:
    """Evaluate a run's model on one split of its own images, or on other images.

    The run's own split goes to the run directory itself; anything else to
    ``evaluations/<name>`` below it. Images are matched to the model's classes by name.

    Args:
        run: A run or its path.
        data: Another image folder; the run's own where not given.
        split: ``train``, ``val`` or ``test``; where not given, the run's own split, or all images
            of `data` (its test or validation images where it has such folders).

    Returns:
        The metrics, also written as metrics.json.

    Raises:
        DataError: There is no image to evaluate.
        RunError: The run has no valid model.
        UsageError: `split` is no split.
    """
    run = as_run(run)
    if split is not None and split not in SPLITS:
        raise UsageError(
            f"Unknown split {split!r}.{did_you_mean(split, SPLITS)} Expected train, val or test."
        )
    if data is None:
        own = str(run.info.get("split", "val"))
        split = split or own
        folder = read_split(run.path / "split.csv", _own_images(run), run.classes)
        directory = run.path if split == own else run.path / "evaluations" / split
        name = None
    else:
        root, name = resolve(data)
        folder, _ = clean(ImageFolder.index(root, allow_empty=True, classes=run.classes))
        if split is None and set(folder.splits) != {""}:
            split = "test" if "test" in folder.splits else "val"
        directory = run.path / "evaluations" / f"{name}-{split or 'all'}"
    chosen = folder if split is None else folder.select(split)
    if not chosen.paths:
        raise DataError(f"There are no {split or 'usable'} images in {str(folder.root)!r}.")
    absent = [name for label, name in enumerate(run.classes) if label not in set(chosen.labels)]
    if absent:
        warn(f"No images of {', '.join(map(repr, absent))}: nothing is known of these classes.")
    directory.mkdir(parents=True, exist_ok=True)
    if directory != run.path:
        about = {"data": str(folder.root), "split": split or "all"}
        write_json(directory / "evaluation.json", about)
    metrics = _evaluate_into(run, directory, chosen, split or "all")
    write_report(run, directory)
    return metrics


def _own_images(run: Run) -> Path:
    """Return the folder that the run was trained on."""
    data = run.info.get("data")
    if not isinstance(data, str) or not Path(data).is_dir():
        raise DataError(
            f"The images of {run.path} are not where its run.json says: {data!r}."
            " Bring them back, or name others: transfer evaluate RUN DATA"
        )
    return Path(data)


def _evaluate_into(run: Run, directory: Path, folder: ImageFolder, split: str) -> Mapping[str, Any]:
    import_tensorflow()
    from transfer.serving.predict import Predictor, predict_folder

    return write_evaluation(directory, predict_folder(Predictor(run), folder), split)


def report(run: RunLike) -> Path:
    """Write the run's report.html anew from its predictions and return its path.

    Args:
        run: A run or its path.

    Raises:
        RunError: The run has no predictions yet.
    """
    return write_report(as_run(run))


def predict(
    run: RunLike, pictures: Source | Iterable[Source], on_bad: str = "fail"
) -> list[Prediction]:
    """Say what is on pictures.

    Args:
        run: A run or its path.
        pictures: One or several: files, folders, PIL images, or uint8 arrays (h, w, 3), RGB.
        on_bad: ``fail`` raises at the first unreadable picture; ``skip`` warns and goes on.

    Returns:
        One `Prediction` (path, label, confidence, probabilities) per readable picture.

    Raises:
        DataError: A picture cannot be read.
        RunError: The run has no valid model.

    Example:
        >>> predict("runs/dogs-vgg16-001", ["rex.jpg"])[0].label
        'beagle'
    """
    if on_bad not in ON_BAD:
        raise UsageError(f"Expected on_bad as skip or fail. Received: {on_bad!r}")
    skip = None if on_bad == "fail" else lambda error: warn(f"Left out: {error}")
    return list(iterate_predictions(run, pictures, skip))


def iterate_predictions(
    run: RunLike,
    pictures: Source | Iterable[Source],
    on_bad: Callable[[DataError], None] | None = None,
) -> Iterator[Prediction]:
    """Do as `predict`, but yield each Prediction as soon as it is known.

    Args:
        run: A run or its path.
        pictures: See `predict`.
        on_bad: Called with the error of each unreadable picture; where None, it is raised.
    """
    run = as_run(run)
    import_tensorflow()
    from transfer.serving.predict import predict as iterate

    return iterate(run, pictures, on_bad)


def as_run(run: RunLike) -> Run:
    """Return a Run for a run or its path."""
    return run if isinstance(run, Run) else Run(run)


def make_recipe(recipe: Recipe | None, knobs: Mapping[str, Any]) -> Recipe:
    """Return `recipe` (the defaults where None) with some knobs changed.

    Raises:
        UsageError: A knob is unknown or ill-typed.
    """
    return Recipe.from_dict((recipe or Recipe()).to_dict() | dict(knobs))


def check_recipe(recipe: Recipe) -> backbones.Backbone:
    """Raise UsageError for whatever can be seen to be wrong without data; return the backbone."""
    backbone = backbones.get_backbone(recipe.backbone)
    if recipe.image_size is not None and recipe.image_size < backbone.min_size:
        raise UsageError(
            f"Expected an image size of at least {backbone.min_size} for {backbone.name!r}."
            f" Received: {recipe.image_size}"
        )
    parse_head(recipe.head)
    parse_augment(recipe.augment)
    cache_limit()
    weights.locate(backbone, recipe.weights)
    return backbone


def _tell_counts(folder: ImageFolder, recipe: Recipe) -> None:
    counts = folder.counts()
    say(", ".join(f"{split} {sum(each.values()):,}" for split, each in counts.items()))
    sizes = [n for n in counts["train"].values() if n]
    if recipe.balance == "none" and max(sizes) > 3 * min(sizes):
        warn(
            f"Classes are uneven: {min(sizes)} to {max(sizes)} training images."
            " Consider --balance weights, and read macro-F1 rather than accuracy."
        )


def _about(folder: ImageFolder, audit: Audit) -> dict[str, Any]:
    return {
        "counts": folder.counts(),
        "skipped": dict(folder.skipped),
        "bad": [list(pair) for pair in audit.bad],
        "notes": dict(audit.notes),
    }
