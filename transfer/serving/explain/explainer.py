"""Chooses and runs the method that explains a run's model."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from transfer.errors import TransferError, UsageError, option
from transfer.features.converted import convert, has_openvino, place_for
from transfer.features.engines import Engine, keras_engine, openvino_engine, warn_of_fallback
from transfer.runs.run import Run
from transfer.serving.explain.occlusion import occlusion
from transfer.serving.predictor import Predictor
from transfer.system.digests import sha256_of
from transfer.system.quiet import import_tensorflow, refuse_after_fork

if TYPE_CHECKING:
    import keras

    from transfer.serving.explain.parts import Parts

METHODS = ("auto", "cam", "layercam", "occlusion")
FEW = 64  # images that Keras runs before an engine is made, which takes as long


class Explainer:
    """Maps of what raises the logit of a class of a run's model.

    Attributes:
        predictor: The model.
        method: ``cam``, ``layercam`` or ``occlusion``.
        layer: The backbone's layer whose feature map is explained; ``""`` for occlusion.

    Args:
        predictor: The run's model, loaded.
        run: The run.
        method: ``auto`` takes ``cam`` where the head is linear and the last feature map has 4
            cells a side, else ``layercam`` at the uppermost layer that has, else ``occlusion``.
        layer: The layer for ``layercam``; ``""`` leaves it to this class.

    Raises:
        UsageError: The method is unknown or impossible for the model, or the layer is unknown.
        RunError: model.keras is missing or not of this package.
    """

    def __init__(
        self, predictor: Predictor, run: Run, method: str = "auto", layer: str = ""
    ) -> None:
        if method not in METHODS:
            raise UsageError(
                f"Expected {option('method')} as one of {', '.join(METHODS)}. Received: {method!r}"
            )
        if layer and method in ("cam", "occlusion"):
            why = "explains the last feature map" if method == "cam" else "looks at no layer"
            raise UsageError(
                f"{option('layer', layer)} has no meaning with {option('method', method)}, which"
                f" {why}. Use {option('method', 'layercam')}."
            )
        self.predictor, self._run, self._count = predictor, run, 0
        if method == "occlusion":
            self.method, self.layer = method, ""
        else:
            self.method, self.layer = self._settle(method, layer)

    def explain(self, image: np.ndarray, number: int) -> np.ndarray:
        """Return the map of an image for a class, float32 (h, w): higher raises the logit more.

        Args:
            image: uint8 array (size, size, 3), from `Predictor.read`.
            number: Index of the class.
        """
        return self._function(image, number)

    @cached_property
    def parts(self) -> Parts:
        """The model, taken apart."""
        import_tensorflow()
        from transfer.networks.classifier import load_classifier
        from transfer.serving.explain.parts import Parts

        return Parts.of(load_classifier(self._run), str(self._run.path / "model.keras"))

    @cached_property
    def _function(self) -> Callable[[np.ndarray, int], np.ndarray]:
        if self.method == "occlusion":
            return lambda image, number: occlusion(self.predictor.run, image, number)
        if self.method == "layercam":
            from transfer.serving.explain.layercam import layercam

            return layercam(self.parts, self.layer)
        return self._cam

    def _settle(self, method: str, layer: str) -> tuple[str, str]:
        """Return the method and the layer that the model allows."""
        from transfer.serving.explain.cam import has_cam

        parts = self.parts
        linear = not layer and has_cam(parts)
        if layer:
            parts.check_layer(layer)
        if linear and method in ("auto", "cam"):
            return "cam", parts.base.layers[-1].name
        if method == "cam":
            raise UsageError(
                f"{option('method', 'cam')} needs a linear head on a feature map of 4 cells a side"
                f" or more, which this run has not. Use {option('method', 'layercam')} or"
                f" {option('method', 'occlusion')}."
            )
        layer = layer or parts.last_map()
        if layer:
            return "layercam", layer
        if method == "layercam":
            raise UsageError(
                f"{parts.base.name} has no layer with a feature map of 4 cells a side for"
                f" {option('method', 'layercam')}. Use {option('method', 'occlusion')}."
            )
        return "occlusion", ""

    def _cam(self, image: np.ndarray, number: int) -> np.ndarray:
        """Return one class activation map."""
        batch = image[None].astype(np.float32)
        self._count += 1
        if self._count > FEW:
            (maps,) = self._engine(batch)
        else:
            refuse_after_fork()
            maps = np.asarray(self._network(batch, training=False))
        return np.asarray(maps[0, :, :, number])

    @cached_property
    def _network(self) -> keras.Model:
        from transfer.serving.explain.cam import cam_network

        return cam_network(self.parts)

    @cached_property
    def _engine(self) -> Engine:
        """The class activation maps on the engine that the run's model is predicted with."""
        features = self._run.info.features
        if features is not None and features.engine == "openvino" and has_openvino():
            path = self._run.path / "model.keras"
            about = {"what": "class activation maps", "version": 1, "model": sha256_of(path)}
            try:
                return openvino_engine(convert(lambda: self._network, place_for(about)))
            except TransferError:
                raise
            except Exception as error:  # OpenVINO raises exceptions of many types
                warn_of_fallback(str(path), error)
        return keras_engine(self._network)
