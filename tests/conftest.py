"""A toy backbone, toy folders and pictures: real Keras, trained in seconds."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api.run import Run

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same bits in this process, in those that tests start, and on every processor.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

BESIDE = Path(__file__).resolve().parents[2] / "shared"
SHARED = Path(os.environ.get("TRANSFER_TEST_DATA", BESIDE))  # real photos and weights
COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}


def toy_network(input_shape: tuple[int, int, int]):  # type: ignore[no-untyped-def]
    """A residual network with BatchNormalization, small enough to train in a test."""
    import keras
    from keras import layers

    def conv(x, filters, name, strides=1):  # type: ignore[no-untyped-def]
        init = keras.initializers.GlorotUniform(seed=sum(map(ord, name)))
        x = layers.Conv2D(
            filters, 3, strides, "same", use_bias=False, kernel_initializer=init, name=name
        )(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    image = keras.Input(input_shape)
    x = layers.ReLU(name="stem_relu")(conv(image, 8, "stem", 2))
    x = layers.Add(name="add_1")([x, conv(x, 8, "block_1")])
    x = layers.ReLU(name="down_relu")(conv(x, 16, "down", 2))
    x = layers.Add(name="add_2")([x, conv(x, 16, "block_2")])
    return keras.Model(image, layers.ReLU(name="out_relu")(x))


@pytest.fixture(scope="session", autouse=True)
def isolated_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what fixtures of a wider scope write out of the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        # A shell's background job ignores Ctrl-C, and so would what tests start and interrupt.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def isolated(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep caches and runs of a test in its own directories."""
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    for name in ("TRANSFER_WEIGHTS", "TRANSFER_DEBUG", "TRANSFER_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def register_toy() -> str:
    from transfer.networks.backbones import register_backbone

    register_backbone(
        "toy",
        toy_network,
        preprocess="keras.applications.mobilenet_v2:preprocess_input",
        image_size=32,
        min_size=16,
        overwrite=True,
    )
    return "toy"


def draw_folder(root: Path, per_class: int, splits: tuple[str, ...]) -> Path:
    for number, split in enumerate(splits):
        rng = np.random.default_rng(number)
        for colour, rgb in COLOURS.items():
            folder = root / split / colour
            folder.mkdir(parents=True)
            for i in range(per_class):
                noise = rng.normal(rgb, 25, (36, 40, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noise).save(folder / f"{i}.png")
    return root


@pytest.fixture
def toy() -> str:
    """Name of a registered backbone with random weights."""
    return register_toy()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of folders of noisy pictures whose colour is their class."""

    def make(name: str = "colours", per_class: int = 10, splits: tuple[str, ...] = ("",)) -> Path:
        return draw_folder(tmp_path / name, per_class, splits)

    return make


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of the toy on 30 pictures. Tests that write take `run` instead."""
    root = tmp_path_factory.mktemp("trained")
    return transfer.finetune(
        draw_folder(root / "colours", 10, ("",)),
        output=root / "run",
        backbone=register_toy(),
        head_epochs=30,
        head_learning_rate=0.01,
        views=0,
        unfreeze="none",
    )


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A copy of the finished run."""
    shutil.copytree(trained.path, tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real weights and photos."""
    if not (SHARED / "weights").is_dir() or not (SHARED / "data" / "flowers").is_dir():
        pytest.skip("the real weights and photos are not on this machine")
    return SHARED


def smooth(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Return a smooth coloured picture that no rotation or reflection maps onto itself."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    return smooth


@pytest.fixture
def encoded() -> Callable[..., bytes]:
    def encode(image: Image.Image | None = None, kind: str = "JPEG", **options: object) -> bytes:
        buffer = io.BytesIO()
        (smooth() if image is None else image).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Write pictures with distinct bytes, by "class folder" -> number; return the root."""

    def write(counts: dict[str, int], name: str = "data", suffix: str = ".jpg") -> Path:
        root = tmp_path / name
        for number, (folder, count) in enumerate(counts.items()):
            (root / folder).mkdir(parents=True)
            for i in range(count):
                smooth(40, 36, 1000 * number + i).save(root / folder / f"{i}{suffix}")
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
        imports = "from transfer.data.audit.clean import audit\n"
        imports += "from transfer.data.sources.locate import Locator, Path\n"
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
