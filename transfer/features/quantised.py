"""Networks in int8: the weights and activations of a converted network as whole numbers.

Quantised after training, by NNCF: the range of each activation is taken from some photos of the
user's, so the result depends on them. On a processor without instructions for int8 it may gain
nothing; `transfer.features.speeds` finds out.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from transfer.features.converted import import_openvino, read_network, write_network

Photos = Callable[[], list[np.ndarray]]  # float32 (1, h, w, 3), RGB 0..255


def has_nncf() -> bool:
    """Return whether NNCF is installed."""
    return find_spec("nncf") is not None


def quantise(
    network: Callable[[], Any],
    photos: Photos,
    kept: Path | None = None,
    in_use: Iterable[Path] = (),
) -> Any:
    """Return a network in int8, as an ``openvino.Model``.

    Args:
        network: Makes the ``openvino.Model`` in float32.
        photos: Reads the photos. Neither is called if `kept` holds the quantised network.
        kept: File (``.xml``) that it is read from, or written to if it fits.
        in_use: Spaces of the cache that must not be evicted for it.
    """
    found = None if kept is None else read_network(kept)
    if found is None:
        found = _quantise(network(), photos())
        if kept is not None:
            write_network(found, kept, in_use)
    return found


def _quantise(network: Any, photos: list[np.ndarray]) -> Any:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it draws bars
        warnings.simplefilter("ignore")
        nncf = _import_nncf()
        logger = logging.getLogger("nncf")
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            return nncf.quantize(network.clone(), nncf.Dataset(photos), subset_size=len(photos))
        finally:
            logger.setLevel(level)


def _import_nncf() -> Any:
    """Import NNCF without its messages, and keep the class of loggers, which it replaces."""
    import_openvino()  # without its telemetry, which NNCF would use
    kind = logging.getLoggerClass()
    try:
        import nncf
    finally:
        logging.setLoggerClass(kind)
    return nncf
