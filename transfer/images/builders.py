"""Data sets that TensorFlow Datasets or Keras brings, written as plain image folders."""

from __future__ import annotations

import importlib
import io
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from transfer.errors import DataError, TransferError, UsageError, did_you_mean
from transfer.images.folder import SPLIT_NAMES
from transfer.images.tables import label_flaw
from transfer.progress import say, track, warn
from transfer.quiet import import_tensorflow

_SUFFIXES = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"GIF8", ".gif"), (b"BM", ".bmp"))
_NAMES = ("image/filename", "file_name", "filename")
_numbers = count()


def builder_script(folder: Path) -> Path | None:
    """Return the builder of a folder in the form of TensorFlow Datasets, or None."""
    script = folder / f"{folder.name}_dataset_builder.py"
    return script if script.is_file() else None


def manual_folder() -> Path:
    """Return where TensorFlow Datasets looks for files that have to be fetched by hand."""
    return _data_folder() / "downloads" / "manual"


def write_catalog(name: str, config: str | None, target: Path) -> None:
    """Write a data set of TensorFlow Datasets' catalog, downloading it where needed.

    What it downloads and builds stays in ``~/tensorflow_datasets`` (or TFDS_DATA_DIR).

    Raises:
        UsageError: There is no such data set or configuration.
        DataError: It holds no images with class labels.
        TransferError: It cannot be downloaded or built.
    """
    with _tfds() as tfds:
        try:
            builder = tfds.builder(name, config=config, data_dir=_data_folder())
        except tfds.core.DatasetNotFoundError as error:
            near = did_you_mean(name, tfds.list_builders())
            raise UsageError(
                f"TensorFlow Datasets {tfds.__version__} has no data set {name!r}.{near}"
                " See https://www.tensorflow.org/datasets/catalog"
            ) from error
        except ValueError as error:
            raise UsageError(f"tfds:{name}: {_line(error)}") from error
        _keys(builder)  # before anything is downloaded
        if not builder.is_prepared():
            urls = list(builder.url_infos or {})
            without = (
                f"On a machine with a network run: tfds build {name}. Then bring"
                f" {_data_folder() / name} to the same place here, or name its parent in"
                " TFDS_DATA_DIR."
            )
            _check_network(f"tfds:{name}", urls, without)
            say(f"Building {name} in {builder.data_dir}; downloads from {_hosts(urls)}.")
            _build(builder, manual_folder(), without)
        _write(builder, target)


def write_builder(folder: Path, manual: Path, target: Path) -> None:
    """Run the builder of a folder in the form of TensorFlow Datasets and write its images.

    Args:
        folder: With ``<name>_dataset_builder.py``. Its code is run.
        manual: Where the files lie that had to be fetched by hand.
        target: An empty folder.

    Raises:
        DataError: The builder fails or makes no images with class labels.
        TransferError: It cannot download or build.
    """
    script = folder / f"{folder.name}_dataset_builder.py"
    say(f"Running the builder {script}.")
    with _tfds(), _no_bytecode():
        try:
            builder = load_builder(folder)(data_dir=target / ".tfds")
        except Exception as error:  # whatever foreign code raises
            raise DataError(f"The builder {str(script)!r} fails: {_line(error)}") from error
        _keys(builder)
        _check_network(str(folder), list(builder.url_infos or {}), "Build it where there is one.")
        _build(builder, manual, f"The builder is {str(script)!r}.")
        _write(builder, target)
    shutil.rmtree(target / ".tfds")


def load_builder(folder: Path) -> Any:
    """Import the builder of a folder anew and return its class.

    TensorFlow Datasets would import it as a top-level package of the folder's name, which may be
    that of another one. It is neither found by `tfds.load` afterwards.
    """
    import tensorflow_datasets as tfds

    package = f"_transfer_builder_{next(_numbers)}"
    loader = SourceFileLoader(package, str(folder.parent / "__init__.py"))  # which is not run
    spec = ModuleSpec(package, loader, is_package=True)
    spec.submodule_search_locations = [str(folder.parent)]
    sys.modules[package] = module_from_spec(spec)
    name = f"{package}.{folder.name}.{folder.name}_dataset_builder"
    with tfds.core.registered.skip_registration():
        module = importlib.import_module(name)
    made = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, tfds.core.DatasetBuilder)
        and each.__module__ == name
    ]
    if len(made) != 1:
        raise ImportError(f"expected one builder, found {len(made)}")
    return made[0]


