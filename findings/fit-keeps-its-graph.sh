#!/usr/bin/env bash
# The graph of a training step, with all weights, stays in memory after the model is gone.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import gc

import keras
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__, "keras", keras.__version__)
x, y = np.ones((8, 4), np.float32), np.ones((8, 1), np.float32)


class OneReplica(keras.optimizers.SGD):
    """The same without summing the gradients over the one replica there is."""

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


def kept(optimizer):
    """Train three models that nothing refers to afterwards; return the graphs that are left."""
    before = graphs()
    for _ in range(3):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile(optimizer(0.1), "mse", jit_compile=False)
        model.fit(x, y, verbose=0)
        del model
    return graphs() - before


def graphs():
    gc.collect()
    return sum(type(each).__name__ == "FuncGraph" for each in gc.get_objects())


print("expected: graphs of training steps are kept although their models are gone, at least one each")
plain = kept(keras.optimizers.SGD)
print("kept after three trainings:", plain)
print("expected: none where gradients are not summed over replicas, which registers a gradient function")
single = kept(OneReplica)
print("kept after three trainings:", single)
raise SystemExit(not (plain >= 3 and single == 0))
PYTHON
