"""The classifier: RGB 0..255 -> preprocess -> backbone -> pooling -> head, in one Keras model.

From scratch, a normalisation by the training images may follow the preprocessing.
"""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass
from functools import cached_property

import keras

from transfer.errors import UsageError, did_you_mean, option
from transfer.networks.backbones import Backbone, get_backbone
from transfer.networks.blocks import affordable, find_blocks, split_at
from transfer.networks.head import Head, build_head, parse_head, pool
from transfer.networks.loading import load_weights
from transfer.networks.saved.allowed import Kind
from transfer.networks.saved.model import Expected, kinds_of, load_classifier_file
from transfer.networks.weights import Weights
from transfer.runs.run import Run
from transfer.system.progress import say


@dataclass(frozen=True)
class Classifier:
    """A backbone and the spec of its head: the parts that a training cuts and joins.

    All models that come from here share the layers of `base`; nothing is copied, and
    fine-tuning one changes the others.

    Attributes:
        backbone: The record in the registry.
        base: The backbone as a Keras model, named as in the registry.
        head: How the feature map is pooled, and what follows.
        normalisation: From `fit_normalisation`; None for none.
    """

    backbone: Backbone
    base: keras.Model
    head: Head
    normalisation: keras.Model | None = None

    @classmethod
    def build(
        cls,
        name: str,
        image_size: int,
        head: str,
        weights: Weights,
        base: keras.Model | None = None,
    ) -> Classifier:
        """Return the classifier with its backbone's weights, all of it frozen.

        Args:
            name: The backbone.
            image_size: Side of the square input in pixels.
            head: Head spec, see `parse_head`.
            weights: The backbone's; with origin ``none`` or ``own`` they stay as they were built.
            base: From `Backbone.build` for that size, where it is built already.

        Raises:
            WeightsError: The weights do not fit.
        """
        backbone = get_backbone(name)
        base = backbone.build(image_size) if base is None else base
        load_weights(base, backbone, weights)
        base.trainable = False
        return cls(backbone, base, parse_head(head))

    @cached_property
    def extractor(self) -> keras.Model:
        """From images (b, side, side, 3), RGB 0..255, to vectors (b, d)."""
        images = keras.Input(self.base.input.shape[1:], name="image")
        vectors = pool(self.head, self.base(self._scaled(images)))
        return keras.Model(images, vectors, name="extractor")

    def frozen_part(self, cut: str) -> keras.Model:
        """Return what runs once over all images.

        Args:
            cut: Name of a layer, or ``""``.

        Returns:
            The extractor; with a cut, a model that gives the activations there, then the vectors.
        """
        if not cut:
            return self.extractor
        trunk, top = split_at(self.base, cut)
        images = self.extractor.input
        activations = trunk(self._scaled(images))
        return keras.Model(images, [activations, pool(self.head, top(activations))])

    def _scaled(self, images: keras.KerasTensor) -> keras.KerasTensor:
        scaled = self.backbone.apply_preprocess(images)
        return scaled if self.normalisation is None else self.normalisation(scaled)

    def new_head(self, num_classes: int, seed: int, multi_label: bool = False) -> keras.Sequential:
        """Return an untrained head: vectors (b, d) -> probabilities (b, num_classes)."""
        width = self.extractor.output_shape[-1]
        return build_head(self.head, width, num_classes, seed, multi_label)

    def join(self, head: keras.Model) -> keras.Model:
        """Return images (b, side, side, 3), RGB 0..255 -> probabilities (b, classes)."""
        return keras.Model(self.extractor.input, head(self.extractor.output), name="classifier")

    def above(self, cut: str, head: keras.Model) -> keras.Model:
        """Return what is above a cut: activations (b, h, w, c) -> probabilities (b, classes)."""
        top = split_at(self.base, cut)[1]
        activations = keras.Input(top.input.shape[1:], name="activations")
        return keras.Model(activations, head(pool(self.head, top(activations))))

    def unfreeze(self, model: keras.Model, layers: Collection[str], normalise: bool) -> None:
        """Make the head and some layers of the backbone trainable.

        A BatchNormalization layer that is not trainable runs in inference mode and leaves its
        moving statistics alone. That has to be set layer by layer: calling the backbone with
        ``training=False`` has no effect inside ``fit``
        (https://github.com/keras-team/keras/issues/20285). Compile the model afterwards, or
        it has no effect.

        Args:
            model: From `join`.
            layers: Names of the backbone's layers that train, see `layers_to_unfreeze`.
            normalise: Whether BatchNormalization learns too. With pretrained weights it must not:
                its statistics are better than those of a few photos, and the head's are exact
                already. From scratch it must: they have only initial values.
        """
        model.trainable = True
        if self.normalisation is not None:
            self.normalisation.trainable = False
        for layer in self.base.layers:
            layer.trainable = layer.name in layers
        for part in () if normalise else model._flatten_layers():  # nested ones too
            if isinstance(part, keras.layers.BatchNormalization):
                part.trainable = False


def settle_unfreeze(base: keras.Model, spec: str) -> str:
    """Return what ``auto`` or a number of blocks means for a network.

    Args:
        base: The backbone.
        spec: ``auto`` (see `affordable`), ``none``, ``all``, a number of blocks counted from the
            top, or the name of the lowest layer to train.

    Returns:
        ``none``, ``all``, the number of blocks (at most as many as there are), or a layer's name.

    Raises:
        UsageError: `spec` names no layer.
    """
    if spec == "auto":
        return str(affordable(find_blocks(base)))
    if spec.isdecimal():
        most = len(find_blocks(base))
        if int(spec) > most:
            say(f"{base.name} has {most} blocks: all of them are unfrozen.")
        return str(min(int(spec), most))
    names = [layer.name for layer in base.layers]
    if spec not in ("none", "all", *names):
        raise UsageError(
            f"Unknown {option('unfreeze', spec)}: {base.name} has no layer of that name."
            f"{did_you_mean(spec, names)} Expected auto, none, all, a number or a layer's name."
        )
    return spec


def layers_to_unfreeze(base: keras.Model, spec: str) -> set[str]:
    """Return the names of the backbone's layers that train, for a spec of `settle_unfreeze`."""
    names = [layer.name for layer in base.layers]
    if spec == "none":
        return set()
    if spec == "all":
        return set(names)
    if spec.isdecimal():
        return {name for block in find_blocks(base)[: int(spec)] for name in block.layers}
    return set(names[names.index(spec) :])


def load_classifier(run: Run) -> keras.Model:
    """Load model.keras of a run, once it is checked.

    Raises:
        RunError: It is missing, not a valid model, or not that of the run.
    """
    path = run.path / "model.keras"
    if not (path.exists() or path.is_symlink()):
        raise run.lacks(path.name)
    side = run.info.settings.image_size
    activation = "sigmoid" if run.multi_label else "softmax"
    expected = Expected(side, activation)
    return load_classifier_file(path, expected, lambda: _named(run.recipe.backbone, side))


def _named(name: str, side: int) -> Set[Kind]:
    """Return what a registered network consists of; nothing for a name that is not known here."""
    try:
        backbone = get_backbone(name)
        return kinds_of(backbone.build(side or None)) if backbone.own else set()
    except UsageError:
        return set()
