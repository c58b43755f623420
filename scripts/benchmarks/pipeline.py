"""Measure decoding, the frozen network, and both together, in images per second.

    python scripts/benchmarks/pipeline.py DATA [--backbone mobilenetv2] [--weights auto] [--json]

DATA is an image folder. All figures are taken in one run, one after the other.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable

from transfer.system.quiet import import_tensorflow

import_tensorflow()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from transfer.data.audit.clean import clean  # noqa: E402
from transfer.features.converted import convert, has_openvino  # noqa: E402
from transfer.features.engines import keras_engine, openvino_engine  # noqa: E402
from transfer.images.folder import ImageFolder  # noqa: E402
from transfer.images.pipeline import ImageOptions, image_batches  # noqa: E402
from transfer.networks.backbones import get_backbone  # noqa: E402
from transfer.networks.classifier import Classifier  # noqa: E402
from transfer.networks.weights import resolve_weights  # noqa: E402

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    backbone = get_backbone(options.backbone)
    size, weights = backbone.image_size, resolve_weights(backbone, options.weights)
    extractor = Classifier.build(backbone.name, size, "linear", weights).extractor
    folder, _ = clean(ImageFolder.index(options.data))
    folder = folder.keep([i < 20 * BATCH for i in range(len(folder))])
    engine = keras_engine(extractor)

    def images(augment: str = "none", autotune: bool = False) -> tf.data.Dataset:
        looks = ImageOptions(size, batch_size=BATCH, augment=augment)
        dataset = image_batches(folder, looks, labels=False)
        tuned = tf.data.Options()
        tuned.autotune.enabled = True
        return dataset.with_options(tuned) if autotune else dataset

    plain = tf.function(lambda batch: extractor(batch, training=False))
    batch = tf.constant(
        np.random.default_rng(0).uniform(0, 255, (BATCH, size, size, 3)), tf.float32
    )
    figures = {
        "decode": rate(images(), lambda _: None),
        "decode and augment (light)": rate(images("light"), lambda _: None),
        "Keras under tf.function": rate([batch] * 8, plain),
        "Keras, variables as constants": rate([batch] * 8, engine),
        "decode and Keras engine": rate(images(), engine),
        "the same, tf.data autotuned": rate(images(autotune=True), engine),
    }
    figures["share of 1/(1/decode + 1/Keras)"] = share(
        figures, "Keras, variables as constants", "decode and Keras engine"
    )
    if has_openvino():
        network = convert(lambda: extractor)
        for precision in ("f32", "bf16"):
            fast = openvino_engine(network, precision)
            figures[f"OpenVINO {precision}"] = rate([batch] * 8, fast)
        fast = openvino_engine(network)
        figures["decode and OpenVINO f32"] = rate(images(), fast)
        figures["share of 1/(1/decode + 1/OpenVINO)"] = share(
            figures, "OpenVINO f32", "decode and OpenVINO f32"
        )
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:<38} {value:7.2f}" + " images/s" * ("share" not in name))


def share(figures: dict[str, float], engine: str, both: str) -> float:
    """Return the combined rate as a share of that of decoding and engine one after the other."""
    return figures[both] * (1 / figures["decode"] + 1 / figures[engine])


def rate(batches: Iterable[tf.Tensor], step: Callable[[tf.Tensor], object]) -> float:
    """Return images per second over all batches, from the first file on, after a warm-up."""
    step(next(iter(batches)))
    count, started = 0, time.perf_counter()
    for images in batches:
        step(images)
        count += len(images)
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