@contextmanager
def _tfds() -> Iterator[Any]:
    """Import TensorFlow Datasets and keep it quiet for the block."""
    import_tensorflow()
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    loggers = [logging.getLogger(name) for name in ("absl", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield tfds
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Leave no __pycache__ in the folder of a builder."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _data_folder() -> Path:
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _build(builder: Any, manual: Path, without: str) -> None:
    import tensorflow_datasets as tfds

    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if instructions and not (manual.is_dir() and any(manual.iterdir())):
        raise DataError(
            f"{builder.name} is built from files that you fetch yourself. {_line(instructions)}"
            f" Put them into {str(manual)!r}, or name their folder: transfer prepare --manual-dir"
        )
    config = tfds.download.DownloadConfig(
        manual_dir=manual if instructions else None,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
        try_download_gcs=False,
    )
    try:
        with redirect_stdout(io.StringIO()):  # it says what we say, and in more words
            builder.download_and_prepare(download_config=config)
    except (AssertionError, FileNotFoundError, DataError) as error:
        raise DataError(f"{builder.name} cannot be built: {_line(error)}") from error
    except Exception as error:  # each data set has its own ways to fail
        raise TransferError(f"{builder.name} cannot be built: {_line(error)}. {without}") from error


def _keys(builder: Any) -> tuple[str, str]:
    """Return the names of a data set's image and label."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    kinds = features.items() if isinstance(features, tfds.features.FeaturesDict) else ()
    images = [key for key, kind in kinds if isinstance(kind, tfds.features.Image)]
    labels = [key for key, kind in kinds if isinstance(kind, tfds.features.ClassLabel)]
    chosen: tuple[Any, ...] = builder.info.supervised_keys or ()
    if len(chosen) == 2 and chosen[0] in images and chosen[1] in labels:
        return chosen[0], chosen[1]
    if images and labels:
        return images[0], labels[0]
    raise DataError(
        f"{builder.name} has no image with a class label. Its features: {', '.join(features)}."
    )


def _write(builder: Any, target: Path) -> None:
    import tensorflow_datasets as tfds

    image, label = _keys(builder)
    names = [_class_name(name) for name in builder.info.features[label].names]
    splits = {name: SPLIT_NAMES[name] for name in builder.info.splits if name in SPLIT_NAMES}
    if len(builder.info.splits) == 1:
        splits = dict.fromkeys(builder.info.splits, "")
    others = sorted(set(builder.info.splits) - set(splits))
    if not splits:
        raise DataError(f"{builder.name} has none of train, validation and test: {others}.")
    if others:
        warn(f"Left out of {builder.name}: {', '.join(others)}.")
    for split, folder in splits.items():
        rows = builder.as_dataset(split, decoders={image: tfds.decode.SkipDecoding()})
        total = builder.info.splits[split].num_examples
        taken: set[Path] = set()
        hidden = 0
        for row in track(tfds.as_numpy(rows), f"Writing {split}", total):
            if row[label] < 0:
                hidden += 1
                continue
            label_folder = target / folder / names[row[label]]
            path = _free_name(label_folder, row, row[image], taken)
            taken.add(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(row[image])
        if hidden:
            warn(f"Left out {hidden:,} images of {split}: their labels are not published.")


def _free_name(folder: Path, row: Mapping[str, Any], data: bytes, taken: set[Path]) -> Path:
    """Return where an image goes: by the name that the data set gives it, or by its number."""
    suffix = next((end for magic, end in _SUFFIXES if data.startswith(magic)), ".webp")
    given = next((row[key] for key in _NAMES if isinstance(row.get(key), bytes)), b"")
    stem = Path(given.decode(errors="replace")).stem
    named = folder / f"{stem}{suffix}"
    if re.fullmatch(r"\w[\w.-]{0,100}", stem) and named not in taken:
        return named
    return folder / f"{len(taken):06d}{suffix}"


def _class_name(name: str) -> str:
    """Return a class name that a folder can have."""
    name = re.sub(r"[/\\]", "-", name).strip().lstrip(".")
    if label_flaw(name):
        raise DataError(f"The class name {name!r} cannot name a folder.")
    return name


def _hosts(urls: Iterable[str]) -> str:
    return ", ".join(sorted({urlsplit(url).hostname or url for url in urls})) or "no host"


def _check_network(what: str, urls: Sequence[str], without: str) -> None:
    """Fail at once where the hosts cannot be reached: TensorFlow Datasets tries for minutes."""
    import socket
    from urllib.request import getproxies

    parts = [urlsplit(url) for url in urls]
    for host, scheme in sorted({(part.hostname or "", part.scheme) for part in parts}):
        if scheme not in ("http", "https") or getproxies():
            continue
        try:
            socket.create_connection((host, 443 if scheme == "https" else 80), 15).close()
        except OSError as error:
            raise TransferError(
                f"{what} has to be downloaded from {host}, which cannot be reached:"
                f" {error.strerror or error}. {without}"
            ) from error


def _line(error: object) -> str:
    return " ".join(str(error).split())[:400]
