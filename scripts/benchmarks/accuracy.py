"""Train several networks on several sets with the defaults, and print the table.

    python scripts/benchmarks/accuracy.py DATA WEIGHTS [--seeds 1]

DATA holds the folders flowers/ and hymenoptera/ with train/ and val/ (see datasets/README.md),
WEIGHTS the files vgg16_notop*.weights.h5 and xception_notop*.weights.h5 or Keras' own files.
Run it on a machine that does nothing else: the table holds times.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean

import transfer

ROWS = [
    ("sample:digits", {}),
    ("flowers", {"unfreeze": "none"}),
    ("flowers", {}),
    ("hymenoptera", {"unfreeze": "none"}),
    ("hymenoptera", {"backbone": "xception", "unfreeze": "none"}),
    ("hymenoptera", {"backbone": "vgg16"}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print("| command | images | accuracy (95 % interval) | kept | minutes |")
    print("|---|---|---|---|---|")
    for data, knobs in ROWS:
        source = data if ":" in data else options.data / data
        if "backbone" in knobs:
            knobs = knobs | {"weights": str(options.weights)}
        runs = []
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                run = transfer.finetune(source, output=Path(folder) / "run", seed=seed, **knobs)
                runs.append((run.metrics, run.info))
        flags = "".join(f" --{name} {value}" for name, value in knobs.items() if name != "weights")
        weights = " --weights WEIGHTS" if "weights" in knobs else ""
        counts = runs[0][1]["counts"]
        images = " + ".join(str(sum(counts[split].values())) for split in ("train", "val"))
        accuracy = " / ".join(f"{metrics['accuracy']:.3f}" for metrics, _ in runs)
        low, high = runs[0][0]["accuracy_ci95"]
        kept = " / ".join(info["phase_kept"] for _, info in runs)
        minutes = mean(info["seconds"]["total"] for _, info in runs) / 60
        print(
            f"| `transfer finetune {data}{flags}{weights}` | {images} |"
            f" {accuracy} ({low:.3f}-{high:.3f}) | {kept} | {minutes:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
