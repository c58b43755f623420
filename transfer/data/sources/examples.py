"""Writes the data sets that TensorFlow Datasets has built as image files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from transfer.data.sources.bytefiles import suffix_of
from transfer.data.sources.rows import label_flaw
from transfer.errors import DataError
from transfer.images.layout.splitnames import splits_of
from transfer.system.progress import track, warn

_NAMES = ("image/filename", "file_name", "filename")


def keys_of(builder: Any) -> tuple[str, str]:
    """Return the names of a data set's image and label. Raises DataError where it has none."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    kinds = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    images = [key for key, kind in kinds.items() if isinstance(kind, tfds.features.Image)]
    labels = [key for key, kind in kinds.items() if isinstance(kind, tfds.features.ClassLabel)]
    chosen: tuple[Any, ...] = builder.info.supervised_keys or ()
    if len(chosen) == 2 and chosen[0] in images and chosen[1] in labels:
        return chosen[0], chosen[1]
    if images and labels:
        return images[0], labels[0]
    found = ", ".join(kinds) or type(features).__name__
    raise DataError(f"{builder.name} has no image with a class label. Its features: {found}.")


def write_examples(builder: Any, target: Path) -> None:
    """Write the images of a built data set to ``target/[split/]class/name``, byte for byte.

    Raises:
        DataError: It has none of the splits train, validation and test, or unusable class names.
    """
    import tensorflow_datasets as tfds

    image, label = keys_of(builder)
    names = [_class_name(name) for name in builder.info.features[label].names]
    splits = splits_of(builder.info.splits)
    if len(builder.info.splits) == 1:
        splits = dict.fromkeys(builder.info.splits, "")
    others = sorted(set(builder.info.splits) - set(splits))
    if not splits:
        raise DataError(f"{builder.name} has none of train, validation and test: {others}.")
    if others:
        warn(f"Left out of {builder.name}: {', '.join(others)}.")
    written: dict[str, set[str]] = {}
    for split, folder in splits.items():
        rows = builder.as_dataset(split, decoders={image: tfds.decode.SkipDecoding()})
        total = builder.info.splits[split].num_examples
        taken = written.setdefault(folder, set())
        hidden = 0
        for row in track(tfds.as_numpy(rows), f"Writing {split}", total):
            if row[label] < 0:
                hidden += 1
                continue
            label_folder = target / folder / names[row[label]]
            path = _free_name(label_folder, row, row[image], taken)
            taken.add(str(path).casefold())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row[image])
        if hidden:
            warn(f"Left out {hidden:,} images of {split}: their labels are not published.")


def _free_name(folder: Path, row: Mapping[str, Any], data: bytes, taken: set[str]) -> Path:
    """Return the path for an image, named as in the data set or by a number.

    `taken` are the paths so far, case-folded: not every file system distinguishes A.jpg from a.jpg.
    """
    given = next((row[key] for key in _NAMES if isinstance(row.get(key), bytes)), b"")
    stem = Path(given.decode(errors="replace")).stem
    named = [stem] if re.fullmatch(r"\w[\w.-]{0,100}", stem) else []
    names = chain(named, (f"{number:06d}" for number in count(len(taken))))
    paths = (folder / f"{name}{suffix_of(data)}" for name in names)
    return next(path for path in paths if str(path).casefold() not in taken)


def _class_name(name: str) -> str:
    """Return a class name as a folder name."""
    name = re.sub(r"[/\\]", "-", name).strip().lstrip(".")
    if label_flaw(name):
        raise DataError(f"The class name {name!r} cannot name a folder.")
    return name
