"""Finds near duplicates: fingerprints, and groups of images whose fingerprints nearly agree.

A fingerprint is the low-frequency part of an image's spectrum. A gray thumbnail of 32 x 32 pixels
is faded out towards its edges (white frames and captions then do not count). Its discrete cosine
transform, up to 16 waves per side, is weighted by the frequency (the amplitudes of photos fall with
it; weighted, all scales count the same) and scaled to length one. Two images are compared by the
cosine of their fingerprints, which does not depend on brightness, contrast or size. A mirrored
image has the same spectrum except for the sign of its odd horizontal waves, so comparing with the
mirror image costs nothing more.

How close is close enough depends on how much there is to compare. In a photo most of the 255
numbers matter; a drawing or a scanned digit is described by a few of them, and two different ones
agree far better by chance. The effective number is the participation ratio, 1 / sum(p^2) with p the
shares of the power. By Fisher's transformation, atanh(cosine) * sqrt(number) of vectors that agree
by chance is approximately standard normal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from transfer.system.progress import track, warn

# Raise it whenever the same image gets another fingerprint.
FINGERPRINT_VERSION = 1
THUMBNAIL = 32
_WAVES = 16
_PLAIN = 300.0  # length; noise from rounding and weak compression has less
_DETAILED = 45.0  # effective number above which a cosine of _SIMILAR is not due to chance
_SIMILAR = 0.9
_CERTAIN = 13.0  # standard deviations, for images with less detail
_LOOSE = 0.75  # share of the standard deviations required to the first of a group
_SAME = 0.9985  # lowest cosine after resizing or recompression
_LARGEST = 24  # images in a group
_STRICTNESS = (1.0, 1.8, 2.6)  # for photos, cosines of 0.9, 0.99 and 0.999
_BLOCK = 2048


def _cosines() -> np.ndarray:
    waves, pixels = np.arange(_WAVES)[:, None], np.arange(THUMBNAIL) + 0.5
    return np.cos(np.pi * waves * pixels / THUMBNAIL).astype(np.float32) / 4


def _window() -> np.ndarray:
    sine = np.sin(np.pi * (np.arange(THUMBNAIL) + 0.5) / THUMBNAIL).astype(np.float32)
    return np.outer(sine, sine)


_COSINES = _cosines()
_WINDOW = _window()
_FREQUENCY = np.hypot(*np.indices((_WAVES, _WAVES))).astype(np.float32)
_EVEN = np.tile(np.arange(_WAVES) % 2 == 0, (_WAVES, 1)).ravel()
_LOW = np.indices((_WAVES, _WAVES)).max(axis=0).ravel() < 10


def fingerprint(thumbnail: np.ndarray) -> bytes:
    """Return the fingerprint of an image.

    Args:
        thumbnail: Array of shape (32, 32), gray, 0..255: the whole image, stretched.

    Returns:
        256 signed bytes, or none where the image is too plain to be distinguished from others.
    """
    values = thumbnail.astype(np.float32)
    faded = (values - (values * _WINDOW).sum() / _WINDOW.sum()) * _WINDOW
    spectrum = (_COSINES @ faded @ _COSINES.T * _FREQUENCY).ravel()
    if np.linalg.norm(spectrum) < _PLAIN:
        return b""
    steps = np.rint(spectrum * (127 / np.abs(spectrum).max()))
    return bytes(steps.astype(np.int8).data)


def near_duplicates(fingerprints: Sequence[bytes]) -> list[int]:
    """Group near duplicates, mirrored or not.

    Each image joins the group of the earlier image that it is most like, if it is close enough to
    that one and not too far from the first of the group. A series of gradual changes therefore
    splits into several groups. Where more than 24 are alike, as from a fixed camera, stricter
    bounds are tried; images that are still alike are not grouped, with a warning, since copies
    cannot be distinguished from new shots of the same scene.

    All pairs are compared, in blocks, by matrix products: time grows with the square of the number
    of images (about a minute for 100,000 on two cores), memory does not.

    Args:
        fingerprints: See `fingerprint`; empty ones match no other.

    Returns:
        For each image the index of the first one of its group, which may be its own.
    """
    leaders = list(range(len(fingerprints)))
    rows = [row for row, each in enumerate(fingerprints) if each]
    for strictness in _STRICTNESS:
        if len(rows) < 2:
            return leaders
        spectra = _Spectra([fingerprints[row] for row in rows], strictness)
        for row, first in zip(rows, spectra.firsts(), strict=True):
            leaders[row] = rows[first]
        sizes = Counter(leaders[row] for row in rows)
        rows = [row for row in rows if sizes[leaders[row]] > _LARGEST]
    for row in rows:
        leaders[row] = row
    if rows:
        warn(
            f"{len(rows)} images look so much alike that copies among them cannot be identified,"
            " as with a fixed camera. Make sure that images of one object or moment are not in"
            " different splits."
        )
    return leaders


def groups_of(sha256: Mapping[str, str], fingerprints: Mapping[str, bytes]) -> dict[str, str]:
    """Return the key of each image's group of copies and near duplicates.

    Args:
        sha256: Path to digest of the file.
        fingerprints: Path to fingerprint, for the same paths.

    Returns:
        Path to the smallest digest of the images in its group; an image that is like no other
        has its own.
    """
    prints = {digest: fingerprints[path] for path, digest in sha256.items()}
    digests = sorted(prints)
    leaders = near_duplicates([prints[digest] for digest in digests])
    keys = {digest: digests[first] for digest, first in zip(digests, leaders, strict=True)}
    return {path: keys[digest] for path, digest in sha256.items()}


class _Spectra:
    """Fingerprints as vectors of length one, and how close to each other they have to be."""

    def __init__(self, fingerprints: Sequence[bytes], strictness: float) -> None:
        raw = np.frombuffer(b"".join(fingerprints), np.int8).reshape(len(fingerprints), -1)
        vectors = raw.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.whole = _halves(vectors, np.ones_like(_LOW))
        # The other waves add at most the product of their lengths, which one more column of the
        # symmetric half accounts for: a bound at less than half the cost.
        even, odd = _halves(vectors, _LOW)
        rest = np.linalg.norm(vectors[:, ~_LOW], axis=1, keepdims=True)
        self.coarse = np.hstack([even, rest]), odd
        numbers = 1 / (vectors**4).sum(axis=1)
        bounds = np.where(numbers < _DETAILED, _CERTAIN / np.sqrt(numbers), np.arctanh(_SIMILAR))
        self.bounds = np.minimum(np.tanh(strictness * bounds), _SAME).astype(np.float32)

    def firsts(self) -> list[int]:
        """Return for each row the first one of its group."""
        firsts = list(range(len(self.bounds)))
        starts = range(0, len(firsts), _BLOCK)
        for start in track(starts, "Comparing images", len(starts)):
            for row, other in self.most_alike(start):
                if self.belong(row, firsts[other]):
                    firsts[row] = firsts[other]
        return firsts

    def most_alike(self, start: int) -> Iterator[tuple[int, int]]:
        """Yield (row, most similar earlier row that is close enough) for a block of rows."""
        stop = min(start + _BLOCK, len(self.bounds))
        best = np.zeros(stop - start, np.float32)
        other = np.full(stop - start, -1)
        for column in range(0, stop, _BLOCK):
            end = min(column + _BLOCK, stop)
            columns = slice(column, end)
            at_most = _likeness(self.coarse, slice(start, stop), columns)
            if column == start:
                at_most = np.tril(at_most, -1)
            close = np.flatnonzero(at_most.max(axis=1) >= self.bounds[start:stop])
            if not len(close):
                continue
            likeness = _likeness(self.whole, start + close, columns)
            likeness[close[:, None] + start <= np.arange(column, end)] = 0
            needed = np.maximum(self.bounds[start + close, None], self.bounds[columns])
            enough = np.where(likeness >= needed, likeness, 0)
            highest = enough.max(axis=1)
            better = highest > best[close]
            best[close[better]] = highest[better]
            other[close[better]] = column + enough.argmax(axis=1)[better]
        for row in np.flatnonzero(other >= 0):
            yield start + int(row), int(other[row])

    def belong(self, row: int, first: int) -> bool:
        """Return whether a row is close enough to the first of a group to be in that group."""
        needed = np.tanh(_LOOSE * np.arctanh(max(self.bounds[row], self.bounds[first])))
        return bool(_likeness(self.whole, [row], [first])[0, 0] >= needed)


def _halves(vectors: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the waves that are symmetric left to right, and of the others."""
    even, odd = vectors[:, chosen & _EVEN], vectors[:, chosen & ~_EVEN]
    return np.ascontiguousarray(even), np.ascontiguousarray(odd)


def _likeness(halves: tuple[np.ndarray, np.ndarray], rows: Any, columns: Any) -> np.ndarray:
    """Return the cosines of rows with columns, plain or mirrored, whichever is larger."""
    even, odd = halves
    likeness: np.ndarray = odd[rows] @ odd[columns].T
    np.abs(likeness, out=likeness)
    likeness += even[rows] @ even[columns].T
    return likeness
