"""Which classes and sizes a config.json may declare."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tampering import CLASSES, change_config, layers_of, members, saved_run, write
from toys import register_small

from transfer.errors import RunError
from transfer.networks.backbones import list_backbones, register_backbone
from transfer.networks.classifier import Classifier, load_classifier
from transfer.networks.normalisation import fit_normalisation
from transfer.networks.saved.allowed import PLAIN, is_known, kinds_in
from transfer.networks.saved.model import kinds_of
from transfer.networks.weights import Weights

Change = Callable[[dict[str, Any]], object]


def with_layer(layer: Any) -> keras.Model:
    """Return a classifier with a layer of Keras before its head."""
    image = keras.Input((32, 32, 3))
    x = layers.Flatten()(layer(layers.Conv2D(4, 3)(image)))
    return keras.Model(image, layers.Dense(len(CLASSES), "softmax", name="predictions")(x))


def division(config: dict[str, Any]) -> dict[str, Any]:
    """Return the layer that scales images; Keras numbers such names within a process."""
    (found,) = (each for each in layers_of(config).values() if each["class_name"] == "TrueDivide")
    return found


def marking(file: Path) -> Callable[[Any], Any]:
    """Return a function that leaves a marker file, as nothing from a model file may."""
    text = str(file)

    def mark(x: Any) -> Any:
        __import__("pathlib").Path(text).write_text("it ran")
        return x

    return mark


@pytest.mark.case("M06")
@pytest.mark.parametrize("nested", [False, True])
def test_a_lambda_is_refused_before_keras(toy: str, tmp_path: Path, nested: bool) -> None:
    marker = tmp_path / "marker"
    layer = layers.Lambda(marking(marker))
    model = with_layer(keras.Sequential([layer]) if nested else layer)
    run = saved_run(tmp_path / "run", toy, model)
    marker.unlink(missing_ok=True)  # which building the model has left
    with pytest.raises(RunError, match=r"(Lambda|__lambda__)', which no network") as caught:
        load_classifier(run)
    assert "safe" not in str(caught.value)
    assert not marker.exists()


def replace_activation(value: Any) -> Change:
    return lambda config: layers_of(config)["predictions"]["config"].update(activation=value)


def replace_relu(name: str, module: str = "keras.layers", **config: Any) -> Change:
    def change(whole: dict[str, Any]) -> None:
        layer = layers_of(whole)["out_relu"]
        layer |= {"module": module, "class_name": name, "config": {"name": "out_relu"} | config}

    return change


CLASSES_OF_CODE = {
    "TFSMLayer": replace_relu("TFSMLayer", filepath="saved", call_endpoint="serve"),
    "TorchModuleWrapper": replace_relu("TorchModuleWrapper", module="keras.src.layers", output=1),
    "StringLookup": replace_relu("StringLookup", vocabulary="/etc/passwd"),
    "TextVectorization": replace_relu("TextVectorization", vocabulary="http://127.0.0.1:9/"),
    "os.system": replace_activation(
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
    ),
    "keras.utils.get_file": replace_activation(
        {
            "module": "keras.utils",
            "class_name": "function",
            "config": "get_file",
            "registered_name": "get_file",
        }
    ),
    "keras.config.enable_unsafe_deserialization": replace_activation(
        {
            "module": "keras.config",
            "class_name": "function",
            "config": "enable_unsafe_deserialization",
            "registered_name": None,
        }
    ),
    "__lambda__": replace_activation({"class_name": "__lambda__", "config": {"value": "4wAA"}}),
    "Dense of another module": replace_relu("Dense", module="subprocess"),
    "Dense registered as": lambda config: layers_of(config)["predictions"].update(
        registered_name="evil>Dense"
    ),
}


@pytest.mark.case("M06")
@pytest.mark.parametrize("name", list(CLASSES_OF_CODE))
def test_a_class_that_could_run_code_is_refused(toy: str, tmp_path: Path, name: str) -> None:
    run = saved_run(tmp_path / "run", toy)
    change_config(run.path / "model.keras", CLASSES_OF_CODE[name])
    with pytest.raises(RunError, match="which no network of this package has") as caught:
        load_classifier(run)
    assert "\n" not in str(caught.value)


def resize_input(shape: list[Any]) -> Change:
    return lambda config: config["config"]["layers"][0]["config"].update(batch_shape=shape)


def many_units(config: dict[str, Any]) -> None:
    layers_of(config)["predictions"]["config"]["units"] = 300_000_000 >> 5


def too_many_units(config: dict[str, Any]) -> None:
    layers_of(config)["predictions"]["config"]["units"] = 300_000_000


def negative_units(config: dict[str, Any]) -> None:
    layers_of(config)["predictions"]["config"]["units"] = -5


def wide_kernel(config: dict[str, Any]) -> None:
    layers_of(config)["block_2"]["config"]["kernel_size"] = [5000, 5000]


def no_sizes(config: dict[str, Any]) -> None:
    del layers_of(config)["block_2"]["build_config"]


def wide_norm(config: dict[str, Any]) -> None:
    layers_of(config)["stem_bn"]["build_config"]["input_shape"] = [None, 16, 16, 1 << 25]


SIZES: dict[str, tuple[Change, str]] = {
    "units": (many_units, "declares at least 150,.* weights, and the file holds"),
    "more units": (too_many_units, "'predictions' declares a size of 300000000"),
    "negative": (negative_units, "'predictions' declares a size of -5"),
    "kernel": (wide_kernel, "weights, and the file holds"),
    "norm": (wide_norm, "weights, and the file holds"),
    "unstated": (no_sizes, "the sizes of its layer 'block_2' are not stated"),
    "side": (
        resize_input([None, 6000, 6000, 3]),
        "images of 6000 pixels a side, and the run has 32",
    ),
    "oblong": (resize_input([None, 32, 64, 3]), r"a square image .* It takes \[32, 64, 3\]"),
    "any": (resize_input([None, None, None, 3]), "a square image"),
    "grey": (resize_input([None, 32, 32, 1]), "a square image"),
    "vector": (resize_input([None, 12]), "one square image"),
    "batch": (resize_input([64, 32, 32, 3]), "a square image"),
}


@pytest.mark.case("M09")
@pytest.mark.parametrize("name", list(SIZES))
def test_declared_sizes_are_those_of_the_file(toy: str, tmp_path: Path, name: str) -> None:
    change, said = SIZES[name]
    run = saved_run(tmp_path / "run", toy)
    change_config(run.path / "model.keras", change)
    with pytest.raises(RunError, match=f"is not a valid model: .*{said}"):
        load_classifier(run)


BOUNDED = """
import resource, sys
from pathlib import Path
from transfer.networks.saved.model import check_file
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for path in sys.argv[1:]:
    try:
        check_file(Path(path), set)
    except ValueError as error:
        print(error)
