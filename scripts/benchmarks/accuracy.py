"""Train several networks on several sets with the defaults, and print a Markdown table.

    python scripts/benchmarks/accuracy.py SETS WEIGHTS [--seeds 3] [--rows N...]
        [--epochs 8 --views 8 --ema 0]

SETS holds the folders flowers/ and hymenoptera/ with train/ and val/ (see datasets/README.md),
WEIGHTS the files vgg16_notop*.weights.h5 and xception_notop*.weights.h5 or Keras' own files.
Accuracies are on the validation images, by which the best weights are chosen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import transfer

ROWS = [
    ("flowers", "mobilenetv2"),
    ("hymenoptera", "mobilenetv2"),
    ("hymenoptera", "vgg16"),
    ("hymenoptera", "xception"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", type=int, default=range(len(ROWS)), metavar="N")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--views", type=int)
    parser.add_argument("--ema", type=float)
    options = parser.parse_args()
    print("| images (train + val) | backbone | the head alone | as it is kept |")
    print("|---|---|---|---|")
    for data, backbone in (ROWS[number] for number in options.rows):
        weights = "auto" if backbone == "mobilenetv2" else str(options.weights)
        heads, kept = [], []
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = transfer.finetune(
                    options.sets / data,
                    backbone=backbone,
                    weights=weights,
                    seed=seed,
                    output=folder,
                    epochs=options.epochs,
                    views=options.views,
                    ema=options.ema,
                )
                heads.append(run.info.phases["head"]["val_accuracy"])
                kept.append(run.metrics["accuracy"])
                counts = run.info.counts
        sizes = " + ".join(f"{sum(counts[split].values()):,}" for split in ("train", "val"))
        print(
            f"| {data}, {sizes} | `{backbone}` | {cell(heads)} | {cell(kept)} |",
            flush=True,
        )


def cell(accuracies: Sequence[float]) -> str:
    """Return mean and standard deviation."""
    spread = f" ± {stdev(accuracies):.3f}" if len(accuracies) > 1 else ""
    return f"{mean(accuracies):.3f}{spread}"


if __name__ == "__main__":
    main()
