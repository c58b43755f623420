"""resume: finish a run that was interrupted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from transfer.api import negatives
from transfer.api.evaluation import report
from transfer.api.knobs import Knobs
from transfer.api.recipes import check_recipe, make_recipe
from transfer.api.run import Run
from transfer.api.subjects import read_own
from transfer.api.training import identity, run_training
from transfer.data.dataset import Dataset
from transfer.data.sources.prepare import resolve
from transfer.errors import (
    DataError,
    RunError,
    UsageError,
    call_to_resume,
    call_to_train_again,
    option,
)
from transfer.features.engines import can_compute, choose_engine
from transfer.networks.weights import Weights, resolve_weights
from transfer.recipe import Recipe
from transfer.recipe.reading import reading_of
from transfer.runs.directory import locked
from transfer.runs.info import versions
from transfer.runs.run import Run as RunDirectory
from transfer.runs.run import RunLike, as_run
from transfer.settings import Settings
from transfer.system.digests import sha256_or_none
from transfer.system.guest import as_guest
from transfer.system.progress import say, track, warn
from transfer.system.quiet import import_tensorflow
from transfer.training.keep.state import State, clear_state, load_state

_SHOWN = 5


def resume(run: RunLike, data: str | os.PathLike[str] | None = None, **knobs: Unpack[Knobs]) -> Run:
    """Finish a run that was interrupted.

    Fine-tuning continues after the last finished epoch, with the weights, optimizer, learning rate,
    best value, patience and image order of that moment; the interrupted epoch is repeated. With
    ``deterministic`` in the recipe, the result is bit for bit the same as without the interruption.
    A run that was interrupted before fine-tuning starts over. A finished run is left unchanged.

    Args:
        run: A run or its path.
        data: Where its images are now; if omitted, where they were.
        **knobs: Fields of `Recipe`, which have to match the run's.

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
    run = Run(as_run(run).path)
    _refuse_other_knobs(run, knobs)
    with locked(run.path):
        if run.info.status == "done":
            _finish(run)
            return run
        backbone = check_recipe(run.recipe)
        saved = _find_state(run)
        dataset = read_own(run, _find_images(run, data))
        _check_images(run, dataset)
        weights = resolve_weights(backbone, run.recipe.weights)
        if weights.sha256 != run.info.weights.sha256:
            raise RunError(f"Cannot resume {run.path}: the weights are not those it began with.")
        import_tensorflow()
        with as_guest():
            _continue(run, dataset, weights, saved)
    return run


def _continue(run: Run, dataset: Dataset, weights: Weights, saved: State | None) -> None:
    from transfer.training.train import Clock

    settings = _settings(run, dataset, weights, saved)
    apart = negatives.moved(run, dataset.images.root)
    run.write_info(
        replace(
            run.info,
            data=str(dataset.images.root),
            resumed=run.info.resumed + 1,
            negatives=apart,
            settings=settings,
            versions=versions(),
        )
    )
    run_training(run, dataset, weights, Clock(settings.seconds), saved)


def _finish(run: RunDirectory) -> None:
    """Add the missing files of a run whose training and evaluation are done."""
    if not (run.path / "model.keras").exists():
        raise run.lacks("model.keras")
    say(f"{run.path} is finished: there is nothing to resume.")
    if not (run.path / "report.html").is_file():
        report(run)
    clear_state(run.path)


def _settings(
    run: RunDirectory, dataset: Dataset, weights: Weights, saved: State | None
) -> Settings:
    """Return the settings of a run, for the engine that is available now."""
    import_tensorflow()  # finds out whether there is a GPU
    settings = run.info.settings
    if not run.records_settings:  # of an older version
        from transfer.training.settle import settle

        known, (settings, _) = settings, settle(run.recipe, dataset, weights)
        if saved is not None:
            settings = replace(
                settings,
                views=known.views,
                epochs=known.epochs,
                mixed_precision=known.mixed_precision,
            )
        settings = replace(settings, decoding=known.decoding)
    return _runnable(run, settings, saved is not None)


