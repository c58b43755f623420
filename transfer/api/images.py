"""The images of a verb: from DATA to a Dataset, with the messages about it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from transfer.data.audit.clean import Audit, clean
from transfer.data.copies import hint_at_sources
from transfer.data.dataset import Dataset
from transfer.data.sources.prepare import resolve
from transfer.data.split import SplitOptions, split_dataset
from transfer.errors import option
from transfer.images.folder import ImageFolder
from transfer.recipe import Recipe, is_uneven
from transfer.recipe.reading import reading_of
from transfer.settings import Decoding
from transfer.system.progress import say, warn

CLASS_NAMES = "class_names.json"  # of a run whose classes a file has named


def read_images(data: str | os.PathLike[str], recipe: Recipe) -> tuple[str, ImageFolder, Audit]:
    """Return a short name of the data, its usable images, and the audit of all of them."""
    resolved = resolve(data, reading_of(recipe))
    folder = resolved.index()
    say(f"{len(folder):,} images of {len(folder.classes)} classes in {folder.root}")
    if recipe.group_by == "none" and (hint := hint_at_sources(folder)):
        warn(hint)
    return resolved.name, *clean(folder, recipe.on_bad, recipe.check)


def split_images(folder: ImageFolder, audit: Audit, recipe: Recipe) -> Dataset:
    """Return usable images with their splits, groups and leaks, as `finetune` splits them."""
    return split_dataset(folder, audit, split_options(recipe))


def split_options(recipe: Recipe) -> SplitOptions:
    """Return how a recipe divides images."""
    return SplitOptions(
        val=recipe.val,
        test=recipe.test,
        seed=recipe.seed,
        group_by=recipe.group_by,
        dedupe=recipe.dedupe,
    )


def tell_counts(dataset: Dataset, recipe: Recipe, drawn: Collection[str]) -> None:
    """Say how many images each split has, and warn of small splits and uneven classes.

    Args:
        dataset: The images with their splits.
        recipe: The knobs.
        drawn: Splits that were drawn at random rather than given by folders or files.
    """
    totals = dataset.images.sizes()
    say(", ".join(f"{split} {total:,}" for split, total in totals.items()))
    warn_of_few(totals, recipe, drawn)
    sizes = [n for n in dataset.class_counts("train") if n]
    if not is_uneven(sizes) or recipe.multi_label:
        return
    words = [f"Classes are uneven: {min(sizes)} to {max(sizes)} training images."]
    if recipe.monitor == "auto":
        words.append("The best epoch is chosen by macro-F1; prefer it to accuracy.")
    if recipe.balance == "none":
        words.append(f"Consider {option('balance', 'weights')}.")
    warn(" ".join(words))


def tell_decoding(dataset: Dataset, decoding: Decoding) -> None:
    """Say by which rule images of more than 8 bits are read, if there are any."""
    for levels, floats in ((decoding.integers, False), (decoding.floats, True)):
        if levels is not None:
            count = sum(each.floats is floats for each in dataset.deep.values())
            kind = "floating-point numbers" if floats else "more than 8 bits"
            say(f"{count:,} image(s) of {kind}: {levels[0]:g} to {levels[1]:g} becomes 0 to 255.")


def warn_of_few(totals: Mapping[str, int], recipe: Recipe, drawn: Collection[str]) -> None:
    """Warn where chance left a split that was drawn less than half of its share."""
    total = sum(totals.get(split, 0) for split in ("train", *drawn))
    for split, share in (("val", recipe.val), ("test", recipe.test)):
        if split in drawn and totals.get(split, total) < share * total / 2:
            warn(
                f"{split} has {totals[split]} of {total} images, though {option(split, share)} was"
                " requested: small classes vary by chance. Its metrics are uncertain;"
                f" {option('folds', 5)} gives better ones."
            )
