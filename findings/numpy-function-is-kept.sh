#!/usr/bin/env bash
# A Python function given to tf.numpy_function in a dataset outlives the dataset.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import gc
import weakref

import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)


class Table:
    """Stands for a large array that a reading function holds."""


def read(make):
    table = Table()
    dataset = make(table)
    list(dataset)
    return weakref.ref(table)


def mapped(table):
    return tf.data.Dataset.range(3).map(
        lambda i: tf.numpy_function(lambda n: (table, np.float32(n))[1], [i], tf.float32)
    )


def generated(table):
    def rows():
        assert table is not None
        yield from range(3)

    return tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec((), tf.int32))


print("expected: what the functions hold is alive after the datasets are gone")
alive = {}
for make in (mapped, generated):
    reference = read(make)
    gc.collect()
    alive[make.__name__] = reference() is not None
print("alive:", alive)
raise SystemExit(not all(alive.values()))
PYTHON
