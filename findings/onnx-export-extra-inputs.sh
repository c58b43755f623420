#!/usr/bin/env bash
# model.export(format='onnx') of EfficientNetB0 writes a file with extra inputs, without an error.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1 onnx==1.23.2 tf2onnx==1.17.0
"$PYTHON" - <<'PYTHON'
import tempfile
from pathlib import Path

import keras
import numpy as np
import onnx

print("keras", keras.__version__, "onnx", onnx.__version__)
print("expected: one input; the file has more, and export reports no error")
with tempfile.TemporaryDirectory() as folder:
    model = keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(32, 32, 3))
    model(np.zeros((1, 32, 32, 3), "float32"))
    path = Path(folder) / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    names = [value.name for value in onnx.load(path).graph.input]
print("inputs:", names)
raise SystemExit(not len(names) > 1)
PYTHON
