"""Measure predictions of one photo per call, and of many at once, with both engines.

    python scripts/benchmarks/single_photo.py DATA [--backbone mobilenetv2] [--weights PATH]

DATA is a folder with one folder of photos per class. A head is trained on 40 of them, and
then photos are predicted one by one: first already decoded, then from their files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import transfer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--weights", default="auto")
    options = parser.parse_args()
    print("| engine | ms per call, decoded | ms per call, from a file | images/s, all at once |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TRANSFER_CACHE_DIR"] = str(Path(scratch) / "cache")
        few, files = copy_some(options.data, Path(scratch) / "few")
        for engine in ("openvino", "keras"):
            run = transfer.finetune(
                few,
                output=Path(scratch) / engine,
                backbone=options.backbone,
                weights=options.weights,
                engine=engine,
                unfreeze="none",
                views=0,
            )
            print(row(engine, run, files), flush=True)


def copy_some(data: Path, few: Path) -> tuple[Path, list[Path]]:
    """Copy 20 photos of each of the first two classes to `few`; return it and the photos copied."""
    files = []
    for folder in [path for path in sorted(data.iterdir()) if path.is_dir()][:2]:
        (few / folder.name).mkdir(parents=True)
        for photo in sorted(folder.glob("*.jpg"))[:20]:
            shutil.copy(photo, few / folder.name)
            files.append(photo)
    return few, files


def row(engine: str, run: Any, files: Sequence[Path]) -> str:
    from transfer.serving.predictor import Predictor

    predictor = Predictor(run)
    images = [transfer.decode(file, predictor.size, run.recipe.resize)[None] for file in files]
    decoded = times(predictor.run, [image.astype("float32") for image in images])
    stored = times(run.predict, files)
    start = time.perf_counter()
    count = len(run.predict([*files, *files, *files]))
    rate = count / (time.perf_counter() - start)
    return f"| {engine} | {decoded:.1f} | {stored:.1f} | {rate:.0f} |"


def times(ask: Callable[[Any], object], questions: Sequence[Any]) -> float:
    """Return the median time of one call in ms, after a first pass that is not measured."""
    seconds = []
    for question in [*questions, *questions]:
        start = time.perf_counter()
        ask(question)
        seconds.append(time.perf_counter() - start)
    return 1e3 * median(seconds[len(questions) :])


if __name__ == "__main__":
    main()
