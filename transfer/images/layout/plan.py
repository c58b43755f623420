"""A Plan: which image is of which class and split, and the words that say how that was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from transfer.system.names import nfc

SPLITS = ("train", "val", "test")
LOOSE = "loose file at the top"
_SHOWN = 8


@dataclass(frozen=True)
class Remark:
    """Something that the user should know about how a folder was read.

    Attributes:
        kind: Machine-readable, such as ``negatives``.
        text: One line.
        serious: Whether it is a warning rather than a note.
    """

    kind: str
    text: str
    serious: bool = False


@dataclass
class Plan:
    """How a folder is read.

    Attributes:
        text: What it is read as, without a full stop.
        rows: (path, class, split) of each image; the split is ``""`` where there is none.
        folders: Split to class to its folders, those without images included.
        left_out: (path, reason) of the images that have no class.
        remarks: What else the user should know.
    """

    text: str = ""
    rows: list[tuple[str, str, str]] = field(default_factory=list)
    folders: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def add(self, split: str, name: str, folder: str, paths: Iterable[str]) -> None:
        """Add a class folder with its images."""
        name = nfc(name)
        self.folders.setdefault(split, {}).setdefault(name, []).append(folder)
        self.rows += [(path, name, split) for path in paths]

    def leave_out(self, paths: Iterable[str], reason: str) -> None:
        """Add images that have no class."""
        self.left_out += [(path, reason) for path in paths]

    def remark(self, kind: str, text: str, serious: bool = False) -> None:
        """Add a remark."""
        self.remarks.append(Remark(kind, text, serious))

    @property
    def classes(self) -> list[str]:
        """Class names, sorted by code point, those without images included."""
        return sorted({name for names in self.folders.values() for name in names})

    def counted(self) -> str:
        """Return its counts in words: ``train: cat 9, dog 9; test: cat 2, dog 2``."""
        counts = Counter((split, name) for _, name, split in self.rows)
        parts = []
        for split in (*SPLITS, ""):
            sizes = {name: n for (of, name), n in sorted(counts.items()) if of == split}
            if sizes:
                parts.append(f"{split}: {sizes_in_words(sizes)}".removeprefix(": "))
        return "; ".join(parts) or "no image"


def readable(name: str) -> str:
    """Return a name for a message: as people read it; escaped where it cannot be printed."""
    return name if name.isprintable() and name == name.strip() and name else repr(name)


def in_words(names: Sequence[str], most: int = _SHOWN) -> str:
    """Return names with commas, cut sensibly."""
    shown = ", ".join(readable(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def sizes_in_words(sizes: Mapping[str, int], most: int = _SHOWN) -> str:
    """Return names with numbers: ``cat 9, dog 9``, cut sensibly."""
    shown = ", ".join(f"{readable(name)} {sizes[name]:,}" for name in list(sizes)[:most])
    return shown if len(sizes) <= most else f"{shown} and {len(sizes) - most} more classes"


def of_classes(names: Sequence[str]) -> str:
    """Return ``2 classes: cat, dog``."""
    return f"{len(names)} class{'es' * (len(names) != 1)}: {in_words(names)}"
