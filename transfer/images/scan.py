"""Walks a folder and lists the candidate images.

Files with the usual suffix of a format count as images until they are opened; of all others the
first bytes decide.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from transfer.errors import DataError, option
from transfer.images.formats import HEAD, READ, left_out, trusted
from transfer.images.junk import HIDDEN, is_junk, is_of_programs
from transfer.system.files import is_file
from transfer.system.progress import say, warn

NOT_UTF8 = "file name is not UTF-8"
NOT_IMAGE = "not an image"
REPEATED = "link to an image that is already included"
REPEATED_FOLDER = "link to a folder that is already included"


def reason_left_out(file: str | os.PathLike[str], name: str) -> str:
    """Return why a regular file is left out, or "" where it seems to be an image that is read.

    Args:
        file: Its path. It is opened only where its name says too little.
        name: The name by which it is known, whose suffix counts.
    """
    suffix = Path(name).suffix.lower()
    if trusted(suffix):
        return ""
    try:
        with Path(file).open("rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        head = b""
    reason = left_out(head, suffix)
    return NOT_IMAGE if reason is None else reason


def not_utf8(root: Path) -> list[str]:
    """Return the paths below a folder that are not UTF-8, with the bytes in question escaped."""
    found = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            try:
                name.encode()
            except UnicodeEncodeError:
                path = Path(folder, name).relative_to(root)
                found.append(os.fsencode(path).decode("utf-8", "backslashreplace"))
    return sorted(found)


def holds_runs(folder: Path) -> bool:
    """Return whether a folder is that of a run, or is called runs and holds one."""
    if is_file(folder / "recipe.json"):
        return True
    return folder.name == "runs" and any(folder.glob("*/recipe.json"))


class Scanner:
    """Collects the images below a folder, each real file once.

    Attributes:
        images: Paths relative to `root`, with forward slashes, in no order.
        skipped: Reason to number of files that were left out.
        left_out: Path and reason of each of them, in no order; without names that are not UTF-8.
        folders: Paths of all folders that were entered, empty ones included.
    """

    def __init__(self, root: Path, follow_links: bool, lenient: bool = False) -> None:
        self.root = root
        self.images: list[str] = []
        self.skipped: Counter[str] = Counter()
        self.left_out: list[tuple[str, str]] = []
        self.folders: list[str] = []
        self._real_root = os.path.realpath(root)
        self._follow_links = follow_links
        self._lenient = lenient  # pass over what cannot be listed, and links that lead out
        self._real_paths: set[str] = set()
        self._links: list[str] = []
        self._not_utf8: set[str] = set()
        self._runs: set[str] = set()

    def entries(self, folder: str) -> tuple[list[str], list[str], list[str]]:
        """Return the sorted names of the (folders, files, links) of a folder of the root.

        Hidden entries, leftovers of other systems, runs, sockets, pipes and devices are left
        out.
        """
        folders: list[str] = []
        files: list[str] = []
        links: list[str] = []
        try:
            with os.scandir(self.root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"Cannot list the folder {str(self.root / folder)!r}: {error.strerror}."
                " Expected a folder that can be read."
            ) from error
        for entry in entries:
            if is_junk(entry.name):
                self._leave_out_hidden(folder, entry)
                continue
            if not self._is_utf8(folder, entry.name):
                continue
            if entry.is_symlink():
                links.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                if holds_runs(Path(entry.path)):
                    self._runs.add(str(Path(folder, entry.name)))
                else:
                    folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
        return folders, files, links

    def _leave_out_hidden(self, folder: str, entry: os.DirEntry[str]) -> None:
        """Record the images in a hidden folder that no program is known to have made."""
        if is_of_programs(entry.name) or not entry.is_dir(follow_symlinks=False):
            return
        with suppress(OSError), os.scandir(entry.path) as found:
            for each in sorted(found, key=lambda each: each.name):
                if each.is_file() and trusted(Path(each.name).suffix.lower()):
                    path = str(Path(folder, entry.name, each.name))
                    if self._is_utf8(folder, path):
                        self.leave_out(path, HIDDEN)

    def enter_all(self) -> None:
        """Collect what lies below the root: first the real files, which keep their paths, then
        what links lead to.
        """
        self._walk("", self._real_root)
        while self._links:
            self._links.sort(reverse=True)
            self._follow(self._links.pop())
        if self._not_utf8:
            self.skipped[NOT_UTF8] = len(self._not_utf8)

    def tell(self) -> None:
        """Report the runs and the names that are not UTF-8, which were left out."""
        if self._runs:
            say(f"Left out {', '.join(sorted(self._runs))}: runs, not images.")
        if self._not_utf8:
            shown = ", ".join(sorted(self._not_utf8)[:5])
            warn(f"Left out {len(self._not_utf8)} file(s): {NOT_UTF8}, such as {shown}.")

    def _walk(self, folder: str, real: str) -> None:
        if real in self._real_paths:
            return
        self._real_paths.add(real)
        self.folders.append(folder)
        try:
            folders, files, links = self.entries(folder)
        except DataError:
            if not self._lenient:
                raise
            return
        within = f"{folder}/".lstrip("/")
        for name in files:
            self._add(f"{within}{name}", f"{real}/{name}")
        self._links += [f"{within}{name}" for name in links]
        for name in folders:
            self._walk(f"{within}{name}", f"{real}/{name}")

    def _follow(self, link: str) -> None:
        try:
            mode = (self.root / link).stat().st_mode
        except OSError:
            if trusted(Path(link).suffix.lower()):  # dangling: the audit names it
                self.images.append(link)
            return
        real = os.path.realpath(self.root / link)
        inside = real == self._real_root or real.startswith(self._real_root.rstrip("/") + "/")
        wanted = stat.S_ISDIR(mode) or (
            stat.S_ISREG(mode) and not reason_left_out(self.root / link, link)
        )
        if wanted and not inside and not self._follow_links:
            if self._lenient:
                return
            raise DataError(
                f"The link {link!r} leads out of {str(self.root)!r}, to {real!r}."
                f" Copy the images there, or allow it with {option('follow_links', True)}."
            )
        if stat.S_ISDIR(mode) and real in self._real_paths:
            self.leave_out(link, REPEATED_FOLDER)
        elif stat.S_ISDIR(mode):
            self._walk(link, real)
        elif stat.S_ISREG(mode):
            self._add(link, real)

    def _add(self, path: str, real: str) -> None:
        reason = reason_left_out(real, path)
        if not reason and real in self._real_paths:
            reason = REPEATED
        if reason:
            self.leave_out(path, reason)
        else:
            self._real_paths.add(real)
            self.images.append(path)

    def leave_out(self, path: str, reason: str) -> None:
        """Record that a file is not used, and why."""
        self.skipped[reason] += 1
        self.left_out.append((path, reason))

    def _is_utf8(self, folder: str, name: str) -> bool:
        try:
            name.encode()
        except UnicodeEncodeError:
            path = f"{folder}/{name}".lstrip("/")
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            _refuse_locale(os.fsencode(name), shown)
            self._not_utf8.add(shown)
            return False
        return True


def _refuse_locale(name: bytes, shown: str) -> None:
    """Raise DataError for a name in UTF-8 that the process cannot read."""
    with suppress(UnicodeDecodeError):
        name.decode()
        raise DataError(
            f"The name {shown!r} cannot be read: Python takes names for"
            f" {sys.getfilesystemencoding()} here. Start with PYTHONUTF8=1, or with a locale of"
            " UTF-8 such as LC_ALL=C.UTF-8."
        )


def walk_images(root: Path, on_bad: Callable[[DataError], None] | None = None) -> Iterator[Path]:
    """Yield the images below a folder as they are found, without keeping a list of them.

    In each folder its files come first, then its subfolders, both sorted. Links are followed, each
    real folder once.

    Args:
        root: The folder.
        on_bad: Called with the error of each folder that cannot be listed, and if there is no
            image; if None, the error is raised.

    Raises:
        DataError: There is no image, or a folder cannot be listed, and `on_bad` is None.
    """
    scanner = Scanner(root, follow_links=True)
    left: Counter[str] = Counter()
    entered: set[str] = set()
    reported = False

    def report(error: DataError) -> None:
        nonlocal reported
        if on_bad is None:
            raise error
        on_bad(error)
        reported = True

    def walk(folder: Path) -> Iterator[Path]:
        real = os.path.realpath(root / folder)
        if real in entered:
            return
        entered.add(real)
        try:
            folders, files, links = scanner.entries(str(folder))
        except DataError as error:
            report(error)
            return
        linked = {name for name in links if (root / folder / name).is_dir()}
        for name in sorted({*files, *links} - linked):
            path = root / folder / name
            readable = trusted(path.suffix.lower()) or path.is_file()  # a pipe would block
            reason = reason_left_out(path, name) if readable else NOT_IMAGE
            if not reason:
                yield path
            elif reason != NOT_IMAGE:
                left[reason] += 1
        for name in sorted({*folders, *linked}):
            yield from walk(folder / name)

    found = False
    for path in walk(Path()):
        found = True
        yield path
    scanner.tell()
    for reason, count in left.items():
        warn(f"Left out {count} file(s) in {str(root)!r}: {reason}.")
    if not found and not reported:
        report(DataError(f"No images in {str(root)!r}. Expected image files ({READ})."))
