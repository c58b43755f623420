"""Decides what the folders in a folder mean, by the rules of docs/data.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from transfer.errors import DataError, option
from transfer.images.formats import READ
from transfer.images.layout.asked import as_level, as_regex
from transfer.images.layout.build import (
    as_class_splits,
    as_classes,
    as_splits,
    inner,
    unwrap,
)
from transfer.images.layout.datafiles import told
from transfer.images.layout.describe import Survey, named
from transfer.images.layout.names import is_general, is_series, named_by
from transfer.images.layout.plan import Plan
from transfer.images.layout.question import LAYOUT, ambiguous, regex_hint, without_classes
from transfer.images.layout.splitnames import is_plain_split, split_of, splits_of
from transfer.images.layout.traits import are_splits, holds_folders, number_divided, share_names
from transfer.images.layout.tree import Folder
from transfer.recipe.reading import Reading
from transfer.system.names import nfc


def _classes() -> str:
    return option("layout", "classes")


def _splits() -> str:
    return option("layout", "splits")


def decide(survey: Survey, reading: Reading, known: Collection[str] = ()) -> Plan:
    """Return how a folder is read.

    Args:
        survey: What lies in it.
        reading: What the user says about it.
        known: Classes of a model, in the form NFC: folders with these names are classes.

    Raises:
        DataError: It has no classes, or two readings; the message asks, with the counts of each
            and the option that answers.
    """
    if not survey.top.total:
        raise without_images(survey)
    if _all_known(unwrap(survey.top, known), known):
        return as_classes(unwrap(survey.top, known))
    if reading.label_regex != "none":
        return as_regex(survey, reading.label_regex)
    if reading.class_level is not None:
        return as_level(survey, reading.class_level)
    base = unwrap(survey.top)
    if reading.layout == "flat":
        raise without_classes(survey, list(base.below()), f"Give it with {option('label_regex')}.")
    if reading.layout == "classes":
        return as_classes(base)
    if reading.layout == "splits":
        return _asked_splits(survey, base)
    plan = _found(survey, base)
    _refuse_names(survey, plan)
    return plan


def _refuse_names(survey: Survey, plan: Plan) -> None:
    """Ask about class folders whose names do not say what their photos show."""
    if what := named_by(plan.classes):
        readings = [
            (f"classes {plan.counted()}", _classes()),
            ("photos whose classes a table has", "give the table as DATA"),
            ("photos of no class yet", "sort them into one folder per class"),
        ]
        raise ambiguous(survey, readings, f"Its folders are named by {what}")


def _all_known(base: Folder, known: Collection[str]) -> bool:
    return bool(base.filled) and all(nfc(name) in known for name in base.filled)


def without_images(survey: Survey) -> DataError:
    """Return the error for a folder without any image."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in survey.skipped.items())
    empty = "empty folders" if survey.top.folders else "an empty folder"
    text = f"No usable image ({READ}) in {str(survey.root)!r}. {LAYOUT}"
    found = f"Received: {reasons or empty}."
    return DataError(" ".join(filter(None, [text, found, named(survey), told(survey)])))


def _asked_splits(survey: Survey, base: Folder) -> Plan:
    names = splits_of(base.filled)
    if names:
        return as_splits(survey, base, names)
    if number_divided(base.filled):
        return as_class_splits(base)
    shown = ", ".join(f"{name}/" for name in list(base.filled)[:8]) or "no folder"
    raise DataError(
        f"Expected names of splits such as train and test among the folders of"
        f" {str(survey.root)!r}, with {_splits()}. Received: {shown}."
    )


def _found(survey: Survey, base: Folder) -> Plan:
    children = base.filled
    if not children:
        raise without_classes(survey, base.images)
    if len(base.images) > sum(child.total for child in children.values()):
        raise ambiguous(
            survey,
            [
                (f"{as_classes(base).counted()}, without the loose ones", _classes()),
                ("a flat folder with the class in the file names", option("label_regex")),
            ],
            f"{len(base.images):,} images lie beside the folders, more than in them",
        )
    splits = splits_of(children)
    if splits:
        return _with_split_names(survey, base, splits)
    if len(children) == 1:
        return _single(survey, base)
    return _without_split_names(survey, base)


def _single(survey: Survey, base: Folder) -> Plan:
    """Return the plan for a single folder of images: a class, unless it rather holds several."""
    paths = list(base.below())
    [child] = base.filled.values()
    nothing = is_general(child.name) or split_of(child.name) or named_by([child.name])
    if nothing or regex_hint(paths):
        one = as_classes(base)
        raise without_classes(survey, paths, f"As one class ({one.counted()}): {_classes()}.")
    return as_classes(base)


