"""Fills the templates of a page, and embeds its photos, its style, its script and its data."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from transfer.evaluation.report import words
from transfer.evaluation.report.album import Album
from transfer.evaluation.report.cells import Box
from transfer.runs.metrics import Metrics
from transfer.runs.predictions import Predictions

_TEMPLATES = files("transfer.evaluation.report") / "templates"
# (id of the heading, its words in the list of contents), in the order of the page.
_CONTENTS = (
    ("result", "Result"),
    ("folds", "Cross-validation"),
    ("confusion", "Confusion matrix"),
    ("together", "Classes together"),
    ("mistakes", "Mistakes"),
    ("label-errors", "Possible label errors"),
    ("outliers", "Outliers"),
    ("classes", "Classes"),
    ("why", "Why"),
    ("trust", "Confidence"),
    ("slices", "Where it fails"),
    ("negatives", "Negatives"),
    ("curves", "Learning curves"),
    ("data", "Data"),
    ("recipe", "Recipe"),
)


def render(
    template: str,
    context: Mapping[str, Any],
    album: Album,
    boxes: Sequence[Box],
    data: Mapping[str, Any],
) -> str:
    """Return a page.

    Its Content-Security-Policy allows one style and one script, by their digests, and pictures
    that are part of the page; nothing is loaded.

    Args:
        template: Its name.
        context: The variables of the templates.
        album: The photos that the page shows.
        boxes: The photos of each cell of the confusion matrix.
        data: What the page holds as JSON.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("transfer.evaluation.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    for name in ("percent", "interval", "fixed", "brief"):
        environment.filters[name] = getattr(words, name)
    style = environment.get_template("report.css").render(context) + _pictures(album)
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    values = dict(context) | {
        "cells": boxes,
        "cell_ids": {box.id for box in boxes},
        "photos": album.photos,
        "style": style,
        "style_digest": _digest(style),
        "script": script,
        "script_digest": _digest(script),
        "data": _json(data),
    }
    page = environment.get_template(template).render(values)
    contents = [(id_, said) for id_, said in _CONTENTS if f'<h2 id="{id_}">' in page]
    menu = environment.get_template("contents.html.j2").render(contents=contents)
    return page.replace("<!-- contents -->", menu, 1).encode("utf-8", "replace").decode("utf-8")


def data_block(predictions: Predictions, metrics: Metrics) -> dict[str, Any]:
    """Return counts and images: [path, true, predicted, confidence], classes by their index."""
    best = predictions.probabilities.argmax(axis=1)
    confidence = predictions.probabilities.max(axis=1)
    rows = zip(predictions.paths, predictions.true, best, confidence, strict=True)
    return {
        "classes": predictions.classes,
        "split": metrics["split"],
        "confusion_matrix": metrics["confusion_matrix"],
        "images": [[path, int(t), int(b), round(float(c), 4)] for path, t, b, c in rows],
    }


def _pictures(album: Album) -> str:
    """Return the style that shows each thumbnail, wherever it is used."""
    return "".join(
        f'.{photo.id}{{background-image:url("{photo.image}")}}\n'
        for photo in album.photos
        if photo.image
    )


def _json(value: Any) -> str:
    """Return JSON that cannot end its element, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _digest(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
