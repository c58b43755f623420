from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from transfer.features import speeds
from transfer.features.engines import Batch, Engine
from transfer.features.speeds import compare, recall, remember, speeds_of

NETWORK = {"graph": "0" * 64, "image_size": 32}


def waiting(seconds: float) -> Engine:
    def engine(images: Batch) -> list[np.ndarray]:
        time.sleep(seconds)
        return [images]

    return engine


def test_the_faster_engine_has_more_images_per_second() -> None:
    found = compare({"slow": waiting(0.02), "fast": waiting(0.005)}, (2, 2, 3), rounds=3)
    assert 1.5 * found["slow"] < found["fast"] < 4 / 0.005
    assert compare({}, (2, 2, 3)) == {}


def test_speeds_are_remembered_for_each_network() -> None:
    space = speeds_of(NETWORK)
    assert recall(space) == {}
    remember(space, {"openvino f32": 447.0, "keras f32": 0.0})
    assert recall(speeds_of(NETWORK)) == {"openvino f32": 447.0, "keras f32": 0.0}
    assert recall(speeds_of(NETWORK | {"image_size": 64})) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("version", lambda package: "0.1"), ("machine", lambda: {"cpu": "another", "cores": 2})],
)
def test_another_version_or_machine_is_measured_anew(
    name: str, value: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(speeds_of(NETWORK), {"openvino f32": 447.0})
    monkeypatch.setattr(speeds, name, value)
    assert recall(speeds_of(NETWORK)) == {}


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"openvino f32": "fast"}', '{"keras f32": -1}', '{"keras f32": NaN}']
)
def test_a_damaged_memory_is_forgotten_with_a_warning(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    space = speeds_of(NETWORK)
    assert space is not None
    remember(space, {"openvino f32": 447.0})
    (space.path / "speeds.json").write_text(text)
    assert recall(space) == {}
    assert "speeds.json is damaged: what it remembers is measured again" in caplog.text


def test_without_a_cache_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_CACHE", "0")
    assert speeds_of(NETWORK) is None
    remember(None, {"openvino f32": 447.0})
    assert recall(None) == {}
