"""prepare: any source of images becomes a plain folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from transfer.api.knobs import ReadingKnobs
from transfer.api.recipes import make_reading
from transfer.data.sources.kinds import Options
from transfer.data.sources.members import Limits
from transfer.data.sources.pages import check_pages
from transfer.data.sources.prepare import prepared, write_to
from transfer.errors import UsageError, option
from transfer.images.folder import ImageFolder
from transfer.system.digests import is_sha256
from transfer.system.guest import numpy_defaults
from transfer.system.units import parse_bytes

__all__ = ["prepare", "prepared"]


@numpy_defaults()
def prepare(
    source: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
    max_size: str | int = "50GB",
    max_files: int = 500_000,
    max_ratio: int = 100,
    pages: str = "first",
    fixes: str | os.PathLike[str] | None = None,
    **reading: Unpack[ReadingKnobs],
) -> ImageFolder:
    """Write the images of a source to a new folder: one folder per class, or train/, val/ and
    test/ of such folders.

    The folder is written atomically, and the source is not changed. There is one parameter for each
    option of `transfer prepare`, and none is needed for a folder.

    Args:
        source: A folder; an archive (.zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz) or its address;
            an ``s3://``, ``gs://`` or ``hf://`` address of either;
            a table of paths, classes and perhaps splits (.csv, .tsv, .txt, .jsonl, .json, .xlsx,
            .parquet); Parquet files with images; WebDataset shards; a folder of any of these;
            ``tfds:NAME[:config]`` or the folder of a TFDS builder, whose code is run;
            ``keras:mnist``, ``fashion_mnist``, ``cifar10`` or ``cifar100``; ``sample:digits`` or
            ``sample:shapes``.
        dest: New or empty folder.
        sha256: Of the archive, 64 hex digits; required for an https address, here or as
            ``#sha256=`` at its end.
        manual_dir: Folder of the files for a builder that were downloaded by hand;
            ``~/tensorflow_datasets/downloads/manual`` if omitted.
        max_size: Maximum unpacked size of an archive, or size of a remote folder, for example
            ``"200GB"``.
        max_files: Maximum number of members of an archive, or of files of a remote folder.
        max_ratio: Maximum ratio of unpacked to packed size, checked above 50 MB.
        pages: ``first`` copies TIFF files as they are, of which the first page is used; ``all``
            writes each page as an image of its own. Pages of one file are never divided between
            splits and folds.
        fixes: Table with columns ``path`` and ``action`` (``keep`` or nothing, ``remove``, or the
            name of the right class) of images of a folder, such as `Checkup.write_fixes` writes.
        **reading: How `source` is read, as fields of `Recipe`: ``layout``, ``class_level``,
            ``label_regex``, ``path_column``, ``label_column``, ``split_column``, ``class_names``,
            ``negatives`` (which are not written), ``limit``, ``follow_links``.

    Returns:
        The index of `dest`.

    Raises:
        UsageError: There is no source of that name, or an argument is invalid.
        DataError: The source cannot be used, or `dest` is not empty.
        TransferError: The source cannot be downloaded, or `dest` cannot be written.

    Example:
        >>> transfer.prepare("dogs_prepared.tar.gz", "data/dogs").classes
    """
    if sha256 is not None and not is_sha256(sha256.lower()):
        raise UsageError(f"Expected {option('sha256')} as 64 hex digits. Received: {sha256!r}")
    check_pages(pages)
    options = Options(
        sha256=None if sha256 is None else sha256.lower(),
        manual_dir=None if manual_dir is None else Path(manual_dir),
        reading=make_reading(reading),
        pages=pages,
        fixes=None if fixes is None else Path(fixes).expanduser(),
        limits=Limits(parse_bytes(str(max_size), option("max_size")), max_files, max_ratio),
    )
    return write_to(source, Path(dest), options)
