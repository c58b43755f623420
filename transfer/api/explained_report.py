"""The explanations of a run's own mistakes and hits, for its report."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transfer.api.evaluation import report
from transfer.api.explanation import Explanation
from transfer.api.explanations import make_explanation, open_explainer, probabilities_of
from transfer.data.dataset import Dataset
from transfer.errors import DataError, RunError
from transfer.evaluation.explained.choice import Chosen, choose, choose_multilabel
from transfer.evaluation.explained.overlay import thumbnail
from transfer.images.decode import whole_photo
from transfer.runs.multilabel_predictions import MultilabelPredictions
from transfer.runs.run import Run, RunLike, as_run
from transfer.system.digests import sha256_or_none
from transfer.system.files import atomic, shown, write_json
from transfer.system.progress import say, track, warn

FOLDER, INDEX = "explanations", "index.json"
SIDE = 160  # pixels of a picture
_OURS = re.compile(r"[0-9a-f]{16}\.webp")


def explain_run(run: RunLike, *, method: str = "auto", layer: str = "") -> list[Explanation]:
    """Explain a run's worst mistakes and surest hits, and write its report again with them.

    Writes ``explanations/index.json`` in the run, a list of objects with path, true, predicted,
    confidence, class_explained, method, and map: the name of a picture next to it, at most 160
    pixels a side. The same run gives the same bytes. Images are explained only if split.csv lists
    them and their bytes have not changed.

    Args:
        run: A run or its path.
        method: See `transfer.api.explaining.explain`.
        layer: See there.

    Raises:
        RunError: The run has no predictions or no valid model, none of the images is there, or it
            cannot be written.
        UsageError: The method is impossible for the model, or the layer is unknown.
    """
    run = as_run(run)
    chosen = _choose(run)
    digests = _digests(run)
    root = Path(run.info.data)
    there = [each for each in chosen if _unchanged(root, each.path, digests)]
    if not there:
        raise RunError(
            f"None of the images that {run.path / 'predictions.csv'} lists can be explained: they"
            f" are not in {root}, or have changed. Name images to explain these."
        )
    predictor, explainer = open_explainer(run, method, layer)
    found: list[tuple[Chosen, Explanation]] = []
    for number, each in enumerate(track(there, "Explaining", len(there))):
        with _leaving_out():
            file = root / each.path
            pictures = predictor.read(each.path, file), whole_photo(file, SIDE, predictor.decoding)
            row = probabilities_of(predictor, pictures[0])
            explanation = make_explanation(explainer, str(file), pictures, row, each.number, number)
            found.append((each, explanation))
    if len(found) < len(chosen):
        warn(f"{len(chosen) - len(found)} of {len(chosen)} images are missing or have changed.")
    try:
        _write(run.path / FOLDER, found)
    except OSError as error:
        raise RunError(f"Cannot write {run.path / FOLDER}: {error.strerror}.") from error
    say(f"Explained {len(found)} images by {explainer.method}: {shown(run.path / FOLDER)}")
    say(f"Report: {shown(report(run))}")
    return [each for _, each in found]


@contextmanager
def _leaving_out() -> Iterator[None]:
    """Leave out the image that the block cannot read, with a warning."""
    try:
        yield
    except DataError as error:
        warn(f"Left out: {error}")


def _choose(run: Run) -> list[Chosen]:
    file = run.path / "predictions.csv"
    if not file.is_file():
        raise run.lacks(file.name)
    if run.multi_label:
        return choose_multilabel(MultilabelPredictions.read(file, run.classes, run.thresholds))
    return choose(run.predictions())


def _digests(run: Run) -> Mapping[str, str]:
    """Return the digests of the images that were indexed, by path."""
    if not (run.path / "split.csv").is_file():
        raise run.lacks("split.csv")
    return Dataset.listed(run.path, run.classes, multi_label=run.multi_label).sha256


def _unchanged(root: Path, path: str, digests: Mapping[str, str]) -> bool:
    return bool(digests.get(path)) and sha256_or_none(root / path) == digests[path]


def _write(folder: Path, found: list[tuple[Chosen, Explanation]]) -> None:
    """Write pictures under names that follow from their bytes, then the index, which is valid at
    any moment; then remove the pictures of an earlier one."""
    folder.mkdir(exist_ok=True)
    rows, files = [], set()
    for each, explanation in found:
        content = _encoded(explanation)
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.webp"
        files.add(name)
        with atomic(folder / name) as temporary:
            temporary.write_bytes(content)
        rows.append(
            {
                "path": each.path,
                "true": each.true,
                "predicted": each.predicted,
                "confidence": round(each.confidence, 6),
                "class_explained": explanation.class_name,
                "method": explanation.method,
                "map": name,
            }
        )
    write_json(folder / INDEX, rows)
    for name in _earlier(folder):
        if name not in files:
            (folder / name).unlink(missing_ok=True)


def _earlier(folder: Path) -> Iterator[str]:
    return (path.name for path in sorted(folder.iterdir()) if _OURS.fullmatch(path.name))


def _encoded(each: Explanation) -> bytes:
    buffer = io.BytesIO()
    picture = thumbnail(each.photo, each.map, each.resize, SIDE)
    picture.save(buffer, format="WEBP", quality=80, method=4)
    return buffer.getvalue()
