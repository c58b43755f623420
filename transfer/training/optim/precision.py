"""Training steps that compute in half precision, for a model that is float32 otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import keras

from transfer.system.progress import say

TENSOR_CORES = (7, 0)  # compute capability of the first NVIDIA GPUs that have them


def gains_from_half(details: Mapping[str, Any]) -> bool:
    """Return whether a GPU has tensor cores, given its details from TensorFlow."""
    return bool(details.get("compute_capability", (0, 0)) >= TENSOR_CORES)


def mix_precision(
    model: keras.Model, base: keras.Model, optimizer: keras.optimizers.Optimizer
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Return a model that trains in mixed precision, and its optimizer.

    P. Micikevicius et al., "Mixed Precision Training", 2018: in a training step the layers of the
    backbone compute in float16. Pooling, head and loss, the variables and their updates stay
    float32; the loss is scaled so that small gradients do not vanish, and a step whose gradients
    overflow is skipped. Validation, prediction and saving stay in float32.

    Args:
        model: A functional model, not compiled.
        base: The backbone, some or all of whose layers are in `model`.
        optimizer: Updates the variables.

    Returns:
        A model that shares its layers with `model`, and an optimizer that scales its loss.
    """
    say("Training in mixed precision: float16 with float32.")
    model.jit_compile = False  # it predicts without ever being compiled: XLA is slow on a CPU
    mixed = MixedPrecision(model.inputs, model.outputs)
    mixed.in_half = partial(_in_half, base)
    return mixed, keras.optimizers.LossScaleOptimizer(optimizer)


class MixedPrecision(keras.Model):  # type: ignore[misc]
    """A functional model whose `train_step` is traced with another policy for the backbone.

    The policy of a layer takes effect when the layer is called, which is once per graph: only the
    graph of the training step contains the casts; no other graph or file does.
    """

    in_half: Callable[[], AbstractContextManager[None]]

    def train_step(self, data: Any) -> Any:
        with self.in_half():
            return super().train_step(data)


@contextmanager
def _in_half(base: keras.Model) -> Iterator[None]:
    layers = [each for each in base._flatten_layers() if each.dtype_policy.name == "float32"]
    try:
        for layer in layers:
            layer.dtype_policy = "mixed_float16"
        yield
    finally:
        for layer in layers:
            layer.dtype_policy = "float32"
