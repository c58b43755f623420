from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transfer.errors import DataError
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import ImageOptions, image_batches
from transfer.images.preview import make_preview

MakeFolder = Callable[..., Path]
OPTIONS = ImageOptions(24, "crop", seed=3)
KNOBS = {"count": 2, "views": 2}


def test_each_image_as_decoded_then_as_training_augments_it(make_folder: MakeFolder) -> None:
    folder = ImageFolder.index(make_folder(per_class=4))
    found = make_preview(folder, replace(OPTIONS, augment="strong"), **KNOBS)
    assert found.pictures.shape == (6, 3, 24, 24, 3)
    assert found.pictures.dtype == np.uint8
    assert np.bincount(found.folder.labels).tolist() == [2, 2, 2]
    options = replace(OPTIONS, augment="strong", batch_size=99)
    training = image_batches(folder, options, epochs=range(2, 3))
    (images, _) = next(iter(training))
    for path, pictures in zip(found.folder.paths, found.pictures, strict=True):
        np.testing.assert_array_equal(pictures[0], decode(folder.file(path), 24, "crop"))
        trained_on = np.rint(images[folder.paths.index(path)])
        np.testing.assert_array_equal(pictures[2], trained_on)


def test_without_augmentation_there_are_no_views(make_folder: MakeFolder) -> None:
    folder = ImageFolder.index(make_folder(per_class=4))
    found = make_preview(folder, OPTIONS, **KNOBS)
    assert found.pictures.shape == (6, 1, 24, 24, 3)
    others = make_preview(folder, replace(OPTIONS, seed=4), **KNOBS)
    assert found.folder.paths != others.folder.paths


def test_unreadable_images_are_passed_over(
    make_folder: MakeFolder, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_folder(per_class=3)
    for number in range(2):
        (root / "red" / f"{number}.png").write_bytes(b"<html>")
    folder = ImageFolder.index(root)
    found = make_preview(folder, OPTIONS, **KNOBS | {"count": 3})
    assert np.bincount(found.folder.labels).tolist() == [3, 3, 1]
    assert "red/0.png" in caplog.text
    broken = folder.keep([path in ("red/0.png", "red/1.png") for path in folder.paths])
    with pytest.raises(DataError, match="can be read"):
        make_preview(broken, OPTIONS, **KNOBS)
