"""Pretrained weights: which ones are on this machine, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transfer.errors import UsageError, did_you_mean
from transfer.networks.backbones import list_backbones, see_backbones
from transfer.networks.weights import keras_cache, list_weights

__all__ = ["WeightsFile", "keras_cache", "weights_files"]


@dataclass(frozen=True)
class WeightsFile:
    """Where the pretrained weights of one backbone are.

    Attributes:
        backbone: Name in the registry.
        origin: ``"bundled"``, ``"file"``, ``"imagenet"`` or ``"none"``.
        path: The file; None where there is none on this machine.
        file: Name under which Keras caches the weights; None where it knows none.
        url: Where they are downloaded from; None where they are not.
        needs_download: Whether using them would download them.
    """

    backbone: str
    origin: str
    path: Path | None
    file: str | None
    url: str | None
    needs_download: bool


def weights_files(pattern: str = "*") -> list[WeightsFile]:
    """Return where the weights are of every backbone whose name matches a pattern.

    Args:
        pattern: A name or glob, such as ``"resnet*"``.

    Raises:
        UsageError: No backbone matches.
    """
    if not list_backbones(pattern):
        hint = did_you_mean(pattern.lower(), [backbone.name for backbone in list_backbones()])
        raise UsageError(f"No backbone matches {pattern!r}.{hint} {see_backbones()}")
    return [
        WeightsFile(
            backbone.name,
            weights.origin,
            weights.path,
            backbone.weights_file,
            backbone.weights_url,
            weights.needs_download,
        )
        for backbone, weights in list_weights(pattern)
    ]
