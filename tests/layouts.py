"""Makes small folders, tables and archives in the layouts in which labelled photos come.

An instance is a case id, a name, a maker that fills a folder and returns what to give as DATA, and
what is expected: either counts, ``{"train": {"cat": 3}}``, or the words that a refusal contains.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, command_line
from transfer.recipe.reading import Reading
from transfer.system.progress import silenced

Counts = Mapping[str, Mapping[str, int]]
_number = count()


@dataclass(frozen=True)
class Instance:
    """One layout.

    Attributes:
        case: Id of the case.
        name: Its own.
        make: Fills a folder and returns DATA.
        counts: What is read, by split and class; None where it is refused.
        words: What the refusal, or what is said, contains.
        options: What is asked for.
    """

    case: str
    name: str
    make: Callable[[Path], Path]
    counts: Counts | None
    words: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def png() -> bytes:
    """Return a tiny picture like no other."""
    number = next(_number)
    buffer = io.BytesIO()
    colour = (number % 251, number // 251 % 251, 7 * number % 251)
    Image.new("RGB", (2, 2), colour).save(buffer, "PNG")
    return buffer.getvalue()


def put(root: Path, names: Iterable[str]) -> Path:
    """Write a picture under each name."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png())
    return root


def folders(**counts: int) -> Callable[[Path], Path]:
    """Return a maker of pictures 0.png, 1.png ... in folders; ``__`` separates levels."""
    return tree({name.replace("__", "/"): number for name, number in counts.items()})


def tree(counts: Mapping[str, int], *others: str) -> Callable[[Path], Path]:
    """Return a maker of folders of pictures, and of other files and, with a slash, folders."""

    def make(root: Path) -> Path:
        for folder, number in counts.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            put(root, (f"{folder}/{n}.png" for n in range(number)))
        for name in others:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if name.endswith("/") else path.write_text("text\n")
        return root

    return make


def files(*names: str) -> Callable[[Path], Path]:
    """Return a maker of pictures."""
    return lambda root: put(root, names)


def splits(words: Sequence[str], inside: str = "", outside: str = "") -> Callable[[Path], Path]:
    """Return a maker of split folders, the first of which has three pictures of each class."""
    sizes = (3, 2, 1)
    return tree(
        {
            f"{outside}{word}/{inside}{name}": size
            for word, size in zip(words, sizes, strict=False)
            for name in ("cat", "dog")
        }
    )


def table(
    name: str,
    rows: Sequence[Sequence[object]],
    pictures: Iterable[str],
    whole: bool = False,
    separator: str = ",",
    encoding: str = "utf-8",
) -> Callable[[Path], Path]:
    """Return a maker of a table beside pictures; DATA is the table or, if `whole`, the folder."""

    def make(root: Path) -> Path:
        put(root, pictures)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
        (root / name).write_bytes(text.encode(encoding))
        return root if whole else root / name

    return make


def excel(rows: Sequence[Sequence[object]], pictures: Iterable[str]) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        import openpyxl

        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(list(row))
        put(root, pictures)
        book.save(root / "labels.xlsx")
        return root / "labels.xlsx"

    return make


def parquet(
    names: Sequence[str], label: str = "label", classes: Sequence[str] | None = None, bare=False
) -> Callable[[Path], Path]:
    """Return a maker of Parquet files of six pictures each, three of class 0 and three of 1."""

    def make(root: Path) -> Path:
        import pyarrow
        import pyarrow.parquet

        for name in names:
            images = [png() if bare else {"bytes": png(), "path": f"{n}.png"} for n in range(6)]
            labels = [n % 2 for n in range(6)]
            values = labels if classes is not None else [("cat", "dog")[n] for n in labels]
            rows = pyarrow.table({"image": images, label: values, "height": [2] * 6})
            if classes is not None:
                feature = {"names": list(classes), "_type": "ClassLabel"}
                about = {"info": {"features": {"image": {"_type": "Image"}, label: feature}}}
                rows = rows.replace_schema_metadata({"huggingface": json.dumps(about)})
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            pyarrow.parquet.write_table(rows, root / name)
        return root / names[0] if len(names) == 1 else root

    return make


def shards(names: Sequence[str], end: str, data: str, given: str = "") -> Callable[[Path], Path]:
    """Return a maker of tar shards of two cats and two dogs; ``{}`` in `data` is the class."""

    def make(root: Path) -> Path:
        for name in names:
            with tarfile.open(root / name, "w") as tar:
                for n in range(4):
                    label = ("cat", "dog")[n % 2]
                    _add(tar, f"{n:06d}.png", png())
                    _add(tar, f"{n:06d}.{end}", data.replace("{}", label).encode())
        return root / given if given else root

    return make


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def zips(archives: Mapping[str, Sequence[str]], whole: bool = True) -> Callable[[Path], Path]:
    """Return a maker of zip files with pictures under the names given."""

    def make(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for name, members in archives.items():
            with zipfile.ZipFile(root / name, "w") as archive:
                for member in members:
                    archive.writestr(member, png())
        return root if whole else root / next(iter(archives))

    return make


def check_reading(instance: Instance, folder: Path) -> None:
    """Assert that an instance, made in a new folder, is read or refused as it expects."""
    folder.mkdir()
    data = instance.make(folder)
    options = dict(instance.options)
    if "class_names" in options:
        options["class_names"] = folder / options["class_names"]
    try:
        with silenced(), command_line():
            index = resolve(data, Reading(**options)).index()
    except DataError as error:
        message = str(error)
        assert instance.counts is None, message
        assert not [words for words in instance.words if words not in message], message
        assert "\n" not in message
    else:
        assert index.counts() == instance.counts, index.read_as
        said = " ".join([index.read_as, *(remark.text for remark in index.remarks)])
        assert not [words for words in instance.words if words not in said], said
        assert re.search(r"\d class", index.read_as), index.read_as
