"""A trained classifier taken apart: backbone, pooling and head share their layers with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras

from transfer.errors import RunError, UsageError, did_you_mean, option
from transfer.networks.blocks import find_cuts, split_at

LEAST_SIDE = 4  # cells of a map that is worth a look
_NAMED = 8  # layers that a message lists


@dataclass(frozen=True)
class Parts:
    """The parts of a classifier that `transfer.networks.classifier.Classifier.join` made.

    Attributes:
        model: Images (b, side, side, 3), RGB 0..255, to probabilities (b, classes).
        base: The backbone, a layer of `model`.
        head: Vectors to probabilities, the last layer of `model`.
    """

    model: keras.Model
    base: keras.Model
    head: keras.Sequential

    @classmethod
    def of(cls, model: keras.Model, name: str = "model.keras") -> Parts:
        """Take a classifier apart.

        Args:
            model: The classifier.
            name: Its file, for messages.

        Raises:
            RunError: It is built in another way.
        """
        nested = [layer for layer in model.layers if isinstance(layer, keras.Model)]
        last = nested[-1].layers[-1] if nested else None
        if len(nested) < 2 or not isinstance(last, keras.layers.Dense):
            raise RunError(
                f"Expected a backbone and a head that ends in a Dense layer in {name}. It was not"
                f" written by this package; explain it with {option('method', 'occlusion')}."
            )
        return cls(model, nested[-2], nested[-1])

    @cached_property
    def scale(self) -> keras.Model:
        """From images to what the backbone receives."""
        cuts = find_cuts(self.model)
        return split_at(self.model, cuts[cuts.index(self.base.name) - 1])[0]

    @cached_property
    def pooling(self) -> str:
        """``avg``, ``max``, ``avg+max``, ``flatten``; ``""`` where the backbone gives vectors."""
        names = {layer.name for layer in self.model.layers}
        kinds = {"avg_max_pool": "avg+max", "avg_pool": "avg", "max_pool": "max"}
        found = [kind for name, kind in (kinds | {"flatten": "flatten"}).items() if name in names]
        return found[0] if found and len(self.base.output.shape) > 2 else ""

    @cached_property
    def predictions(self) -> keras.layers.Dense:
        """The last layer, from vectors to probabilities."""
        return self.head.layers[-1]

    @cached_property
    def above(self) -> keras.Model:
        """From the backbone's output to what the last layer receives."""
        vectors = split_at(self.model, self.base.name)[1]  # up to the probabilities
        cuts = find_cuts(vectors)
        pooled = split_at(vectors, cuts[cuts.index(self.head.name) - 1])[0]
        x = pooled.output
        for layer in self.head.layers[:-1]:
            x = layer(x)
        return keras.Model(pooled.input, x)

    @cached_property
    def map_layers(self) -> list[str]:
        """Layers of the backbone that give a feature map (h, w, c), from the input up."""
        return [layer.name for layer in self.base.layers if is_map(output_of(layer))]

    def last_map(self) -> str:
        """Return the uppermost layer with a map of 4 cells a side; ``""`` where there is none.

        One that all paths pass through is preferred: a branch knows only a part.
        """
        image = self.base.layers[0].name
        large = [
            name
            for name in self.map_layers
            if name != image and side_of(self.base.get_layer(name)) >= LEAST_SIDE
        ]
        cuts = set(find_cuts(self.base))
        whole = [name for name in large if name in cuts]
        return (whole or large or [""])[-1]

    def check_layer(self, name: str) -> None:
        """Raise UsageError where no layer of that name gives a feature map."""
        names = [layer.name for layer in self.base.layers]
        if name in self.map_layers:
            return
        if name in names:
            problem = f"Layer {name!r} of {self.base.name} gives no feature map (h, w, c)."
            near = sorted(
                self.map_layers, key=lambda each: abs(names.index(each) - names.index(name))
            )
        else:
            problem = (
                f"Unknown {option('layer', name)}: {self.base.name} has no layer of that name."
            )
            problem += did_you_mean(name, self.map_layers)
            near = self.map_layers[::-1]
        listed = ", ".join(near[:_NAMED]) or "none: its layers are vectors"
        raise UsageError(f"{problem} Layers with a feature map: {listed}")


def output_of(layer: keras.Layer) -> Any:
    """Return the symbolic output of a layer; None where it has several, or several uses."""
    try:
        return layer.output
    except (AttributeError, ValueError):
        return None


def is_map(tensor: Any) -> bool:
    """Return whether a symbolic tensor is a feature map (b, h, w, c) of a fixed size."""
    shape = getattr(tensor, "shape", ())
    return len(shape) == 4 and None not in shape[1:]


def side_of(layer: keras.Layer) -> int:
    """Return the cells of the shorter side of a layer's feature map."""
    return int(min(layer.output.shape[1:3]))
