"""What this machine computes with, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from transfer.system.quiet import import_tensorflow


def hardware() -> dict[str, str]:
    """Return processor, cores, memory and GPU of this machine, as far as they can be told."""
    known = {
        "processor": _processor(),
        "cores": str(_cores()),
        "memory": _memory(),
        "GPU": _gpu(),
        "system": platform.system(),
    }
    return {name: words for name, words in known.items() if words}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except (OSError, ValueError):
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # on Windows
        return ""
    return f"{size / 2**30:.0f} GiB"


def _gpu() -> str:
    import_tensorflow()
    import tensorflow as tf

    found = [
        tf.config.experimental.get_device_details(device).get("device_name", "GPU")
        for device in tf.config.list_physical_devices("GPU")
    ]
    return ", ".join(map(str, found)) or "none"
