"""From findings to a list of suggested fixes, file by file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from transfer.data.audit.findings import Finding
from transfer.images.folder import SPLITS

Fix = tuple[str, str, str]
_CONVERT = "convert it to JPEG or PNG"
_MOVE = "move it into the folder of its class, or out of the data"
_REMOVE, _REPLACE = "remove it", "replace or remove it"
_LOOK = "check it; remove it if it does not belong"


def fixes(findings: Sequence[Finding], splits: Mapping[str, str]) -> list[Fix]:
    """Return (path, reason, suggestion) of every file that should be fixed.

    Args:
        findings: What was found.
        splits: Path to split of every image.
    """
    return [fix for finding in findings for fix in _fixes(finding, splits)]


def _fixes(finding: Finding, splits: Mapping[str, str]) -> Iterator[Fix]:
    kind, items = finding.kind, finding.items
    if kind == "unusable":
        yield from ((path, reason, _REPLACE) for path, reason in items)
    elif kind == "left-out":
        for path, reason in items:
            convert = reason.startswith("unsupported")
            yield path, f"left out: {reason}", _CONVERT if convert else _MOVE
    elif kind == "extension":
        for path, detail in items:
            form, _, suffix = detail.partition(": ")
            name = PurePosixPath(path).with_suffix(suffix).name
            yield path, f"is a {form} file", f"rename it to {name}"
    elif kind in ("tiny", "elongated"):
        yield from ((path, f"{kind}: {size}", _LOOK) for path, size in items)
    elif kind == "blank":
        yield from ((path, kind, _LOOK) for (path,) in items)
    elif kind.startswith(("copies-", "near-")):
        same = "identical to" if kind.startswith("copies") else "near duplicate of"
        for group in items:
            yield from _fixes_of(group, kind, same, splits)


def _fixes_of(
    group: Sequence[str], kind: str, same: str, splits: Mapping[str, str]
) -> Iterator[Fix]:
    if kind.endswith("classes"):
        for number, path in enumerate(group):
            yield path, f"{same} {group[number - 1]}", "keep it only in the right class"
        return
    rank = {"": -1} | {split: number for number, split in enumerate(SPLITS)}
    kept = max(group, key=lambda path: (rank[splits[path]], path == group[0]))
    for path in group:
        if kind.endswith("splits") and splits[path] != splits[kept]:
            yield path, f"{same} {kept}", f"{_REMOVE} from {splits[path]}"
        elif kind == "copies-in-one-class" and path != kept:
            yield path, f"{same} {kept}", _REMOVE


def action_of(fix: Fix) -> str:
    """Return what a fix does to a copy of the images: ``remove``; "" where there is a choice."""
    return "remove" if fix[2].startswith((_REMOVE, _REPLACE)) else ""
