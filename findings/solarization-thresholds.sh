#!/usr/bin/env bash
# keras.layers.Solarization inverts nearly all pixels, whatever the threshold factor.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import keras
import numpy as np

print("keras", keras.__version__)
print("expected: whatever the factor, over 90 % of the pixel values change (thresholds are near 0)")
image = np.arange(256, dtype="float32").reshape(1, 16, 16, 1).repeat(3, -1)
shares = []
for factor in (0.0, 0.1, 0.5, 1.0):
    layer = keras.layers.Solarization(addition_factor=0.0, threshold_factor=(factor, factor), seed=0)
    shares.append(float((np.asarray(layer(image, training=True)) != image).mean()))
    print("factor", factor, "share of values changed:", round(shares[-1], 3))
raise SystemExit(not min(shares) > 0.9)
PYTHON
