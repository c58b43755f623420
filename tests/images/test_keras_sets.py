"""keras:NAME, in processes of their own: Keras looks at KERAS_HOME when it is imported."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transfer.images.folder import ImageFolder
from transfer.images.keras_sets import _SETS


def prepare(name: str, dest: Path) -> subprocess.CompletedProcess[str]:
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    line = [sys.executable, "-m", "transfer", "prepare", f"keras:{name}", str(dest)]
    return subprocess.run(line, env=os.environ | nowhere, capture_output=True, text=True)


def test_from_the_files_that_keras_keeps(tmp_path: Path) -> None:
    kept = tmp_path / "keras" / "datasets" / "fashion-mnist"
    kept.mkdir(parents=True)
    for part, number in (("train", 20), ("t10k", 10)):
        labels = (np.arange(number) % 10).astype(np.uint8)
        pixels = np.repeat(labels * 20, 28 * 28).astype(np.uint8)
        for name, data in (("labels-idx1", bytes(8)), ("images-idx3", bytes(16))):
            body = (labels if name.startswith("labels") else pixels).tobytes()
            (kept / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(data + body))
    done = prepare("fashion_mnist", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("30 images of 10 classes")
    index = ImageFolder.index(tmp_path / "out")
    assert "ankle_boot" in index.classes
    assert index.counts()["train"] == dict.fromkeys(index.classes, 2)
    assert "train/bag/00018.png" in index.paths


def test_without_a_network(tmp_path: Path) -> None:
    done = prepare("mnist", tmp_path / "out")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: keras:mnist cannot be had from storage.googleapis.com: ")
    assert "Bring mnist.npz" in last
    assert str(tmp_path / "keras" / "datasets") in last
    assert done.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "number"), [("cifar10", 10), ("cifar100", 100)])
def test_class_names_are_in_the_order_of_the_labels(name: str, number: int) -> None:
    names = _SETS[name][0].split()
    assert len(names) == number
    assert names == sorted(set(names))
