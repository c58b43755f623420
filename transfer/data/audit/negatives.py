"""Checks the negatives, and keeps them apart from the images of the classes by content too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transfer.data.audit.clean import Audit, audit, in_short
from transfer.data.audit.duplicates import groups_of
from transfer.data.audit.findings import Finding
from transfer.errors import DataError, either, option
from transfer.images.folder import ImageFolder
from transfer.system.progress import warn


@dataclass(frozen=True)
class Negatives:
    """The negatives of a set of images, after their check.

    Attributes:
        images: The usable ones.
        sha256: Path to hex digest of each of these.
        bad: (path, reason) of those that cannot be used.
        shared: (path, path of an image of a class) of those that are copies or near duplicates of
            an image of a class; they are not among `images`.
    """

    images: ImageFolder
    sha256: Mapping[str, str]
    bad: tuple[tuple[str, str], ...]
    shared: tuple[tuple[str, str], ...]


def audit_negatives(folder: ImageFolder, known: Audit, check: str = "quick") -> Negatives | None:
    """Check the negatives of a folder like its other images; None where there are none.

    Args:
        folder: The images.
        known: What was found in them.
        check: See `audit`.
    """
    if folder.negatives is None:
        return None
    found = audit(folder.negatives, check)
    shared = _shared(known, found)
    kept = [path in found.sha256 and path not in shared for path in folder.negatives.paths]
    images = folder.negatives.keep(kept)
    digests = {path: found.sha256[path] for path in images.paths}
    return Negatives(images, digests, found.bad, tuple(shared.items()))


def _shared(known: Audit, found: Audit) -> dict[str, str]:
    """Return path of a negative to that of an image of a class that shows the same."""
    looks = {f"class/{path}": look for path, look in known.looks.items()}
    looks |= {f"negative/{path}": look for path, look in found.looks.items()}
    keys = groups_of(
        {name: look.sha256 for name, look in looks.items()},
        {name: look.fingerprint for name, look in looks.items()},
    )
    classes = {keys[f"class/{path}"]: path for path in known.looks}
    same = {path: keys[f"negative/{path}"] for path in found.looks}
    return {path: classes[key] for path, key in same.items() if key in classes}


def findings_of(negatives: Negatives) -> list[Finding]:
    """Return what is wrong with negatives, for `transfer check`."""
    found = []
    if negatives.bad:
        items = tuple((path, reason.rstrip(".")) for path, reason in negatives.bad)
        title, advice = f"{len(items):,} negative(s) cannot be used", "Replace or remove them."
        found.append(Finding("negatives-unusable", "problem", title, advice, items))
    if negatives.shared:
        title = f"{len(negatives.shared):,} negative(s) show the same as images of classes"
        advice = "Are they of a class? They are left out of the negatives."
        found.append(Finding("negatives-shared", "problem", title, advice, negatives.shared))
    return found


def clean_negatives(
    folder: ImageFolder, known: Audit, on_bad: str = "skip", check: str = "quick"
) -> Negatives | None:
    """Check the negatives of a folder, and report what cannot be used.

    Args:
        folder: The images.
        known: What was found in them.
        on_bad: ``"skip"`` leaves bad files out with a warning, and what is an image of a class too;
            ``"fail"`` rejects them.
        check: See `audit`.

    Raises:
        DataError: `on_bad` is ``"fail"`` and there is something bad, or nothing is left.
    """
    negatives = audit_negatives(folder, known, check)
    if negatives is None:
        return None
    problems = [in_short("unusable negative(s)", [f"{p!r} {why}" for p, why in negatives.bad])]
    pairs = [f"{path!r} = {other!r}" for path, other in negatives.shared]
    problems.append(in_short("negative(s) show the same as images of classes", pairs))
    for problem in filter(None, problems):
        if on_bad == "fail":
            strict = either(option("on_bad", "fail"), "--strict")
            raise DataError(f"{problem} Fix or remove them, or leave out {strict}.")
        warn(f"{problem} Left out of the negatives.")
    if not negatives.images.paths:
        raise DataError(f"No negative in {str(negatives.images.root)!r} can be used.")
    return negatives
