"""The weights of a saved model: an HDF5 file that holds plain arrays, and all that it declares."""

from __future__ import annotations

import io
from typing import Any

_MOST_INTEGERS = 1024  # in one array: the state of a Dropout, a counter
_MOST_OBJECTS = 200_000


def count_numbers(stream: io.RawIOBase, size: int) -> int:
    """Return how many numbers an HDF5 file holds, read from its headers alone.

    Args:
        stream: The file.
        size: Its size in bytes, which bounds that of all arrays together.

    Raises:
        ValueError: It is no HDF5 file, or has links to elsewhere, arrays stored elsewhere or
            packed, or arrays that are larger than the file or no floating-point numbers.
    """
    import h5py

    try:
        with h5py.File(stream, "r") as file:
            return _Walk(size).count(file.id)
    except ValueError:
        raise
    except Exception as error:  # HDF5 raises nearly any
        raise ValueError("its model.weights.h5 is damaged") from error


def _shown(name: bytes) -> str:
    return repr(name.decode(errors="replace"))[:40]


class _Walk:
    def __init__(self, size: int) -> None:
        self.size, self.left, self.numbers = size, size, 0
        self.seen: set[int] = set()

    def count(self, root: Any) -> int:
        import h5py

        links: list[tuple[bytes, int, int]] = []  # an error inside of the visit would be lost
        root.links.visit(lambda name, link: links.append((name, link.type, link.u)), info=True)
        for name, kind, address in links:
            if kind != h5py.h5l.TYPE_HARD:
                raise ValueError(f"its weights have a link to elsewhere, {_shown(name)}")
            self._check_new(address)
        groups = {name.rpartition(b"/")[0] for name, *_ in links}
        for name, *_ in links:
            if name in groups:
                continue
            item = h5py.h5o.open(root, name)
            if isinstance(item, h5py.h5d.DatasetID):
                self._add(item)
            elif not isinstance(item, h5py.h5g.GroupID):
                raise ValueError(f"its weights hold something else than arrays, {_shown(name)}")
        return self.numbers

    def _check_new(self, address: int) -> None:
        if address in self.seen or len(self.seen) > _MOST_OBJECTS:
            raise ValueError("its weights have a group or an array under two names")
        self.seen.add(address)

    def _add(self, array: Any) -> None:
        import h5py

        stored = array.get_create_plist()
        layout = stored.get_layout()
        if stored.get_external_count() or layout == h5py.h5d.VIRTUAL:
            raise ValueError("its weights are stored outside of the file")
        if layout == h5py.h5d.CHUNKED:
            raise ValueError("its weights are packed, which Keras does not write")
        kind, count = array.get_type(), array.get_space().get_simple_extent_npoints()
        small = isinstance(kind, h5py.h5t.TypeIntegerID) and count <= _MOST_INTEGERS
        if not (small or (isinstance(kind, h5py.h5t.TypeFloatID) and kind.get_size() >= 2)):
            raise ValueError("its weights are no floating-point numbers")
        needed = count * kind.get_size()
        self.left -= needed
        if self.left < 0 or (needed and not self._holds(array, needed)):
            raise ValueError("its weights are declared larger than the file")
        self.numbers += count

    def _holds(self, array: Any, needed: int) -> bool:
        if array.get_storage_size() != needed:
            return False
        offset = array.get_offset()
        compact = offset is None  # within the header; what was never written has no size
        return bool(compact or offset + needed <= self.size)
