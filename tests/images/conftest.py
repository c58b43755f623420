from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
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
def unprivileged() -> Iterator[Callable[[str], str]]:
    """Run code in a process that is not root, in a folder that it may enter."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)

    def run(code: str) -> str:
        drop = "import os\nif os.geteuid() == 0:\n"
        drop += "    try: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        drop += "    except OSError: raise SystemExit(77)\n"
        imports = "from transfer.images.audit import audit\n"
        imports += "from transfer.images.folder import ImageFolder\n"
        done = subprocess.run(
            [sys.executable, "-c", imports + drop + code],
            env=os.environ | {"TRANSFER_CACHE": "0", "HERE": str(home)},
            capture_output=True,
            text=True,
        )
        if done.returncode == 77:
            pytest.skip("this process may not become another user")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run.home = home
    yield run
    for folder in home.rglob("*"):
        if folder.is_dir():
            folder.chmod(0o755)
    shutil.rmtree(home)


@pytest.fixture
def flowers() -> Path:
    if not (DATA / "flowers").is_dir():
        pytest.skip("the flower photos are not on this machine")
    return DATA / "flowers"
