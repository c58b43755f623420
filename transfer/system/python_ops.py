"""Python functions inside TensorFlow's datasets, which let go of what they hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

_lent: ContextVar[list[list[Callable[..., Any]]] | None] = ContextVar("lent", default=None)


def python_op(
    function: Callable[..., Any], inputs: Sequence[tf.Tensor], types: Sequence[tf.DType]
) -> Any:
    """Return `tf.numpy_function` of a function that is forgotten at the end of `released`.

    TensorFlow keeps every function that it is given until the process ends, and with it all that
    the function holds: photos' paths, features, files of kept activations.

    Args:
        function: Takes and returns arrays.
        inputs: Its arguments.
        types: The dtypes of its results.
    """
    import tensorflow as tf

    box = [function]
    lent = _lent.get()
    if lent is not None:
        lent.append(box)
    return tf.numpy_function(lambda *arrays: box[0](*arrays), inputs, types)


@contextmanager
def released() -> Iterator[None]:
    """Forget the functions of the block's datasets at its end; they cannot be read after it."""
    lent: list[list[Callable[..., Any]]] = []
    token = _lent.set(lent)
    try:
        yield
    finally:
        _lent.reset(token)
        for box in lent:
            box.clear()
