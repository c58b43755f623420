"""The public Explanation: what raises the logit of one class of one image."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from transfer.evaluation.explained.overlay import Legend, with_legend
from transfer.system.files import atomic


@dataclass(frozen=True)
class Explanation:
    """What raises the logit of one class of one image.

    In a notebook it shows itself as a picture.

    Attributes:
        path: The file; ``"#0"``, ``"#1"``... for all that is not given as a path.
        label: The most probable class.
        confidence: Its probability, 0..1.
        class_name: The class that is explained.
        probability: Its probability, 0..1.
        method: ``cam``, ``layercam`` or ``occlusion``.
        layer: The layer whose feature map is explained; ``""`` for occlusion.
        map: float32 array (h, w) over the square that the model sees: places with higher values
            raise the logit more, and values below 0 lower it. For ``cam`` they are in units of
            the logit, for ``occlusion`` of the log-odds, for ``layercam`` of neither.
        photo: The image, RGB, upright, at most 640 pixels a side.
        resize: How the photo became the model's square: ``stretch``, ``crop`` or ``pad``.
        classes: The classes of the run.
        number: Of the image among those that were explained, from 0.
    """

    path: str
    label: str
    confidence: float
    class_name: str
    probability: float
    method: str
    layer: str
    map: np.ndarray
    photo: Image.Image
    resize: str
    classes: tuple[str, ...]
    number: int = 0

    def picture(self) -> Image.Image:
        """Return the photo next to the map over it, with a legend."""
        legend = Legend(
            Path(self.path).name,
            self.number,
            self.label,
            self.confidence,
            self.class_name,
            self.probability,
            self.classes,
            self.method,
            self.layer,
        )
        return with_legend(self.photo, self.map, self.resize, legend)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as a PNG file, which is complete or absent, and return its path."""
        target = Path(path)
        with atomic(target) as temporary:
            self.picture().save(temporary, format="PNG")
        return target

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.picture().save(buffer, format="PNG")
        return buffer.getvalue()

    def row(self) -> dict[str, Any]:
        """Return what explanations.json says of it."""
        return {
            "path": self.path,
            "predicted": self.label,
            "confidence": round(self.confidence, 6),
            "class_explained": self.class_name,
            "probability": round(self.probability, 6),
            "method": self.method,
            "layer": self.layer,
            "cells": list(self.map.shape),
            "meaning": "higher values raise the logit of class_explained more",
        }
