"""Writes each page of the TIFF files in a folder as a file of its own."""

from __future__ import annotations

import struct
from pathlib import Path

from transfer.errors import UsageError, did_you_mean, option
from transfer.images.formats import HEAD, format_of
from transfer.images.layout.filenames import name_of_page
from transfer.images.pages import TiffPages
from transfer.system.progress import say, track, warn

PAGES = ("first", "all")


def check_pages(pages: str) -> None:
    """Raise UsageError where it is none of `PAGES`."""
    if pages not in PAGES:
        raise UsageError(
            f"Unknown {option('pages', pages)}.{did_you_mean(str(pages), PAGES)} Expected first or"
            " all."
        )


def take_pages_apart(folder: Path) -> None:
    """Replace the TIFF files of several pages in a folder by a file for each page.

    The pages of x.tif are x.page-1.tif, x.page-2.tif ... One that cannot be taken apart is kept as
    it is, with a warning.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and _is_tiff(path)]
    taken = written = 0
    for path in track(files, "Taking pages apart", len(files)):
        try:
            number = _take_apart(path)
        except (ValueError, struct.error) as error:
            shown = path.relative_to(folder).as_posix()
            warn(f"The pages of {shown!r} cannot be taken apart: {error}. It is kept as it is.")
            continue
        taken += number > 1
        written += number if number > 1 else 0
    say(f"{written:,} pages of {taken:,} TIFF file(s) are images of their own.")


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as file:
        found = format_of(file.read(HEAD), path.suffix.lower())
    return found is not None and found.name == "TIFF"


def _take_apart(path: Path) -> int:
    """Return the number of pages; each is a file then, if there are several."""
    written: list[Path] = []
    with path.open("rb") as stream:
        parts = TiffPages(stream)
        if len(parts.pages) < 2:
            return 1
        try:
            for number, page in enumerate(parts.pages, start=1):
                target = _free(path, number, len(parts.pages))
                with target.open("xb") as file:
                    written.append(target)
                    parts.write(page, file)
        except BaseException:
            for each in written:
                each.unlink()
            raise
    path.unlink()
    return len(written)


def _free(path: Path, number: int, last: int) -> Path:
    """Return the path of a page, under another name where there is such a file already."""
    target = path.with_name(name_of_page(path.stem, number, last) + path.suffix)
    again = 2
    while target.exists():
        target = path.with_name(name_of_page(f"{path.stem}-{again}", number, last) + path.suffix)
        again += 1
    return target
