"""check: what is wrong with a folder of images, before anything is trained on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from transfer.api.images import split_images
from transfer.api.knobs import ReadingKnobs
from transfer.api.recipes import make_reading
from transfer.data.audit.clean import Audit, audit
from transfer.data.audit.findings import SEVERITIES, Finding, find
from transfer.data.audit.fixes import Fix, action_of, fixes
from transfer.data.audit.negatives import audit_negatives, findings_of
from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, UsageError, did_you_mean, either, option
from transfer.images.folder import ImageFolder
from transfer.images.scan import NOT_UTF8, not_utf8
from transfer.recipe import CHECKS, Recipe
from transfer.recipe.reading import MULTI_LABEL
from transfer.runs.run import RunLike, as_run
from transfer.system.csv import write_csv
from transfer.system.files import check_writable
from transfer.system.guest import numpy_defaults
from transfer.system.progress import silenced

__all__ = ["SEVERITIES", "Checkup", "Finding", "check", "check_fix_list"]

_OUR_PAGE = b"<!DOCTYPE html>\n<!-- fixes of transfer check -->"
_HEADER = ("path", "reason", "suggestion", "action")


@dataclass(frozen=True)
class Checkup:
    """What `check` found.

    Attributes:
        data: The folder.
        check: ``"quick"`` or ``"full"``.
        sizes: Images per split (``""`` without splits), unusable ones included.
        counts: The same per split and class; an image of several classes counts for each.
        usable: Number of images that can be used.
        findings: All findings, the most severe first.
        fixes: (path, reason, suggestion) of every file that needs a fix.
        read_as: What the data were read as.
        left_out: (path, reason) of every file that is not an image of a class.
        negatives: Number of usable images of none of the classes; None without.
        labels: Path to class of every image; of several classes, these joined by ``|``.
        sha256: Path to digest of every usable image, 64 hex digits.
        multi_label: Whether an image may have several labels.
    """

    data: Path
    check: str
    sizes: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    usable: int
    findings: tuple[Finding, ...]
    fixes: tuple[Fix, ...]
    read_as: str = ""
    left_out: tuple[tuple[str, str], ...] = ()
    negatives: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)
    sha256: Mapping[str, str] = field(default_factory=dict, repr=False)
    multi_label: bool = False

    @property
    def images(self) -> int:
        """Number of images, unusable ones included."""
        return sum(self.sizes.values())

    def refused(self, strict: bool = False) -> tuple[Finding, ...]:
        """Return the findings for which `finetune` (`strict`: with on_bad="fail") would refuse."""
        severities = ("error", "problem") if strict else ("error",)
        return tuple(each for each in self.findings if each.severity in severities)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the fixes as plain values for JSON."""
        return {
            "data": str(self.data),
            "read_as": self.read_as,
            "check": self.check,
            "images": self.images,
            "usable": self.usable,
            "negatives": self.negatives,
            "counts": {split or "all": dict(sizes) for split, sizes in self.counts.items()},
            "findings": [each.to_dict() for each in self.findings],
            "left_out": [{"path": path, "reason": reason} for path, reason in self.left_out],
        }

    def write_fixes(self, path: str | os.PathLike[str]) -> None:
        """Write the fixes as CSV (path, reason, suggestion, action), see `check_fix_list`.

        `transfer.prepare` copies images as the column ``action`` says: where the suggestion leaves
        a choice it is empty, to be filled in.
        """
        rows = [(*fix, action_of(fix)) for fix in self.fixes]
        write_csv(check_fix_list(path), _HEADER, rows)

    def write_fix_page(self, path: str | os.PathLike[str], run: RunLike | None = None) -> None:
        """Write a page with the images that may need a fix, to choose by eye what becomes of each.

        It is one file that loads nothing. Its button saves the choices as ``fixes.csv``, for
        `transfer.prepare`. At most 500 images are shown.

        Args:
            path: New file, or an earlier page.
            run: A run on these images: those whose labels look wrong to it come first.

        Raises:
            DataError: The run has no list of label errors, or it is of other images.
            UsageError: `path` is another file, or images may have several labels.
        """
        from transfer.evaluation.fixing.page import write_fix_page
        from transfer.evaluation.fixing.suspects import joined, of_check, of_run

        if self.multi_label:
            raise UsageError(
                f"A page of fixes has no meaning with {option('task', MULTI_LABEL)}: change the"
                " labels in the table."
            )
        path = check_fix_page(path)
        wrong = [] if run is None else of_run(as_run(run), self.labels)
        suspects = joined(wrong, of_check(self.fixes, self.labels))
        classes = sorted({name for sizes in self.counts.values() for name in sizes})
        write_fix_page(path, self.data, classes, suspects, self.sha256)


