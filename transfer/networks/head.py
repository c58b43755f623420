"""The Head: what replaces the ImageNet classifier, written as a short spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import keras
    import numpy as np

POOLINGS = ("avg", "max", "avg+max", "flatten")
ALIASES = {"linear": "avg,unitnorm,dropout=0.2"}


@dataclass(frozen=True)
class Head:
    """A parsed head spec.

    Attributes:
        pooling: How the feature map (h, w, c) becomes a vector: ``avg``, ``max``, ``avg+max``
            (2c values) or ``flatten`` (h*w*c values).
        layers: What follows, in order: ("dense", units), ("dropout", rate), ("batchnorm", 0) or
            ("unitnorm", 0). The last Dense layer, "predictions", is always there and not listed.
    """

    pooling: str
    layers: tuple[tuple[str, float], ...]

    @property
    def normalises(self) -> bool:
        """Whether vectors are scaled to length 1 before any layer but dropout."""
        return next((kind for kind, _ in self.layers if kind != "dropout"), "") == "unitnorm"

    @property
    def bare(self) -> Head:
        """The same without the layers that scale vectors to length 1."""
        return Head(self.pooling, tuple(each for each in self.layers if each[0] != "unitnorm"))


def parse_head(spec: str) -> Head:
    """Read a head spec.

    A spec is a list of layers in order: a pooling (``avg`` where none is named), numbers for
    hidden Dense layers with ReLU, ``dropout=RATE``, ``batchnorm`` and, next to the pooling,
    ``unitnorm``. ``linear`` stands for ``avg,unitnorm,dropout=0.2``: vectors of length 1, of which
    only the direction counts, generalise better from few photos (S. Gidaris and N. Komodakis,
    "Dynamic Few-Shot Visual Learning without Forgetting", 2018).

    Args:
        spec: For example ``"linear"``, ``"flatten,1024,dropout=0.5"`` or ``"avg+max,256"``.

    Raises:
        UsageError: A word is not known or a number is out of range.

    Example:
        >>> parse_head("flatten,1024,dropout=0.5")
        Head(pooling='flatten', layers=(('dense', 1024), ('dropout', 0.5)))
    """
    words = [word.strip() for word in ALIASES.get(spec.strip(), spec).lower().split(",")]
    pooling = words.pop(0) if words[0] in POOLINGS else "avg"
    head = Head(pooling, tuple(_parse_layer(word, spec) for word in words))
    kinds = [kind for kind, _ in head.layers if kind != "dropout"]
    if "unitnorm" in kinds[1:]:
        raise UsageError(f"Expected unitnorm next to the pooling in the head {spec!r}.")
    return head


def _parse_layer(word: str, spec: str) -> tuple[str, float]:
    if word.isdecimal() and 0 < int(word) <= 65_536:
        return "dense", int(word)
    if word in ("batchnorm", "unitnorm"):
        return word, 0
    name, _, value = word.partition("=")
    if name == "dropout":
        try:
            rate = float(value)
        except ValueError:
            rate = -1.0
        if 0 <= rate < 1:
            return "dropout", rate
    hint = did_you_mean(word, [*POOLINGS, *ALIASES, "batchnorm", "unitnorm", "dropout=0.5"])
    raise UsageError(
        f"Cannot read {word!r} in the head {spec!r}.{hint} Expected a pooling first"
        f" ({', '.join(POOLINGS)}), then Dense units, dropout=0.5, batchnorm or unitnorm."
    )


def pool(head: Head, feature_map: keras.KerasTensor) -> keras.KerasTensor:
    """Turn a feature map (b, h, w, c) or tokens (b, n, c) into vectors (b, d).

    Vectors stay as they are.
    """
    from keras import layers

    rank = len(feature_map.shape)
    if rank == 2:
        return feature_map
    average, largest = layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D
    if rank == 3:
        average, largest = layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D
    match head.pooling:
        case "avg":
            return average(name="avg_pool")(feature_map)
        case "max":
            return largest(name="max_pool")(feature_map)
        case "avg+max":
            both = [average(name="avg_pool")(feature_map), largest(name="max_pool")(feature_map)]
            return layers.Concatenate(name="avg_max_pool")(both)
        case _:
            return layers.Flatten(name="flatten")(feature_map)


def build_head(
    head: Head, num_features: int, num_classes: int, seed: int, multi_label: bool = False
) -> keras.Sequential:
    """Return the trainable part: vectors (b, num_features) -> probabilities (b, num_classes).

    The last layer is called "predictions": a Dense layer with softmax or, where an image may be of
    several classes, sigmoid, in float32 whatever the precision of the rest.
    """
    import keras
    from keras import layers

    stack: list[keras.Layer] = [keras.Input((num_features,), name="features")]
    for number, (kind, value) in enumerate(head.layers, start=1):
        name = f"{kind}_{number}"
        if kind == "dense":
            init = keras.initializers.HeUniform(seed + number)
            stack.append(
                layers.Dense(int(value), activation="relu", kernel_initializer=init, name=name)
            )
        elif kind == "dropout":
            stack.append(layers.Dropout(value, seed=seed + number, name=name))
        elif kind == "unitnorm":
            stack.append(layers.UnitNormalization(name=name))
        else:
            stack.append(layers.BatchNormalization(name=name))
    stack.append(
        # Zeros: all classes are equally likely at the start.
        layers.Dense(
            num_classes,
            activation="sigmoid" if multi_label else "softmax",
            kernel_initializer="zeros",
            dtype="float32",
            name="predictions",
        )
    )
    return keras.Sequential(stack, name="head")


def is_linear(head: Head) -> bool:
    """Return whether the head is one Dense layer, perhaps with Dropout before it."""
    return all(kind == "dropout" for kind, _ in head.bare.layers)


def takes_scaled_features(head: Head) -> bool:
    """Return whether the head is trained on standardised vectors (see `absorb_scaling`)."""
    return next((kind for kind, _ in head.bare.layers if kind != "dropout"), "dense") == "dense"


def absorb_scaling(head: keras.Sequential, mean: np.ndarray, scale: np.ndarray) -> None:
    """Make a head that was trained on (x - mean) / scale compute the same from x itself.

    The first Dense layer absorbs the scaling; the Dropout before it is the identity at inference.

    Args:
        head: From `build_head`; changed in place.
        mean: float array of shape (num_features,).
        scale: float array of shape (num_features,), above 0.
    """
    import numpy as np
    from keras import layers

    dense = next(layer for layer in head.layers if isinstance(layer, layers.Dense))
    kernel, bias = (value.astype(np.float64) for value in dense.get_weights())
    scaled = kernel / scale[:, None]
    dense.set_weights([scaled, bias - mean @ scaled])