def _runnable(run: RunDirectory, settings: Settings, going_on: bool) -> Settings:
    """Return settings whose features can be computed now; a run that starts over measures again."""
    recipe = run.recipe
    usual = choose_engine(recipe.engine, recipe.precision)
    if not going_on:
        anew = recipe if settings.pretrained else settings
        return replace(
            settings,
            engine=usual,
            precision=anew.precision,
            views_precision=anew.views_precision,
        )
    then = run.info.features.engine if run.info.features else settings.engine
    engine = then if then == "keras" and recipe.engine == "auto" else usual
    asked = settings.precision, settings.views_precision
    now = [each if can_compute(each) else "f32" for each in asked]
    changed = dict(zip((then, *asked), (engine, *now), strict=True))
    for old, new in changed.items():
        if old != new:
            warn(
                f"The features were computed by {old}, and from now on by {new}: results may differ"
                " slightly from those of an uninterrupted run."
            )
    return replace(settings, engine=engine, precision=now[0], views_precision=now[1])


def _refuse_other_knobs(run: RunDirectory, knobs: Mapping[str, Any]) -> None:
    wanted, own = make_recipe(run.recipe, knobs).to_dict(), run.recipe.to_dict()
    different = [
        f"{option(name)} is {_word(own[name])} in the run, not {_word(wanted[name])}"
        for name in own
        if own[name] != wanted[name]
    ]
    if different:
        raise UsageError(
            f"Cannot resume {run.path} with another recipe: {'; '.join(different)}. Leave"
            f" that out, or train again with: {call_to_train_again(run.path)}"
        )


def _word(value: Any) -> str:
    return "the default" if value is None else repr(value)


def _find_images(run: RunDirectory, data: str | os.PathLike[str] | None) -> Path:
    if data is None:
        root = Path(run.info.data)
    else:
        root = resolve(data, reading_of(run.recipe)).root.absolute()
    if not root.is_dir():
        raise DataError(
            f"The images of {run.path} are not in {str(root)!r}. Move them back, or name their"
            f" folder: {call_to_resume(run.path, 'DATA')}"
        )
    return root


def _check_images(run: RunDirectory, dataset: Dataset) -> None:
    """Raise DataError where an image is missing or not as it was when the run began."""
    images = dataset.images
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = pool.map(sha256_or_none, map(images.file, images.paths))
        now = dict(track(zip(images.paths, digests, strict=True), "Checking images", len(images)))
    wrong = [
        f"{path} ({'is missing' if now[path] is None else 'has changed'})"
        for path in images.paths
        if now[path] != dataset.sha256[path]
    ]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(
            f"Cannot resume {run.path}: {len(wrong)} of its {len(images)} images in"
            f" {str(images.root)!r} are not as they were: {', '.join(wrong[:_SHOWN])}{more}."
            f" Restore them, or train again with: {call_to_train_again(run.path)}"
        )


def _find_state(run: RunDirectory) -> State | None:
    """Return the state to resume from, and say which it is; None if there is none."""
    saved = load_state(run.path)
    if saved is None:
        say("No state was saved before the interruption: the training starts over.")
        return None
    _check_identity(run, saved)
    info = run.info
    changed = _changed_versions(info.versions, versions())
    if changed:
        warn(
            f"Versions have changed ({changed}): results may differ slightly from those of an"
            " uninterrupted run."
        )
    epochs = info.settings.epochs
    if run.records_settings and saved.epoch > epochs:
        raise RunError(
            f"Cannot resume {run.path}: its state was saved after epoch {saved.epoch}, and its"
            f" run.json sets {epochs} epochs. Restore the file that was changed."
        )
    best = saved.progress["best"]["best"]
    words = "" if best is None else f"; best {info.settings.monitor} {best:.4f}"
    say(f"Resuming fine-tuning after epoch {saved.epoch} of at most {epochs}{words}")
    return saved


def _changed_versions(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return the packages of other versions, such as ``"keras 3.15.1 -> 3.16.0"``."""
    names = [name for name in then if then[name] != now.get(name)]
    return ", ".join(f"{name} {then[name]} -> {now.get(name, 'none')}" for name in names)


def _check_identity(run: RunDirectory, saved: State) -> None:
    """Raise RunError where the run was changed after its training began."""
    now = identity(run)
    then = {key: saved.progress[key] for key in now}
    then["recipe"] = Recipe.from_dict(then["recipe"]).to_dict()
    if then == now:
        return
    changed = [key for key in now if then[key] != now[key] and key != "recipe"]
    changed += [
        f"{name} was {old!r} and is {now['recipe'][name]!r}"
        for name, old in then["recipe"].items()
        if old != now["recipe"][name]
    ]
    raise RunError(
        f"Cannot resume {run.path}: it was changed after its training began: {'; '.join(changed)}."
        f" Undo that, or train again with: {call_to_train_again(run.path)}"
    )
