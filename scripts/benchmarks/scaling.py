"""Extract the features of N generated photos: time and peak memory of the extraction as JSON.

    python scripts/benchmarks/scaling.py FOLDER N

FOLDER is filled up to N small JPEG files, all different, and kept: measure 1,000, then 10,000.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = 10
SIZE = 96


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    generate(folder, count)

    from transfer.system.quiet import import_tensorflow

    import_tensorflow()
    from transfer.data.dataset import Dataset
    from transfer.features.extract import FrozenNetwork, extract
    from transfer.images.folder import ImageFolder
    from transfer.networks.backbones import get_backbone
    from transfer.networks.classifier import Classifier
    from transfer.networks.weights import resolve_weights
    from transfer.recipe import Recipe
    from transfer.training.settle import settle

    recipe = Recipe(image_size=SIZE)
    backbone = get_backbone(recipe.backbone)
    weights = resolve_weights(backbone, recipe.weights)
    extractor = Classifier.build(backbone.name, SIZE, "linear", weights).extractor
    images = ImageFolder.index(folder)
    settings, _ = settle(recipe, Dataset(images, {}, {}, {}), weights)
    network = FrozenNetwork(extractor, settings)
    images = images.keep([number < count for number in range(len(images))])
    extract(network, images.keep([number < 320 for number in range(count)]))  # the engine is made
    started = time.perf_counter()
    features = extract(network, images)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux gives kilobytes
    print(json.dumps({"images": len(features), "seconds": seconds, "peak_bytes": peak}))


def generate(folder: Path, count: int) -> None:
    """Write photos of 128 x 96 pixels; a comment in each makes its bytes unique."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(50):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        stream = BytesIO()
        Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC).save(stream, "JPEG")
        drawn.append(stream.getvalue())
    for number in range(CLASSES):
        (folder / f"class-{number}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"class-{number % CLASSES}" / f"{number:06}.jpg"
        if not path.exists():
            data, words = drawn[number % len(drawn)], f"{number:06}".encode()
            comment = b"\xff\xfe" + (len(words) + 2).to_bytes(2, "big") + words
            path.write_bytes(data[:2] + comment + data[2:])


if __name__ == "__main__":
    main()
