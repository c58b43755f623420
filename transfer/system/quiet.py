"""TensorFlow without its startup messages and needless warnings."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from transfer.errors import UsageError

_BACKEND = "tensorflow"
_importing = threading.Lock()
_forked_after_use = False


def _note_fork() -> None:
    """Note, in the child of a fork, that TensorFlow had started its threads in the parent."""
    global _forked_after_use
    eager = sys.modules.get("tensorflow.python.eager.context")
    known = getattr(eager, "_context", None)
    _forked_after_use |= getattr(known, "_initialized", False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def refuse_after_fork() -> None:
    """Raise UsageError in a process that was forked from one that has used TensorFlow.

    TensorFlow's threads do not exist in it, and its first operation would wait for them for ever.
    """
    if _forked_after_use:
        raise UsageError(
            "TensorFlow was used before this process was forked, and would hang in it. Start it by"
            " spawn: multiprocessing.get_context('spawn'), or fork before the first use."
        )


def import_tensorflow() -> None:
    """Import TensorFlow and Keras; what they print on stderr is shown only if the import fails.

    Their C++ parts write to the file descriptor before any log level applies, so the descriptor
    itself is redirected during the import, by one thread at a time.

    Raises:
        UsageError: Keras is configured for another backend than TensorFlow, eager execution is off,
            a distribution strategy is active, or the process was forked after TensorFlow was used.
    """
    refuse_after_fork()
    with _importing:
        keras = sys.modules.get("keras")
        backend = keras.config.backend() if keras else os.environ.get("KERAS_BACKEND") or _BACKEND
        if backend != _BACKEND:
            raise UsageError(
                f"Expected Keras to use TensorFlow. Received: {backend!r}, from the variable"
                " KERAS_BACKEND or keras.json. Start with: KERAS_BACKEND=tensorflow"
            )
        if "tensorflow" not in sys.modules or keras is None:
            _import_quietly()
    _check_session()


def _check_session() -> None:
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise UsageError(
            "Expected TensorFlow's eager execution. It is off: by disable_eager_execution(), or"
            " inside a tf.Graph or tf.function. Make the call in a process of its own, or outside."
        )
    if tf.distribute.has_strategy():
        raise UsageError(
            "Expected no distribution strategy. Received a call inside the scope of a"
            f" {type(tf.distribute.get_strategy()).__name__}. Make it outside of the scope."
        )


def _import_quietly() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow has it on only where a CPU has AVX512-VNNI or AMX; it trains faster with AVX2 too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", _BACKEND)
    if sys.stderr is not None:  # as in programs without a console
        sys.stderr.flush()
    with tempfile.TemporaryFile() as chatter:
        stderr = os.dup(2)
        os.dup2(chatter.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401
        except Exception:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    _grow_gpu_memory()


def _grow_gpu_memory() -> None:
    """Let TensorFlow take a GPU's memory as it needs it, unless the user has decided otherwise.

    By default it takes all of it, and a second run on the same GPU fails.
    """
    import tensorflow as tf

    if "TF_FORCE_GPU_ALLOW_GROWTH" in os.environ:
        return
    for gpu in tf.config.list_physical_devices("GPU"):
        if tf.config.get_logical_device_configuration(gpu) is None:
            with suppress(RuntimeError, ValueError):  # the GPU is in use already
                tf.config.experimental.set_memory_growth(gpu, True)


@contextmanager
def without_retracing_advice() -> Iterator[None]:
    """Hide TensorFlow's retracing warnings while the block builds many models on purpose.

    TensorFlow takes their functions for a single one that is retraced again and again.
    """
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
