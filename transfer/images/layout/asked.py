"""Builds the Plan of a reading that the user asks for: a level of folders, a regular expression."""

from __future__ import annotations

import re
from collections import defaultdict

from transfer.errors import DataError, option
from transfer.images.layout.build import splits_named, unwrap
from transfer.images.layout.describe import Survey
from transfer.images.layout.plan import Plan, in_words, of_classes
from transfer.images.layout.splitnames import split_of, splits_of


def as_level(survey: Survey, level: int) -> Plan:
    """Return the plan in which the folders of one level, from 1, are the classes."""
    plan = Plan()
    side_level, ignored = _levels_around(survey, level)
    found: dict[str, str] = {}
    images: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path in survey.top.below():
        parts = path.split("/")[:-1]
        if len(parts) < level:
            plan.leave_out([path], f"in no folder of level {level}")
            continue
        side = parts[side_level] if side_level is not None and len(parts) > side_level else ""
        split = split_of(side) or ""
        found |= {side: split} if split else {}
        images[split, parts[level - 1], "/".join(parts[:level])].append(path)
    if not images:
        raise DataError(
            f"No image in {str(survey.root)!r} lies in a folder of level {level}: give a lower"
            f" {option('class_level')}."
        )
    for (split, name, folder), paths in images.items():
        plan.add(split, name, folder, paths)
    words = [f"splits {splits_named(found)}"] if found else []
    words.append(f"at level {level}, {of_classes(plan.classes)}")
    words += [f"whatever they lie in ({in_words(ignored, 4)})"] if ignored else []
    plan.text = "; ".join(words)
    return plan


def _levels_around(survey: Survey, level: int) -> tuple[int | None, list[str]]:
    """Return which level, from 0, is that of splits, and the names of the others above `level`."""
    above: list[set[str]] = [set() for _ in range(level - 1)]
    below: set[str] = set()
    for path in survey.top.below():
        parts = path.split("/")[:-1]
        if len(parts) >= level:
            for names, name in zip(above, parts, strict=False):
                names.add(name)
            below.update(parts[level : level + 1])
    sides = [n for n, names in enumerate(above) if len(splits_of(names)) == len(names)]
    if not sides and below and len(splits_of(below)) == len(below):
        sides = [level]
    ignored = {name for n, names in enumerate(above) if n not in sides for name in names}
    return (sides[0] if sides else None), sorted(ignored)


def as_regex(survey: Survey, regex: str) -> Plan:
    """Return the plan in which a regular expression on the path gives the class."""
    plan, pattern = Plan(), re.compile(regex)
    base = unwrap(survey.top)
    splits = splits_of(base.filled)
    splits = splits if len(splits) == len(base.filled) and not base.images else {}
    start = len(base.path) + 1 if base.path else 0
    images: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in survey.top.below():
        match = pattern.search(path)
        name = next(filter(None, match.groups()), "").strip() if match else ""
        if not name:
            plan.leave_out([path], "the expression finds no class in its path")
            continue
        images[splits.get(path[start:].split("/")[0], ""), name.replace("/", "-")].append(path)
    if not images:
        raise DataError(
            f"{option('label_regex', regex)} finds no class in the {survey.top.total:,} paths of"
            f" {str(survey.root)!r}, such as {next(survey.top.below())!r}."
        )
    for (split, name), paths in images.items():
        plan.add(split, name, "", paths)
    words = f"splits {splits_named(splits)}; " if splits else ""
    plan.text = f"{words}{of_classes(plan.classes)}, by a regular expression"
    if plan.left_out:
        count = len(plan.left_out)
        words = f"in whose path {option('label_regex')} finds no class"
        text = f"Left out {count:,} image(s) {words}."
        plan.remark("no-match", text, serious=True)
    return plan
