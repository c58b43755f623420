"""Where what can be made again is kept, and how much of it."""

from __future__ import annotations

import os
from pathlib import Path

from transfer.errors import UsageError
from transfer.system.units import parse_bytes

DEFAULT_LIMIT = "5GB"


def cache_dir() -> Path:
    """Return the folder for what can be made again: $TRANSFER_CACHE_DIR or ~/.cache/transfer."""
    own = os.environ.get("TRANSFER_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().absolute() / "transfer"


def cache_limit() -> int:
    """Return how many bytes of features are kept: $TRANSFER_CACHE or 5 GB; 0 means none at all.

    Raises:
        UsageError: The variable holds no size.
    """
    text = os.environ.get("TRANSFER_CACHE") or DEFAULT_LIMIT
    try:
        return parse_bytes(text)
    except UsageError as error:
        raise UsageError(
            f"Expected a size such as 5GB, or 0, in the variable TRANSFER_CACHE. Received: {text!r}"
        ) from error
