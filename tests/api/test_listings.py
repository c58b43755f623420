"""Cache, weights and backbones as records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from transfer.api.backbones import describe_backbones, describe_blocks
from transfer.api.cache import clear_cache, list_cache
from transfer.api.weights import weights_files
from transfer.errors import UsageError
from transfer.features.store import Space, features_dir


def test_the_cache_is_listed_and_cleared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path))
    about = {"backbone": "vgg16", "image_size": 224, "engine": "keras"}
    rows = np.zeros((2, 4), np.float32)
    Space(features_dir(), about | {"view": 0}).append(["a", "b"], rows, np.arange(2))
    Space(features_dir(), about | {"view": 1}).append(["a"], rows, np.arange(1))
    found = list_cache()
    [features] = found.features
    assert (features.backbone, features.image_size, features.images) == ("vgg16", 224, 2)
    assert found.bytes == features.bytes > 0
    assert found.converted_networks.used is None
    assert clear_cache() == (features_dir(), found.bytes)
    assert list_cache().features == ()


def test_weights_files() -> None:
    [bundled] = weights_files("mobilenetv2")
    assert (bundled.origin, bundled.needs_download) == ("bundled", False)
    assert bundled.path is not None
    with pytest.raises(UsageError, match=r"'vgg61'\. Did you mean 'vgg16'"):
        weights_files("vgg61")


def test_backbones_and_blocks(toy: str) -> None:
    assert [each.backbone.name for each in describe_backbones("vgg*")] == ["vgg16", "vgg19"]
    with pytest.raises(UsageError, match="No backbone matches 'zz"):
        describe_backbones("zz*")
    shown = describe_blocks(toy, 64)
    assert shown.image_size == 64
    assert shown.blocks[0].last == "out_relu"
    assert 1 <= shown.default <= len(shown.blocks)
