#!/usr/bin/env bash
# TFLiteConverter.from_concrete_functions of a Keras model writes a file without its weights.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import warnings

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

print("tensorflow", tf.__version__, "keras", keras.__version__)
print("expected: a file that holds the weights, or an error")
warnings.simplefilter("ignore")
keras.utils.set_random_seed(0)
image = keras.Input((8, 8, 3))
model = keras.Model(image, keras.layers.Conv2D(256, 5)(image))
x = np.ones((1, 8, 8, 3), np.float32)
wanted = model(x).numpy()


@tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3))])
def forward(x):
    return model(x, training=False)


def convert(graph, *trackable):
    blob = tf.lite.TFLiteConverter.from_concrete_functions([graph], *trackable).convert()
    interpreter = tf.lite.Interpreter(model_content=blob)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return len(blob), bool(np.allclose(found, wanted, atol=1e-4))


graph = forward.get_concrete_function()
weights = 4 * model.count_params()
plain, frozen = convert(graph, model), convert(convert_variables_to_constants_v2(graph))
print(f"weights: {weights:,} bytes")
print(f"with the model as trackable object: {plain[0]:,} bytes, right: {plain[1]}")
print(f"variables turned to constants first: {frozen[0]:,} bytes, right: {frozen[1]}")
raise SystemExit(not (plain[0] < weights and not plain[1] and frozen[1]))
PYTHON
