"""keras:NAME, in a process of its own: Keras looks at KERAS_HOME when it is imported."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transfer.data.sources.keras_sets import _SETS
from transfer.images.folder import ImageFolder

CODE = """
from transfer.cli import main
for name in ("fashion_mnist", "mnist"):
    try:
        main(["prepare", f"keras:{name}", name])
    except SystemExit as error:
        print("exit code", error.code, flush=True)
"""


def keep_fashion(folder: Path) -> None:
    """Write 20 + 10 pictures in the files that Keras downloads."""
    folder.mkdir(parents=True)
    for part, number in (("train", 20), ("t10k", 10)):
        labels = (np.arange(number) % 10).astype(np.uint8)
        pixels = np.repeat(labels * 20, 28 * 28).astype(np.uint8)
        for name, head, body in (("labels-idx1", 8, labels), ("images-idx3", 16, pixels)):
            data = gzip.compress(bytes(head) + body.tobytes())
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(data)


def test_from_the_files_that_keras_keeps_and_without_a_network(tmp_path: Path) -> None:
    kept = tmp_path / "keras" / "datasets"
    keep_fashion(kept / "fashion-mnist")
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
    )
    first, *codes = done.stdout.splitlines()
    assert first.startswith("30 images of 10 classes"), done.stderr
    assert codes == ["exit code 0", "exit code 1"]
    index = ImageFolder.index(tmp_path / "fashion_mnist")
    assert "ankle_boot" in index.classes
    assert index.counts()["train"] == dict.fromkeys(index.classes, 2)
    assert "train/bag/00018.png" in index.paths
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: keras:mnist cannot be downloaded from storage.googleapis.com: ")
    hint = f"Copy mnist.npz from ~/.keras/datasets of a machine with network access to {kept}"
    assert hint in last
    assert not (tmp_path / "mnist").exists()


@pytest.mark.parametrize(("name", "number"), [("cifar10", 10), ("cifar100", 100)])
def test_class_names_are_in_the_order_of_the_labels(name: str, number: int) -> None:
    names = _SETS[name][0].split()
    assert len(names) == number
    assert names == sorted(set(names))
