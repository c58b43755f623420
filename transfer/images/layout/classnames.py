"""Names for classes that are numbers or codes, from a file of the user's."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transfer.errors import DataError
from transfer.images.layout.plan import Plan, in_words
from transfer.system.names import nfc

_MOST_BYTES = 10_000_000


def rename_classes(plan: Plan, path: Path, known: Collection[str] = ()) -> dict[str, str]:
    """Give the classes of a plan the names that a file has for them.

    The file is a list of names, one per line or a JSON list, in the order of the numbers that the
    classes are, from 0 or 1; or pairs of class and name: ``n01440764 tench``, ``0,daisy`` or a JSON
    object. A name that several classes have is followed by the class in parentheses. Where there
    are classes of a model, `known`, those that are among them have their names already, and others
    need none.

    Returns:
        Class to name, for those that were named.

    Raises:
        DataError: The file cannot be read, or has no name for a class.
    """
    if plan.classes and all(name in known for name in plan.classes):
        return {}
    names, is_list = _read(path.expanduser())
    if is_list:
        names = _from_zero_or_one(names, plan)
    missing = [name for name in plan.classes if _key(name) not in names]
    if missing and not known:
        raise DataError(
            f"{str(path)!r} has no name for {in_words(missing)}. Expected a line 'CLASS NAME' or"
            " 'CLASS,NAME' for each class, or names alone in the order of the numbers."
        )
    new = {name: nfc(names.get(_key(name), name)) for name in plan.classes}
    several = {name for name, count in Counter(new.values()).items() if count > 1}
    new = {old: f"{name} ({old})" if name in several else name for old, name in new.items()}
    plan.rows = [(path_, new[name], split) for path_, name, split in plan.rows]
    plan.folders = {
        split: {new[name]: folders for name, folders in each.items()}
        for split, each in plan.folders.items()
    }
    shown = in_words([f"{old} {name}" for old, name in new.items()])
    plan.text += f"; named by {path.name}: {shown}"
    return new


def _read(path: Path) -> tuple[dict[str, str], bool]:
    """Return class to name, and whether the classes are but the numbers of lines, from 0."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"Expected names of classes in {str(path)!r}, which is a large file.")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            return _from_json(json.loads(text), path)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        pairs = [_pair(line, path.suffix.lower()) for line in lines]
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot read the class names in {str(path)!r}: {reason}.") from error
    if path.suffix.lower() == ".csv" and pairs and all(pairs[1:]) and len(pairs) > 1:
        first = pairs[0]
        others = {pair[0] for pair in pairs[1:] if pair}
        if first and first[0].isalpha() and not any(key.isalpha() for key in others):
            pairs = pairs[1:]  # a header
    if pairs and all(pairs):
        return {_key(pair[0]): pair[1] for pair in pairs if pair}, False
    return {str(number): line for number, line in enumerate(lines)}, True


def _pair(line: str, suffix: str) -> tuple[str, str] | None:
    """Return the class and name in a line; None where it is a name alone."""
    separator = "\t" if "\t" in line else ","
    cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    if len(cells) == 2 and all(cells) and (suffix == ".csv" or "\t" in line or _is_key(cells[0])):
        return cells[0], cells[1]
    match = re.fullmatch(r"(n\d{8}|\d+)[\s:.=]+(\S.*)", line)
    return (match[1], match[2].strip()) if match else None


def _is_key(text: str) -> bool:
    return bool(re.fullmatch(r"n\d{8}|\d+", text))


def _from_json(value: Any, path: Path) -> tuple[dict[str, str], bool]:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(number): name for number, name in enumerate(value)}, True
    if isinstance(value, dict) and value:
        if all(isinstance(name, str) for name in value.values()):
            return {_key(key): name for key, name in value.items()}, False
        if all(isinstance(pair, list) and len(pair) == 2 for pair in value.values()):
            names = {_key(key): str(pair[1]) for key, pair in value.items()}
            return names | {str(pair[0]): str(pair[1]) for pair in value.values()}, False
        if all(isinstance(number, int) for number in value.values()):  # name to number
            return {str(number): key for key, number in value.items()}, False
    raise DataError(f"Expected a JSON list of names, or an object CLASS: NAME, in {str(path)!r}.")


def _from_zero_or_one(names: dict[str, str], plan: Plan) -> dict[str, str]:
    """Return the names by the classes' numbers, which begin with 0 or 1."""
    numbers = [_key(name) for name in plan.classes]
    if "0" not in numbers and str(len(names)) in numbers:
        return {str(int(number) + 1): name for number, name in names.items()}
    return names


def _key(name: str) -> str:
    """Return a class without leading zeros: 007 is 7."""
    return nfc(name.lstrip("0") or "0") if name.isdigit() else nfc(name)
