"""Features on disk: what a frozen network computes for an image is computed once for all runs.

Rows are keyed by the image's bytes: a photo that changed is computed again, one that was moved is
not. `transfer.features.store` describes the files.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from transfer.features.converted import place_for
from transfer.features.shards import Cell, Shard
from transfer.features.spec import FeatureSpec
from transfer.features.store import Space, features_dir, make_room
from transfer.images.augment import AUGMENT_VERSION, parse_augment
from transfer.images.decode import variant
from transfer.images.folder import ImageFolder
from transfer.settings import Decoding, Settings
from transfer.system.cachedir import cache_limit
from transfer.system.digests import sha256_or_none
from transfer.system.progress import warn

FORMAT = 2  # raise it when the files of a space get another format or meaning
KEY_BYTES = 80  # of each row in the file of keys


class FeatureCache:
    """The feature cache, as used by one run.

    Args:
        network: All that the features depend on besides the images and the view, as a spec or as
            what JSON takes.
        outputs: Name of each output of the network, such as ``"vectors (avg)"``.
        sha256: Relative path to hex digest of the file, for every image.
        unusual: Relative paths of the images of more than 8 bits, or of other colours than
            sRGB; where None, every file is opened to find them.
    """

    def __init__(
        self,
        network: FeatureSpec | Mapping[str, Any],
        outputs: Sequence[str],
        sha256: Mapping[str, str],
        unusual: Collection[str] | None = None,
    ) -> None:
        self.root = features_dir()
        self.limit = cache_limit()
        self.sha256 = sha256
        self._unusual = unusual
        identity = network.identity() if isinstance(network, FeatureSpec) else network
        self._network = {"format": FORMAT, **identity}
        self._outputs = outputs
        self.in_use: set[Path] = set()
        self._closed = False
        self._variants: dict[str, str] = {}  # path to what `variant` returns

    def view(self, folder: ImageFolder, number: int, settings: Settings) -> CachedView:
        """Return the cached rows of one view of a folder's images; 0 is the images themselves."""
        about: dict[str, Any] = {"view": number}
        keys = self._keys(folder, settings.decoding)
        if number:
            spec = {"version": AUGMENT_VERSION, **parse_augment(settings.augment)}
            about |= {"augment": spec, "seed": settings.seed}
            # the seed of an image's augmentation depends on its path too
            pairs = zip(keys, folder.paths, strict=True)
            keys = [hashlib.sha256(f"{key}:{path}".encode()).hexdigest() for key, path in pairs]
        spaces = [Space(self.root, self._network | {"what": w} | about) for w in self._outputs]
        self.in_use.update(space.path for space in spaces)
        return CachedView(self, folder, keys, spaces)

    def _keys(self, folder: ImageFolder, decoding: Decoding) -> list[str]:
        """Return a key for the array of each image: the file's digest, unless it is read anew."""
        every, some = folder.paths, self._unusual
        opened = every if some is None else [path for path in every if path in some]
        unknown = [path for path in opened if path not in self._variants]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            found = pool.map(lambda path: variant(folder.file(path), decoding), unknown)
            self._variants.update(zip(unknown, found, strict=True))
        return [_key(self.sha256[path], self._variants.get(path, "")) for path in every]

    def converted(self) -> Path | None:
        """Return the file where the network converted for OpenVINO is, or may be, kept."""
        path = place_for(self._network | {"outputs": list(self._outputs)})
        if path is not None:
            self.in_use.add(path.parent)
        return path

    def write(self, space: Space, keys: Sequence[str], array: np.ndarray, rows: np.ndarray) -> None:
        """Add ``array[rows]`` to a space, without rows that are not finite.

        What fails is reported once, and the run goes on.
        """
        if self._closed:
            return
        finite = np.array([np.isfinite(array[row]).all() for row in rows], bool)
        keys, rows = list(compress(keys, finite)), rows[finite]
        if not keys:
            return
        needed = len(keys) * (array[:1].nbytes + KEY_BYTES)
        try:
            if make_room(needed, self.in_use):
                space.append(keys, array, rows)
            else:
                self._close(f"they need more than {self.limit / 1e9:g} GB (raise TRANSFER_CACHE)")
        except FileNotFoundError:
            pass  # another process has just cleared the cache: the next shard creates its folder
        except OSError as error:
            self._close(f"{self.root}: {error.strerror}")

    def stop(self) -> None:
        """Write nothing more: later features do not fit the identity of this cache."""
        self._closed = True

    def _close(self, reason: str) -> None:
        self.stop()
        warn(f"Not all features are kept for later runs: {reason}. This run is not affected.")


