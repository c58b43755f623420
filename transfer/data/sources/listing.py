"""Lists the files of a remote folder through fsspec, and reads them. Writes nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from transfer.data.sources.members import Limits
from transfer.data.sources.safenames import Names, Refused
from transfer.errors import DataError, TransferError, UsageError, call
from transfer.images.junk import is_junk
from transfer.system.text import cut

# Protocol -> package that fsspec needs for it.
PROTOCOLS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "memory": ""}
_DEEPEST = 40
_PIECE = 1 << 20
# What file systems call that which changes with the bytes of a file.
_MARKS: tuple[str, ...] = (
    "ETag",
    "etag",
    "md5Hash",
    "crc32c",
    "generation",
    "blob_id",
    "lfs",
    "xet_hash",
)
_MARKS += ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True)
class Entry:
    """A remote file.

    Attributes:
        name: As the file system has it.
        path: Relative to the folder, with forward slashes, safe to write.
        size: Bytes; None where the file system does not say.
        mark: Changes with its bytes, as far as the file system says.
    """

    name: str
    path: str
    size: int | None
    mark: str

    @property
    def about(self) -> list[Any]:
        """Everything that a copy depends on; JSON."""
        return [self.path, self.size, self.mark]


class Remote:
    """A remote folder or file.

    Attributes:
        url: Its address.
        root: Its name on the file system.
        protocol: Such as ``s3``.

    Args:
        url: The address, of one of `PROTOCOLS`.

    Raises:
        UsageError: The address is of another kind.
        DataError: A package is missing.
        TransferError: The file system cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.url, self.protocol = url, url.partition("://")[0]
        if self.protocol not in PROTOCOLS or "::" in url:
            known = ", ".join(f"{name}://" for name in PROTOCOLS)
            raise UsageError(f"Expected an address of {known}. Received: {url!r}")
        self.fs = _file_system(url, self.protocol)
        self.root = str(self.fs._strip_protocol(url)).rstrip("/")

    def only_file(self) -> Entry | None:
        """Return the file that the address is of; None where it is a folder."""
        try:
            self.fs.invalidate_cache()  # of listings, which a long session would see for ever
            info = self.fs.info(self.root)
            if info.get("type") != "file":
                return None
        except Exception as error:
            raise failed(self.url, error) from error
        name = self.root.rpartition("/")[2]
        return _entry(info, name)

    def files(self, limits: Limits) -> list[Entry]:
        """Return the files below the address, sorted by path, without hidden ones.

        Raises:
            DataError: There are none, or more than `limits` allow; or a name leads out of the
                folder.
            TransferError: They cannot be listed.
        """
        found, size = [], 0
        for entry in self._walk():
            found.append(entry)
            size += entry.size or 0
            if len(found) > limits.files:
                way = call("prepare", "SOURCE", "DEST", max_files=2 * limits.files)
                raise DataError(
                    f"{self.url} holds more than {limits.files:,} files. Give a folder in it, or"
                    f" allow more: {way}"
                )
            if size > limits.size:
                way = call("prepare", "SOURCE", "DEST", max_size=f"{2 * limits.size / 1e9:g}GB")
                raise DataError(
                    f"{self.url} holds more than {limits.size / 1e9:g} GB. Give a folder in it, or"
                    f" allow more: {way}"
                )
        if not found:
            raise DataError(f"There is no file in {self.url}.")
        return sorted(found, key=lambda entry: entry.path)

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of a file in pieces.

        Raises TransferError where they cannot be read, or are not as many as were listed.
        """
        url, done = self._url(entry.name), 0
        try:
            with self.fs.open(entry.name, "rb") as stream:
                while piece := stream.read(_PIECE):
                    done += len(piece)
                    if entry.size is not None and done > entry.size:
                        break
                    yield piece
        except Exception as error:
            raise failed(url, error) from error
        if entry.size is not None and done != entry.size:
            wrong = ValueError(f"{done:,} bytes came, and {entry.size:,} are listed")
            raise failed(url, wrong)

    def head(self, entry: Entry, size: int) -> bytes:
        """Return the first bytes of a file. Raises TransferError where they cannot be read."""
        try:
            with self.fs.open(entry.name, "rb") as stream:
                return bytes(stream.read(size))
        except Exception as error:
            raise failed(self._url(entry.name), error) from error

    def _walk(self) -> Iterator[Entry]:
        """Yield the files; fsspec's own walk passes over folders that cannot be listed."""
        names, folders, seen = Names(), [self.root], {self.root}
        while folders:
            for info in self._list(folders.pop()):
                name, is_folder = str(info["name"]), info.get("type") == "directory"
                if name.rstrip("/") in seen:
                    continue
                path = self._path(name.rstrip("/"), names, is_folder)
                if not path or any(is_junk(part) for part in path.split("/")):
                    continue
                if is_folder:
                    if path.count("/") > _DEEPEST:
                        raise DataError(f"The folders in {self.url} do not end: {cut(path)}.")
                    seen.add(name.rstrip("/"))
                    folders.append(name.rstrip("/"))
                elif not name.endswith("/"):  # an object that only says that there is a folder
                    yield _entry(info, path)

    def _list(self, folder: str) -> list[Mapping[str, Any]]:
        try:
            return list(self.fs.ls(folder, detail=True))
        except Exception as error:
            raise failed(self._url(folder), error) from error

    def _path(self, name: str, names: Names, is_folder: bool) -> str:
        """Return the path of a listed name below the root; raise DataError if it leads out."""
        try:
            if not name.startswith(f"{self.root}/"):
                raise Refused(f"{name!r} is listed, which lies elsewhere")
            return "/".join(names.take(name[len(self.root) + 1 :], is_folder))
        except Refused as error:
            raise DataError(f"{self.url} is refused: {error}.") from error

    def _url(self, name: str) -> str:
        return f"{self.protocol}://{name.lstrip('/')}"


def failed(url: str, error: Exception) -> TransferError:
    """Return the error for an address that cannot be read, in one line."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"There is nothing at {url}.")
    reason = cut(" ".join(str(error).split()).rstrip(".") or type(error).__name__)
    return TransferError(
        f"Cannot read {url}: {reason}. What has arrived is kept: repeat the command, or copy the"
        " folder by other means and give the copy."
    )


def _entry(info: Mapping[str, Any], path: str) -> Entry:
    marks = {key: str(info[key]) for key in _MARKS if info.get(key) is not None}
    size = info.get("size")
    known = int(size) if isinstance(size, int | float) and size >= 0 else None
    return Entry(str(info["name"]), path, known, json.dumps(marks, sort_keys=True))


def _file_system(url: str, protocol: str) -> Any:
    try:
        import fsspec
    except ImportError as error:
        raise DataError(
            f"Reading {url} needs fsspec: pip install 'transfer-classifier[remote]'."
        ) from error
    if package := PROTOCOLS[protocol]:
        logging.getLogger(package).setLevel(logging.CRITICAL)  # what is wrong is in the error
    try:
        return fsspec.filesystem(protocol)
    except ImportError as error:
        raise DataError(f"Reading {url} needs {package}: pip install {package}.") from error
    except Exception as error:
        raise failed(url, error) from error
