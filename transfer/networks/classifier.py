"""The classifier: RGB 0..255 -> preprocess -> backbone -> pooling -> head, in one Keras model."""

from __future__ import annotations

import zipfile

import keras

from transfer.errors import RunError, UsageError, did_you_mean
from transfer.networks.backbones import get_backbone
from transfer.networks.blocks import affordable, find_blocks, split_at
from transfer.networks.head import parse_head, pool
from transfer.networks.loading import load_weights
from transfer.networks.weights import Weights
from transfer.recipe import Recipe
from transfer.runs.run import Run
from transfer.system.progress import say


def image_size(recipe: Recipe) -> int:
    """Side of the model's square input in pixels."""
    return get_backbone(recipe.backbone).side(recipe.image_size)


def build_extractor(recipe: Recipe, weights: Weights) -> keras.Model:
    """Return the frozen part: images (b, size, size, 3), RGB 0..255 -> vectors (b, d).

    The backbone is one layer of it, named as in the registry. Nothing in it is trainable.

    Args:
        recipe: Names the backbone, its image size and the head, which says how it is pooled.
        weights: The backbone's, present as a file (or "none").
    """
    backbone, size = get_backbone(recipe.backbone), image_size(recipe)
    base = backbone.build(size)
    load_weights(base, backbone, weights)
    base.trainable = False
    images = keras.Input((size, size, 3), name="image")
    vectors = pool(parse_head(recipe.head), base(backbone.apply_preprocess(images)))
    return keras.Model(images, vectors, name="extractor")


def build_classifier(extractor: keras.Model, head: keras.Model) -> keras.Model:
    """Return images (b, size, size, 3), RGB 0..255 -> probabilities (b, classes).

    The layers of `extractor` and the model `head` are shared, not copied: fine-tuning the
    classifier changes them.
    """
    return keras.Model(extractor.input, head(extractor.output), name="classifier")


def top_of(base: keras.Model, cut: str, head: keras.Model, recipe: Recipe) -> keras.Model:
    """Return the classifier above a cut: activations (b, h, w, c) -> probabilities (b, classes).

    It shares its layers with the backbone and the head.
    """
    top = split_at(base, cut)[1]
    activations = keras.Input(top.input.shape[1:], name="activations")
    return keras.Model(activations, head(pool(parse_head(recipe.head), top(activations))))


def unfreeze(classifier: keras.Model, base: keras.Model, chosen: set[str]) -> None:
    """Make the head and some of the backbone trainable; BatchNormalization stays frozen.

    A BatchNormalization layer that is not trainable runs in inference mode and leaves its moving
    statistics alone. It has to be said layer by layer: calling the backbone with
    ``training=False`` has no effect inside ``fit`` (https://github.com/keras-team/keras/issues/20285).
    Compile the model anew afterwards, or nothing moves.

    Args:
        classifier: From `build_classifier`.
        base: The backbone inside it.
        chosen: Names of the backbone's layers that are to train (see `layers_to_unfreeze`).
    """
    classifier.trainable = True
    for layer in base.layers:
        layer.trainable = layer.name in chosen
        for part in layer._flatten_layers():  # a user's own backbone may nest models
            if isinstance(part, keras.layers.BatchNormalization):
                part.trainable = False


def is_from_scratch(recipe: Recipe, weights: Weights) -> bool:
    """Tell whether all of the network is trained, from its first weight."""
    return get_backbone(recipe.backbone).scratch and weights.origin == "none"


def layers_to_unfreeze(base: keras.Model, spec: str, from_scratch: bool = False) -> set[str]:
    """Return the names of the backbone's layers that `spec` stands for.

    Args:
        base: The backbone.
        spec: ``auto`` (see `transfer.networks.blocks.affordable`), ``none``, ``all``, a number of
            blocks counted from the top (at most as many as there are), or the name of the lowest
            layer to train.
        from_scratch: There is nothing worth freezing: ``auto`` is ``all``.

    Raises:
        UsageError: `spec` names no layer.
    """
    names = [layer.name for layer in base.layers]
    if spec == "none":
        return set()
    if spec == "all" or (spec == "auto" and from_scratch):
        return set(names)
    if spec == "auto" or spec.isdecimal():
        blocks = find_blocks(base)
        count = affordable(blocks) if spec == "auto" else int(spec)
        if count > len(blocks):
            say(f"{base.name} has {len(blocks)} blocks: all of them are unfrozen.")
        return {name for block in blocks[:count] for name in block.layers}
    if spec in names:
        return set(names[names.index(spec) :])
    raise UsageError(
        f"Cannot unfreeze {spec!r}: {base.name} has no layer of that name."
        f"{did_you_mean(spec, names)} Expected auto, none, all, a number or a layer's name."
    )


def load_classifier(run: Run) -> keras.Model:
    """Load model.keras of a run.

    Raises:
        RunError: It is missing or not a valid model.
    """
    path = run.path / "model.keras"
    if not path.exists():
        raise run.lacks(path.name)
    if not zipfile.is_zipfile(path):
        raise RunError(f"{path} is not a valid model: it is cut off, or not Keras' format.")
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:
        raise RunError(f"{path} is not a valid model: {error}".splitlines()[0]) from error
