"""Where a network can be cut in two, and the blocks between the cuts.

A *cut* is an operation that every path from input to output passes through. The upper part needs
nothing but its tensor, so the lower part can be run once and its output cached. A layer that is
used several times is no cut, and one with weights has all its uses on the same side of a cut: it
trains or is frozen as a whole.

A *block* ends at a cut where one of two things is true:

- Branches merge: Add, Concatenate and the like. A product (squeeze-and-excite, gates) does not
  count, nor a Concatenate that includes its own input: in a DenseNet the whole dense block is the
  block.
- The side of the feature map has shrunk to 0.6 or less (losing a few pixels to 'valid' padding
  does not count). Then the block ends at the smallest tensor since the last boundary. Of equal
  ones the latest wins, but one before the reduction is preferred to one after it: a block ends
  after a pooling, but before the wide middle of an inverted residual, and never between a
  depthwise convolution and the pointwise one that completes it. If the tensor at the last boundary
  is the smallest, no block ends: a strided block belongs with what follows.

Activations directly after a cut belong to its block, and a block without kernels (a lone
BatchNormalization) joins a neighbour. All of it is read from the graph, so it holds for any
functional model with one input and one output. If every cell also reads the one before its
predecessor (NASNet), nothing can be cut and almost all of the network is one block.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from transfer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import keras

_PRODUCTS = {"Multiply", "Divide", "TrueDivide", "Dot", "Matmul"}
_SHRUNK = 0.6  # of the side at the last boundary
HALF = 0.5  # of the network's work
MOST_MACS = 2e9  # multiply-adds per image


@dataclass(frozen=True)
class Block:
    """Consecutive layers that are frozen or trained together.

    Attributes:
        first: Name of the operation nearest to the input.
        last: Name of the operation nearest to the output, a cut: ``split_at(model, block.last)``.
        layers: Names of its layers, in order from the input.
        parameters: Number of its weights.
        work: Multiply-adds per image in convolutions and dense layers.
    """

    first: str
    last: str
    layers: tuple[str, ...]
    parameters: int
    work: int


def find_cuts(model: keras.Model) -> list[str]:
    """Return the operations that every path from input to output passes through.

    Args:
        model: Functional model with one input and one output.

    Returns:
        Names in order, the input layer first and the output last.

    Raises:
        UsageError: The model has several inputs or outputs.
    """
    graph = _Graph(model)
    return [graph.operations[i].name for i in graph.cuts]


def find_blocks(model: keras.Model) -> list[Block]:
    """Return the blocks of a network from the output down, as ``unfreeze=N`` counts them.

        >>> [block.last for block in find_blocks(get_backbone("vgg16").build())]
        ['block5_pool', 'block4_pool', 'block3_pool', 'block2_pool', 'block1_pool']

    Args:
        model: Functional model with one input of a fixed size and one output.

    Returns:
        Blocks that together hold every layer once, the last one with the input layer. To train
        only the first `n` of them, cut with ``split_at(model, blocks[n].last)``.

    Raises:
        UsageError: The model has several inputs or outputs, or an input without a fixed size.
    """
    graph = _Graph(model)
    ends = _join_idle(graph, _boundaries(graph))
    starts = [0, *(end + 1 for end in ends)]
    return [graph.block(start, end) for start, end in zip(starts, ends, strict=False)][::-1]


def affordable(blocks: Sequence[Block]) -> int:
    """Return how many blocks are trained by default, counted from the output: at least one.

    They do at most half of the network's work (`HALF`) and at most `MOST_MACS` multiply-adds per
    image. The frozen part below them runs only once, so an epoch costs about one and a half passes
    through the network, and less for a large one.
    """
    work = list(accumulate(block.work for block in blocks))
    return max(1, sum(done <= min(HALF * work[-1], MOST_MACS) for done in work))


def split_at(model: keras.Model, cut: str) -> tuple[keras.Model, keras.Model]:
    """Cut a network in two. Both parts share their layers with `model`; nothing is copied.

        >>> trunk, top = split_at(get_backbone("vgg16").build(), "block4_pool")

    Args:
        model: Functional model with one input and one output.
        cut: Name of one of `find_cuts`.

    Returns:
        ``trunk, top`` with ``top(trunk(x)) == model(x)``.

    Raises:
        UsageError: There is no such cut.
    """
    import keras

    graph = _Graph(model)
    names = {graph.operations[i].name: i for i in graph.cuts}
    if cut not in names:
        raise UsageError(
            f"The network {model.name!r} cannot be cut at {cut!r}.{did_you_mean(cut, names)}"
            " Expected a layer that every path passes through."
        )
    tensor, output = graph.outputs[names[cut]], model.outputs[0]
    trunk = keras.Model(model.inputs[0], tensor)
    if tensor is output:  # Keras cannot make a model of no layers from an inner tensor
        tensor = output = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
    return trunk, keras.Model(tensor, output)


class _Graph:
    """Each use of an operation of a functional model in topological order, and what flows."""

    def __init__(self, model: keras.Model) -> None:
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise UsageError(
                f"Expected a network with one input and one output. Received: {model.name!r} with"
                f" {len(model.inputs)} and {len(model.outputs)}"
            )
        order = {id(operation): i for i, operation in enumerate(model.operations)}
        # Not operation._inbound_nodes: a layer shared with another model has its nodes too.
        nodes = [
            node
            for _, level in sorted(model._nodes_by_depth.items(), reverse=True)
            for node in sorted(level, key=lambda node: order[id(node.operation)])
        ]
        self.operations: list[Any] = [node.operation for node in nodes]
        self.last_use = {id(operation): i for i, operation in enumerate(self.operations)}
        self.outputs: list[Any] = [node.outputs[0] for node in nodes]
        maker = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.outputs}
        self.sources = [[maker[id(tensor)] for tensor in node.input_tensors] for node in nodes]
        self.cuts = self._find_cuts([len(node.outputs) for node in nodes])

    def _find_cuts(self, outputs: Sequence[int]) -> list[int]:
        """Return the positions of the cuts; `outputs` is the number of tensors at each."""
        farthest = [self._until(i) for i in range(len(self.operations))]
        for consumer, sources in enumerate(self.sources):
            for source in sources:
                farthest[source] = max(farthest[source], consumer)
        uses = Counter(map(id, self.operations))
        end = len(self.operations) - 1
        cuts, reach = [], 0
        for i, operation in enumerate(self.operations):
            if reach <= i and (i == end or (uses[id(operation)] == 1 and outputs[i] == 1)):
                cuts.append(i)  # nothing skips i
            reach = max(reach, farthest[i])
        return cuts

    def _until(self, i: int) -> int:
        """Return the last use of a layer with weights: both parts of the network would need it."""
        operation = self.operations[i]
        return self.last_use[id(operation)] if getattr(operation, "weights", None) else i

    def shape(self, i: int) -> tuple[int, ...]:
        shape = tuple(self.outputs[i].shape[1:])
        if None in shape:
            raise UsageError(
                f"Expected a network with an input of a fixed size. Received: {shape} at"
                f" {self.operations[i].name!r}"
            )
        return shape

    def elements(self, i: int) -> int:
        return math.prod(self.shape(i))

    def side(self, i: int) -> int:
        shape = self.shape(i)
        return shape[0] if len(shape) == 3 else 1

    def parameters(self, i: int, rank: int = 0) -> int:
        shapes = [w.shape for w in getattr(self.operations[i], "weights", [])]
        return sum(math.prod(shape) for shape in shapes if len(shape) >= rank)

    def work(self, i: int) -> int:
        return self.parameters(i, rank=2) * math.prod(self.shape(i)[:-1])

    def ends(self, i: int) -> bool:
        """Return whether it is the last use of its layer."""
        return self.last_use[id(self.operations[i])] == i

    def merges(self, i: int) -> bool:
        kind, sources = type(self.operations[i]).__name__, set(self.sources[i])
        carried = kind == "Concatenate" and not sources.isdisjoint(self.cuts)
        return len(sources) >= 2 and kind not in _PRODUCTS and not carried

    def block(self, start: int, end: int) -> Block:
        import keras

        whole = [i for i in range(start, end + 1) if self.ends(i)]
        operations = [self.operations[i] for i in whole]
        layers = [op for op in operations if isinstance(op, keras.layers.Layer)]
        return Block(
            first=self.operations[start].name,
            last=self.operations[end].name,
            layers=tuple(layer.name for layer in layers),
            parameters=sum(map(self.parameters, whole)),
            work=sum(self.work(i) for i in range(start, end + 1)),
        )


def _boundaries(graph: _Graph) -> list[int]:
    """Return the positions of the operations at which blocks end; the last is the output."""
    cuts = graph.cuts
    complete = _complete(graph)
    ends: list[int] = []
    # Up to the first kernel it is still the image, padded or scaled: cutting there gains nothing.
    image = next((i for i, n in enumerate(cuts) if any(map(graph.work, range(n + 1)))), 1) - 1
    last, side = image, graph.side(cuts[image])  # last is an index into cuts
    for i in range(image + 1, len(cuts)):
        if i <= last:
            continue
        if graph.merges(cuts[i]):
            best = _slide(graph, i, graph.parameters)
        elif graph.side(cuts[i]) <= _SHRUNK * side:
            choice = [k for k in range(max(last, image + 1), i + 1) if complete[k] or k == last]
            best = min(choice, key=lambda k: (graph.elements(cuts[k]), k == i, -k), default=last)
            best = _slide(graph, best, graph.work) if best > last else last
        else:
            continue
        side = graph.side(cuts[i])
        if best > last:
            last = best
            ends.append(cuts[last])
    return ends if ends[-1:] == [cuts[-1]] else [*ends, cuts[-1]]


def _complete(graph: _Graph) -> list[bool]:
    """Return for each cut whether every depthwise convolution has its pointwise one by then."""
    complete, waiting = [], False
    for i in graph.cuts:
        if graph.work(i):
            waiting = type(graph.operations[i]).__name__ == "DepthwiseConv2D"
        complete.append(not waiting)
    return complete


def _slide(graph: _Graph, index: int, busy: Callable[[int], int]) -> int:
    """Return the last cut that follows `index` without anything `busy` or a new size between."""
    size = graph.elements(graph.cuts[index])
    for lower, upper in pairwise(graph.cuts[index:]):
        if graph.elements(upper) != size or any(map(busy, range(lower + 1, upper + 1))):
            break
        index += 1
    return index


def _join_idle(graph: _Graph, ends: list[int]) -> list[int]:
    """Drop the boundaries of blocks without kernels."""
    kept: list[int] = []
    start = 0
    for end in ends:
        if any(map(graph.work, range(start, end + 1))):
            kept.append(end)
            start = end + 1
    return [*kept[:-1], ends[-1]]
