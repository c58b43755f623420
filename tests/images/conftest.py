from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def draw(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Return a smooth coloured picture that no turn or mirror maps onto itself."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    return draw


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    def encode(image: Image.Image | None = None, kind: str = "JPEG", **options: object) -> bytes:
        buffer = io.BytesIO()
        (draw() if image is None else image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Write pictures, each of its own bytes, by "class folder" -> number; return the root."""

    def write(counts: dict[str, int], name: str = "data", suffix: str = ".jpg") -> Path:
        root = tmp_path / name
        for number, (folder, count) in enumerate(counts.items()):
            (root / folder).mkdir(parents=True)
            for i in range(count):
                draw(40, 36, 1000 * number + i).save(root / folder / f"{i}{suffix}")
        return root

    return write


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    caplog.set_level("INFO", logger="transfer")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


@pytest.fixture
def flowers() -> Path:
    if not (DATA / "flowers").is_dir():
        pytest.skip("the flower photos are not on this machine")
    return DATA / "flowers"
