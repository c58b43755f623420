from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from toys import make_settings

from transfer.features import spec as specs
from transfer.features.cache import FeatureCache
from transfer.features.spec import FeatureSpec, device_name, engine_versions, feature_spec
from transfer.images.folder import ImageFolder
from transfer.networks.backbones import Backbone, get_backbone

TOY = Backbone("toy", "a:b", "c:d", "own", 32, 32, 0, 0)


def make(model: keras.Model, backbone: Backbone = TOY) -> FeatureSpec:
    return feature_spec(backbone, model, "0" * 64, make_settings(), "avg")


@pytest.fixture
def spec(toy: str) -> FeatureSpec:
    return make(get_backbone(toy).build())


def test_every_field_tells_features_apart(
    spec: FeatureSpec, make_folder: Callable[..., Path]
) -> None:
    folder = ImageFolder.index(make_folder(per_class=1))
    sha256 = dict.fromkeys(folder.paths, "1" * 64)

    def spaces(one: FeatureSpec) -> list[Path]:
        view = FeatureCache(one, one.outputs, sha256).view(folder, 0, make_settings())
        return [space.path for space in view._spaces]

    found = {tuple(spaces(spec))}
    for field in fields(spec):
        if field.name != "cut":
            new = {"image_size": 64, "decode": -1, "fold": 7, "versions": (("keras", "0"),)}
            found.add(tuple(spaces(replace(spec, **{field.name: new.get(field.name, "other")}))))
    assert len(found) == len(fields(spec))
    assert spaces(replace(spec, cut="add_1"))[1:] == spaces(spec)


def test_it_goes_through_json_and_to_other_processes(spec: FeatureSpec) -> None:
    assert json.loads(json.dumps(spec.identity())) == spec.identity()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(replace, spec).result() == spec
    assert hash(spec) == hash(replace(spec))


def test_float32_is_known_by_what_it_always_was(spec: FeatureSpec) -> None:
    assert list(spec.identity()) == [
        *("backbone", "family", "constructor", "preprocess", "graph", "weights", "image_size"),
        *("resize", "engine", "precision", "versions", "device", "decode", "fold"),
    ]
    assert replace(spec, calibration="0" * 64).identity()["calibration"] == "0" * 64


def test_versions_are_those_of_what_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_versions("keras") == (
        ("keras", keras.__version__),
        ("tensorflow", tf.__version__),
    )
    if find_spec("openvino") is not None:
        assert engine_versions("openvino") == (("openvino", version("openvino")),)
    if find_spec("nncf") is not None:
        assert ("nncf", version("nncf")) in engine_versions("openvino", "int8")


def test_the_fold_belongs_to_efficientnet_alone(toy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = get_backbone(toy).build()
    own, folded = make(model), make(model, replace(TOY, family="EfficientNet"))
    monkeypatch.setattr(specs, "EFFICIENTNET_FOLD_VERSION", 99)
    assert make(model) == own
    assert make(model, replace(TOY, family="EfficientNet")) != folded


@pytest.mark.parametrize(
    ("flags", "precision", "level"),
    [
        ("avx avx2 avx512f avx512_bf16 amx_bf16", "f32", "avx512f"),
        ("avx avx2 avx512f avx512_bf16 amx_bf16", "bf16", "amx_bf16"),
        ("avx avx2 avx512f", "bf16", "avx512f"),
        ("avx avx2 avx512f avx512_vnni", "int8", "avx512_vnni"),
        ("avx avx2 avx512f avx512_vnni", "f32", "avx512f"),
        ("sse4_1 avx avx2", "f32", "avx2"),
        ("asimd", "f32", ""),
    ],
)
def test_the_device_is_known_by_its_instructions(
    flags: str, precision: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs, "_cpu_flags", lambda: frozenset(flags.split()))
    monkeypatch.setattr("platform.machine", lambda: "machine")
    assert device_name("openvino", precision) == f"machine {level}".strip()


def test_this_device_has_a_name() -> None:
    assert device_name("keras", "f32")


def test_quantised_vectors_are_those_of_their_cut(spec: FeatureSpec) -> None:
    """A network that also gives activations is quantised in another way."""
    cut = replace(spec, cut="add_1")
    assert cut.identity() == replace(spec, cut=None).identity()
    quantised = replace(cut, calibration="ab")
    assert quantised.identity() != replace(quantised, cut=None).identity()
