"""Writes the page of suspicious images: one file, with a script that composes the list of fixes.

The script only joins cells that stand in the page as they are written to CSV, and its digest is in
the page's Content-Security-Policy: nothing else runs, and nothing is loaded.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from transfer.data.sources.actions import KEEP, REMOVE
from transfer.evaluation.fixing.suspects import Suspect
from transfer.evaluation.gallery import thumbnailer
from transfer.system.csv import csv_line
from transfer.system.files import write_text

HEADER = ("path", "reason", "suggestion", "action")
MOST = 500  # images on a page
_MOST_OPTIONS = 50_000  # classes to choose from, of all images together
_SIDE = 112  # pixels of a thumbnail
_MOST_BYTES = 4_000_000  # of all thumbnails, as base64
_TEMPLATES = files("transfer.evaluation.fixing") / "templates"


def write_fix_page(
    path: Path,
    root: Path,
    classes: Sequence[str],
    suspects: Sequence[Suspect],
    sha256: Mapping[str, str],
) -> None:
    """Write a page with a choice for each image: keep, relabel or leave out.

    Its button saves fixes.csv, as `transfer.prepare` reads it. The first `MOST` images are shown,
    and their thumbnails as far as 4 MB hold them.

    Args:
        path: The page.
        root: The data folder.
        classes: Names of the classes.
        suspects: The images.
        sha256: Digests of the images by their path; only files with these bytes are shown.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("transfer.evaluation.fixing"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    style, script = (
        (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    most = min(MOST, max(1, _MOST_OPTIONS // len(classes)))
    thumbnail = thumbnailer(root, sha256, side=_SIDE, most=_MOST_BYTES)
    page = environment.get_template("page.html.j2").render(
        data=root.name,
        style=style,
        script=script,
        style_digest=_digest(style),
        script_digest=_digest(script),
        header=csv_line(HEADER).rstrip("\n"),
        keep=KEEP,
        remove=REMOVE,
        # the names of actions cannot be chosen as classes
        classes=[(name, _cell(name)) for name in classes if name not in (KEEP, REMOVE)],
        suspects=[(each, _start(each), thumbnail(each.path)) for each in suspects[:most]],
        total=len(suspects),
    )
    write_text(path, page)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _cell(text: str) -> str:
    """Return a cell as it is written to CSV."""
    return csv_line([text, ""]).removesuffix(",\n").removesuffix(',""\n')


def _start(suspect: Suspect) -> str:
    """Return the row of an image up to its last cell."""
    return ",".join(map(_cell, (suspect.path, suspect.reason, suspect.suggestion))) + ","
