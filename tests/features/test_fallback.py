"""Networks and environments that OpenVINO refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

import transfer
from transfer.api import prediction
from transfer.errors import TransferError
from transfer.features import converted
from transfer.features.cache import FeatureCache
from transfer.features.engines import keras_engine, make_engine
from transfer.features.store import Space, features_dir, stored_spaces
from transfer.runs.run import Run

if find_spec("openvino") is None:
    pytest.skip("OpenVINO is not installed", allow_module_level=True)

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype(np.float32)


@pytest.fixture
def refused() -> keras.Model:
    """A network with an operation that OpenVINO has no conversion rule for."""
    image = keras.Input((8, 8, 3))
    x = keras.ops.erfinv(image / 300.0)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x), name="odd")


def test_keras_takes_over_what_openvino_cannot_convert(
    refused: keras.Model, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FeatureCache({"backbone": "odd"}, ["vectors (avg)"], {})
    engine, name = make_engine(refused, "openvino", "f32", cache, auto=True)
    assert name == "keras"
    np.testing.assert_array_equal(engine(IMAGES)[0], keras_engine(refused)(IMAGES)[0])
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("OpenVINO cannot run 'odd': OpConversionFailure: No conversion rule")
    assert "Erfinv" in message
    assert "engine='keras'" in message
    space = Space(features_dir(), {"number": 1})
    cache.write(space, ["a" * 64], np.ones((1, 3), np.float32), np.array([0]))
    assert sum(each.images() for each in stored_spaces()) == 0  # the key says OpenVINO


def test_openvino_that_was_asked_for_is_not_replaced(refused: keras.Model) -> None:
    with pytest.raises(TransferError, match=r"cannot run 'odd': .*Erfinv.*Use engine='keras'\.$"):
        make_engine(refused, "openvino")


def test_both_engines_by_name() -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))
    for wanted in ("keras", "openvino"):
        engine, name = make_engine(model, wanted)
        assert name == wanted
        np.testing.assert_allclose(engine(IMAGES)[0], IMAGES.mean((1, 2)), rtol=1e-5)


PREDICT = """
import sys
from transfer.api.prediction import predict
for each in predict(*sys.argv[1:]):
    print(each.label)
"""


@pytest.mark.slow
def test_predict_goes_on_where_the_converter_fails(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """Without docstrings, as PYTHONOPTIMIZE=2 leaves it, OpenVINO's converter raises."""
    folder = make_folder(per_class=4)
    knobs = {"backbone": toy, "unfreeze": "none", "views": 0, "engine": "openvino"}
    run = transfer.finetune(folder, output=tmp_path / "run", **knobs)
    done = subprocess.run(
        [sys.executable, "-OO", "-c", PREDICT, str(run.path), str(folder / "red")],
        capture_output=True,
        text=True,
        env=os.environ | {"TRANSFER_CACHE": "0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [each.label for each in run.predict(folder / "red")]
    assert done.stderr.count("OpenVINO cannot run") == 1


def test_a_model_that_cannot_be_read_is_no_reason_for_another_engine(run: Run) -> None:
    (run.path / "model.keras").write_bytes(b"nothing")
    prediction._predictor.cache_clear()
    with pytest.raises(TransferError, match="not a valid model"):
        run.predict([])


def test_nothing_is_converted_under_a_tight_memory_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's converter may never end there."""
    resource = pytest.importorskip("resource")
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(image), name="plain")
    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(converted, "TIGHT", 2**51)
    resource.setrlimit(resource.RLIMIT_AS, (2**50, before[1]))
    try:
        _, name = make_engine(model, "openvino", auto=True)
        with pytest.raises(TransferError, match=r"may use 1125899.9 GB of memory \(ulimit -v\)"):
            make_engine(model, "openvino")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert name == "keras"
    assert make_engine(model, "openvino")[1] == "openvino"
