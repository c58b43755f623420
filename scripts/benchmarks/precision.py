"""What a lower precision costs: speed, agreement of the vectors, accuracy of a linear head.

    python scripts/benchmarks/precision.py SETS WEIGHTS [--backbones mobilenetv2,vgg16,xception]
        [--sets flowers,hymenoptera] [--calibration 32,100] [--limit 500] [--tuned] [--json]

SETS is a folder with flowers/ and hymenoptera/, each with train/ and val/; WEIGHTS the folder with
the backbones' weights. For each set and network: images per second at each precision, timed in
turns; the mean cosine of the training images' vectors with those in float32; and the validation
accuracy of a linear head that is trained on them and judged on float32 vectors, as in a run. With
--tuned, whole runs with the defaults follow: in float32, with the features of augmented views in
int8, and with those of the training images themselves too; three seeds each.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import transfer
from transfer.data.audit.clean import audit
from transfer.data.dataset import Dataset
from transfer.data.groups import group_images
from transfer.images.folder import ImageFolder
from transfer.recipe import Recipe
from transfer.system.quiet import import_tensorflow

SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path)
    parser.add_argument("weights")
    parser.add_argument("--backbones", default="mobilenetv2,vgg16,xception")
    parser.add_argument("--sets", dest="names", default="flowers,hymenoptera")
    parser.add_argument("--calibration", default="32,100")
    parser.add_argument("--limit", type=int, help="most images of each class and split")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["TRANSFER_WEIGHTS"] = options.weights
    import_tensorflow()
    rows = []
    for name in options.names.split(","):
        dataset = read(options.sets / name, options.limit)
        for backbone in options.backbones.split(","):
            for row in compared(dataset, backbone, list(map(int, options.calibration.split(",")))):
                rows.append({"set": name, "backbone": backbone, **row})
                show(rows[-1], options.json)
            for row in tuned(options.sets / name, backbone) if options.tuned else ():
                rows.append({"set": name, "backbone": backbone, **row})
                show(rows[-1], options.json)


def show(row: dict[str, Any], as_json: bool) -> None:
    text = json.dumps(row) if as_json else "  ".join(f"{key} {row[key]}" for key in row)
    print(text, flush=True)


def read(root: Path, limit: int | None) -> Dataset:
    """Return the images of a folder with train/ and val/."""
    folder = ImageFolder.index(root)
    seen: dict[tuple[str, int], int] = {}
    kept = []
    for split, label in zip(folder.splits, folder.labels, strict=True):
        seen[split, label] = seen.get((split, label), 0) + 1
        kept.append(limit is None or seen[split, label] <= limit)
    folder = folder.keep(kept)
    known = audit(folder)
    return Dataset(folder, known.sha256, group_images(folder, known.sha256, known.groups), {})


def compared(dataset: Dataset, backbone: str, counts: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Yield what each precision gives: float32 first, then the others."""
    from transfer.features.engines import low_precisions
    from transfer.features.speeds import compare
    from transfer.networks.backbones import get_backbone
    from transfer.networks.classifier import Classifier
    from transfer.networks.weights import resolve_weights
    from transfer.training import sources
    from transfer.training.settle import settle

    recipe = Recipe(backbone=backbone, unfreeze="none", views=0)
    weights = resolve_weights(get_backbone(backbone), "auto")
    settings, base = settle(recipe, dataset, weights)
    classifier = Classifier.build(backbone, settings.image_size, "linear", weights, base)
    ways = [("f32", 0)]
    for precision in low_precisions():
        ways += [(precision, count) for count in (counts if precision == "int8" else [0])]
    made = {}
    for precision, count in ways:
        sources.CALIBRATION = count
        source = sources.Sources(settings, dataset, weights, classifier).at("openvino", precision)
        source.start()
        made[f"{precision} {count or ''}".strip()] = source
    engines = {name: source.start() for name, source in made.items()}
    speeds = compare(engines, next(iter(made.values())).network.model.input.shape[1:])
    yield from judged(dataset, made, speeds)


def judged(
    dataset: Dataset, made: dict[str, Any], speeds: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Yield the figures of each way to compute the vectors of the training images."""
    import numpy as np

    from transfer.features.extract import extract
    from transfer.statistics.scaling import common_scale, unit
    from transfer.training.head.logistic import START, STRENGTHS, cross_validate, solve

    train, val = dataset.train.images, dataset.val.images
    labels, wanted = np.array(train.labels), np.array(val.labels)
    groups = dataset.train.group_numbers()
    exact, test = None, None
    for name, source in made.items():
        vectors = unit(extract(source.network, train, cache=source.cache).vectors)
        if exact is None:
            exact = vectors
            test = unit(extract(source.network, val, cache=source.cache).vectors)
        mean, scale = common_scale(vectors)
        scaled = (vectors - mean) / scale
        chosen = cross_validate(scaled, labels, len(train.classes), groups=groups)
        strength = float(STRENGTHS[START]) if chosen is None else chosen.strength
        kernel, bias = solve(scaled, labels, len(train.classes), strength)
        right = (((test - mean) / scale) @ kernel + bias).argmax(axis=1) == wanted
        yield {
            "precision": name,
            "images/s": speeds[name],
            "ratio": round(speeds[name] / speeds["f32"], 2),
            "agreement": round(float((vectors * exact).sum(axis=1).mean()), 4),
            "val_accuracy": round(float(right.mean()), 4),
        }


def tuned(data: Path, backbone: str) -> Iterator[dict[str, Any]]:
    """Yield accuracy and seconds of whole runs: float32, views in int8, photos in int8 too."""
    for precision, views_precision in (("f32", "f32"), ("f32", "int8"), ("int8", "int8")):
        for seed in SEEDS:
            with tempfile.TemporaryDirectory() as folder:
                run = transfer.finetune(
                    data,
                    output=Path(folder) / "run",
                    backbone=backbone,
                    precision=precision,
                    views_precision=views_precision,
                    seed=seed,
                )
                yield {
                    "precision": precision,
                    "views_precision": views_precision,
                    "seed": seed,
                    "val_accuracy": round(run.metrics["accuracy"], 4),
                    "seconds": {key: round(value, 1) for key, value in run.info.seconds.items()},
                }


if __name__ == "__main__":
    main()
