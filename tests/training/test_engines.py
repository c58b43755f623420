"""Which engine and precision a training chooses, from speeds that are remembered or measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from toys import make_dataset, make_settings, register_small

import transfer
from transfer.features import engines as features
from transfer.features.engines import low_precisions
from transfer.features.extract import extract
from transfer.features.speeds import recall, remember
from transfer.networks.backbones import get_backbone
from transfer.networks.classifier import Classifier
from transfer.networks.weights import resolve_weights
from transfer.runs.info import EngineChoice, FeatureInfo
from transfer.runs.predictions import Predictions
from transfer.training import engines
from transfer.training.engines import Verdict, choose_engine, photos_to_judge
from transfer.training.sources import Sources

if find_spec("openvino") is None or find_spec("nncf") is None:  # not imported yet
    pytest.skip("OpenVINO or NNCF is not installed", allow_module_level=True)

VIEWS = 24  # of 15 photos: enough passes
FAST = {"openvino f32": 1.0, "keras f32": 0.5, "openvino bf16": 0.0, "openvino int8": 3.0}
Said = Callable[[], str]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    return register_small(tmp_path / "modules", monkeypatch)


def save_weights(name: str, path: Path, outlier: float = 1.0) -> Path:
    """Write weights; an outlier in an activation leaves whole numbers no room for the others."""
    keras.utils.set_random_seed(0)
    base = get_backbone(name).build()
    for layer, channel in (("conv_1", np.s_[..., 0]), ("conv_2", np.s_[:, :, 0])):
        kernel, *bias = base.get_layer(layer).get_weights()
        kernel[channel] *= outlier if layer == "conv_1" else 1 / outlier
        base.get_layer(layer).set_weights([kernel, *bias])
    base.save_weights(path)
    return path


@pytest.fixture
def make_sources(
    small: str, make_folder: Callable[..., Path], tmp_path: Path
) -> Callable[..., Sources]:
    dataset = make_dataset(make_folder(per_class=5, splits=("train", "val")))

    def make(outlier: float = 1.0, **knobs: Any) -> Sources:
        file = save_weights(small, tmp_path / f"{outlier}.weights.h5", outlier)
        weights = resolve_weights(get_backbone(small), str(file))
        given = {"backbone": small, "engine": "openvino", "precision": "auto", "views": VIEWS}
        given["views_precision"] = "auto"
        settings = make_settings(**given | knobs)
        network = Classifier.build(small, settings.image_size, settings.head, weights)
        return Sources(settings, dataset, weights, network)

    return make


def chosen(sources: Sources, **speeds: float) -> EngineChoice | None:
    """Return the choice where these speeds are remembered."""
    known = FAST | {name.replace("_", " "): speed for name, speed in speeds.items()}
    remember(sources.speeds(), known)
    return choose_engine(sources)


def test_the_fastest_harmless_one_is_chosen_again_and_again(
    make_sources: Callable[..., Sources], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "compare", lambda *given: pytest.fail("measured again"))
    choice = chosen(make_sources())
    assert choice is not None
    assert (choice.engine, choice.precision) == ("openvino", "int8")
    assert choice.agreement is not None
    assert 0.99 < choice.agreement < 1
    assert choice.why.startswith("openvino int8 is 3.0 x as fast as openvino f32; the vectors of ")
    assert choice == choose_engine(make_sources())


@pytest.mark.parametrize(
    ("speeds", "engine", "why"),
    [
        ({"openvino_int8": 1.1}, "openvino", "no lower precision is much faster"),
        ({"openvino_int8": 0.0}, "openvino", "no lower precision is much faster"),
        ({"keras_f32": 1.1}, "openvino", ""),
        ({"keras_f32": 1.3, "openvino_int8": 1.4}, "keras", "no lower precision is much faster"),
    ],
)
def test_speeds_decide(
    speeds: dict[str, float], engine: str, why: str, make_sources: Callable[..., Sources]
) -> None:
    choice = chosen(make_sources(), **speeds)
    assert choice is not None
    assert (choice.engine, choice.precision) == (engine, "int8" if not why else "f32")
    assert why in choice.why


def test_what_harms_is_refused(make_sources: Callable[..., Sources]) -> None:
    choice = chosen(make_sources(outlier=1e4))
    assert choice is not None
    assert choice.precision == "f32"
    assert choice.agreement is not None
    assert choice.agreement < 0.99
    assert ", but the vectors of 15 photos agree to 0." in choice.why


@pytest.mark.parametrize(
    ("verdict", "harmless"),
    [
        (Verdict(100, 0.99, 90, 90), True),
        (Verdict(100, 0.99, 90, 89), True),
        (Verdict(100, 0.99, 90, 88), False),
        (Verdict(400, 0.99, 360, 355), False),
        (Verdict(400, 0.99, 360, 356), True),
        (Verdict(100, 0.98, 90, 95), False),
        (Verdict(100, 0.999), False),
    ],
)
def test_what_is_harmless(verdict: Verdict, harmless: bool) -> None:
    assert verdict.harmless is harmless
    words = (
        "too few for each class"
        if verdict.exact is None
        else f"{verdict.low} instead of {verdict.exact} of them are recognised"
    )
    assert words in verdict.words()


def test_only_what_the_recipe_allows_is_tried(make_sources: Callable[..., Sources]) -> None:
    choice = chosen(make_sources(engine_required=True), keras_f32=9.0)
    assert choice is not None
    assert (choice.engine, choice.precision) == ("openvino", "int8")
    assert chosen(make_sources(engine="keras", engine_required=True)) is None
    assert chosen(make_sources(engine="keras")) is None


def test_little_work_is_not_worth_it(make_sources: Callable[..., Sources]) -> None:
    assert chosen(make_sources(views=3)) is None
    assert chosen(make_sources(), openvino_f32=500.0) is None


def test_without_the_packages_float32_is_chosen_in_silence(
    make_sources: Callable[..., Sources], monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr(features, "has_nncf", lambda: False)
    assert "int8" not in low_precisions()
    choice = chosen(make_sources())
    assert choice is not None
    assert choice.precision == "f32"
    monkeypatch.setattr(features, "has_openvino", lambda: False)
    assert low_precisions() == ()
    assert not said()


def test_a_damaged_memory_is_measured_anew(
    make_sources: Callable[..., Sources],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(engines, "WORTH", 0.0)
    sources = make_sources()
    space = sources.speeds()
    assert space is not None
    remember(space, FAST)
    (space.path / "speeds.json").write_text("{")
    choice = choose_engine(sources)
    assert choice is not None
    assert caplog.text.count("is measured again") == 1
    measured = recall(space)
    assert measured.keys() >= {"openvino f32", "keras f32", "openvino int8"}
    assert min(measured.values()) > 0
    assert measured.items() >= choice.speeds.items()


def test_features_that_are_there_in_float32_are_used(
    make_sources: Callable[..., Sources], tmp_path: Path
) -> None:
    sources = make_sources()
    plain, images = sources.at("openvino", "f32"), sources.dataset.train.images
    assert plain.missing(images, VIEWS, False) == 15 * (VIEWS + 1)
    extract(plain.network, images, views=VIEWS, cache=plain.cache)
    assert plain.missing(images, VIEWS, False) == 0
    assert plain.missing(images, VIEWS + 2, False) == 30
    assert chosen(make_sources()) is None


def test_a_run_in_int8_is_judged_and_used_in_float32(
    small: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder(per_class=5, splits=("train", "val"))
    weights = str(save_weights(small, tmp_path / "0.weights.h5"))
    knobs: dict[str, Any] = {"backbone": small, "weights": weights, "views": 1, "unfreeze": "none"}
    run = transfer.finetune(folder, output=tmp_path / "1", precision="int8", **knobs)
    assert run.info.features == FeatureInfo(0, 30, "openvino", "int8")
    named = list(run.predict(folder / "val"))
    judged = Predictions.read(run.path / "predictions.csv", run.classes)
    found = np.array([list(each.probabilities.values()) for each in named], np.float32)
    np.testing.assert_array_equal(found, judged.probabilities)
    exact = transfer.finetune(folder, output=tmp_path / "2", precision="f32", **knobs)
    assert exact.info.features == FeatureInfo(15, 15, "openvino", "f32")  # val was there
    assert run.info.phases["head"] != exact.info.phases["head"]


def test_views_have_a_precision_of_their_own(
    small: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder(per_class=5, splits=("train", "val"))
    weights = str(save_weights(small, tmp_path / "0.weights.h5"))
    knobs: dict[str, Any] = {"backbone": small, "weights": weights, "views": 1, "unfreeze": "none"}
    exact = transfer.finetune(folder, output=tmp_path / "1", precision="f32", **knobs)
    run = transfer.finetune(
        folder, output=tmp_path / "2", precision="f32", views_precision="int8", **knobs
    )
    settings = run.info.settings
    assert (settings.precision, settings.views_precision) == ("f32", "int8")
    assert exact.info.settings.views_precision == "f32"
    assert run.info.features == FeatureInfo(15, 15, "openvino", "f32")  # the views are new
    assert run.info.phases["head"]["val_loss"] != exact.info.phases["head"]["val_loss"]


def test_as_many_photos_of_each_class_are_judged(make_sources: Callable[..., Sources]) -> None:
    sources = make_sources()
    assert photos_to_judge(sources).class_counts("train") == [5, 5, 5]
    assert len(sources.calibration) == 15


def test_photos_of_several_classes_are_judged_too(make_sources: Callable[..., Sources]) -> None:
    sources = make_sources()
    images = replace(sources.dataset.images, label_sets=((0,), (1,), (0, 2)))
    several = replace(sources, dataset=replace(sources.dataset, images=images), _made={})
    verdict = engines.judge(several, "openvino f32", "openvino int8")
    assert verdict.photos == 15
    assert verdict.agreement > 0.9
    assert verdict.exact is not None
    assert verdict.exact > 10  # colours are told apart by their vectors
