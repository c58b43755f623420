from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from typing import Any

import keras
import numpy as np
import pytest

from transfer.errors import TransferError
from transfer.features.converted import convert, place_for
from transfer.features.engines import make_engine, openvino_engine
from transfer.features.quantised import quantise
from transfer.networks.backbones import get_backbone

if find_spec("openvino") is None or find_spec("nncf") is None:  # not imported yet
    pytest.skip("OpenVINO or NNCF is not installed", allow_module_level=True)

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (12, 32, 32, 3)).astype(np.float32)


@pytest.fixture
def network(toy: str) -> Any:
    base = get_backbone(toy).build()
    vectors = keras.layers.GlobalAveragePooling2D()(base.output)
    return convert(lambda: keras.Model(base.input, [base.get_layer("add_1").output, vectors]))


def photos() -> list[np.ndarray]:
    return list(IMAGES[:8, None])


def unasked() -> Any:
    pytest.fail("it is in the cache")


def test_whole_numbers_give_nearly_the_same(
    network: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    found = quantise(lambda: network, photos)
    assert "FakeQuantize" in {each.get_type_name() for each in found.get_ops()}
    assert not capfd.readouterr().out
    assert logging.getLoggerClass() is logging.Logger  # which NNCF replaces
    assert logging.getLogger("nncf").level != logging.ERROR
    exact, low = openvino_engine(network)(IMAGES), openvino_engine(found, "int8")(IMAGES)
    assert len(low) == 2
    for one, other in zip(exact, low, strict=True):
        assert one.shape == other.shape
        assert 0 < np.abs(one - other).max() < 0.3 * np.abs(one).max()


def test_it_is_kept_and_gives_the_same_bits_again(network: Any) -> None:
    kept = place_for({"network": "toy", "precision": "int8"})
    quantise(lambda: network, photos, kept)
    read, anew = quantise(unasked, unasked, kept), quantise(lambda: network, photos)
    (first, second) = (openvino_engine(each, "int8")(IMAGES)[-1] for each in (read, anew))
    np.testing.assert_array_equal(first, second)
    alone = openvino_engine(read, "int8")(IMAGES[5:6])[-1]
    np.testing.assert_array_equal(alone, first[5:6])


def test_what_is_damaged_is_made_again(network: Any, caplog: pytest.LogCaptureFixture) -> None:
    kept = place_for({"network": "toy", "precision": "int8"})
    assert kept is not None
    quantise(lambda: network, photos, kept)
    kept.with_suffix(".bin").write_bytes(b"something else")
    quantise(lambda: network, photos, kept)
    assert caplog.text.count("is damaged and is made again") == 1
    assert set(json.loads(kept.with_suffix(".json").read_text())) == {"space", "xml", "bin"}
    quantise(unasked, unasked, kept)


def test_an_engine_in_int8_takes_photos(toy: str) -> None:
    model = get_backbone(toy).build()
    engine, name = make_engine(model, "openvino", "int8", photos=photos)
    assert name == "openvino"
    exact, _ = make_engine(model, "openvino")
    assert not np.array_equal(engine(IMAGES)[0], exact(IMAGES)[0])
    with pytest.raises(TransferError, match="int8 takes photos to calibrate on"):
        make_engine(model, "openvino", "int8")
