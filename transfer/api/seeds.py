"""finetune_seeds: the same training with several seeds, for its mean and spread."""

from __future__ import annotations

import os
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from transfer.api.knobs import Knobs
from transfer.api.recipes import make_recipe
from transfer.api.resuming import resume
from transfer.api.run import Run
from transfer.api.training import finetune, source_name
from transfer.errors import RunError, UsageError, option
from transfer.recipe import Recipe
from transfer.system.files import write_json
from transfer.system.progress import say

SUMMARY = "seeds.json"
_MOST = 100


@dataclass(frozen=True)
class SeedFigures:
    """The figures of the run of one seed, on its evaluation split."""

    seed: int
    run: str
    split: str
    n: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds, each 0..1."""

    mean: float
    std: float


@dataclass(frozen=True)
class Seeds:
    """What several seeds give.

    Attributes:
        runs: The figures of each seed.
        accuracy: Mean and standard deviation (n - 1) of the accuracy.
        macro_f1: The same of macro-F1.
    """

    runs: tuple[SeedFigures, ...]
    accuracy: Spread
    macro_f1: Spread

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, as seeds.json has them."""
        return asdict(self)


def finetune_seeds(
    data: str | os.PathLike[str],
    seeds: int,
    output: str | os.PathLike[str],
    *,
    recipe: Recipe | None = None,
    split: str | os.PathLike[str] | None = None,
    **knobs: Unpack[Knobs],
) -> Seeds:
    """Train with several seeds, one run for each in a folder, and summarise them.

    The seed also draws the split where the data have none; with `split` it is the same in all. The
    call may be repeated after an interruption: finished runs are kept, the unfinished one is
    resumed, and only the missing ones are trained.

    Args:
        data: As for `finetune`.
        seeds: How many, 2 to 100: those from the recipe's seed on.
        output: Folder for ``seed-0``, ``seed-1``... and seeds.json.
        recipe: As for `finetune`.
        split: As for `finetune`.
        **knobs: As for `finetune`.

    Returns:
        The figures, also written as seeds.json.

    Raises:
        RunError: The folder holds other files, or runs with another recipe or of other images.
        UsageError, DataError, WeightsError, TransferError: As for `finetune`.
    """
    if not 2 <= seeds <= _MOST:
        raise UsageError(f"Expected {option('seeds')} of 2 to {_MOST}. Received: {seeds}")
    asked, folder = make_recipe(recipe, knobs), Path(output).expanduser()
    recipes = [replace(asked, seed=asked.seed + number) for number in range(seeds)]
    places = [folder / f"seed-{each.seed}" for each in recipes]
    _check_folder(folder)
    for each, place in zip(recipes, places, strict=True):
        _check_recipe(each, place)
        _check_data(data, place)
    runs = []
    for number, (each, place) in enumerate(zip(recipes, places, strict=True), start=1):
        say(f"Seed {each.seed} ({number} of {seeds})")
        runs.append(_train(data, each, place, split))
    found = _summary([each.seed for each in recipes], runs, folder)
    write_json(folder / SUMMARY, found.to_dict())
    return found


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"Expected a folder as {option('output', folder)}. It is a file.")
    names = [each.name for each in folder.iterdir()] if folder.exists() else []
    others = [name for name in names if not name.startswith(("seed-", SUMMARY, "."))]
    if others:
        raise RunError(
            f"{folder} holds other files, such as {sorted(others)[0]!r}; nothing was changed."
            f" Choose another {option('output')}"
        )


def _check_recipe(recipe: Recipe, place: Path) -> None:
    if (place / "recipe.json").is_file() and Run(place).recipe != recipe:
        raise RunError(
            f"{place} was trained with another recipe; nothing was changed. Repeat its options, or"
            f" choose another {option('output')}"
        )


def _check_data(data: str | os.PathLike[str], place: Path) -> None:
    """Raise RunError where a run is of other images, as far as their name tells."""
    if not (place / "run.json").is_file():
        return
    known, given = Run(place).info.source, source_name(data)
    if known and known != given:
        raise RunError(
            f"{place} was trained on {known!r}, not on {given!r}; nothing was changed. Choose"
            f" another {option('output')}"
        )


def _train(
    data: str | os.PathLike[str],
    recipe: Recipe,
    place: Path,
    split: str | os.PathLike[str] | None,
) -> Run:
    if not (place / "recipe.json").is_file():
        return finetune(data, recipe=recipe, output=place, split=split)
    run = Run(place)
    return run if run.info.status == "done" else resume(run)


def _summary(seeds: list[int], runs: list[Run], folder: Path) -> Seeds:
    figures = []
    for seed, run in zip(seeds, runs, strict=True):
        metrics = run.metrics
        name = str(run.path.relative_to(folder.absolute()))
        figures.append(
            SeedFigures(
                seed, name, metrics["split"], metrics["n"], metrics["accuracy"], metrics["macro_f1"]
            )
        )
    accuracy, macro_f1 = (
        Spread(statistics.fmean(values), statistics.stdev(values))
        for values in ([x.accuracy for x in figures], [x.macro_f1 for x in figures])
    )
    return Seeds(tuple(figures), accuracy, macro_f1)
