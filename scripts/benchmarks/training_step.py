"""Time fine-tuning steps with oneDNN on and off, in turns, and print each ratio.

    python scripts/benchmarks/training_step.py [--seconds 8] [--rounds 3]

The layers above the default cut of each network are trained on random activations, 32 at a time.
Each measurement is a process of its own: TensorFlow reads TF_ENABLE_ONEDNN_OPTS only once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median

CUTS = {"MobileNetV2": "block_12_add", "VGG16": "block4_pool", "Xception": "add_10"}
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", choices=list(CUTS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.network:
        print(images_per_second(options.network, options.seconds))
        return
    print("| images/s of fine-tuning steps | oneDNN off | oneDNN on | ratio |")
    print("|---|---|---|---|")
    for network in CUTS:
        speeds: dict[str, list[float]] = {"0": [], "1": []}
        for _ in range(options.rounds):
            for switch, found in speeds.items():
                found.append(measured(network, switch, options.seconds))
        off, on = (median(found) for found in speeds.values())
        print(f"| {network} from `{CUTS[network]}` | {off:.0f} | {on:.0f} | {on / off:.2f} x |")


def measured(network: str, switch: str, seconds: float) -> float:
    """Return the images per second of another process."""
    words = [sys.executable, __file__, "--network", network, "--seconds", str(seconds)]
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": switch, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def images_per_second(network: str, seconds: float) -> float:
    """Return the speed of this process, after three steps that are not counted."""
    import keras
    import numpy as np

    build = getattr(keras.applications, network)
    base = build(include_top=False, weights=None, input_shape=(224, 224, 3))
    start = base.get_layer(CUTS[network]).output
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(start, keras.layers.Dense(5, activation="softmax")(pooled))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False  # as in fine-tuning
    model.compile(keras.optimizers.AdamW(1e-4), "categorical_crossentropy", jit_compile=False)
    random = np.random.default_rng(0)
    inputs = random.random((BATCH, *start.shape[1:]), np.float32)
    targets = np.eye(5, dtype=np.float32)[random.integers(5, size=BATCH)]
    for _ in range(3):
        model.train_on_batch(inputs, targets)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        model.train_on_batch(inputs, targets)
        steps += 1
    return BATCH * steps / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
