"""Every family of the registry, with random weights and the smallest image that it takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from transfer.networks.backbones import list_backbones
from transfer.serving.explain.cam import cam_network, has_cam
from transfer.serving.explain.layercam import layercam
from transfer.serving.explain.parts import Parts

SMALLEST: dict[str, str] = {}
for each in sorted(list_backbones(), key=lambda backbone: backbone.parameters):
    if each.family not in ("own", "scratch"):
        SMALLEST.setdefault(each.family, each.name)
SCRATCH = [each.name for each in list_backbones() if each.scratch]


@pytest.mark.parametrize("name", SCRATCH)
def test_networks_from_scratch(name: str, make_parts: Callable[..., Parts]) -> None:
    look_at(make_parts("avg", name, 32))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST.values())
def test_a_family(name: str, make_parts: Callable[..., Parts]) -> None:
    look_at(make_parts("linear", name, 128))


def look_at(parts: Parts) -> None:
    side = parts.model.input.shape[1]
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    layer = parts.last_map()
    assert layer or parts.base.name == "dnn"
    if layer:
        found = layercam(parts, layer)(image, 1)
        assert found.shape == tuple(parts.base.get_layer(layer).output.shape[1:3])
        assert np.isfinite(found).all()
        assert found.max() > 0
    if has_cam(parts):
        maps = np.asarray(cam_network(parts)(image[None].astype(np.float32)))
        assert maps.shape == (1, *parts.base.output.shape[1:3], 3)
        assert np.isfinite(maps).all()
    assert has_cam(parts) or parts.base.name in SCRATCH or min(parts.base.output.shape[1:3]) < 4
