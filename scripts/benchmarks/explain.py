"""Measure explanations by deletion: how fast a class loses its probability.

    python scripts/benchmarks/explain.py RUN... [--photos 100] [--methods cam,layercam,occlusion]

For validation photos that the model classifies correctly, the places that a map holds for the most
important are covered in the photo's mean colour, a tenth of it at a time. The area under the curve
of the probability (0..1, lower is better) is compared with that of random maps of the same
number of cells on the same photos (V. Petsiuk, A. Das, K. Saenko, "RISE", 2018). Intervals are 95 %
bootstrap intervals over photos. Nothing is trained.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from transfer.api.explanations import open_explainer
from transfer.api.run import Run
from transfer.images.placement import lay_over
from transfer.serving.predictor import Predictor

STEPS = 10
RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--methods", default="cam,layercam,occlusion")
    options = parser.parse_args()
    print("| run | map | layer | deletion AUC | random - map | s per photo |")
    print("|---|---|---|---|---|---|")
    for path in options.runs:
        measure(Run(path), options.photos, options.methods.split(","))


def measure(run: Run, count: int, methods: list[str]) -> None:
    """Print one row for each method, and one for random maps."""
    explainers = [open_explainer(run, method, "") for method in methods]
    predictor = explainers[0][0]
    images = right(run, predictor, count)
    areas: dict[str, list[float]] = {method: [] for method in ("random", *methods)}
    seconds = dict.fromkeys(methods, 0.0)
    for number, (image, label) in enumerate(images):
        maps = {}
        for method, (_, explainer) in zip(methods, explainers, strict=True):
            start = time.perf_counter()
            maps[method] = explainer.explain(image, label)
            seconds[method] += time.perf_counter() - start if number else 0.0  # the first compiles
        rng = np.random.default_rng(number)
        cells = maps[methods[0]].shape
        areas["random"].append(area(predictor, image, label, rng.random(cells)))
        for method, values in maps.items():
            areas[method].append(area(predictor, image, label, values))
    name = run.info.settings.backbone
    print(f"| {name} | random | | {with_interval(areas['random'])} | | |")
    for method, (_, explainer) in zip(methods, explainers, strict=True):
        gain = np.array(areas["random"]) - np.array(areas[method])
        each = seconds[method] / max(1, len(images) - 1)
        print(
            f"| {name} | {method} | {explainer.layer} | {with_interval(areas[method])}"
            f" | {with_interval(gain)} | {each:.2f} |",
            flush=True,
        )
    print(f"{len(images)} photos", flush=True)


def right(run: Run, predictor: Predictor, count: int) -> list[tuple[np.ndarray, int]]:
    """Return correctly classified images of the run's evaluation, evenly spread, with labels."""
    found = run.predictions()
    rows = np.flatnonzero(found.probabilities.argmax(axis=1) == found.true)
    rows = rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)]
    root = Path(run.info.data)
    return [
        (predictor.read(path, root / path), int(found.true[row]))
        for row in rows
        for path in [found.paths[row]]
    ]


def area(predictor: Predictor, image: np.ndarray, label: int, values: np.ndarray) -> float:
    """Return the area under the deletion curve of a map, 0..1."""
    side = len(image)
    order = np.argsort(-lay_over(values, side, side, "stretch").ravel(), kind="stable")
    batch = np.repeat(image[None].astype(np.float32), STEPS + 1, axis=0)
    colour = image.reshape(-1, 3).mean(axis=0)
    for step in range(1, STEPS + 1):
        gone = order[: len(order) * step // STEPS]
        batch[step].reshape(-1, 3)[gone] = colour
    curve = predictor.run(batch)[0][:, label]
    return float(((curve[1:] + curve[:-1]) / 2).mean())


def with_interval(values: list[float] | np.ndarray) -> str:
    """Return the mean with its 95 % bootstrap interval."""
    sample = np.asarray(values)
    rows = np.random.default_rng(0).integers(0, len(sample), (RESAMPLES, len(sample)))
    low, high = np.percentile(sample[rows].mean(axis=1), [2.5, 97.5])
    return f"{sample.mean():.3f} ({low:.3f}-{high:.3f})"


if __name__ == "__main__":
    main()