def _key(digest: str, change: str) -> str:
    return hashlib.sha256(f"{digest}:{change}".encode()).hexdigest() if change else digest


class CachedView:
    """One view of n images: in each of some spaces, rows for all or some of them."""

    def __init__(
        self, cache: FeatureCache, folder: ImageFolder, keys: Sequence[str], spaces: list[Space]
    ) -> None:
        self._cache, self._folder, self._keys, self._spaces = cache, folder, keys, spaces
        self._known: list[dict[str, Cell]] = []

    def restore(self, targets: Sequence[np.ndarray]) -> np.ndarray:
        """Fill in the rows that are in every space and undamaged.

        Args:
            targets: One array of shape (n, ...) for each of the spaces, or for the last of them.

        Returns:
            bool array of shape (n,): which rows are filled in.
        """
        hits = self.find([(target.shape[1:], target.dtype) for target in targets])
        for rows, target in zip(self._known, targets, strict=True):
            self._fill(rows, target, hits)
        return hits

    def find(self, kinds: Sequence[tuple[tuple[int, ...], np.dtype[Any]]]) -> np.ndarray:
        """Return which rows are in every space: bool array of shape (n,).

        Args:
            kinds: Shape and type of a row, for each of the spaces, or for the last of them.
        """
        self._spaces = self._spaces[-len(kinds) :]
        self._known = [
            dict(space.rows(shape, dtype))
            for space, (shape, dtype) in zip(self._spaces, kinds, strict=True)
        ]
        return np.array([all(key in rows for rows in self._known) for key in self._keys], bool)

    def _fill(self, rows: dict[str, Cell], target: np.ndarray, hits: np.ndarray) -> None:
        """Copy the rows of `hits` to `target`; forget the shards that turn out to be damaged."""
        wanted: dict[Shard, list[tuple[int, int]]] = defaultdict(list)
        for i in np.flatnonzero(hits).tolist():
            shard, row = rows[self._keys[i]]
            wanted[shard].append((row, i))
        for shard, pairs in wanted.items():
            source, to = zip(*pairs, strict=True)
            if not shard.copy(source, target, to):
                shard.remove("its checksums are wrong")
                hits[list(to)] = False
                for key in [key for key, cell in rows.items() if cell.shard is shard]:
                    del rows[key]

    def keep(self, rows: np.ndarray, targets: Sequence[np.ndarray]) -> None:
        """Write rows that were just computed to the spaces that `restore` looked in.

        A file replaced after the audit hashed it would be stored under the digest of the old one,
        permanently. So each file is hashed again after it was decoded: that costs little compared
        with decoding and inference and, unlike comparing sizes and times, it is never wrong.

        Args:
            rows: int array of any length.
            targets: The arrays given to `restore`.
        """
        paths = self._folder.paths
        same = [
            sha256_or_none(self._folder.file(paths[i])) == self._cache.sha256[paths[i]]
            for i in rows
        ]
        for space, known, target in zip(self._spaces, self._known, targets, strict=True):
            new = np.array([i for i in rows[same] if self._keys[i] not in known], np.int64)
            self._cache.write(space, [self._keys[i] for i in new], target, new)
