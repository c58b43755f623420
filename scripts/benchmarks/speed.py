"""Measure every speed in docs/speed.md, in one run, and print Markdown tables.

    python scripts/benchmarks/speed.py DATA WEIGHTS [--only NAME...] [--most 100000]

DATA is a folder with train/ and val/ (its figures: flowers), WEIGHTS a folder with
mobilenetv2_notop*, vgg16_notop* and xception_notop*.weights.h5. It takes about an hour: run it on
a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRANSFER = [sys.executable, "-m", "transfer"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--most", type=int, default=100_000, help="images of the largest folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TRANSFER_CACHE_DIR"] = str(Path(scratch) / "cache")
        for name in options.only:
            for line in TABLES[name](options, Path(scratch)):
                print(line, flush=True)
            print(flush=True)


def start(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "| start-up | seconds |"
    yield "|---|---|"
    for words in (["--help"], ["backbones"]):
        timed([*TRANSFER, *words])  # compiles the files
        yield f"| `transfer {words[0]}` | {timed([*TRANSFER, *words]):.2f} |"
    few = scratch / "few"
    for folder in sorted((options.data / "train").iterdir())[:2]:
        (few / folder.name).mkdir(parents=True)
        for photo in sorted(folder.iterdir())[:10]:
            shutil.copy(photo, few / folder.name)
    for number, word in enumerate(("first", "second")):
        seconds = finetune(few, scratch / f"few-{number}", "--unfreeze", "none")
        yield f"| `transfer finetune` of 20 photos, {word} time | {seconds:.1f} |"


def runs(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    data = options.data
    yield "| `transfer finetune` with MobileNetV2, 224 px | seconds | accuracy (val) |"
    yield "|---|---|---|"
    for name, words in (
        ("`--unfreeze none`, the first run", ["--unfreeze", "none"]),
        (
            "`--unfreeze none --head avg,64 --views 0`, the next",
            ["--unfreeze", "none", "--head", "avg,64", "--views", "0"],
        ),
        ("defaults: the top blocks fine-tuned", []),
    ):
        place = scratch / "-".join(["run", *words]).replace("/", "-")
        seconds = finetune(data, place, *words)
        yield f"| {name} | {seconds:.1f} | {accuracy(place):.3f} |"
    changed = scratch / "changed"
    shutil.copytree(data, changed)
    photo = next((changed / "train").rglob("*.jpg"))
    photo.write_bytes(photo.read_bytes() + b"\0")
    finetune(changed, scratch / "again", "--unfreeze", "none")
    computed = json.loads((scratch / "again" / "run.json").read_text())["features"]["computed"]
    yield ""
    photos = len(list(changed.rglob("*.jpg")))
    yield f"After one of {photos:,} photos changed, the features of {computed} are computed."


def budget(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "| `transfer finetune --time 3m` | seconds | accuracy (val) |"
    yield "|---|---|---|"
    for name, words in (("without a cache", ["--no-cache"]), ("with what an earlier run kept", [])):
        place = scratch / f"budget{len(words)}"
        if not words:
            finetune(options.data, scratch / "earlier", "--unfreeze", "none")
        seconds = finetune(options.data, place, "--time", "3m", *words)
        yield f"| {name} | {seconds:.1f} | {accuracy(place):.3f} |"


def tutorial(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    (weights,) = options.weights.glob("mobilenetv2_notop*")
    done = run([sys.executable, str(HERE / "tutorial.py"), str(options.data), str(weights)])
    loop = json.loads(done.splitlines()[-1])
    yield "| the loop of the tutorial | seconds in `fit` | accuracy (val) |"
    yield "|---|---|---|"
    frozen, whole = loop["frozen_seconds"], loop["seconds"]
    yield f"| 10 epochs, frozen | {frozen:.0f} | {loop['frozen_accuracy']:.3f} |"
    yield f"| and 10 more from layer 100 up | {whole:.0f} | {loop['accuracy']:.3f} |"


def trunk(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "| fine-tuning the last blocks | seconds per epoch |"
    yield "|---|---|"
    seconds = []
    for number, size in enumerate(("0", "2GB")):
        folder = scratch / f"trunk-{number}"
        finetune(options.data, folder, "--epochs", "2", "--trunk-cache", size)
        with (folder / "history.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["phase"] == "finetune"]
        seconds.append(float(rows[-1]["seconds"]))
        yield f"| `--trunk-cache {size}` | {seconds[-1]:.1f} |"
    yield f"| ratio | {seconds[0] / seconds[1]:.1f} x |"


def predict(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    folder = scratch / "model"
    finetune(options.data, folder, "--unfreeze", "none")
    plain = timed(
        [sys.executable, str(HERE / "plain_predict.py"), f"{folder}/model.keras", str(options.data)]
    )
    words = [*TRANSFER, "predict", str(folder), str(options.data), "--format", "csv"]
    yield f"| predict {len(list(options.data.rglob('*.jpg'))):,} photos | seconds | ratio |"
    yield "|---|---|---|"
    yield f"| `model.predict` over `image_dataset_from_directory` | {plain:.1f} | |"
    for word in ("first time: the model is converted", "from then on"):
        seconds = timed(words)
        yield f"| `transfer predict`, {word} | {seconds:.1f} | {plain / seconds:.1f} x |"


def engines(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "| images/s, batches of 32 | " + " | ".join(NETWORKS) + " |"
    yield "|---|" + "---|" * len(NETWORKS)
    found: list[dict[str, float]] = []
    for name in NETWORKS:
        script = [sys.executable, str(HERE / "pipeline.py"), str(options.data), "--json"]
        where = ["--backbone", name, "--weights", str(options.weights)]
        found.append(json.loads(run([*script, *where]).splitlines()[-1]))
    for row in found[0]:
        cells = (f"{each[row]:.2f}" if "share" in row else f"{each[row]:.0f}" for each in found)
        yield f"| {row} | " + " | ".join(cells) + " |"


def scaling(options: argparse.Namespace, scratch: Path) -> Iterator[str]:
    yield "| images, 96 px | seconds | images/s | peak memory |"
    yield "|---|---|---|---|"
    count = 1000
    while count <= options.most:
        script = [sys.executable, str(HERE / "scaling.py"), str(scratch / "many"), str(count)]
        found = json.loads(run(script).splitlines()[-1])
        rate, peak = count / found["seconds"], found["peak_bytes"] / 1e6
        yield f"| {count:,} | {found['seconds']:.1f} | {rate:.0f} | {peak:,.0f} MB |"
        count *= 10


NETWORKS = ("mobilenetv2", "vgg16", "xception")
TABLES: dict[str, Any] = {
    "start": start,
    "runs": runs,
    "budget": budget,
    "tutorial": tutorial,
    "trunk": trunk,
    "predict": predict,
    "engines": engines,
    "scaling": scaling,
}


def finetune(data: Path, output: Path, *options: str) -> float:
    """Run the command; return its wall time in seconds, from the start of the process."""
    return timed([*TRANSFER, "finetune", str(data), "-o", str(output), *options])


def accuracy(run_folder: Path) -> float:
    return float(json.loads((run_folder / "metrics.json").read_text())["accuracy"])


def timed(words: list[str]) -> float:
    started = time.perf_counter()
    run(words)
    return time.perf_counter() - started


def run(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
