"""resume: a run that was interrupted is finished."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from transfer.api.evaluation import report
from transfer.api.training import carry_out, check_recipe, identity, make_recipe
from transfer.data.sources.prepare import resolve
from transfer.data.splitfile import read_split
from transfer.errors import DataError, RunError, UsageError
from transfer.features.engines import choose_engine
from transfer.images.folder import ImageFolder
from transfer.networks.weights import resolve_weights
from transfer.recipe import Recipe
from transfer.runs.directory import locked
from transfer.runs.run import Run, RunLike, as_run, versions
from transfer.system.csv import read_csv
from transfer.system.digests import sha256_or_none
from transfer.system.progress import say, track, warn
from transfer.system.quiet import import_tensorflow
from transfer.training.keep.state import State, clear_state, load_state

_SHOWN = 5


def resume(run: RunLike, data: str | os.PathLike[str] | None = None, **knobs: Any) -> Run:
    """Take a run up again that was interrupted, and finish it.

    Fine-tuning goes on after the last epoch that was finished, with the weights, the optimizer,
    the learning rate, the best value, the patience and the order of the images of that moment; the
    epoch that was interrupted is done anew. With the recipe's ``deterministic`` the end is the
    same, bit by bit, as without the interruption. A run that was interrupted before fine-tuning
    starts over. A finished run is left as it is.

    Args:
        run: A run or its path.
        data: Where its images are now; where not given, they are where they were.
        **knobs: Fields of `Recipe`, which have to be as in the run.

    Returns:
        The finished run.

    Raises:
        UsageError: A knob differs from the run's.
        DataError: Images are missing or have changed.
        RunError: The run is in use, was changed, or none of its saved states is valid.
        TransferError: The training diverged, or the disk or the memory is full.

    Example:
        >>> transfer.resume("runs/dogs-vgg16-001")
    """
    run = as_run(run)
    _refuse_other_knobs(run, knobs)
    with locked(run.path):
        if run.info.get("status") == "done":
            if not (run.path / "model.keras").exists():
                raise run.lacks("model.keras")
            say(f"{run.path} is finished: there is nothing to resume.")
            if not (run.path / "report.html").is_file():
                report(run)
            clear_state(run.path)
            return run
        backbone = check_recipe(run.recipe)
        saved = _find_state(run)
        folder = read_split(run.path / "split.csv", _find_images(run, data), run.classes)
        sha256 = _check_images(run, folder)
        found = resolve_weights(backbone, run.recipe.weights)
        if found.sha256 != run.info["weights"]["sha256"]:
            raise RunError(f"Cannot resume {run.path}: the weights are not those it began with.")
        run.update_info(data=str(folder.root), resumed=run.info.get("resumed", 0) + 1)
        if saved is not None:
            _tell_other_engine(run)
        carry_out(run, folder, found, sha256, saved)
    return run


def _refuse_other_knobs(run: Run, knobs: Mapping[str, Any]) -> None:
    wanted, own = make_recipe(run.recipe, knobs).to_dict(), run.recipe.to_dict()
    different = [
        f"--{name.replace('_', '-')} is {_told(own[name])} there, not {_told(wanted[name])}"
        for name in own
        if own[name] != wanted[name]
    ]
    if different:
        raise UsageError(
            f"Cannot resume {run.path} with another recipe: {'; '.join(different)}. Leave the"
            f" option out, or train anew with: transfer finetune DATA --recipe"
            f" {run.path / 'recipe.json'}"
        )


def _told(value: Any) -> str:
    return "the default" if value is None else repr(value)


def _find_images(run: Run, data: str | os.PathLike[str] | None) -> Path:
    if data is None:
        root = Path(run.info["data"])
    else:
        root = resolve(data, follow_links=run.recipe.follow_links)[0].absolute()
    if not root.is_dir():
        raise DataError(
            f"The images of {run.path} are not in {str(root)!r}. Bring them back, or name their"
            f" folder: transfer finetune DATA --resume {run.path}"
        )
    return root


def _check_images(run: Run, folder: ImageFolder) -> dict[str, str]:
    """Return the digests of the run's images, which have to be as when it began."""
    rows = read_csv(run.path / "split.csv")
    known = {row["path"]: row["sha256"] for row in rows}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = pool.map(sha256_or_none, map(folder.file, folder.paths))
        found = dict(track(zip(folder.paths, digests, strict=True), "Checking images", len(folder)))
    wrong = [
        f"{path} ({'is missing' if found[path] is None else 'has changed'})"
        for path in folder.paths
        if found[path] != known[path]
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(
            f"Cannot resume {run.path}: {len(wrong)} of its {len(folder)} images in"
            f" {str(folder.root)!r} are not as they were: {', '.join(wrong[:_SHOWN])}{more}."
            f" Bring them back, or train anew with: transfer finetune DATA --recipe"
            f" {run.path / 'recipe.json'}"
        )
    return known


def _find_state(run: Run) -> State | None:
    """Return the state to go on from, and say which it is; None where there is none."""
    saved = load_state(run.path)
    if saved is None:
        say("No state was saved before the interruption: the training starts over.")
        return None
    now = identity(run)
    then = {key: saved.progress[key] for key in now}
    then["recipe"] = Recipe.from_dict(then["recipe"]).to_dict()
    if then != now:
        changed = [key for key in now if then[key] != now[key] and key != "recipe"]
        changed += [
            f"{name} was {old!r} and is {now['recipe'][name]!r}"
            for name, old in then["recipe"].items()
            if old != now["recipe"][name]
        ]
        raise RunError(
            f"Cannot resume {run.path}: it was changed after its training began:"
            f" {'; '.join(changed)}. Undo that, or train anew with: transfer finetune DATA --recipe"
            f" {run.path / 'recipe.json'}"
        )
    if run.info["versions"] != versions():
        warn(
            f"The versions were {run.info['versions']} and are {versions()}: what follows may"
            " differ a little from what it would have been."
        )
    best = saved.progress["best"]["best"]
    told = "" if best is None else f"; best {run.info['monitor']} {best:.4f}"
    epochs = run.info["plan"]["epochs"]
    say(f"Going on after epoch {saved.epoch} of at most {epochs} of fine-tuning{told}")
    return saved


def _tell_other_engine(run: Run) -> None:
    """Warn where the features would come from another engine than before the interruption."""
    import_tensorflow()  # which knows whether there is a GPU
    now = choose_engine(run.recipe.engine, run.recipe.precision)
    then = run.info.get("features", {}).get("engine", now)
    if then != now:
        warn(
            f"The features were made by {then} and are now by {now}: what follows may differ a"
            " little from what it would have been."
        )
