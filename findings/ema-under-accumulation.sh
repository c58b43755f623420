#!/usr/bin/env bash
# The EMA of an optimizer starts after the first step and moves with every batch of an accumulation.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import keras
import numpy as np

print("keras", keras.__version__)


def optimizer(**options):
    return keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5, **options)


print("expected: after one step from 0 to -1 the average is -1, not -0.5")
variable = keras.Variable([0.0])
first = optimizer()
first.apply([keras.ops.ones(1)], [variable])
start = float(np.array(first._model_variables_moving_average[0])[0])
print("variable:", float(np.array(variable)[0]), " average:", start)
print("expected: with an accumulation by 4, the average moves in batches that leave the variable alone")
variable = keras.Variable([0.0])
second = optimizer(gradient_accumulation_steps=4)
seen = []  # 12 batches: 3 updates
for _ in range(12):
    second.apply([keras.ops.ones(1)], [variable])
    seen.append((float(np.array(variable)[0]), float(np.array(second._model_variables_moving_average[0])[0])))
print("(variable, average) by batch:", seen)
idle = any(a[0] == b[0] and a[1] != b[1] for a, b in zip(seen, seen[1:]))
raise SystemExit(not (start == -1.0 and idle))
PYTHON
