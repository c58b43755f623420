"""The page on the difference of runs: one file without scripts or links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transfer.evaluation import gallery
from transfer.evaluation.difference.compared import Difference, Flip, with_verdict
from transfer.evaluation.difference.joined import Evaluated, join
from transfer.system.files import write_text

MOST = 60  # photos of a list


@dataclass(frozen=True)
class Shown:
    """A photo that one model recognises and the other does not, with its thumbnail."""

    flip: Flip
    image: str | None


@dataclass(frozen=True)
class Section:
    """What the page shows of one difference, with the names of the page in place of the paths."""

    found: Difference
    right: tuple[Shown, ...]
    wrong: tuple[Shown, ...]


def write_difference_page(
    path: Path, evaluated: Sequence[Evaluated], found: Sequence[Difference]
) -> None:
    """Write the page of `found`, one HTML file.

    Photos are shown only if the bytes on disk are still those that the runs list. The same files
    give the same bytes.

    Args:
        path: The file.
        evaluated: The evaluations, the first one first.
        found: What `compare_with_first` returns for them.
    """
    first, *others = (
        replace(each, name=name) for each, name in zip(evaluated, _names(evaluated), strict=True)
    )
    most = gallery.MOST_BYTES // (2 * len(found))  # so that no list takes the photos of another
    sections = []
    for each, other in zip(found, others, strict=True):
        notes = join(first, other).notes
        named = replace(each, first=first.name, second=other.name, notes=notes)
        right = _shown(each.wrong_to_right, first, most)
        wrong = _shown(each.right_to_wrong, first, most)
        sections.append(Section(with_verdict(named, len(found)), right, wrong))
    page = _render(sections)
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def _names(evaluated: Sequence[Evaluated]) -> list[str]:
    """Return names for a page that others read: without folders, and no two alike."""
    names = [_name(each) for each in evaluated]
    if len(set(names)) == len(names):
        return names
    return [f"{number}: {name}" for number, name in enumerate(names, start=1)]


def _name(evaluated: Evaluated) -> str:
    name = evaluated.run.path.resolve().name
    other = Path(evaluated.name).resolve()
    return name if other == evaluated.run.path.resolve() else f"{name} on {other.name}"


def _shown(flips: Sequence[Flip], first: Evaluated, most: int) -> tuple[Shown, ...]:
    digests = {flip.path: flip.sha256 for flip in flips}
    thumbnail = gallery.thumbnailer(first.data, digests, first.decoding, most=most)
    return tuple(Shown(flip, thumbnail(flip.path)) for flip in flips[:MOST])


def _render(sections: Sequence[Section]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("transfer.evaluation.difference"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}\u00a0%"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    return environment.get_template("difference.html.j2").render(sections=sections, most=MOST)
