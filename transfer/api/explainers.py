"""A run's model with the method that explains it, and the explanation of one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from transfer.api.explanation import Explanation
from transfer.api.prediction import opened
from transfer.runs.run import Run

if TYPE_CHECKING:
    from transfer.serving.explain.explainer import Explainer
    from transfer.serving.predictor import Predictor


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
