"""WebDataset shards: tar files in which each image lies beside its class."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from transfer.data.sources.bytefiles import Labelled
from transfer.data.sources.cells import cell
from transfer.data.sources.labelcells import label_in
from transfer.data.sources.members import Limits, Member, read_members
from transfer.errors import DataError
from transfer.images.formats import HEAD, IMAGE_SUFFIXES, format_of
from transfer.images.layout.splitnames import split_of

_CLASS_ENDS = ("cls", "class", "label", "json")  # the first that a sample has counts
_KEYS = ("label", "class", "cls", "class_name", "label_name", "category", "target")
_IMAGE = "/"  # stands for the end of any image; no end has a slash
_LOOK = 60  # members that tell whether a tar is a shard
_MOST_IMAGE = 500_000_000  # bytes
_MOST_META = 1_000_000  # bytes of a class or a JSON object


def is_shard(path: Path) -> bool:
    """Return whether a tar holds images beside files of the same name that say their class."""
    if path.suffix.lower() != ".tar":
        return False
    ends: dict[str, set[str]] = {}
    try:
        with path.open("rb") as file:
            for member in islice(read_members(path, file, Limits()), _LOOK):
                key, end = _split(member.name)
                head = member.stream.read(HEAD) if member.stream else b""
                ends.setdefault(key, set()).add(_IMAGE if _is_image(end, head) else end)
    except Exception:  # damaged, or no tar at all: what unpacks it says so
        return False
    images = [each for each in ends.values() if _IMAGE in each]
    labelled = [each for each in images if each.intersection(_CLASS_ENDS)]
    return bool(labelled) and 2 * len(labelled) >= len(images)


def expand(text: str) -> list[Path]:
    """Return the files that a brace pattern means: ``train-{000000..000003}.tar``."""
    match = re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}(.*)", text, re.S)
    if match is None:
        return []
    head, first, last, tail = match.groups()
    numbers = range(int(first), min(int(last), int(first) + 100_000) + 1)
    return [Path(f"{head}{number:0{len(first)}d}{tail}").expanduser() for number in numbers]


def images_of(paths: Sequence[Path], limits: Limits) -> Iterator[Labelled]:
    """Yield the images of shards with their classes; the split is that of a shard's name.

    Raises:
        DataError: A shard is damaged, or an image has no class; the message names it.
    """
    splits = {path: split_of(path.stem) or split_of(path.parent.name) or "" for path in paths}
    several = len(set(splits.values())) > 1
    for path in paths:
        try:
            with path.open("rb") as file:
                for key, parts in _samples(read_members(path, file, limits)):
                    found = _labelled(path, key, parts, splits[path] if several else "")
                    if found is not None:
                        yield found
        except DataError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise DataError(f"Cannot read {str(path)!r}: {error.strerror}.") from error
            raise _damaged(path, error) from error
        except Exception as error:  # of many kinds, from tarfile
            raise _damaged(path, error) from error


def _samples(members: Iterator[Member]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the members that follow each other under one name, by their ends."""
    current, parts = None, dict[str, bytes]()
    for member in members:
        if member.flaw:
            raise DataError(f"The shard is refused: {member.flaw}.")
        if member.stream is None or PurePosixPath(member.name).name.startswith("."):
            continue
        key, end = _split(member.name)
        if key != current:
            if parts:
                yield str(current), parts
            current, parts = key, {}
        data = member.stream.read(HEAD)
        most = _MOST_IMAGE if _is_image(end, data) else _MOST_META
        data += member.stream.read(most + 1 - len(data))
        if len(data) > most:
            raise DataError(f"The shard is refused: {member.name!r} has more than {most:,} bytes.")
        parts.setdefault(end, data)
    if parts:
        yield str(current), parts


def _labelled(path: Path, key: str, parts: dict[str, bytes], split: str) -> Labelled | None:
    named = sorted(parts, key=lambda end: end not in _image_ends())  # by their suffix come first
    image = next((parts[end] for end in named if _is_image(end, parts[end][:HEAD])), None)
    if image is None:
        return None
    where = f"{str(path)!r}, {key}"
    return Labelled(image, _class(where, parts), split, f"{path.stem}-{key}", where)


def _class(where: str, parts: dict[str, bytes]) -> str:
    try:
        for end in filter(parts.__contains__, _CLASS_ENDS):
            label = _of_json(parts[end]) if end == "json" else parts[end].decode().strip()
            if label is not None:
                return label
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: its class cannot be read: {error}.") from error
    found = ", ".join(f".{end}" for end in parts)
    raise DataError(
        f"{where} has no class: expected a .cls file, or a .json with {', '.join(_KEYS[:3])}."
        f" Received: {found}."
    )


def _of_json(data: bytes) -> str | None:
    """Return the class that a JSON object, text or number says."""
    about = json.loads(data)
    if isinstance(about, dict):
        return next((label_in(cell(about[key])) for key in _KEYS if key in about), None)
    return str(about) if isinstance(about, str | int) else None


def _split(name: str) -> tuple[str, str]:
    """Return the name of a sample and the end of a member: all after the first dot of its name."""
    path = PurePosixPath(name.replace("\\", "/"))
    stem, _, end = path.name.partition(".")
    return str(path.with_name(stem)) if stem else path.name, end.lower()


def _image_ends() -> set[str]:
    return {suffix.lstrip(".") for suffix in IMAGE_SUFFIXES}


def _is_image(end: str, head: bytes) -> bool:
    """Return whether a member is an image, by its end or, where that is unknown, its first bytes.

    Ends of several parts, such as ``mask.png``, are those of something else.
    """
    if end in _image_ends():
        return True
    if "." in end or end in _CLASS_ENDS:
        return False
    found = format_of(head)
    return found is not None and bool(found.reader)


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"The shard {str(path)!r} is damaged or cut off: {str(error).rstrip('.')}. Download or copy"
        " it again."
    )
