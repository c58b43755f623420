"""The cache: what earlier runs left behind for later ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.data.sources.prepare import prepared
from transfer.data.sources.remote import remote_dir
from transfer.system.cachedir import cache_limit

if TYPE_CHECKING:
    from transfer.features.store import Stored

__all__ = ["CacheListing", "CachedFeatures", "ConvertedNetworks", "PreparedSource"]
__all__ += ["clear_cache", "list_cache"]


@dataclass(frozen=True)
class CachedFeatures:
    """The features that one network computed at one size with one engine.

    Attributes:
        backbone: Name in the registry; None where the record on disk cannot be read.
        image_size: Side of the input in pixels.
        engine: ``"keras"`` or ``"openvino"``.
        images: Number of distinct images.
        bytes: Size on disk.
        used: When they were last used, in seconds since 1970.
    """

    backbone: str | None
    image_size: int | None
    engine: str | None
    images: int
    bytes: int
    used: float


@dataclass(frozen=True)
class ConvertedNetworks:
    """Networks converted for OpenVINO: their number, bytes on disk, and when one was last used."""

    networks: int
    bytes: int
    used: float | None


@dataclass(frozen=True)
class PreparedSource:
    """An archive, table, data set or sample that was unpacked: what, where, and its bytes."""

    source: str
    folder: Path
    bytes: int


@dataclass(frozen=True)
class CacheListing:
    """Everything in the cache.

    Attributes:
        folder: Where features and converted networks are; it need not exist.
        bytes: Size of both.
        limit: The most bytes that both may take.
        features: Most recently used first.
        converted_networks: Networks converted for OpenVINO.
        prepared: Prepared sources, and the files that came from remote ones, which `clear_cache`
            leaves alone.
    """

    folder: Path
    bytes: int
    limit: int
    features: tuple[CachedFeatures, ...]
    converted_networks: ConvertedNetworks
    prepared: tuple[PreparedSource, ...]


def list_cache() -> CacheListing:
    """Return everything in the cache, most recently used first.

    Raises:
        UsageError: The variable TRANSFER_CACHE holds no size.
    """
    from transfer.features.store import features_dir, stored_spaces

    stored = stored_spaces()[::-1]
    networks = [each for each in stored if each.about.get("what") == "converted network"]
    groups: dict[tuple[Any, ...], list[Stored]] = {}
    for each in stored:
        if each not in networks:
            key = tuple(each.about.get(name) for name in ("backbone", "image_size", "engine"))
            groups.setdefault(key, []).append(each)
    return CacheListing(
        folder=features_dir(),
        bytes=_size(stored),
        limit=cache_limit(),
        features=tuple(_features(key, spaces) for key, spaces in groups.items()),
        converted_networks=ConvertedNetworks(
            len(networks), _size(networks), max((each.used for each in networks), default=None)
        ),
        prepared=(*_prepared(), *_remote()),
    )


def _prepared() -> Iterator[PreparedSource]:
    for path, about in prepared():
        yield PreparedSource(about["source"], path, about["size"])


def _remote() -> Iterator[PreparedSource]:
    """Yield the files that came from remote sources, as one, where there are any."""
    folder = remote_dir()
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    if sizes:
        yield PreparedSource(f"{len(sizes):,} files from remote folders", folder, sum(sizes))


def clear_cache() -> tuple[Path, int]:
    """Remove all features and converted networks; return their folder and the bytes removed.

    Raises:
        TransferError: Some cannot be removed.
    """
    from transfer.features.store import clear, features_dir

    return features_dir(), clear()


def _features(key: tuple[Any, ...], spaces: Sequence[Stored]) -> CachedFeatures:
    backbone, image_size, engine = key
    return CachedFeatures(
        backbone,
        image_size,
        engine,
        images=max(each.images() for each in spaces),  # each view and cut holds them again
        bytes=_size(spaces),
        used=max(each.used for each in spaces),
    )


def _size(spaces: Sequence[Stored]) -> int:
    return sum(each.size for each in spaces)
