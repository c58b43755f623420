#!/usr/bin/env bash
# Calling a submodel with training=False does not keep its BatchNormalization still in fit.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import keras
import numpy as np

print("keras", keras.__version__)
print("expected: moving averages change under fit, although the submodel is called with training=False")
keras.utils.set_random_seed(0)
inner_input = keras.Input((3,))
inner = keras.Model(inner_input, keras.layers.BatchNormalization(name="bn")(inner_input))
image = keras.Input((3,))
model = keras.Model(image, keras.layers.Dense(1)(inner(image, training=False)))
model.compile("sgd", "mse")
before = np.array(inner.get_layer("bn").moving_mean)
x = np.random.default_rng(0).normal(5, 1, (64, 3)).astype("float32")
model.fit(x, np.zeros((64, 1)), epochs=1, verbose=0)
moved = float(np.abs(np.array(inner.get_layer("bn").moving_mean) - before).max())
print("largest change of moving_mean:", round(moved, 3))
inner.get_layer("bn").trainable = False
model.compile("sgd", "mse")
before = np.array(inner.get_layer("bn").moving_mean)
model.fit(x, np.zeros((64, 1)), epochs=1, verbose=0)
still = float(np.abs(np.array(inner.get_layer("bn").moving_mean) - before).max())
print("with trainable=False on the layer:", still)
raise SystemExit(not (moved > 0 and still == 0))
PYTHON
