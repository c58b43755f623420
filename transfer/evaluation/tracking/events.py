"""TensorBoard event files of a finished run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transfer.evaluation.tracking.curves import begun_at, end_figures, points
from transfer.runs.run import Run
from transfer.system.files import atomic
from transfer.system.quiet import import_tensorflow

OWNER = "run.sha256"  # whose events a folder holds
FILE = "events.out.tfevents.transfer"  # a name that TensorBoard looks for
_VERSION = "brain.Event:2"


def write_events(run: Run, folder: Path) -> Path:
    """Write the figures of a run for ``tensorboard --logdir``; earlier ones of it are replaced.

    As Keras does, training and validation are two curves of one chart. The metrics at the end and
    the confusion matrix are a third.

    Args:
        run: A finished run.
        folder: For all runs; this one has a folder of its name in it, with a part of a digest where
            another run of that name, such as seed-0 of other seeds, is there already.

    Returns:
        The folder of the run.

    Raises:
        RunError: The run is not finished.
    """
    final = end_figures(run)
    begun, curves = begun_at(run), list(points(run))
    parts: dict[str, list[Any]] = {"train": [], "validation": [], "evaluation": []}
    for each in curves:
        part = "validation" if each.name.startswith("val_") else "train"
        tag = each.name.removeprefix("val_")
        parts[part].append(_scalar(tag, each.value, each.step, begun + each.seconds))
    step = max((each.step for each in curves), default=0)
    end = begun + max((each.seconds for each in curves), default=0.0)
    parts["evaluation"] = [_scalar(tag, value, step, end) for tag, value in final.items()]
    for name in ("confusion_matrix", "co_occurrence"):
        if (run.path / f"{name}.png").is_file():
            parts["evaluation"].append(_picture(run.path / f"{name}.png", name, step, end))
    place = _place(run, folder)
    for part, events in parts.items():
        if events:
            _write(place / part, begun, events)
    return place


def _place(run: Run, folder: Path) -> Path:
    """Return the folder of a run, which holds no events of another one."""
    digest = hashlib.sha256()
    for name in ("recipe.json", "split.csv"):
        if (run.path / name).is_file():
            digest.update((run.path / name).read_bytes())
    identity = hashlib.sha256(f"{run.info.created} {digest.hexdigest()}".encode()).hexdigest()
    place = folder / run.path.name
    if (place / OWNER).is_file() and (place / OWNER).read_text("ascii", "replace") != identity:
        place = folder / f"{run.path.name}-{identity[:8]}"
    place.mkdir(parents=True, exist_ok=True)
    with atomic(place / OWNER) as temporary:
        temporary.write_text(identity)
    return place


def _write(folder: Path, begun: float, events: Iterable[Any]) -> None:
    tf = _tensorflow()
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / FILE) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        first = tf.compat.v1.Event(wall_time=begun, file_version=_VERSION)
        for event in (first, *events):
            writer.write(event.SerializeToString())


def _scalar(tag: str, value: float, step: int, when: float) -> Any:
    return _event(step, when, tag=tag, simple_value=value)


def _picture(path: Path, tag: str, step: int, when: float) -> Any:
    from PIL import Image

    tf = _tensorflow()
    with Image.open(path) as image:
        width, height = image.size
    shown = tf.compat.v1.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=path.read_bytes()
    )
    return _event(step, when, tag=tag, image=shown)


def _event(step: int, when: float, **value: Any) -> Any:
    v1 = _tensorflow().compat.v1
    summary = v1.Summary(value=[v1.Summary.Value(**value)])
    return v1.Event(wall_time=when, step=step, summary=summary)


def _tensorflow() -> Any:
    """Return TensorFlow, which has the format of the files."""
    import_tensorflow()
    import tensorflow

    return tensorflow
