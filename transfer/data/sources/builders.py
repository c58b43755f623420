"""Data sets of TensorFlow Datasets: those of its catalog, and builders in folders of their own."""

from __future__ import annotations

import importlib
import io
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from transfer.data.sources.examples import keys_of, write_examples
from transfer.errors import DataError, TransferError, UsageError, call, did_you_mean, option
from transfer.images.junk import is_junk
from transfer.system.progress import say, warn
from transfer.system.quiet import import_tensorflow

_numbers = count()


def builder_script(folder: Path) -> Path | None:
    """Return the builder of a folder in the form of TensorFlow Datasets, or None.

    A folder with class folders is an image folder, even if it holds a script.
    """
    script = folder / f"{folder.name}_dataset_builder.py"
    if not script.is_file():
        return None
    others = {path.name for path in folder.iterdir() if path.is_dir() and not is_junk(path.name)}
    others -= {"dummy_data", "__pycache__"}
    if others:
        shown = ", ".join(sorted(others)[:5])
        warn(f"{script} is not run: the folders next to it are read as images ({shown}).")
    return None if others else script


def manual_folder() -> Path:
    """Return where TensorFlow Datasets looks for files that have to be downloaded by hand."""
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
        keys_of(builder)  # before anything is downloaded
        if not builder.is_prepared():
            urls = list(builder.url_infos or {})
            without = (
                f"On a machine with network access, run: tfds build {name}. Then copy"
                f" {_data_folder() / name} to the same place here, or set TFDS_DATA_DIR to its"
                " parent folder."
            )
            _check_network(f"tfds:{name}", urls, without)
            say(f"Building {name} in {builder.data_dir}; downloads from {_hosts(urls)}.")
            _build(builder, manual_folder(), without)
        write_examples(builder, target)


def write_builder(folder: Path, manual: Path, target: Path) -> None:
    """Run the builder of a folder in the form of TensorFlow Datasets and write its images.

    Args:
        folder: With ``<name>_dataset_builder.py``. Its code is run.
        manual: Folder of the files that have to be downloaded by hand.
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
        keys_of(builder)
        _check_network(
            str(folder), list(builder.url_infos or {}), "Run it on a machine with network access."
        )
        _build(builder, manual, f"The builder is {str(script)!r}.")
        write_examples(builder, target)
    shutil.rmtree(target / ".tfds")


def load_builder(folder: Path) -> Any:
    """Import the builder of a folder afresh and return its class.

    TensorFlow Datasets would import it as a top-level package with the folder's name, which another
    package may have. It is not registered: `tfds.load` does not find it.
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
            f"{builder.name} is built from files that you download yourself. {_line(instructions)}"
            f" Put them into {str(manual)!r}, or give their folder:"
            f" {option('manual_dir')} of {call('prepare', 'SOURCE', 'DEST')}"
        )
    config = tfds.download.DownloadConfig(
        manual_dir=manual if instructions else None,
        compute_stats=tfds.download.ComputeStatsMode.SKIP,
        try_download_gcs=False,
    )
    try:
        with redirect_stdout(io.StringIO()):  # it prints what we print, in more words
            builder.download_and_prepare(download_config=config)
    except (AssertionError, FileNotFoundError, DataError) as error:
        raise DataError(f"{builder.name} cannot be built: {_line(error)}") from error
    except Exception as error:  # each data set fails in its own way
        raise TransferError(f"{builder.name} cannot be built: {_line(error)}. {without}") from error


def _hosts(urls: Iterable[str]) -> str:
    return ", ".join(sorted({urlsplit(url).hostname or url for url in urls})) or "no host"


def _check_network(what: str, urls: Sequence[str], without: str) -> None:
    """Fail at once where no host can be reached: TensorFlow Datasets would try for minutes."""
    import socket
    from urllib.request import getproxies

    parts = [part for part in map(urlsplit, urls) if part.scheme in ("http", "https")]
    failures: list[tuple[str, OSError]] = []
    for host, scheme in dict.fromkeys((part.hostname or "", part.scheme) for part in parts):
        try:
            socket.create_connection((host, 443 if scheme == "https" else 80), 10).close()
        except OSError as error:
            failures.append((host, error))
        else:
            return
    if failures and not getproxies():
        host, fault = failures[0]
        raise TransferError(
            f"{what} has to be downloaded from {host}, which cannot be reached:"
            f" {fault.strerror or fault}. {without}"
        ) from fault


def _line(error: object) -> str:
    return " ".join(str(error).split())[:400]
