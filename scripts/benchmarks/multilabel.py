"""Paste photos side by side in pairs, and train on both labels of each pair.

    python scripts/benchmarks/multilabel.py SET [--pairs 800] [--tests 300]

SET holds train/ and val/ of class folders (see datasets/README.md). Pairs for training come from
train/; those for the test from val/, which choose neither the model nor the thresholds.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from PIL import Image

import transfer

SIDE = 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--pairs", type=int, default=800)
    parser.add_argument("--tests", type=int, default=300)
    options = parser.parse_args()
    print("| | mAP | macro-F1, thresholds chosen | at 0.5 | all classes right |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        table = paste(options.data, Path(scratch), options.pairs, options.tests)
        for name, unfreeze in (("`--unfreeze none`", "none"), ("defaults", "auto")):
            output = f"{scratch}/{unfreeze}"
            run = transfer.finetune(table, task="multi-label", unfreeze=unfreeze, output=output)
            found = run.metrics
            cells = (found["mean_average_precision"], found["macro_f1"], at_half(run))  # type: ignore[typeddict-item]
            shown = " | ".join(f"{cell:.3f}" for cell in (*cells, found["accuracy"]))
            print(f"| {name} | {shown} |", flush=True)


def at_half(run: transfer.Run) -> float:
    """Return the macro-F1 on the test pairs with a threshold of 0.5 for each class."""
    from transfer.runs.multilabel_predictions import MultilabelPredictions
    from transfer.statistics.multilabel import count_hits, macro_f1_of_sets

    halves = [0.5] * len(run.classes)
    found = MultilabelPredictions.read(run.path / "predictions.csv", run.classes, halves)
    return macro_f1_of_sets(count_hits(found.predicted, found.true))


def paste(data: Path, folder: Path, pairs: int, tests: int) -> Path:
    """Write pairs of photos and a table of them; return its path."""
    rng = random.Random(0)
    (folder / "images").mkdir()
    lines = ["path,labels,split"]
    for source, count, split in (("train", pairs, ""), ("val", tests, "test")):
        photos = sorted(file for file in (data / source).glob("*/*") if file.is_file())
        for number in range(count):
            chosen = rng.sample(photos, 2)
            canvas = Image.new("RGB", (2 * SIDE, SIDE))
            for place, photo in enumerate(chosen):
                with Image.open(photo) as image:
                    half = image.convert("RGB").resize((SIDE, SIDE))
                canvas.paste(half, (place * SIDE, 0))
            path = f"images/{source}-{number:05}.jpg"
            canvas.save(folder / path, quality=90)
            names = sorted({photo.parent.name for photo in chosen})
            lines.append(f"{path},{'|'.join(names)},{split or divide(number)}")
    table = folder / "pairs.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def divide(number: int) -> str:
    """Return the split of a training pair: one in four is for validation."""
    return "val" if number % 4 == 0 else "train"


if __name__ == "__main__":
    main()
