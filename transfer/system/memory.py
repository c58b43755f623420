"""Limits on the memory of this process."""

from __future__ import annotations

TIGHT = 16 * 2**30  # bytes of address space; TensorFlow alone maps several gigabytes


def memory_limit() -> int | None:
    """Return the limit on this process's address space in bytes (``ulimit -v``); None for none."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    limits = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return min((limit for limit in limits if limit != resource.RLIM_INFINITY), default=None)
