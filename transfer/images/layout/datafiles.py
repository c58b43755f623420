"""Files that hold images or classes in a form that is not read, and the way out of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from transfer.images.layout.describe import Survey

_SAVE = "save each image as a file in the folder of its class"
# Name of the files: what they are, and the way out.
_KINDS = (
    (r"data_batch_\d+|batches\.meta|test_batch", "CIFAR-10 in pickle files", "give keras:cifar10"),
    (r".*-images?-idx3-ubyte.*|.*-labels?-idx1-ubyte.*", "MNIST or a set like it in IDX files",
     "give keras:mnist or keras:fashion_mnist"),
    (r".*\.mat", "a MATLAB file", "read it with scipy.io.loadmat, and write what it says as a CSV"
     " of path and label; of images in it, {save}"),
    (r".*\.np[yz]", "NumPy arrays", "read them with numpy.load, and {save}"),
    (r".*\.(?:h5|hdf5|hdf)", "HDF5", "read it with h5py, and {save}"),
    (r".*\.tfrec(?:ord)?s?(?:-\d+-of-\d+)?(?:\.gz)?", "TFRecord files",
     "give tfds:NAME if they are a data set of TensorFlow Datasets; else read them with"
     " tf.data.TFRecordDataset, and {save}"),
    (r".*\.arrow", "Arrow files, of save_to_disk", "write them with Dataset.to_parquet, and give"
     " the Parquet files"),
    (r".*\.(?:pt|pth)", "PyTorch files", "read them where you trust them, and {save}"),
    (r".*\.(?:pkl|pickle)", "pickle files, which can run code", "read them where you trust them,"
     " and {save}"),
    (r"(?:data|lock)\.mdb", "an LMDB database", "read it with lmdb, and {save}"),
    (r".*\.(?:rec|bin)", "a binary file", "read it with the tool that wrote it, and {save}"),
    (r".*\.pdf", "PDF", "save its pages as images (pdftoppm)"),
)  # fmt: skip
_PIXELS = re.compile(rb"pixels\b|pixel_?\d+.*pixel_?\d+", re.I)
_FIRST_LINE = 2000
_PICKLE = re.compile(rb"\x80[\x02-\x05][\x8a-\x95}\]c(]")


def told(survey: Survey) -> str:
    """Return what the files in a folder are that may hold its images or classes, with the way out.

    ``""`` where there are none. A file is opened only if its name has no suffix.
    """
    found: dict[str, str] = {}
    ways: dict[str, str] = {}
    for path in survey.others:
        for what, way in _kind(survey.root / path, PurePosixPath(path).name):
            found.setdefault(what, path)
            ways[what] = way
    texts = [f"{found[what]!r} is {what}: {ways[what]}." for what in list(found)[:2]]
    return " ".join(texts)


def kind_of(file: Path) -> str:
    """Return the same for one file."""
    return next((f"It is {what}: {way}." for what, way in _kind(file, file.name)), "")


def _kind(file: Path, name: str) -> Iterator[tuple[str, str]]:
    for pattern, what, way in _KINDS:
        if re.fullmatch(pattern, name, re.I):
            yield what, way.replace("{save}", _SAVE)
            return
    if name.lower().endswith(".csv"):
        with suppress(OSError), file.open("rb") as stream:
            if _PIXELS.search(stream.readline(_FIRST_LINE)):
                yield (
                    "a table of the pixels of images",
                    "read it with NumPy, and {save}".replace("{save}", _SAVE),
                )
    if "." not in name:
        with suppress(OSError), file.open("rb") as stream:
            if _PICKLE.match(stream.read(3)):
                way = "read it where you trust it, and {save}. CIFAR-100 is keras:cifar100"
                yield "a pickle file, which can run code", way.replace("{save}", _SAVE)
