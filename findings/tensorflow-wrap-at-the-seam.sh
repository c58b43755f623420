#!/usr/bin/env bash
# The fill mode WRAP of tf.raw_ops.ImageProjectiveTransformV3 does not repeat the image.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 scipy==1.17.1
"$PYTHON" - <<'PYTHON'
import numpy as np
import tensorflow as tf
from scipy import ndimage

print("tensorflow", tf.__version__)
row = np.array([10, 20, 30, 40], np.float32)


def shifted(by):
    """Return the row moved by some pixels to the right, the rest filled by repeating it."""
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=row[None, None, :, None],
        transforms=np.array([[1, 0, -by, 0, 1, 0, 0, 0]], np.float32),
        output_shape=[1, 4],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="WRAP",
    )
    return np.asarray(moved)[0, 0, :, 0]


differs = []
for by in (1.0, 0.5, 5.5):
    found = shifted(by)
    expected = ndimage.shift(row, by, order=1, mode="grid-wrap")
    print(f"shift by {by}: repeated {expected.tolist()}, seen {found.tolist()}")
    differs.append(not np.allclose(found, expected))
print("expected: whole pixels right; wrong where a value between the last and the first pixel is needed")
raise SystemExit(not (not differs[0] and differs[1]))
PYTHON
