from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from transfer.data.sources.examples import _free_name, keys_of
from transfer.errors import DataError


def test_no_two_images_get_one_name() -> None:
    names = [b"000002.jpg", b"A.jpg", b"a.jpg", b"a.jpg", b"", b"000002.jpg"]
    taken: set[str] = set()
    for name in names:
        path = _free_name(Path("x"), {"file_name": name}, b"\xff\xd8", taken)
        taken.add(str(path).casefold())
    assert len(taken) == len(names)
    assert {"x/000002.jpg", "x/a.jpg"} <= taken


def test_a_data_set_of_one_unnamed_feature() -> None:
    import tensorflow_datasets as tfds

    info = SimpleNamespace(features=tfds.features.Image(), supervised_keys=None)
    with pytest.raises(DataError, match="Its features: Image"):
        keys_of(SimpleNamespace(name="odd", info=info))
