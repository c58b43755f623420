"""Backbones: the networks in the registry, and the blocks of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfer.errors import UsageError
from transfer.networks.backbones import Backbone, get_backbone, list_backbones, see_backbones
from transfer.networks.weights import Weights, list_weights
from transfer.system.quiet import import_tensorflow

if TYPE_CHECKING:
    from transfer.networks.blocks import Block

__all__ = ["BackboneBlocks", "ListedBackbone", "describe_backbones", "describe_blocks"]


@dataclass(frozen=True)
class ListedBackbone:
    """A backbone and where its weights are."""

    backbone: Backbone
    weights: Weights

    def to_dict(self) -> dict[str, Any]:
        """Return all that is known of both as plain values for JSON."""
        fields = dataclasses.fields(self.backbone)
        known = {field.name: getattr(self.backbone, field.name) for field in fields}
        plain = {
            name: value if value is None or isinstance(value, (int, str)) else repr(value)
            for name, value in known.items()
        }
        digest = self.backbone.weights_md5 or ""  # MD5 or SHA-256, distinguished by length
        path = self.weights.path
        return plain | {
            "weights_md5": digest if len(digest) == 32 else None,
            "weights_sha256": digest if len(digest) == 64 else None,
            "weights_origin": self.weights.origin,
            "weights_path": None if path is None else str(path),
        }


@dataclass(frozen=True)
class BackboneBlocks:
    """The blocks of a backbone, the top one first.

    Attributes:
        backbone: The network.
        image_size: Side of the input in pixels.
        blocks: Its blocks; ``unfreeze=N`` trains the first N of them.
        default: How many ``unfreeze="auto"`` trains.
    """

    backbone: Backbone
    image_size: int
    blocks: Sequence[Block]
    default: int


def describe_backbones(pattern: str = "*") -> list[ListedBackbone]:
    """Return every backbone whose name matches a pattern, with the location of its weights.

    Raises:
        UsageError: No backbone matches.
    """
    if not list_backbones(pattern):
        raise UsageError(f"No backbone matches {pattern!r}. {see_backbones()}")
    return [ListedBackbone(backbone, weights) for backbone, weights in list_weights(pattern)]


def describe_blocks(name: str, image_size: int | None = None) -> BackboneBlocks:
    """Build a backbone and return its blocks. Imports TensorFlow.

    Args:
        name: Name in the registry.
        image_size: Side of the input in pixels; the backbone's own if omitted.

    Raises:
        UsageError: There is no such backbone, or the size is too small for it.
    """
    backbone = get_backbone(name)
    import_tensorflow()
    from transfer.networks.blocks import affordable, find_blocks

    blocks = find_blocks(backbone.build(image_size))
    default = len(blocks) if backbone.scratch else affordable(blocks)
    return BackboneBlocks(backbone, image_size or backbone.image_size, blocks, default)
