"""Folders that appear completely or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".transfer-unfinished-"
_PATTERN = PREFIX + 8 * "[a-z0-9_]"  # what tempfile adds to the prefix
_YOUNG = 60.0  # seconds in which a temporary folder may not be locked yet


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; if the block succeeds, it becomes `path`.

    An error inside the block leaves nothing. What a killed process leaves is removed by the next
    one that writes to the same parent folder.

    Args:
        path: A new or empty folder. Missing parents are created at the end.

    Raises:
        OSError: It cannot be written, or something else is at `path` by then.
    """
    parent = next(each for each in path.absolute().parents if each.is_dir())
    _remove_orphans(parent)
    temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    held = _lock(temporary)
    try:
        yield temporary
        temporary.chmod(0o755)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if held is not None:
            os.close(held)


def _remove_orphans(parent: Path) -> None:
    for path in parent.glob(_PATTERN):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > _YOUNG and (held := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(held)


def _lock(path: Path) -> int | None:
    """Lock a folder for as long as this process lives; return None where another one does.

    Raises OSError for anything but a folder, and for a link to one.
    """
    try:
        import fcntl
    except ImportError:  # Windows, where nothing is locked and so nothing is removed
        return None
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
