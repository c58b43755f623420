from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

import transfer
from transfer.api import prediction
from transfer.features.converted import convert
from transfer.features.engines import Engine, keras_engine, openvino_engine
from transfer.networks.backbones import get_backbone
from transfer.runs.run import Run
from transfer.serving import predictor as serving

THREADS, ROUNDS = 8, 100


@pytest.fixture(params=["keras", "openvino"])
def engine_name(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino" and find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    return str(request.param)


def make_engine(name: str, model: keras.Model) -> Engine:
    return keras_engine(model) if name == "keras" else openvino_engine(convert(lambda: model))


def test_eight_threads_get_the_answers_of_one(toy: str, engine_name: str) -> None:
    engine = make_engine(engine_name, get_backbone(toy).build(64))
    images = np.random.default_rng(0).uniform(0, 255, (THREADS, 64, 64, 3)).astype(np.float32)
    expected = [engine(image[None])[0] for image in images]
    assert len({row.tobytes() for row in expected}) == THREADS
    start = threading.Barrier(THREADS)

    def wrong(number: int) -> int:
        start.wait()
        answers = [engine(images[number : number + 1])[0] for _ in range(ROUNDS)]
        return sum(not np.array_equal(answer, expected[number]) for answer in answers)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(wrong, range(THREADS))) == [0] * THREADS


def test_predict_from_eight_threads(
    engine_name: str, toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder(per_class=6)
    knobs = {"backbone": toy, "unfreeze": "none", "views": 0, "engine": engine_name}
    run = transfer.finetune(folder, output=tmp_path / "threads", **knobs)
    files = sorted(folder.rglob("*.png"))[:THREADS]
    expected = [run.predict(file)[0].probabilities for file in files]
    start = threading.Barrier(THREADS)

    def wrong(number: int) -> int:
        start.wait()
        answers = [run.predict(files[number])[0].probabilities for _ in range(25)]
        return sum(answer != expected[number] for answer in answers)

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(wrong, range(THREADS))) == [0] * THREADS


def test_threads_that_ask_at_once_load_the_model_once(
    run: Run, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(make_folder("other", per_class=3).rglob("*.png"))[:THREADS]
    loads: Counter[Path] = Counter()
    opened = serving._open

    def count(run: Run) -> tuple[Engine, int, int]:
        loads[run.path] += 1
        return opened(run)

    monkeypatch.setattr(serving, "_open", count)
    prediction._predictor.cache_clear()
    start = threading.Barrier(THREADS)

    def ask(file: Path) -> dict[str, float]:
        start.wait()
        return run.predict(file)[0].probabilities

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, files))
    assert list(loads.values()) == [1]
    assert answers == [run.predict(file)[0].probabilities for file in files]


def test_predict_agrees_with_evaluate_to_the_last_bit(
    toy: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    if find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    folder = make_folder(per_class=6)
    knobs = {"backbone": toy, "unfreeze": "none", "views": 0, "engine": "openvino"}
    run = transfer.finetune(folder, output=tmp_path / "bits", **knobs)
    predictor = serving.Predictor(run)
    files = [(str(file), file) for file in sorted(folder.rglob("*.png"))]
    together = dict(predictor.probabilities(files))
    for count in range(1, 10):
        for name, row in predictor.probabilities(files[:count]):
            np.testing.assert_array_equal(row, together[name])
