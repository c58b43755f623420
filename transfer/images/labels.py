"""What an image's label is: one class, or in multi-label classification a set of classes.

A label is a number, in both tasks. With one class for each image it is that of the class. With
several, the different sets of classes that occur are numbered: images of the same set have the same
label, and `LabelSets` says which classes it is of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from transfer.system.names import join_names, split_names

LabelSets = tuple[tuple[int, ...], ...]  # for each label its classes, ascending; none for ()


def number_sets(sets: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], LabelSets]:
    """Return the label of each image, and the classes of each label.

    Args:
        sets: The classes of each image.
    """
    own = [tuple(sorted(set(classes))) for classes in sets]
    known = tuple(sorted(set(own)))
    numbers = {classes: label for label, classes in enumerate(known)}
    return tuple(numbers[classes] for classes in own), known


def read_labels(
    texts: Sequence[str], classes: Sequence[str], multi_label: bool
) -> tuple[tuple[int, ...], LabelSets | None]:
    """Return the label of each image from its name, and the classes of each label.

    Args:
        texts: See `label_names`.
        classes: Class names in the order of the model's outputs.
        multi_label: Whether an image may be of several classes.

    Raises:
        KeyError: A class is not among `classes`.
    """
    index = {name: number for number, name in enumerate(classes)}
    if not multi_label:
        return tuple(index[text] for text in texts), None
    return number_sets([index[name] for name in split_names(text)] for text in texts)


def label_names(classes: Sequence[str], sets: LabelSets | None) -> tuple[str, ...]:
    """Return the name of each label: a class, or several, joined.

    Args:
        classes: Class names in the order of the model's outputs.
        sets: The classes of each label; None where each image has one class.
    """
    if sets is None:
        return tuple(classes)
    return tuple(join_names(classes[number] for number in numbers) for numbers in sets)


def target_table(num_classes: int, sets: LabelSets | None) -> np.ndarray:
    """Return the target of each label: float32 array (labels, num_classes) of 0 and 1.

    Args:
        num_classes: Number of classes.
        sets: The classes of each label; None where each image has one class.
    """
    if sets is None:
        return np.eye(num_classes, dtype=np.float32)
    table = np.zeros((len(sets), num_classes), np.float32)
    for label, numbers in enumerate(sets):
        table[label, list(numbers)] = 1.0
    return table
