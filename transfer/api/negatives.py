"""The negatives of a run: recorded at its start, and judged by its model at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from transfer.api.subjects import own_subject
from transfer.data.audit.negatives import Negatives
from transfer.data.dataset import refuse_links_out
from transfer.errors import DataError, call_to_train_again
from transfer.evaluation.rejection import KEPT, choose_threshold
from transfer.images.folder import ImageFolder
from transfer.runs.info import NegativesInfo
from transfer.runs.negatives import Negative, read_negatives, write_negatives
from transfer.runs.run import Run
from transfer.system.digests import sha256_or_none
from transfer.system.progress import say

_SHOWN = 5


def about(negatives: Negatives | None) -> NegativesInfo | None:
    """Return what run.json says about negatives before the training."""
    if negatives is None:
        return None
    images = negatives.images
    return NegativesInfo(str(images.root), len(images), negatives.bad)


def record(run: Run, negatives: Negatives | None) -> None:
    """Write the list of negatives to a run, if there are any."""
    if negatives is not None:
        known = negatives.sha256
        write_negatives(run.path, [Negative(path, known[path]) for path in known])


def moved(run: Run, root: Path) -> NegativesInfo | None:
    """Return what run.json says about negatives where the images of the run are in `root` now.

    Raises:
        DataError: A negative is missing, or not as it was when the run began.
    """
    known = run.info.negatives
    if known is None:
        return None
    before, where = Path(run.info.data), Path(known.data)
    if where.is_relative_to(before):
        where = root / where.relative_to(before)
    known = replace(known, data=str(where))
    rows = read_negatives(run)
    wrong = [each.path for each in rows if sha256_or_none(where / each.path) != each.sha256]
    if wrong:
        raise DataError(
            f"Cannot resume {run.path}: {len(wrong)} of its {len(rows)} negatives in"
            f" {str(where)!r} are missing or have changed: {', '.join(wrong[:_SHOWN])}."
            f" Restore them, or train again with: {call_to_train_again(run.path)}"
        )
    return known


def judge(run: Run) -> None:
    """Find the rule by which a run refuses predictions, if it has negatives, and record it.

    Args:
        run: With a model, and the predictions of its own split.
    """
    known = run.info.negatives
    if known is None:
        return
    from transfer.serving.predictor import Predictor, predict_folder

    predictor = Predictor(run)
    rows = read_negatives(run)
    images = _folder(Path(known.data), rows)
    if not run.recipe.follow_links:
        refuse_links_out(images)
    found = predict_folder(predictor, images)
    if run.info.split == "val":
        validation = run.predictions().probabilities
    else:
        validation = predict_folder(predictor, own_subject(run, "val").images)
    confidence, surest = found.max(axis=1), validation.max(axis=1)
    threshold = choose_threshold(surest, confidence)
    judged = [
        replace(row, predicted=run.classes[best], confidence=float(p), refused=float(p) < threshold)
        for row, best, p in zip(rows, found.argmax(axis=1), confidence, strict=True)
    ]
    write_negatives(run.path, sorted(judged, key=lambda each: (-each.confidence, each.path)))
    refused = sum(each.refused for each in judged)
    kept = int(np.count_nonzero(surest >= threshold))
    rule = replace(known, threshold=threshold, refused=refused, kept=kept, validated=len(surest))
    run.update(negatives=rule)
    say(in_words(rule))


def in_words(rule: NegativesInfo) -> str:
    """Return a sentence on what a run refuses."""
    if not rule.threshold:
        return (
            f"No prediction is refused: no threshold refuses any of {rule.images:,} negatives and"
            f" keeps {100 * KEPT:g} % of {rule.validated:,} val images."
        )
    return (
        f"Predictions below a confidence of {rule.threshold:.3f} are refused: {rule.refused:,} of"
        f" {rule.images:,} negatives; {rule.kept:,} of {rule.validated:,} val images are kept."
    )


def _folder(root: Path, rows: list[Negative]) -> ImageFolder:
    paths = tuple(row.path for row in rows)
    return ImageFolder(root, ("negatives",), paths, len(paths) * (0,), len(paths) * ("",))
