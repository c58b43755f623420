"""finetune: a folder of images becomes a run."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from transfer.api.evaluation import report, write_evaluation_of
from transfer.data.audit.clean import Audit, clean
from transfer.data.folds import check_folds
from transfer.data.groups import check_group_by, group_images
from transfer.data.leaks import find_leaks, tell_leaks
from transfer.data.sources.prepare import resolve
from transfer.data.split import assign_splits
from transfer.data.splitfile import (
    Side,
    match_sides,
    read_groups,
    read_leaks,
    read_sides,
    write_split,
)
from transfer.errors import UsageError, out_of_memory
from transfer.evaluation.evaluate import write_evaluation
from transfer.evaluation.folds import summarise_folds
from transfer.features.engines import choose_engine
from transfer.images.augment import parse_augment
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import Backbone, get_backbone
from transfer.networks.head import parse_head
from transfer.networks.weights import Weights, locate, resolve_weights
from transfer.recipe import FROM_SCRATCH, Recipe, is_uneven
from transfer.runs.run import Run, versions
from transfer.system.cachedir import cache_limit
from transfer.system.digests import sha256_of
from transfer.system.lock import check_output, locked, make_run_directory
from transfer.system.progress import say, warn
from transfer.system.quiet import import_tensorflow
from transfer.system.units import parse_seconds
from transfer.training.keep.state import State, clear_state, out_of_disk


def finetune(
    data: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    output: str | os.PathLike[str] | None = None,
    split: str | os.PathLike[str] | None = None,
    **knobs: Any,
) -> Run:
    """Train a classifier on a folder of images and evaluate it.

    The backbone runs once over the images and the head is trained on its features; then the top
    of the backbone is fine-tuned. Of the head's model, the best epoch's and three between the
    head's and the last weights, the best on the validation images is kept (ties go to the head),
    and evaluated on ``test`` where the data have it, else on ``val``.

    Args:
        data: Folder with one folder per class, or with train/, val/ and test/ of such; or
            whatever else `transfer.prepare` takes.
        recipe: Where to start from; the defaults where not given.
        output: Directory of the run, new or empty; the next free ``runs/<data>-<backbone>-001``
            where not given.
        split: Another run, or its split.csv: the images that it knows keep their side.
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
    began = time.monotonic()
    recipe = make_recipe(recipe, knobs)
    backbone = check_recipe(recipe)
    path = None if output is None else check_output(output)
    sides = None if split is None else read_sides(split)
    name, folder, audit = read_images(data, recipe)
    drawn = {"val", "test"} - set(folder.splits) if sides is None else set()
    folder, leaks, groups = divide(folder, audit, recipe, sides)
    if recipe.folds:
        check_folds(folder, groups, recipe.folds)
    _tell_counts(folder, recipe, drawn)
    found = resolve_weights(backbone, recipe.weights)  # a download that fails leaves no run
    directory = make_run_directory(path, f"{name}-{backbone.name}")
    with locked(directory):
        run = Run.create(directory, recipe, folder.classes)
        say(f"Writing to {run.path}")
        write_split(folder, run.path / "split.csv", audit.sha256, leaks, groups)
        run.update_info(**_about(folder, audit, found))
        carry_out(run, folder, found, audit.sha256, began=began)
    return run


def read_images(data: str | os.PathLike[str], recipe: Recipe) -> tuple[str, ImageFolder, Audit]:
    """Return a short name of the data, its usable images, and what a look at all of them found."""
    root, name = resolve(data, follow_links=recipe.follow_links)
    folder = ImageFolder.index(
        root, allow_empty=recipe.allow_empty, follow_links=recipe.follow_links
    )
    say(f"{len(folder):,} images of {len(folder.classes)} classes in {root}")
    return name, *clean(folder, recipe.on_bad, recipe.check)


def carry_out(
    run: Run,
    folder: ImageFolder,
    found: Weights,
    sha256: Mapping[str, str],
    saved: State | None = None,
    began: float | None = None,
) -> None:
    """Train and evaluate, from a saved state where there is one; run.json tells how it ended."""
    run.update_info(status="running", error=None)
    try:
        _train_and_evaluate(run, folder, run.recipe, found, sha256, saved, began)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        told = out_of_memory(error) or out_of_disk(run.path, error)
        reason = str(told or error) if isinstance(error, Exception) else type(error).__name__
        with suppress(OSError):  # a full disk is what may have happened
            run.update_info(status=status, error=reason)
        if status == "interrupted":
            say(f"To go on: transfer finetune --resume {run.path}")
        if told is not None:
            raise told from error
        raise


def _train_and_evaluate(
    run: Run,
    folder: ImageFolder,
    recipe: Recipe,
    found: Weights,
    sha256: Mapping[str, str],
    saved: State | None,
    began: float | None,
) -> None:
    started = time.monotonic()
    seconds = parse_seconds(recipe.time)
    until = None if seconds is None else (began or started) + seconds
    import_tensorflow()
    from transfer.training.train import train

    run.update_info(versions=versions())
    groups = read_groups(run.path)
    about = identity(run)
    predictions = train(run, folder, recipe, found, sha256, groups, about, saved, until)
    split = run.info["split"]
    leaks = read_leaks(run.path)
    if predictions is None:
        write_evaluation_of(run, run.path, folder.select(split), split, leaks)
    else:
        write_evaluation(run.path, predictions, split, leaks)
    if recipe.folds:
        run.update_info(folds=run.info["folds"] | summarise_folds(run))
    taken = run.info["seconds"] | {"total": time.monotonic() - started}
    run.update_info(status="done", seconds=taken)
    report(run)  # last, since it shows what run.json says
    clear_state(run.path)


