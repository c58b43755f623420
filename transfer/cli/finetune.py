"""transfer finetune DATA: images in, a run directory out."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from transfer.cli.console import tell, tell_json, watched
from transfer.cli.matrix import tell_matrix
from transfer.cli.options import given, recipe_options
from transfer.cli.sections import Sectioned

if TYPE_CHECKING:
    from transfer.api.seeds import Seeds


# click hands over one argument per option that is not a field of the recipe.
@click.command(cls=Sectioned, short_help="Train a classifier on a folder of images.")
@click.argument("data", required=False)
@recipe_options
@click.option(
    "--recipe", type=click.Path(), help="Start from this recipe.json; options override it."
)
@click.option(
    "--split", type=click.Path(), help="Use the split of an earlier RUN or of a CSV file."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    help="Run directory, new or empty.  [default: the next free runs/DATA-BACKBONE-001]",
)
@click.option("--resume", metavar="RUN", help="Finish this interrupted run, with its own recipe.")
@click.option(
    "--seeds",
    type=int,
    metavar="NUMBER",
    help="Train with so many seeds, each a run below --output, for mean and spread; the same"
    " command goes on after an interruption.",
)
@click.option("--no-cache", is_flag=True, help="Neither read nor store features: TRANSFER_CACHE=0.")
@click.option("--strict", is_flag=True, help="The same as --on-bad fail.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show only warnings.")
def finetune(
    data: str | None,
    recipe: str | None,
    split: str | None,
    output: str | None,
    resume: str | None,
    seeds: int | None,
    no_cache: bool,
    strict: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Train a classifier on DATA: a folder with one folder of images per class, or with train/,
    val/ and test/ of such folders; or an archive, a table, a data set, or sample:shapes: see
    transfer prepare --help.

    The backbone runs once over the images and the head is trained on its features. Then the top
    of the backbone is fine-tuned. The candidates are the head's model, the best epoch, and three
    points between the head's and the last weights: the best on the validation images is kept.
    Ties go to the head.

    Ctrl-C stops it after the current step (twice: at once); --resume RUN continues after the last
    finished epoch, and needs neither DATA nor other options.
    """
    from transfer import api
    from transfer.recipe import Recipe

    if no_cache:
        os.environ["TRANSFER_CACHE"] = "0"
    knobs = given(options) | ({"on_bad": "fail"} if strict else {})
    with watched(quiet):
        if resume is not None:
            _refuse_beside_resume(output=output, recipe=recipe, split=split, seeds=seeds)
            run = api.resume(resume, data, **knobs)
        elif data is None:
            raise click.MissingParameter(param_type="argument", param_hint="DATA")
        else:
            start = None if recipe is None else Recipe.load(recipe)
            if seeds is not None:
                found = api.finetune_seeds(
                    data, seeds, _folder_of_seeds(output), recipe=start, split=split, **knobs
                )
                _tell_seeds(found, as_json)
                return
            run = api.finetune(data, recipe=start, output=output, split=split, **knobs)
    if as_json:
        tell_json(_result(run))
    else:
        tell(summary(run))
        tell_matrix(run.metrics)


def _folder_of_seeds(output: str | None) -> str:
    if output is None:
        raise click.UsageError("--seeds needs --output: the folder of its runs.")
    return output


def _tell_seeds(found: Seeds, as_json: bool) -> None:
    from transfer.cli.tables import table

    if as_json:
        tell_json(found.to_dict())
        return
    rows = [
        [each.run, f"{each.accuracy:.3f}", f"{each.macro_f1:.3f}", f"{each.n:,} {each.split}"]
        for each in found.runs
    ]
    both = (found.accuracy, found.macro_f1)
    rows.append(["mean", *(f"{each.mean:.3f}" for each in both), ""])
    rows.append(["standard deviation", *(f"{each.std:.3f}" for each in both), ""])
    tell(table(("RUN", "ACCURACY", "MACRO-F1", "ON"), rows, right=(1, 2)))


def _refuse_beside_resume(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"--{name} cannot be combined with --resume: leave one out.")


def _result(run: Any) -> dict[str, Any]:
    path, metrics, info = run.path, run.metrics, run.info
    label_errors = info.label_errors
    return {
        "run": str(path),
        "split": metrics["split"],
        "n": metrics["n"],
        "accuracy": metrics["accuracy"],
        "accuracy_ci95": metrics["accuracy_ci95"],
        "macro_f1": metrics["macro_f1"],
        "leaked": metrics.get("leaked"),
        "folds": info.folds and dataclasses.asdict(info.folds),
        "phase_kept": info.phase_kept,
        "choice": info.choice and dataclasses.asdict(info.choice),
        "phases": info.phases,
        "label_errors": label_errors.likely if label_errors and label_errors.reliable else None,
        "negatives": info.negatives and dataclasses.asdict(info.negatives),
        "seconds": info.seconds["total"],
        "report": str(path / "report.html"),
    }


def summary(run: Any) -> str:
    """Return what is printed at the end: accuracy, most confused pairs, path of the report."""
    from transfer.cli.tables import describe, describe_folds
    from transfer.system.files import shown

    info = run.info
    folds = dataclasses.asdict(info.folds) if info.folds else None
    return "\n".join(
        [
            describe(run.metrics, run.uneven),
            *([describe_folds(folds)] if folds else []),
            *_describe_label_errors(info.label_errors, run.path),
            *_describe_negatives(info.negatives),
            f"Model:  {shown(run.path / 'model.keras')}",
            f"Report: {shown(run.path / 'report.html')}",
        ]
    )


def _describe_label_errors(found: Any, path: Path) -> list[str]:
    """Return a line on labels that look wrong; none without any, or if the model is too weak."""
    if found is None or not found.likely or not found.reliable:
        return []
    from transfer.system.files import shown

    file = path / "label_errors.csv"
    if not file.is_file():
        file = path / "suspects.csv"  # of older versions
    interval = "" if found.low is None else f" ({found.low:,} to {found.high:,})"
    return [f"Labels: about {found.likely:,} look wrong{interval}: {shown(file)}"]


def _describe_negatives(found: Any) -> list[str]:
    """Return a line on what the model refuses; none without negatives."""
    if found is None or found.threshold is None:
        return []
    from transfer.api.negatives import in_words

    return [in_words(found)]
