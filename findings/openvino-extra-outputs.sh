#!/usr/bin/env bash
# openvino.convert_model returns more outputs than a function with swish has.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1 openvino==2026.4.1
"$PYTHON" - <<'PYTHON'
import keras
import openvino
import tensorflow as tf

print("openvino", openvino.__version__, "tensorflow", tf.__version__)
print("expected: a function with one output becomes a model with more than one")
image = keras.Input((8,))
model = keras.Model(image, keras.layers.Dense(4, activation="silu")(image))


def forward(x):
    return tf.identity(model(x, training=False))


graph = tf.function(forward).get_concrete_function(tf.TensorSpec((None, 8), tf.float32))
converted = openvino.convert_model(graph)
print("outputs of the function:", len(graph.outputs), " of the model:", len(converted.outputs))
raise SystemExit(not len(converted.outputs) > len(graph.outputs) == 1)
PYTHON
