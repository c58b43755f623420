from __future__ import annotations

import keras
import numpy as np
import pytest

from transfer.training.optim.schedules import OneCycle, make_schedule, warm_cosine


def test_the_cosine_rises_and_falls() -> None:
    rate = warm_cosine(0.1, 100)
    values = [float(rate(step)) for step in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(values, [0.0, 0.05, 0.1, 0.05, 0.0], atol=1e-6)
    assert float(warm_cosine(0.1, 5)(0)) == pytest.approx(0.1)


def test_one_cycle_in_known_places() -> None:
    rate = make_schedule("onecycle", 0.5, 400)
    assert isinstance(rate, OneCycle)
    values = [float(rate(step)) for step in (0, 50, 100, 250, 400, 1000)]
    middle = (0.02 + 0.5) / 2
    np.testing.assert_allclose(values, [0.02, middle, 0.5, 0.250001, 2e-6, 2e-6], rtol=1e-5)


def test_a_constant_rate_is_a_number() -> None:
    assert make_schedule("constant", 0.5, 400) == 0.5


@pytest.mark.parametrize("name", ["cosine", "onecycle"])
def test_schedules_survive_their_config(name: str) -> None:
    rate = make_schedule(name, 0.1, 37)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(rate))
    assert [float(again(i)) for i in range(40)] == [float(rate(i)) for i in range(40)]
