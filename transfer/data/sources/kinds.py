"""The kinds of data sources, and how each writes its images to an empty folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from transfer.data.sources import archives, builders, keras_sets, samples, tables
from transfer.data.sources.fetching import download_and_unpack, stamp
from transfer.data.sources.foldered import (
    about_tables,
    arrange,
    from_archive,
    from_folder,
    from_shards,
    from_table,
)
from transfer.data.sources.listing import PROTOCOLS
from transfer.data.sources.members import Limits
from transfer.data.sources.remote import from_remote, is_remote
from transfer.data.sources.shards import expand, is_shard
from transfer.data.sources.source import Options, Source
from transfer.errors import (
    DataError,
    TransferError,
    UsageError,
    call,
    call_to_resume,
    did_you_mean,
    option,
)
from transfer.images.layout.datafiles import kind_of
from transfer.recipe.reading import MULTI_LABEL
from transfer.runs.run import Run
from transfer.system.digests import is_sha256
from transfer.system.files import is_file
from transfer.system.progress import warn_unused

__all__ = ["KNOWN", "Options", "Source", "find"]

KNOWN = "a folder, an archive, a table, http://, https://, s3://, gs://, hf://, tfds:, keras: or"
KNOWN += " sample:"


def find(data: str | os.PathLike[str], options: Options) -> Source:
    """Return the Source that `data` means; nothing is written.

    Raises:
        UsageError: There is no source of that name, or a sha256 for one that is not an archive.
        DataError: Something else has that name.
    """
    source = _find(data, options)
    if options.sha256 is not None and "archive" not in source.about:
        raise UsageError(f"Expected an archive with {option('sha256')}. Received: {source.text!r}")
    listed = {"table", "archive", "archives", "remote"} & source.about.keys()
    if options.reading.multi_label and source.folder is None and not listed:
        raise UsageError(
            f"{source.text!r} has one label for each image. Expected a table of files with"
            f" {option('task', MULTI_LABEL)}. Leave the option out."
        )
    _tell_unused(source, options)
    return source


def _tell_unused(source: Source, options: Options) -> None:
    archive = bool({"archive", "remote"} & source.about.keys())
    linked = source.folder or "table" in source.about
    built = {"tfds", "builder"} & source.about.keys()
    limits = [
        f"max_{limit.name}"
        for limit in fields(Limits)
        if not archive and getattr(options.limits, limit.name) != limit.default
    ]
    manual = ["manual_dir"] * (options.manual_dir is not None and not built)
    links = ["follow_links"] * (options.reading.follow_links and not linked)
    warn_unused([*manual, *links, *limits], f"on {source.text!r}")


def _find(data: str | os.PathLike[str], options: Options) -> Source:
    text = os.fspath(data)
    kind, colon, rest = text.partition(":")
    if text.startswith(("http://", "https://")):
        return _at_address(text, options)
    if is_remote(text):
        return from_remote(text, options)
    if colon and kind in _KINDS and not Path(text).exists():
        return _KINDS[kind](text, rest)
    if re.match(r"[A-Za-z][\w+.-]+:", text) and not Path(text).exists():
        near = did_you_mean(kind, [*_KINDS, "http", "https", *PROTOCOLS])
        raise UsageError(f"Unknown kind of data {text!r}.{near} Expected {KNOWN}.")
    if not text:
        raise DataError(f"Expected {KNOWN}. Received an empty path.")
    path = Path(text).expanduser()
    if is_file(path / "recipe.json") and is_file(path / "run.json"):
        raise DataError(_advise_on_run(text, path))
    if path.is_dir() and builders.builder_script(path.absolute()):
        return _from_builder(text, path.absolute(), options)
    if path.is_dir() and (found := from_folder(text, path.absolute(), options)):
        return found
    if not path.exists() and (shards := expand(text)):
        return from_shards(text, shards, options)
    if not path.is_file():
        return Source(text, path.name or path.absolute().name or "images", folder=path)
    if is_shard(path):
        return from_shards(text, [path], options)
    if archives.is_archive(path):
        return from_archive(text, path, options)
    if tables.is_table(path):
        return from_table(text, path.absolute(), options)
    ends = ", ".join((*archives.SUFFIXES, *tables.SUFFIXES))
    raise DataError(
        f"Expected a folder of images, or a file {ends}. Received: {text!r}."
        f" {kind_of(path)}".rstrip()
    )


def _advise_on_run(text: str, path: Path) -> str:
    try:
        data = Run(path).info.data
    except TransferError:  # it is damaged
        data = ""
    trained = f", trained on {data!r}" if data else ""
    way_out = call_to_resume(Path(text))
    return f"{text!r} is a run{trained}. Expected images. To finish the run: {way_out}"


def _sample(text: str, name: str) -> Source:
    samples.check_name(name)
    return Source(
        text, name, about={"sample": name}, fill=lambda at: samples.write_sample(name, at)
    )


def _keras(text: str, name: str) -> Source:
    keras_sets.check_name(name)
    return Source(
        text, name, about={"keras": name}, fill=lambda at: keras_sets.write_keras_set(name, at)
    )


def _tfds(text: str, rest: str) -> Source:
    from importlib.metadata import version

    match = re.fullmatch(r"(\w+)(?:[:/]([\w.-]+))?", rest)
    if match is None:
        raise UsageError(f"Expected tfds:NAME or tfds:NAME:CONFIG. Received: {text!r}.")
    name, config = match.groups()
    return Source(
        text,
        "-".join(filter(None, (name, config))),
        about={"tfds": name, "config": config, "catalog": version("tensorflow-datasets")},
        fill=lambda at: builders.write_catalog(name, config, at),
    )


_KINDS: dict[str, Callable[[str, str], Source]] = {
    "sample": _sample,
    "keras": _keras,
    "tfds": _tfds,
}


def _from_builder(text: str, folder: Path, options: Options) -> Source:
    manual = (options.manual_dir or builders.manual_folder()).expanduser().absolute()
    code = {file.name: file.read_bytes() for file in sorted(folder.glob("*.py")) if file.is_file()}
    files = [file for file in folder.iterdir() if file.name not in code]  # labels, for example
    if any(b"MANUAL_DOWNLOAD" in each for each in code.values()):
        files += manual.rglob("*")
    stamps = [stamp(file) for file in sorted(files) if file.is_file()]
    digests = {name: hashlib.sha256(each).hexdigest() for name, each in code.items()}
    return Source(
        text,
        folder.name,
        about={"builder": digests, "files": stamps},
        fill=lambda at: builders.write_builder(folder, manual, at),
    )


def _at_address(text: str, options: Options) -> Source:
    url, fragment = urldefrag(text)
    name = Path(unquote(urlsplit(url).path)).name
    named = fragment.removeprefix("sha256=").lower()
    digest = options.sha256 or named
    if named not in ("", digest):
        raise UsageError(
            f"Expected {option('sha256')} to match the one in the address."
            f" Received: {digest} for {text}."
        )
    if not is_sha256(digest):
        raise UsageError(
            f"Downloads must be pinned by SHA-256. Add the digest (64 hex digits) to the address:"
            f" {url}#sha256=..., or give {option('sha256')} to {call('prepare', 'SOURCE', 'DEST')}"
        )
    if not name.lower().endswith(archives.SUFFIXES):
        raise UsageError(
            f"Expected the address of an archive ({', '.join(archives.SUFFIXES)}). Received: {url}."
        )

    def fill(target: Path) -> None:
        download_and_unpack(url, digest, target / f".{name}", target, options.limits)
        arrange(url, target, options)

    return Source(
        url,
        archives.stem(name),
        about={"archive": digest, **about_tables(options.reading)},
        fill=fill,
    )
