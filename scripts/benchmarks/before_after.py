"""Time whole runs of two checkouts in turns, and print each ratio.

    git worktree add ../before COMMIT
    python scripts/benchmarks/before_after.py ../before FLOWERS HYMENOPTERA WEIGHTS [--only NAME...]

FLOWERS and HYMENOPTERA are folders with train/ and val/, WEIGHTS holds mobilenetv2_notop*,
vgg16_notop* and xception_notop*.weights.h5. Each pair starts with empty caches; its second row is
another head on what the first run kept. Accuracies are on the validation photos. Run it on a
machine that does nothing else; all rows take about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Case:
    """A command, and another that finds what it kept."""

    data: str
    backbone: str
    options: tuple[str, ...] = ()
    then: tuple[str, ...] = ()


CASES = {
    "flowers": Case("flowers", "mobilenetv2"),
    "vgg16": Case("hymenoptera", "vgg16"),
    "xception": Case("hymenoptera", "xception"),
    "head-flowers": Case(
        "flowers",
        "mobilenetv2",
        ("--unfreeze", "none"),
        ("--unfreeze", "none", "--head", "avg,64,dropout=0.3"),
    ),
    "head-vgg16": Case("hymenoptera", "vgg16", ("--unfreeze", "none")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("flowers", type=Path)
    parser.add_argument("hymenoptera", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    print("| `transfer finetune` | before, s | now, s | ratio | accuracy before | now |")
    print("|---|---|---|---|---|---|")
    for name in options.only:
        for row in compare(CASES[name], options):
            print(row, flush=True)


def compare(case: Case, options: argparse.Namespace) -> list[str]:
    """Return the rows of one case."""
    data = getattr(options, case.data).resolve()
    (weights,) = options.weights.resolve().glob(f"{case.backbone}_notop*")
    words = [str(data), "--backbone", case.backbone, "--weights", str(weights)]
    both = [
        times(checkout.resolve(), words, [case.options, *([case.then] if case.then else [])])
        for checkout in (options.before, HERE)
    ]
    rows = []
    for chosen, old, new in zip([case.options, case.then], *both, strict=False):
        label = " ".join([case.data, "--backbone", case.backbone, *chosen])
        rows.append(
            f"| `{label}` | {old[0]:.1f} | {new[0]:.1f} | {new[0] / old[0]:.2f}"
            f" | {old[1]:.3f} | {new[1]:.3f} |"
        )
    return rows


def times(
    checkout: Path, words: list[str], each: list[tuple[str, ...]]
) -> list[tuple[float, float]]:
    """Return wall time and accuracy of commands, one after the other, with one cache."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.environ | {"TRANSFER_CACHE_DIR": f"{scratch}/cache"}
        for number, options in enumerate(each):
            place = Path(scratch) / f"run{number}"
            command = [sys.executable, "-m", "transfer", "finetune", *words, "-o", str(place)]
            began = time.perf_counter()
            subprocess.run(
                [*command, *options], cwd=checkout, env=environment, check=True, capture_output=True
            )
            seconds = time.perf_counter() - began
            accuracy = json.loads((place / "metrics.json").read_text())["accuracy"]
            found.append((seconds, float(accuracy)))
    return found


if __name__ == "__main__":
    main()
