#!/usr/bin/env bash
# Under gradient accumulation a learning-rate schedule is asked by batches, not by updates.
set -euo pipefail
. "$(dirname "$0")/_venv.sh"
need tensorflow==2.21.0 keras==3.15.1
"$PYTHON" - <<'PYTHON'
import keras
import numpy as np

print("keras", keras.__version__)
print("expected: 8 batches, accumulated by 4, make 2 updates, and the schedule is at step 8")
optimizer = keras.optimizers.SGD(
    keras.optimizers.schedules.PolynomialDecay(1.0, decay_steps=100, end_learning_rate=0.0),
    gradient_accumulation_steps=4,
)
variable = keras.Variable([0.0])
updates = 0
for _ in range(8):
    before = np.array(variable)
    optimizer.apply([keras.ops.ones(1)], [variable])
    updates += int((np.array(variable) != before).any())
rate = float(optimizer.learning_rate)
print("updates:", updates, " rate:", round(rate, 4), "(0.98 by updates, 0.92 by batches)")
raise SystemExit(not (updates == 2 and abs(rate - 0.92) < 1e-4))
PYTHON