def identity(run: Run) -> dict[str, Any]:
    """Return what must not change while a run is interrupted."""
    return {
        "recipe": run.recipe.to_dict(),
        "classes": list(run.classes),
        "split.csv": sha256_of(run.path / "split.csv"),
        "weights": run.info["weights"]["sha256"],
    }


def make_recipe(recipe: Recipe | None, knobs: Mapping[str, Any]) -> Recipe:
    """Return `recipe` (the defaults of the backbone where None) with some knobs changed.

    Raises:
        UsageError: A knob or the backbone is unknown, or a knob ill-typed.
    """
    made = Recipe.from_dict((recipe.to_dict() if recipe else {}) | dict(knobs))
    backbone = get_backbone(made.backbone)
    if backbone.scratch and recipe is None:
        made = Recipe.from_dict(FROM_SCRATCH | dict(knobs))
    return replace(made, backbone=backbone.name)  # VGG16 is called vgg16 from here on


def check_recipe(recipe: Recipe) -> Backbone:
    """Raise UsageError for whatever can be seen to be wrong without data; return the backbone."""
    backbone = get_backbone(recipe.backbone)
    backbone.side(recipe.image_size)
    parse_head(recipe.head)
    parse_augment(recipe.augment)
    check_group_by(recipe.group_by)
    cache_limit()
    if (recipe.engine, recipe.precision) != ("auto", "f32"):  # that alone would look for a GPU
        choose_engine(recipe.engine, recipe.precision)
    if recipe.unfreeze not in ("auto", "none", "all") and not recipe.unfreeze.isdecimal():
        import_tensorflow()
        from transfer.networks.classifier import layers_to_unfreeze

        layers_to_unfreeze(backbone.build(recipe.image_size), recipe.unfreeze)
    origin = locate(backbone, recipe.weights).origin
    from_scratch = backbone.scratch and origin == "none"
    if from_scratch and recipe.unfreeze not in ("auto", "all"):
        raise UsageError(
            f"{backbone.name!r} has no pretrained weights, so that nothing is worth freezing: leave"
            " --unfreeze out."
        )
    if recipe.folds and not recipe.folds_finetune and from_scratch:
        raise UsageError(
            f"{backbone.name!r} has no pretrained weights, so that each fold is a whole training:"
            " add --folds-finetune, or leave --folds out."
        )
    return backbone


def divide(
    folder: ImageFolder, audit: Audit, recipe: Recipe, sides: Sequence[Side] | None = None
) -> tuple[ImageFolder, Mapping[str, str], Mapping[str, str]]:
    """Return the folder with every split decided, its leaks (see `find_leaks`), and its groups."""
    groups = group_images(folder, audit.sha256, audit.groups, recipe.group_by)
    folder = assign_splits(
        folder,
        audit.sha256,
        groups,
        val=recipe.val,
        test=recipe.test,
        seed=recipe.seed,
        known=None if sides is None else match_sides(sides, folder, audit.sha256),
        dedupe=recipe.dedupe,
    )
    leaks = find_leaks(folder, groups)
    tell_leaks(folder, leaks)
    return folder, leaks, groups


def _tell_counts(folder: ImageFolder, recipe: Recipe, drawn: Collection[str]) -> None:
    counts = folder.counts()
    totals = {split: sum(each.values()) for split, each in counts.items()}
    say(", ".join(f"{split} {total:,}" for split, total in totals.items()))
    warn_of_few(totals, recipe, drawn)
    sizes = [n for n in counts["train"].values() if n]
    if not is_uneven(sizes):
        return
    words = [f"Classes are uneven: {min(sizes)} to {max(sizes)} training images."]
    if recipe.monitor == "auto":
        words.append("The best epoch is chosen by macro-F1; read it rather than accuracy.")
    if recipe.balance == "none":
        words.append("Consider --balance weights.")
    warn(" ".join(words))


def warn_of_few(totals: Mapping[str, int], recipe: Recipe, drawn: Collection[str]) -> None:
    """Warn where chance left a side that was drawn less than half of its share."""
    total = sum(totals.get(split, 0) for split in ("train", *drawn))
    for split, share in (("val", recipe.val), ("test", recipe.test)):
        if split in drawn and totals.get(split, total) < share * total / 2:
            warn(
                f"{split} has {totals[split]} of {total} images, where --{split} {share:g} was"
                " asked: chance, with so few. Figures on them say little; --folds 5 says more."
            )


def _about(folder: ImageFolder, audit: Audit, found: Weights) -> dict[str, Any]:
    return {
        "data": str(folder.root),
        "split": "test" if "test" in folder.splits else "val",
        "counts": folder.counts(),
        "skipped": dict(folder.skipped),
        "bad": [list(pair) for pair in audit.bad],
        "notes": dict(audit.notes),
        "weights": {
            "origin": found.origin,
            "file": None if found.path is None else found.path.name,
            "sha256": found.sha256,
        },
    }
