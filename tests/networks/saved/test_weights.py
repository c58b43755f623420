"""The HDF5 file: plain arrays that are no larger than it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from tampering import change_weights, kernel_of, saved_run

from transfer.errors import RunError
from transfer.networks.classifier import load_classifier
from transfer.networks.saved.model import load_weights_file


def an_external_link(weights: h5py.File) -> None:
    weights["elsewhere"] = h5py.ExternalLink("/etc/other.h5", "/secret")


def a_soft_link(weights: h5py.File) -> None:
    weights["elsewhere"] = h5py.SoftLink("/layers")


def a_second_name(weights: h5py.File) -> None:
    weights["again"] = weights["layers"]


def external_storage(weights: h5py.File) -> None:
    group, name = kernel_of(weights)
    shape = group[name].shape
    del group[name]
    files = [("secret.bin", 0, h5py.h5f.UNLIMITED)]
    group.create_dataset(name, shape, "float32", external=files)


def a_virtual_dataset(weights: h5py.File) -> None:
    group, name = kernel_of(weights)
    layout = h5py.VirtualLayout(group[name].shape, "float32")
    layout[...] = h5py.VirtualSource("secret.h5", "data", group[name].shape)
    del group[name]
    group.create_virtual_dataset(name, layout)


def packed(weights: h5py.File) -> None:
    group, name = kernel_of(weights)
    del group[name]
    group.create_dataset(name, (1 << 33,), "float32", chunks=(1 << 20,), compression="gzip")


def never_written(weights: h5py.File) -> None:
    group, name = kernel_of(weights)
    del group[name]
    group.create_dataset(name, (1 << 33,), "float32")


def text(weights: h5py.File) -> None:
    weights["layers"].create_dataset("words", data=["a", "b"])


def many_integers(weights: h5py.File) -> None:
    weights["layers"].create_dataset("bytes", data=np.zeros(5000, np.uint8))


def a_type(weights: h5py.File) -> None:
    weights["kind"] = np.dtype("float32")


@pytest.mark.case("M09")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (an_external_link, "a link to elsewhere"),
        (a_soft_link, "a link to elsewhere"),
        (a_second_name, "under two names"),
        (external_storage, "stored outside of the file"),
        (a_virtual_dataset, "stored outside of the file"),
        (packed, "packed, which Keras does not write"),
        (never_written, "declared larger than the file"),
        (text, "no floating-point numbers"),
        (many_integers, "no floating-point numbers"),
        (a_type, "something else than arrays"),
    ],
)
def test_weights_are_plain_arrays(
    toy: str, tmp_path: Path, change: Callable[[h5py.File], None], said: str
) -> None:
    run = saved_run(tmp_path / "run", toy)
    model = load_classifier(run)
    file = run.path / "model.keras"
    change_weights(file, change)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(RunError, match=f"is not a valid model: its weights .*{said}"):
        load_classifier(run)
    with pytest.raises(RunError, match=f"is not a valid model: its weights .*{said}"):
        load_weights_file(model, file)


@pytest.mark.case("M05")
def test_damaged_weights_are_named(toy: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", toy)
    file = run.path / "model.keras"
    content = bytearray(file.read_bytes())
    at = content.index(b"\x89HDF")
    content[at + 8 : at + 2000] = b"\x00" * 1992
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"its model\.weights\.h5 is damaged"):
        load_classifier(run)


@pytest.mark.case("M11")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(toy: str, tmp_path: Path, value: float) -> None:
    run = saved_run(tmp_path / "run", toy)

    def spoil(weights: h5py.File) -> None:
        group, name = kernel_of(weights)
        group[name][0] = value

    change_weights(run.path / "model.keras", spoil)
    with pytest.raises(RunError, match=r"its weights .*kernel are not finite numbers"):
        load_classifier(run)
