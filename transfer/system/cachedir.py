"""Location and size limit of the cache."""

from __future__ import annotations

import os
from pathlib import Path

from transfer.errors import UsageError
from transfer.system.units import parse_bytes

DEFAULT_LIMIT = "5GB"


def cache_dir() -> Path:
    """Return the cache folder: $TRANSFER_CACHE_DIR or ~/.cache/transfer."""
    own = os.environ.get("TRANSFER_CACHE_DIR")
    if own:
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(shared).expanduser().absolute() / "transfer"


def cache_limit() -> int:
    """Return how many bytes of features are kept: $TRANSFER_CACHE or 5 GB; 0 means none.

    Raises:
        UsageError: The variable is not a size.
    """
    text = os.environ.get("TRANSFER_CACHE") or DEFAULT_LIMIT
    try:
        return parse_bytes(text)
    except UsageError as error:
        raise UsageError(
            f"Expected a size such as 5GB, or 0, in the variable TRANSFER_CACHE. Received: {text!r}"
        ) from error