def _with_split_names(survey: Survey, base: Folder, splits: Mapping[str, str]) -> Plan:
    """Return the plan where some folders are named like splits."""
    children = base.filled
    others = [child for name, child in children.items() if name not in splits]
    holders = {name: split for name, split in splits.items() if holds_folders(children[name])}
    several = len(set(splits.values())) > 1
    plain = all(map(is_plain_split, splits))
    shared = share_names([children[name] for name in holders])
    if holders and (not others or several) and (plain or shared or len(holders) == 1):
        _refuse_unknown_splits(survey, base, splits, [children[name] for name in holders], others)
        _refuse_splits_within(survey, [inner(children[name]) for name in holders])
        return as_splits(survey, base, splits)
    if not holders and not others and (plain or several):
        raise _without_class_folders(survey, base)
    if len(children) == 1:
        return _single(survey, base)
    if len(splits) == 1 and not holders:
        [(name, split)] = splits.items()
        if split == "train" or not is_plain_split(name):
            _refuse_lone_set(survey, base)
            return as_classes(base)  # trains, cars, ships
    readings = [(f"classes {as_classes(base).counted()}", _classes())]
    if holders:
        readings.insert(0, (_splits_in_words(survey, base, splits), _splits()))
        if others and share_names(list(children.values())):
            level = inner(children[next(iter(holders))]).path.count("/") + 2
            words = f"classes {as_level(survey, level).counted()}"
            readings.append((words, option("class_level", level)))
    elif hint := regex_hint(list(base.below())):
        readings.append(("images with the class in their names", hint.split("names: ")[1][:-1]))
    else:
        readings.append(("photos of no class", "move them out of DATA"))
    named_so = ", ".join(f"{name}/" for name in splits)
    raise ambiguous(survey, readings, f"{named_so} may be splits or classes")


def _refuse_unknown_splits(
    survey: Survey,
    base: Folder,
    splits: Mapping[str, str],
    holders: Sequence[Folder],
    others: Sequence[Folder],
) -> None:
    """Ask about a folder beside the splits that holds the same classes: train, test, validatie."""
    for other in others:
        if all(share_names([other, holder]) for holder in holders):
            readings = [
                (f"{_splits_in_words(survey, base, splits)}, without {other.name}/", _splits()),
                (f"{other.name}/ as another split", "rename it to train, val or test"),
            ]
            raise ambiguous(survey, readings, f"{other.name}/ holds the same folders")


def _refuse_splits_within(survey: Survey, homes: Sequence[Folder]) -> None:
    """Ask about train/val/cat beside train/cat."""
    for home in homes:
        for name, child in home.filled.items():
            if is_plain_split(name) and child.filled.keys() & home.filled.keys():
                readings = [
                    ("another split", "move it beside the other splits"),
                    ("a class of its own", "rename it"),
                ]
                raise ambiguous(survey, readings, f"{child.path}/ lies among the classes")


def _splits_in_words(survey: Survey, base: Folder, splits: Mapping[str, str]) -> str:
    try:
        return f"splits {as_splits(survey, base, splits).counted()}"
    except DataError:  # two folders that mean one split
        return "splits"


def _without_class_folders(survey: Survey, base: Folder) -> DataError:
    """Return the error for train/1.jpg and test/2.jpg."""
    more = f"If the folders are the classes ({as_classes(base).counted()}): {_classes()}."
    # what is not in train/ is often unlabelled and has other names
    train = [child for name, child in base.filled.items() if split_of(name) == "train"]
    typical = list(train[0].below()) if len(train) == 1 else None
    return without_classes(survey, list(base.below()), more, typical)


def _without_split_names(survey: Survey, base: Folder) -> Plan:
    """Return the plan where no folder is named like a split."""
    children = base.filled
    divided = number_divided(children)
    if divided == len(children):
        return _class_splits(survey, base)
    if divided:
        readings = [
            (f"classes {as_classes(base).counted()}", _classes()),
            (f"splits within classes, {as_class_splits(base).counted()}", _splits()),
        ]
        raise ambiguous(survey, readings, "Only some folders hold train, val or test folders")
    folders = list(children.values())
    if all(map(holds_folders, folders)) and share_names(folders):
        below = {name for child in folders for name in inner(child).filled}
        if not is_series(below) or is_series(children):
            level = inner(folders[0]).path.count("/") + 2
            readings = [
                (f"classes {as_level(survey, level).counted()}", option("class_level", level)),
                (f"classes {as_classes(base).counted()}", _classes()),
                ("splits", "rename the folders to train, val and test"),
            ]
            raise ambiguous(survey, readings, "Its folders all hold folders of the same names")
    _refuse_lone_set(survey, base)
    return as_classes(base)


def _refuse_lone_set(survey: Survey, base: Folder) -> None:
    """Ask where one folder is a set: of class folders, beside images alone, or of splits.

    Its folders may also be patients or plants of a class.
    """
    homes = {name: inner(child) for name, child in base.filled.items()}
    sets = [name for name, home in homes.items() if are_splits(home.filled)]
    if not sets and sum(not home.filled for home in homes.values()) == len(homes) - 1:
        sets = [name for name, home in homes.items() if len(home.filled) > 1]
    if len(sets) != 1 or len(homes) == 1 or is_series(homes[sets[0]].filled):
        return
    [name] = sets
    home = homes[name]
    if not holds_folders(home):
        return
    try:
        words = _found(survey, home).counted()
    except DataError:
        words = f"{home.total:,} images"
    readings = [
        (f"classes {as_classes(base).counted()}", _classes()),
        (f"{name}/ alone, {words}", f"give {str(survey.root / home.path)!r} as DATA"),
    ]
    raise ambiguous(survey, readings, f"{name}/ alone holds folders of its own")


def _class_splits(survey: Survey, base: Folder) -> Plan:
    """Return the plan for cat/train and dog/train, if no other level lies below the splits."""
    within = [split for child in base.filled.values() for split in child.filled.values()]
    deeper = [split for split in within if holds_folders(split)]
    if not deeper:
        return as_class_splits(base)
    level = inner(deeper[0]).path.count("/") + 2
    readings = [
        (f"splits within classes, {as_class_splits(base).counted()}", _splits()),
        (f"classes {as_level(survey, level).counted()}", option("class_level", level)),
    ]
    raise ambiguous(survey, readings, "Its folders hold splits, and these hold folders")
