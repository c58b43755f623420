"""Builds the Plan of each reading of a folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from transfer.errors import DataError, option
from transfer.images.layout.describe import Folder, Survey
from transfer.images.layout.names import is_general
from transfer.images.layout.plan import LOOSE, SPLITS, Plan, in_words, of_classes
from transfer.images.layout.splitnames import split_of, splits_of
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
    """Return where the classes of a split folder lie: train/, or train/train/, train/images/."""
    while not folder.images and len(folder.filled) == 1:
        [child] = folder.filled.values()
        if not child.filled:
            return folder
        folder = child
    return folder


def as_classes(base: Folder, split: str = "") -> Plan:
    """Return the plan in which each folder in `base` is a class."""
    plan = Plan()
    _add_classes(plan, base, split)
    where = f" in {base.path}/" if base.path else ""
    plan.text = f"{of_classes(plan.classes)}{where}"
    _remark_on_levels(plan, base.filled)
    return plan


def _add_classes(plan: Plan, base: Folder, split: str) -> None:
    for name, folder in base.folders.items():
        plan.add(split, name, folder.path, folder.below())
    plan.leave_out(base.images, LOOSE)


def _remark_on_levels(plan: Plan, classes: Mapping[str, Folder]) -> None:
    """Say what becomes of folders inside class folders."""
    below = {name for folder in classes.values() for name in folder.filled}
    deep = sum(folder.total - len(folder.images) for folder in classes.values())
    if not deep:
        return
    text = f"{deep:,} image(s) lie in folders inside class folders; they belong to that class"
    if all(map(is_general, below)):
        plan.remark("levels", f"{text}.")
        return
    shown = in_words(sorted(below), 4)
    level = next(iter(classes.values())).path.count("/") + 2
    plan.remark(
        "levels",
        f"{text}. If these ({shown}) are patients, plants or series: {option('group_by', 'folder')}"
        f" keeps each in one split. If they are the classes: {option('class_level', level)}.",
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
    for name, home in homes.items():
        if name in used:
            _add_classes(plan, home, splits[name])
        else:
            plan.leave_out(base.filled[name].below(), UNLABELLED)
            plan.remark(
                "unlabelled",
                f"Left out {name}/ ({base.filled[name].total:,} images): it has no class folders.",
                serious=True,
            )
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
            raise DataError(
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


def check_equal(survey: Survey, plan: Plan) -> None:
    """Raise DataError where the split folders differ in their classes."""
    everything: Sequence[str] = plan.classes
    differences = [
        f"{split}/ lacks {in_words(missing)}"
        for split, names in plan.folders.items()
        if (missing := [name for name in everything if name not in names])
    ]
    if differences:
        raise DataError(
            f"The split folders of {str(survey.root)!r} differ in their classes:"
            f" {'; '.join(differences)}. Give each the same class folders, or allow it with"
            f" {option('allow_empty', True)}."
        )