assert "keras" not in sys.modules
"""


@pytest.mark.case("M09")
def test_a_bomb_is_refused_without_memory_and_without_keras(toy: str, tmp_path: Path) -> None:
    files = []
    for number, change in enumerate((many_units, wide_kernel, wide_norm)):
        file = saved_run(tmp_path / str(number), toy).path / "model.keras"
        change_config(file, change)
        files.append(str(file))
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("its network declares at least") == len(files)


@pytest.mark.case("M12")
@pytest.mark.parametrize("bad", ["..", "../../escaped", "a/b", ".hidden", "C:\\x", "", "a\nb"])
def test_a_layers_name_is_no_path(toy: str, tmp_path: Path, bad: str) -> None:
    run = saved_run(tmp_path / "run", toy)

    def rename(config: dict[str, Any]) -> None:
        layers_of(config)["stem"]["config"]["name"] = bad

    change_config(run.path / "model.keras", rename)
    with pytest.raises(RunError, match="has a layer with the name"):
        load_classifier(run)


@pytest.mark.case("M05")
@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"[" * 100_000, b'{"config": 3}', b"\xff", b'{"config": {"layers": 5}}'],
)
def test_a_config_that_is_none_is_named(toy: str, tmp_path: Path, text: bytes) -> None:
    run = saved_run(tmp_path / "run", toy)
    file = run.path / "model.keras"
    write(file, members(file) | {"config.json": text})
    with pytest.raises(
        RunError, match=r"its config\.json (is damaged|holds no network)|one square image"
    ):
        load_classifier(run)


def test_an_operation_on_constants_is_refused(toy: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", toy)

    def constant(config: dict[str, Any]) -> None:
        node = division(config)["inbound_nodes"][0]
        node["args"] = [{"class_name": "__numpy__", "config": {"value": [1], "dtype": "int32"}}, 2]

    change_config(run.path / "model.keras", constant)
    with pytest.raises(RunError, match=r"its layer 'true_divide\w*' has no input"):
        load_classifier(run)


def test_strings_of_any_length_are_no_numbers(toy: str, tmp_path: Path) -> None:
    run = saved_run(tmp_path / "run", toy)

    def text(config: dict[str, Any]) -> None:
        value = {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "U900000000"}}
        division(config)["inbound_nodes"][0]["args"][1] = value

    change_config(run.path / "model.keras", text)
    with pytest.raises(RunError, match="numbers of the kind 'U900000000'"):
        load_classifier(run)


HEADS = ("linear", "flatten,64,dropout=0.5,batchnorm", "avg+max,16", "max,unitnorm,8")


def check_known(name: str, side: int, head: str, normalize: str = "") -> None:
    parts = Classifier.build(name, side, head, Weights("own"))
    if normalize:
        pictures = np.random.default_rng(0).uniform(0, 1, (8, side, side, 3)).astype(np.float32)
        normalisation = fit_normalisation(normalize, side, [pictures])
        parts = Classifier(parts.backbone, parts.base, parts.head, normalisation)
    model = parts.join(parts.new_head(3, seed=0, multi_label=head == "linear"))
    text = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    unknown = {kind for kind in kinds_in(text) if not is_known(kind)}
    assert {kind.name for kind in unknown} <= PLAIN


@pytest.mark.parametrize("head", HEADS)
def test_the_heads_are_of_known_classes(toy: str, head: str) -> None:
    check_known(toy, 32, head)


@pytest.mark.parametrize(
    "normalize", ["samplewise_center,samplewise_std", "featurewise_std", "zca"]
)
def test_networks_from_scratch_are_of_known_classes(normalize: str) -> None:
    for backbone in list_backbones():
        if backbone.scratch:
            check_known(backbone.name, 20, "linear", normalize)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [each.name for each in list_backbones() if each.weights_url and not each.own]
)
def test_the_networks_of_keras_are_of_known_classes(name: str) -> None:
    check_known(name, max(32, next(iter(list_backbones(name))).min_size), "linear")


@keras.saving.register_keras_serializable("tests.saved")
class Doubling(layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x * 2


@keras.saving.register_keras_serializable("tests.saved")
def halved(x: Any) -> Any:
    return x / 2


def test_registered_layers_and_functions_load(toy: str, tmp_path: Path) -> None:
    model = with_layer(keras.Sequential([Doubling(), layers.Activation(halved)]))
    load_classifier(saved_run(tmp_path / "run", toy, model))


def test_the_network_of_a_registered_backbone_may_have_other_layers(tmp_path: Path) -> None:
    def recurrent(input_shape: tuple[int, int, int]) -> keras.Model:
        image = keras.Input(input_shape)
        return keras.Model(image, layers.LSTM(4)(layers.Reshape((-1, 96))(image)))

    register_backbone("recurrent", recurrent, image_size=32, overwrite=True)
    run = saved_run(tmp_path / "run", "recurrent")
    load_classifier(run)
    register_backbone("recurrent", lambda input_shape: None, image_size=32, overwrite=True)
    with pytest.raises(RunError, match=r"keras\.layers\.LSTM', which no network"):
        load_classifier(run)


def test_a_network_that_is_not_registered_here_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = register_small(tmp_path / "modules", monkeypatch)
    run = saved_run(tmp_path / "run", name)
    code = (
        "import sys; from transfer.runs.run import Run;"
        "from transfer.networks.classifier import load_classifier as load; load(Run(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_kinds_of_a_network_are_found_at_any_depth(toy: str) -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.ELU()])
    names = {kind.name for kind in kinds_of(keras.Sequential([keras.Input((8, 8, 3)), inner]))}
    assert {"Sequential", "InputLayer", "ELU", "DTypePolicy"} <= names
