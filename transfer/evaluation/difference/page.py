"""The page on the difference of runs: one file without scripts or links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.evaluation import gallery
from transfer.evaluation.difference.compared import Difference, Flip
from transfer.evaluation.difference.joined import Evaluated
from transfer.system.files import write_text

MOST = 60  # photos of a list


@dataclass(frozen=True)
class Shown:
    """A photo that one model recognises and the other does not, with its thumbnail."""

    flip: Flip
    image: str | None


@dataclass(frozen=True)
class Section:
    """What the page shows of one difference."""

    found: Difference
    first: str
    second: str
    verdict: str
    notes: tuple[str, ...]
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
    first = evaluated[0]
    most = gallery.MOST_BYTES // (2 * len(found))  # so that no list takes the photos of another
    names = {each.name: _name(each) for each in evaluated}
    sections = [
        Section(
            each,
            names[each.first],
            names[each.second],
            _named(each.verdict, names),
            tuple(_named(note, names) for note in each.notes),
            _shown(each.wrong_to_right, first, most),
            _shown(each.right_to_wrong, first, most),
        )
        for each in found
    ]
    page = _render(sections)
    write_text(path, page.encode("utf-8", "replace").decode("utf-8"))


def _name(evaluated: Evaluated) -> str:
    """Return the name of a run for a page that others read: without its folders."""
    name = evaluated.run.path.name
    other = Path(evaluated.name).resolve()
    return name if other == evaluated.run.path.resolve() else f"{name} on {other.name}"


def _named(text: str, names: Mapping[str, str]) -> str:
    """Return a sentence with the names of the page in place of the paths."""
    longest_first = sorted(names, key=len, reverse=True)
    pattern = "|".join(re.escape(path) for path in longest_first)
    return re.sub(pattern, lambda found: names[found[0]], text)


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
