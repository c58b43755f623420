"""The photos of a page: each embedded once, shown wherever it is needed, and enlarged in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from transfer.evaluation.gallery import Thumbnailer
from transfer.evaluation.report.words import isolate, percent
from transfer.runs.predictions import Predictions

MOST_LIKELY = 3  # classes whose probability a box shows


@dataclass
class Photo:
    """One photo of the page.

    Attributes:
        id: Of its box and of the style that shows its thumbnail.
        path: Relative to the data folder.
        image: JPEG as a ``data:`` URI; None where there is none to show.
        facts: (term, words) that its box lists.
        cell: Id of the box of its cell in the confusion matrix; "" without.
    """

    id: str
    path: str
    image: str | None
    facts: list[tuple[str, str]] = field(default_factory=list)
    cell: str = ""


class Album:
    """Collects the photos that the sections of a page show.

    Args:
        thumbnail: Turns a relative path into a ``data:`` URI or None.
        predictions: Of the images that were evaluated; None where an image is of several classes.
        scored: Whether their probabilities are known, and not only what is predicted.
    """

    def __init__(
        self,
        thumbnail: Thumbnailer,
        predictions: Predictions | None = None,
        scored: bool = True,
    ) -> None:
        self.scored = scored
        self._thumbnail = thumbnail
        self._predictions = predictions
        paths = () if predictions is None else predictions.paths
        self._rows = {path: row for row, path in enumerate(paths)}
        self._photos: dict[tuple[str, str], Photo] = {}

    @property
    def photos(self) -> list[Photo]:
        """Return all photos, in the order in which they were asked for."""
        return list(self._photos.values())

    def show(self, path: str, *facts: tuple[str, str]) -> Photo:
        """Return the photo of a path, with its box, even where its thumbnail cannot be shown.

        Args:
            path: Relative to the data folder.
            *facts: (term, words) that its box lists besides what was predicted.
        """
        photo = self._photos.get(("", path))
        if photo is None:
            photo = self.add(path, self._thumbnail(path))
            if path in self._rows:
                self._describe(photo, self._rows[path])
        known = dict(photo.facts)
        photo.facts += [(term, words) for term, words in facts if known.get(term) != words]
        return photo

    def add(self, path: str, image: str | None, of: str = "") -> Photo:
        """Add a photo and return it; `of` names another folder than that of the evaluation."""
        photo = self._photos[of, path] = Photo(f"p{len(self._photos)}", path, image)
        return photo

    def find(self, path: str) -> Photo | None:
        """Return the photo of a path if its thumbnail is there or can be had, else None."""
        known = self._photos.get(("", path))
        if known is not None:
            return known
        return None if self._thumbnail(path) is None else self.show(path)

    def _describe(self, photo: Photo, row: int) -> None:
        assert self._predictions is not None
        probabilities, classes = self._predictions.probabilities[row], self._predictions.classes
        true, likely = int(self._predictions.true[row]), _likeliest(probabilities)
        photo.cell = cell_id(true, likely[0])
        shown = likely if true in likely else [*likely, true]
        photo.facts += [
            ("Label", isolate(classes[true])),
            ("Predicted", isolate(classes[likely[0]])),
        ]
        if self.scored:
            likeliest = (f"{isolate(classes[i])} {percent(float(probabilities[i]))}" for i in shown)
            photo.facts.append(("Probabilities", ", ".join(likeliest)))


def cell_id(true: int, predicted: int) -> str:
    """Return the id of the box of a cell of the confusion matrix."""
    return f"c{true}-{predicted}"


def _likeliest(probabilities: np.ndarray) -> Sequence[int]:
    order = np.argsort(-probabilities, kind="stable")[:MOST_LIKELY]
    return [int(i) for i in order]
