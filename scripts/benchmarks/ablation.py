"""Train with the defaults and with one of them changed at a time, and print the table.

    python scripts/benchmarks/ablation.py SETS [--seeds 3] [--sets flowers-100 hymenoptera]
        [--test 0.2] [--rows N...]

SETS holds the folders flowers/ and hymenoptera/ with train/ and val/ (see datasets/README.md).
flowers-N are N training photos of each class, drawn again for each seed, with all validation
photos. Accuracies are on the validation photos, by which the best model is chosen; with --test,
on a share of the training photos that is set apart and chooses nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import transfer

ROWS: list[tuple[str, dict[str, Any]]] = [
    ("defaults", {}),
    ("`--unfreeze none`: the head alone", {"unfreeze": "none"}),
    ("`--unfreeze none --head avg`: on vectors of any length", {"unfreeze": "none", "head": "avg"}),
    ("`--learning-rate 1e-4`", {"learning_rate": 1e-4}),
    ("`--layer-decay 1`", {"layer_decay": 1.0}),
    ("`--label-smoothing 0.1`", {"label_smoothing": 0.1}),
    ("`--views 2`", {"views": 2}),
    ("`--views 8`", {"views": 8}),
    ("`--ema 0`", {"ema": 0.0}),
    ("`--unfreeze 3`", {"unfreeze": "3"}),
    ("`--no-interpolate`", {"interpolate": False}),
    ("`--epochs 8 --views 8 --ema 0`", {"epochs": 8, "views": 8, "ema": 0.0}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=["flowers-100", "hymenoptera"])
    parser.add_argument("--test", type=float, default=0.0, help="share of the training photos")
    parser.add_argument("--rows", nargs="+", type=int, default=range(len(ROWS)), metavar="N")
    options = parser.parse_args()
    print(f"| MobileNetV2, 224 px | {' | '.join(options.sets)} |")
    print(f"|---|{'---|' * len(options.sets)}")
    with tempfile.TemporaryDirectory() as scratch:
        for number in options.rows:
            name, changed = ROWS[number]
            knobs = changed | ({"test": options.test} if options.test else {})
            cells = [
                cell(
                    [
                        train(options.data, each, seed, knobs, scratch)
                        for seed in range(options.seeds)
                    ]
                )
                for each in options.sets
            ]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def train(data: Path, name: str, seed: int, knobs: dict[str, Any], scratch: str) -> float:
    """Return the accuracy of one run."""
    source, _, count = name.partition("-")
    folder = data / source
    if count:
        folder = Path(scratch) / f"{name}-{seed}"
        draw(data / source, folder, int(count), seed)
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        run = transfer.finetune(folder, output=Path(place) / "run", seed=seed, **knobs)
        return float(run.metrics["accuracy"])


def draw(source: Path, folder: Path, count: int, seed: int) -> None:
    """Make a folder of links to some of the training photos and all of the others."""
    if folder.is_dir():
        return
    for place in sorted(path for path in source.glob("*/*") if path.is_dir()):
        own = folder / place.relative_to(source)
        own.mkdir(parents=True)
        photos = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        if place.parent.name == "train":
            photos = random.Random(f"{seed} {place.name}").sample(photos, min(count, len(photos)))
        for photo in photos:
            os.link(photo, own / photo.name)


def cell(accuracies: list[float]) -> str:
    """Return mean and spread."""
    spread = f" ± {stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
    return f"{mean(accuracies):.3f}{spread}"


if __name__ == "__main__":
    main()
