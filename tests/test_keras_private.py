"""The private names of Keras that the package uses, and whether this Keras still has them.

Keras may change them in any release, hence the upper bound in setup.cfg. To raise it: install the
new Keras, run this test, and compare the code of whatever is missing or changed.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import transfer

ROOT = Path(transfer.__file__).parent
OF_OTHERS = {"_replace", "_asdict", "_fields", "_registry"}  # of namedtuples and such
OF_OTHERS |= {"_seed", "_rng", "_set_global_seed", "_initialized"}  # of TensorFlow's context


def _model() -> Any:
    import keras

    image = keras.Input((4,))
    return keras.Model(image, keras.layers.Dense(2)(image))


def _sequential() -> Any:
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def _optimizer() -> Any:
    import keras

    optimizer = keras.optimizers.AdamW(weight_decay=0.1, use_ema=True)
    optimizer.build(_model().trainable_variables)
    return optimizer


def _checkpoint() -> Any:
    import keras

    return keras.callbacks.ModelCheckpoint("model.keras")


def _takes(method: Any, *names: str) -> bool:
    return tuple(inspect.signature(method).parameters) == names


def _nodes(model: Any) -> bool:
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    return all(hasattr(n, "operation") and n.outputs and hasattr(n, "input_tensors") for n in nodes)


def _averages(optimizer: Any) -> bool:
    averages = optimizer._model_variables_moving_average
    return [tuple(v.shape) for v in averages] == [(4, 2), (2,)]


# name -> whether it is what the package takes it for
CANARIES: dict[str, Callable[[], bool]] = {
    "_flatten_layers": lambda: (
        {type(x).__name__ for x in _model()._flatten_layers()} >= {"Dense", "InputLayer"}
    ),
    "_functional": lambda: _nodes(_sequential()._functional),
    "_nodes_by_depth": lambda: _nodes(_model()),
    "_should_save_model": lambda: _takes(
        _checkpoint()._should_save_model, "epoch", "batch", "logs", "filepath"
    ),
    "_save_model": lambda: _takes(_checkpoint()._save_model, "epoch", "batch", "logs"),
    "_iterations": lambda: int(_optimizer()._iterations) == 0,
    "_get_variable_index": lambda: _takes(_optimizer()._get_variable_index, "variable"),
    "_all_reduce_sum_gradients": lambda: _takes(
        _optimizer()._all_reduce_sum_gradients, "grads_and_vars"
    ),
    "_use_weight_decay": lambda: _takes(_optimizer()._use_weight_decay, "variable"),
    "_apply_weight_decay": lambda: _takes(_optimizer()._apply_weight_decay, "variables"),
    "_model_variables_moving_average": lambda: _averages(_optimizer()),
    "_update_model_variables_moving_average": lambda: _takes(
        _optimizer()._update_model_variables_moving_average, "trainable_variables"
    ),
}


@pytest.mark.parametrize("name", CANARIES)
def test_keras_still_has(name: str) -> None:
    import keras

    try:
        same = CANARIES[name]()
    except AttributeError as error:
        pytest.fail(f"Keras {keras.__version__} no longer has {name}: {error}")
    assert same, f"Keras {keras.__version__} has changed {name}: read how the package uses it"


def _defined(tree: ast.AST, theirs: set[str]) -> set[str]:
    """Return the names that a file defines; an override of a name of Keras defines nothing."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name not in theirs:
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            targets = [part for target in targets for part in getattr(target, "elts", [target])]
            names |= {t.attr for t in targets if isinstance(t, ast.Attribute)}
            names |= {t.id for t in targets if isinstance(t, ast.Name)}
    return names


def _used(tree: ast.AST, theirs: set[str]) -> Iterator[str]:
    """Yield the attributes that a file reads, and the names of Keras that its classes override."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            yield from (
                method.name
                for method in node.body
                if isinstance(method, ast.FunctionDef) and method.name in theirs
            )


def _keras_methods() -> set[str]:
    """Return the private names that Keras' own base classes define."""
    import keras

    kinds = (keras.optimizers.AdamW, keras.callbacks.ModelCheckpoint)
    names = {name for kind in kinds for name in dir(kind)}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def test_every_private_name_of_keras_has_a_canary() -> None:
    theirs = _keras_methods()
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    own = set().union(*(_defined(tree, theirs) for tree in trees.values())) | OF_OTHERS
    used: dict[str, str] = {}
    for path, tree in trees.items():
        if "keras" in texts[path]:
            for name in _used(tree, theirs):
                if name.startswith("_") and not name.startswith("__") and name not in own:
                    used.setdefault(name, str(path.relative_to(ROOT)))
    missing = {name: path for name, path in used.items() if name not in CANARIES}
    assert not missing, f"add a canary for what is private to Keras: {missing}"
    unused = set(CANARIES) - set(used)
    assert not unused, f"no longer used, remove the canary: {sorted(unused)}"
