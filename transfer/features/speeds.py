"""How fast each engine and precision runs a network on this machine: timed once, remembered.

::

    <cache dir>/features/<hash>/speeds.json     {"openvino f32": 447.0, "openvino int8": 1130.0}

The hash is that of the processor, the versions of what computes, and the network. No fixed order of
engines is right: OpenVINO is three times as fast as TensorFlow on some networks and slower on
others, and int8 gains nothing on processors without instructions for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from transfer.features.engines import Engine
from transfer.features.spec import machine
from transfer.features.store import Space, features_dir
from transfer.system.cachedir import cache_limit
from transfer.system.files import open_regular, write_json
from transfer.system.progress import warn

# Images/s, by engine and precision such as "openvino f32"; 0 where it cannot run the network.
Speeds = dict[str, float]

AT_ONCE = 4  # images per call
SECONDS, ROUNDS = 2.0, 12  # of a comparison, at most
_PACKAGES = ("tensorflow", "keras", "openvino", "nncf")


def speeds_of(network: Mapping[str, Any]) -> Space | None:
    """Return where the speeds of a network on this machine are remembered.

    Args:
        network: What identifies the network, whatever its weights; JSON.

    Returns:
        A space of the cache, which need not exist; None if the cache is off.
    """
    if cache_limit() == 0:
        return None
    about = {"what": "speeds", **machine(), "versions": _versions(), **network}
    return Space(features_dir(), about)


def recall(space: Space | None) -> Speeds:
    """Return the speeds that are remembered; nothing where that is none, or damaged."""
    if space is None:
        return {}
    path = space.path / "speeds.json"
    try:
        with open_regular(path) as stream:
            return _checked(json.loads(stream.read()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        warn(f"{path} is damaged: what it remembers is measured again ({error}).")
        return {}


def remember(space: Space | None, speeds: Speeds) -> None:
    """Keep speeds for later runs; a cache that cannot be written is no reason to stop."""
    if space is not None:
        with suppress(OSError):
            space.open()
            write_json(space.path / "speeds.json", speeds)


def compare(engines: Mapping[str, Engine], shape: tuple[int, ...], rounds: int = ROUNDS) -> Speeds:
    """Return the images per second of engines that run the same network.

    They take turns, and the best of each counts: whatever else the machine does disturbs all alike.

    Args:
        engines: By name.
        shape: Of an image: (h, w, 3).
        rounds: Calls of each, after the first; fewer where that takes too long.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (AT_ONCE, *shape)).astype(np.float32)
    best = dict.fromkeys(engines, math.inf)
    for engine in engines.values():
        engine(noise)  # the first call is slow
    began = time.perf_counter()
    for _ in range(rounds):
        for name, engine in engines.items():
            started = time.perf_counter()
            engine(noise)
            best[name] = min(best[name], time.perf_counter() - started)
        if time.perf_counter() - began > SECONDS:
            break
    return {name: round(AT_ONCE / seconds, 1) for name, seconds in best.items()}


def _checked(speeds: Any) -> Speeds:
    if not isinstance(speeds, dict):
        raise ValueError("expected an object")
    for name, speed in speeds.items():
        if not isinstance(speed, (int, float)) or not 0 <= speed < math.inf:
            raise ValueError(f"expected a speed for {name!r:.40}")
    return {name: float(speed) for name, speed in speeds.items()}


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
