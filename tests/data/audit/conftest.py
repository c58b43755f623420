from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image


def scene(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Return a picture with as much detail as a photo."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width), 128.0)
    for cells in (3, 6, 12, 24, 48):
        coarse = rng.normal(0, 90 / cells**0.5, (cells, cells)).astype(np.float32)
        total += Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return Image.fromarray(total.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture
def photo() -> Callable[..., Image.Image]:
    return scene