@numpy_defaults()
def check(
    data: str | os.PathLike[str], *, check: str = "quick", **reading: Unpack[ReadingKnobs]
) -> Checkup:
    """Check a folder of images for problems. No file is changed.

    Args:
        data: As for `transfer.finetune`.
        check: ``"quick"`` hashes and decodes every file (JPEG files at a fraction of their
            size, which still finds truncated and damaged ones), and reuses the results of earlier
            checks for unchanged files. ``"full"`` reads all files again and decodes them at full
            resolution.
        **reading: How the data are read, as fields of `Recipe`: ``layout``, ``class_level``,
            ``label_regex``, ``path_column``, ``label_column``, ``split_column``, ``class_names``,
            ``negatives``, ``limit``, ``allow_empty``, ``follow_links``.

    Raises:
        DataError: There is no folder of class folders, or it can be read in two ways.
        UsageError: `check` is neither, or there is no such field.

    Example:
        >>> for finding in check("data/dogs").findings:
        ...     print(finding.title)
    """
    if check not in CHECKS:
        near = did_you_mean(check, CHECKS)
        raise UsageError(f"Unknown {option('check', check)}.{near} Expected quick or full.")
    asked = make_reading(reading)
    with silenced():
        resolved = resolve(data, replace(asked, allow_empty=True))
        folder = resolved.index(allow_single=True)
    found = audit(folder, check)
    nameless = not_utf8(folder.root) if NOT_UTF8 in folder.skipped else []
    findings = find(folder, found, nameless, asked.allow_empty)
    negatives = audit_negatives(folder, found, check)
    if negatives is not None:
        order = list(SEVERITIES)
        findings += findings_of(negatives)
        findings.sort(key=lambda each: order.index(each.severity))
    if not any(each.severity == "error" for each in findings):
        findings = [*_undivided(folder, found), *findings]
    splits = dict(zip(folder.paths, folder.splits, strict=True))
    return Checkup(
        folder.root,
        check,
        folder.sizes(),
        folder.counts(),
        len(found.sha256),
        tuple(findings),
        tuple(fixes(findings, splits)),
        folder.read_as,
        folder.left_out,
        None if negatives is None else len(negatives.images),
        {p: folder.label_names[n] for p, n in zip(folder.paths, folder.labels, strict=True)},
        found.sha256,
        asked.multi_label,
    )


def _undivided(folder: ImageFolder, found: Audit) -> Iterator[Finding]:
    """Yield the problem that keeps `finetune` from splitting the usable images, if any."""
    try:
        with silenced():
            usable = folder.keep([path in found.sha256 for path in folder.paths])
            split_images(usable, found, Recipe())
    except DataError as error:
        title = "the images cannot be split for training"
        yield Finding("undivided", "error", title, str(error), ())


def check_fix_list(path: str | os.PathLike[str]) -> Path:
    """Return a path for a list of fixes. Raises UsageError if another file is there."""
    return _free(path, ",".join(_HEADER[:3]).encode(), either("path=", "--fix-list"))


def check_fix_page(path: str | os.PathLike[str]) -> Path:
    """Return a path for a page of fixes. Raises UsageError if another file is there."""
    return _free(path, _OUR_PAGE, either("path=", "--fix-page"))


def _free(path: str | os.PathLike[str], ours: bytes, name: str) -> Path:
    path = Path(path).expanduser()
    try:
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                free = file.read(len(ours)) == ours
        else:
            free = not path.exists() and path.parent.is_dir()
    except OSError:
        free = False
    if not free:
        raise UsageError(
            f"Expected {name} as a new file in an existing folder, or an earlier one."
            f" Received: {str(path)!r}"
        )
    check_writable(path)
    return path
