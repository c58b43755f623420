"""Explanations of images one by one, as pictures and as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from transfer.api.explanation import Explanation
from transfer.api.prediction import opened
from transfer.errors import DataError, UsageError, did_you_mean
from transfer.evaluation.explained.overlay import LONGEST
from transfer.images.decode import whole_photo
from transfer.runs.run import Run, RunLike, as_run

if TYPE_CHECKING:
    from transfer.images.decode import Source
    from transfer.serving.explain.explainer import Explainer
    from transfer.serving.predictor import Predictor

OnBad = Callable[[str, DataError], None]


def iterate_explanations(
    run: RunLike,
    pictures: Source | Iterable[Source],
    on_bad: OnBad | None = None,
    *,
    method: str = "auto",
    layer: str = "",
    class_name: str = "",
) -> Iterator[Explanation]:
    """Yield the explanations of `explain` one by one, as soon as each is known.

    Args:
        run: A run or its path.
        pictures: See `predict`.
        on_bad: Called with name and error of each unreadable image; if None, the error is raised.
        method: See `explain`.
        layer: See `explain`.
        class_name: See `explain`.
    """
    run = as_run(run)
    wanted = _class_number(run, class_name) if class_name else None
    predictor, explainer = open_explainer(run, method, layer)
    from transfer.serving.predictor import expand

    def unlistable(error: DataError) -> None:
        assert on_bad is not None
        on_bad("", error)

    sources = expand(pictures, None if on_bad is None else unlistable)
    return _iterate(explainer, predictor, sources, on_bad, wanted)


def _iterate(
    explainer: Explainer,
    predictor: Predictor,
    sources: Iterable[tuple[str, Source]],
    on_bad: OnBad | None,
    wanted: int | None,
) -> Iterator[Explanation]:
    for number, (name, source) in enumerate(sources):
        try:
            image = predictor.read(name, source)
            photo = whole_photo(source, LONGEST, predictor.decoding)
        except DataError as error:
            if on_bad is None:
                raise
            on_bad(name, error)
            continue
        row = probabilities_of(predictor, image)
        found = [wanted] if wanted is not None else explained(predictor, row)
        for each in found:
            yield make_explanation(explainer, name, (image, photo), row, each, number)


def probabilities_of(predictor: Predictor, image: np.ndarray) -> np.ndarray:
    """Return the probabilities (classes,) of an image as the model receives it."""
    (rows,) = predictor.run(image[None].astype(np.float32))
    return np.asarray(rows[0])


def explained(predictor: Predictor, row: np.ndarray) -> list[int]:
    """Return the classes that an image is explained for, by its probabilities (classes,)."""
    labels = predictor.labels(row)
    return [predictor.classes.index(label) for label in labels] or [int(row.argmax())]


def make_explanation(
    explainer: Explainer,
    name: str,
    pictures: tuple[np.ndarray, Image.Image],
    row: np.ndarray,
    each: int,
    number: int,
) -> Explanation:
    """Explain one image for one class.

    Args:
        explainer: The method.
        name: Of the image.
        pictures: As the model sees it, uint8 (size, size, 3); and whole.
        row: Its probabilities (classes,).
        each: Index of the class.
        number: Of the image.
    """
    image, photo = pictures
    predictor = explainer.predictor
    best = int(row.argmax())
    return Explanation(
        path=name,
        label=predictor.classes[best],
        confidence=float(row[best]),
        class_name=predictor.classes[each],
        probability=float(row[each]),
        method=explainer.method,
        layer=explainer.layer,
        map=explainer.explain(image, each),
        photo=photo,
        resize=predictor.resize,
        classes=predictor.classes,
        number=number,
    )


def open_explainer(run: Run, method: str, layer: str) -> tuple[Predictor, Explainer]:
    """Return the model of a run, and the method that explains it."""
    from transfer.serving.explain.explainer import Explainer

    predictor = opened(run)
    return predictor, Explainer(predictor, run, method, layer)


def _class_number(run: Run, name: str) -> int:
    if name not in run.classes:
        listed = ", ".join(map(repr, run.classes[:5])) + (", ..." if len(run.classes) > 5 else "")
        raise UsageError(
            f"Unknown class {name!r}.{did_you_mean(name, run.classes)} The classes are: {listed}."
        )
    return run.classes.index(name)
