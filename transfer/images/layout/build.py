"""Builds the Plan of each reading of a folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from transfer.errors import DataError, option
from transfer.images.layout.describe import Survey
from transfer.images.layout.differences import without_marks
from transfer.images.layout.names import is_general
from transfer.images.layout.plan import LOOSE, SPLITS, Plan, in_words, of_classes
from transfer.images.layout.question import Question
from transfer.images.layout.splitnames import split_of, splits_of
from transfer.images.layout.tree import Folder
from transfer.system.names import nfc

UNLABELLED = "in a split folder without class folders"
_BESIDE = "beside the split folders"


def unwrap(folder: Folder, known: Collection[str] = ()) -> Folder:
    """Return the folder itself, or the one inside that it only wraps; `known` are classes."""
    while not folder.images and len(folder.filled) == 1:
        [child] = folder.filled.values()
        within = splits_of(child.filled)
        if nfc(child.name) in known or not child.filled:
            return folder
        if split_of(child.name) and len(within) < len(child.filled):
            return folder
        folder = child
    return folder


def inner(folder: Folder) -> Folder:
    """Return where the classes of a split folder lie: train/, or train/train/, train/images/.

    A single folder of images whose name says nothing is no class.
    """
    while not folder.images and len(folder.filled) == 1:
        [child] = folder.filled.values()
        nothing = is_general(child.name) or split_of(child.name) or child.name == folder.name
        if not child.filled and not nothing:
            return folder
        folder = child
    return folder


def as_classes(base: Folder, split: str = "") -> Plan:
    """Return the plan in which each folder in `base` is a class."""
    plan = Plan()
    _add_classes(plan, base, split, {})
    where = f" in {base.path}/" if base.path else ""
    plan.text = f"{of_classes(plan.classes)}{where}"
    _remark_on_levels(plan, base.filled)
    return plan


def _add_classes(plan: Plan, base: Folder, split: str, short: Mapping[str, str]) -> None:
    """Add the class folders in `base`, some of which have shorter names."""
    for name, folder in base.folders.items():
        plan.add(split, short.get(name, name), folder.path, folder.below())
    plan.leave_out(base.images, LOOSE)


def _remark_on_levels(plan: Plan, classes: Mapping[str, Folder]) -> None:
    """Say what becomes of folders inside class folders."""
    below = list(classes.values())
    deep = sum(folder.total - len(folder.images) for folder in below)
    if not deep:
        return
    text = f"{deep:,} image(s) lie in folders inside class folders; they belong to that class"
    levels: dict[int, list[str]] = {}
    while below := [child for folder in below for child in folder.filled.values()]:
        names = sorted({folder.name for folder in below})
        if not all(map(is_general, names)):
            levels[below[0].path.count("/") + 1] = names
    if not levels:
        plan.remark("levels", f"{text}.")
        return
    first, *_ = levels.values()
    ways = [f"{option('class_level', n)} ({in_words(names, 4)})" for n, names in levels.items()]
    plan.remark(
        "levels",
        f"{text}. If these ({in_words(first, 4)}) are patients, plants or series:"
        f" {option('group_by', 'folder')} keeps each in one split. If they are the classes:"
        f" {' or '.join(ways[:3])}.",
        serious=not any(re.search(r"\d", name) for name in first),
    )


def as_splits(survey: Survey, base: Folder, splits: Mapping[str, str]) -> Plan:
    """Return the plan in which folders are splits of class folders.

    Args:
        survey: The folder, for messages.
        base: Where the split folders are.
        splits: Name of each split folder to its split.
    """
    plan = Plan()
    homes = {name: inner(base.filled[name]) for name in splits}
    trained = [home for name, home in homes.items() if splits[name] == "train" and home.filled]
    used = {name: home for name, home in homes.items() if _is_labelled(home, trained)}
    _refuse_twice(survey, {name: splits[name] for name in used})
    if not used:
        raise DataError(f"The split folders of {str(survey.root)!r} hold no class folders.")
    short = without_marks({name: list(home.filled) for name, home in used.items()})
    for name, home in homes.items():
        if name in used:
            _add_classes(plan, home, splits[name], short.get(name, {}))
        else:
            plan.leave_out(base.filled[name].below(), UNLABELLED)
            plan.remark(
                "unlabelled",
                f"Left out {name}/ ({base.filled[name].total:,} images): it has no class folders.",
                serious=True,
            )
    if short:
        shown = ", ".join(f"{name}/{next(iter(names))}" for name, names in short.items())
        plan.remark("marks", f"Class names without what each split puts before them: {shown}.")
    others = [name for name in base.filled if name not in splits]
    for name in others:
        plan.leave_out(base.filled[name].below(), _BESIDE)
    if others:
        shown = ", ".join(f"{name}/ ({base.filled[name].total:,} images)" for name in others)
        text = f"Left out {shown}: next to train/, only val/ and test/ are read."
        plan.remark("beside", text, serious=True)
    plan.leave_out(base.images, LOOSE)
    sizes = sorted({len(names) for names in plan.folders.values()})
    number = " to ".join(map(str, {sizes[0]: 0, sizes[-1]: 0}))
    each = f"{number} class{'es' * (sizes[-1] != 1)} in each"
    shown = splits_named({name: splits[name] for name in used})
    if len(used) == 1:
        plan.text = f"split {shown}; {of_classes(plan.classes)}"
    else:
        plan.text = f"splits {shown}; {each}"
    _remark_on_levels(plan, {f"{n}/{c}": f for n, h in used.items() for c, f in h.filled.items()})
    return plan


def _is_labelled(home: Folder, trained: Sequence[Folder]) -> bool:
    """Return whether a split folder holds class folders; test/unknown/ and test/images/ do not.

    Args:
        home: Where its class folders would be.
        trained: The same of the training folder, or folders.
    """
    if not home.filled:
        return False
    if not trained or len(home.filled) > 1 or any(home is each for each in trained):
        return True
    known = {nfc(name) for each in trained for name in each.folders}
    return bool(known & {nfc(name) for name in home.folders})


def _refuse_twice(survey: Survey, splits: Mapping[str, str]) -> None:
    for split in SPLITS:
        twins = [f"{name}/" for name, each in splits.items() if each == split]
        if len(twins) > 1:
            raise Question(
                f"{', '.join(twins)} in {str(survey.root)!r} all mean the {split} split. Keep one"
                f" of them. If they are classes: {option('layout', 'classes')}."
            )


def splits_named(splits: Mapping[str, str]) -> str:
    """Return ``train (training_set), test``."""
    names = sorted(splits, key=lambda name: SPLITS.index(splits[name]))
    shown = [
        splits[name] if name.lower() == splits[name] else f"{splits[name]} ({name})"
        for name in names
    ]
    return ", ".join(dict.fromkeys(shown))


def as_class_splits(base: Folder) -> Plan:
    """Return the plan in which each class folder holds split folders."""
    plan = Plan()
    found: dict[str, str] = {}
    for name, folder in base.folders.items():
        splits = splits_of(folder.filled)
        found |= splits
        for inside, child in folder.filled.items():
            if inside in splits:
                plan.add(splits[inside], name, child.path, child.below())
            else:
                plan.leave_out(child.below(), "in no split folder")
        plan.leave_out(folder.images, "in no split folder")
        if not folder.total:
            plan.add("train", name, folder.path, ())
    plan.leave_out(base.images, LOOSE)
    shown = splits_named(dict(sorted(found.items())))
    plan.text = f"{of_classes(plan.classes)}; in each, splits {shown}"
    return plan
