"""The registry of backbones: a record of each network, without importing Keras.

    >>> from transfer.networks.backbones import get_backbone
    >>> vgg16 = get_backbone("vgg16")
    >>> vgg16.image_size, vgg16.feature_dim
    (224, 512)

It holds all of keras.applications (`transfer.networks.applications`) and a few small networks
without pretrained weights (`transfer.networks.scratch`); `register_backbone` adds your own.
"""

from __future__ import annotations

import fnmatch
import inspect
import pkgutil
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from transfer.errors import UsageError, did_you_mean, either, option
from transfer.networks import applications
from transfer.networks.applications import Application, Family
from transfer.networks.own import adopt

if TYPE_CHECKING:
    import keras


# Constructors that return a new model at each call; those of users may return the same one.
_FRESH = ("keras.applications", "transfer.networks.scratch")


@dataclass(frozen=True)
class Backbone:
    """The record of one network without its classifier.

    Attributes:
        name: Name in the registry, lower case.
        constructor: Import string ``"module:function"``, resolved on use, or a function. It is
            called with ``input_shape=(h, w, 3)``, and with ``weights=None`` and
            ``include_top=False`` if it has such parameters.
        preprocess: Import string or function that turns RGB 0..255 into the input that the network
            was trained on; None for none.
        family: Networks that share their code, for example ``"ResNetV2"``.
        image_size: Default side of the square input in pixels.
        min_size: Smallest side in pixels that the constructor accepts.
        parameters: Number of weights; 0 if not stated.
        feature_dim: Channels of the last feature map; 0 if not stated.
        weights_url: Address of the ImageNet weights without the classifier.
        weights_md5: Hash of that file as hex digits: MD5 (32), or SHA-256 (64) for ConvNeXt,
            for which Keras states no other.
        weights_file: Name of that file in the Keras cache.
        bundled: Name of the weights file that comes with this package.
        scratch: Whether it is one of `transfer.networks.scratch`, which have no pretrained weights
            and are trained entirely.
    """

    name: str
    constructor: str | Callable[..., keras.Model]
    preprocess: str | Callable[[Any], Any] | None
    family: str
    image_size: int
    min_size: int
    parameters: int
    feature_dim: int
    weights_url: str | None = None
    weights_md5: str | None = None
    weights_file: str | None = None
    bundled: str | None = None
    scratch: bool = False

    def side(self, image_size: int | None) -> int:
        """Return the side of the square input in pixels: `image_size`, or the default for None.

        Raises:
            UsageError: It is smaller than the network accepts.
        """
        side = self.image_size if image_size is None else image_size
        if side < self.min_size:
            raise UsageError(
                f"Expected {option('image_size')} of at least {self.min_size} for {self.name!r}."
                f" Received: {side}"
            )
        return side

    def build(self, image_size: int | None = None) -> keras.Model:
        """Return the network without its classifier, with the weights that its constructor makes.

        Args:
            image_size: Side of the square input in pixels; None takes the default.

        Returns:
            A functional Keras model named like the backbone, from float32 (b, s, s, 3) to a
            feature map (b, h, w, c), tokens (b, n, c) or a vector (b, c).

        Raises:
            UsageError: `image_size` is smaller than the network accepts, or the constructor
                returns something that cannot be trained.
        """
        side = self.side(image_size)
        constructor = _resolve(self.constructor)
        accepted = inspect.signature(constructor).parameters
        wanted = {"weights": None, "include_top": False}
        options = {name: value for name, value in wanted.items() if name in accepted}
        make = partial(constructor, input_shape=(side, side, 3), **options)
        if self.own:
            make = partial(adopt, make, self.name, side)
        # In a new thread Keras numbers layers from the start, so each build has the same names.
        with ThreadPoolExecutor(1) as thread:
            model: keras.Model = thread.submit(make).result()
        model.name = self.name  # not at construction: some constructors prefix layers with it
        return model

    @property
    def own(self) -> bool:
        """Whether a user wrote it: its constructor may return anything, and the same each time."""
        return not (isinstance(self.constructor, str) and self.constructor.startswith(_FRESH))

    def apply_preprocess(self, x: Any) -> Any:
        """Return `x` preprocessed for the network.

        Args:
            x: Symbolic tensor, tensor or array of shape (b, h, w, 3), float32, RGB in 0..255.
                An array is not changed in place.
        """
        if self.preprocess is None:
            return x
        import numpy as np

        return _resolve(self.preprocess)(x.copy() if isinstance(x, np.ndarray) else x)


def get_backbone(name: str) -> Backbone:
    """Return the backbone called `name`, in upper or lower case.

        >>> get_backbone("VGG16").image_size
        224

    Raises:
        UsageError: No backbone has that name.
    """
    backbone = _REGISTRY.get(name.lower())
    if backbone is None:
        hint = did_you_mean(name.lower(), _REGISTRY)
        raise UsageError(f"Unknown backbone {name!r}.{hint} {see_backbones()}")
    return backbone


def see_backbones() -> str:
    """Return the sentence that leads to the list of backbones."""
    return f"See {either('transfer.list_backbones()', 'transfer backbones')}."


def list_backbones(pattern: str = "*") -> list[Backbone]:
    """Return the backbones whose name matches a glob, in natural order.

        >>> [b.name for b in list_backbones("resnet*v2")]
        ['resnet50v2', 'resnet101v2', 'resnet152v2']

    Args:
        pattern: Shell pattern with ``*``, ``?`` and ``[...]``, in upper or lower case.
    """
    names = fnmatch.filter(_REGISTRY, pattern.lower())
    return [_REGISTRY[name] for name in sorted(names, key=_natural)]


def register_backbone(
    name: str,
    constructor: str | Callable[..., keras.Model],
    *,
    preprocess: str | Callable[[Any], Any] | None = None,
    image_size: int,
    min_size: int | None = None,
    family: str = "own",
    parameters: int = 0,
    feature_dim: int = 0,
    weights_url: str | None = None,
    weights_md5: str | None = None,
    overwrite: bool = False,
) -> Backbone:
    """Add a Keras model of your own to the registry of this process.

        >>> def tiny(input_shape):
        ...     image = keras.Input(input_shape)
        ...     return keras.Model(image, keras.layers.Conv2D(8, 3, strides=2)(image))
        >>> register_backbone("tiny", tiny, image_size=32)

    Each parameter is a field of the record; all but three have defaults.

    Args:
        name: Lower-case letters, digits, ``_`` and ``-``.
        constructor: Import string ``"module:function"`` or function; called with
            ``input_shape=(h, w, 3)``, returns a Keras model whose output is a feature map
            (b, h, w, c) or a vector (b, c). If it has the parameters ``weights`` and
            ``include_top``, as those of keras.applications, it also gets ``weights=None`` and
            ``include_top=False``; its weights then come from `weights_url` or from the recipe's
            ``weights``. A constructor without them may load weights itself.
        preprocess: Import string or function from RGB 0..255 to what the model expects, made of
            operations that work on symbolic tensors. None for none.
        image_size: Default side in pixels.
        min_size: Smallest side in pixels; None for no limit.
        family: Name under which it is listed with others.
        parameters: Number of weights, if known.
        feature_dim: Channels of the output, if known.
        weights_url: Address of its weights (``.weights.h5`` or legacy ``.h5``).
        weights_md5: MD5 (32 hex digits) or SHA-256 (64) of that file.
        overwrite: Replace a backbone of the same name.

    Returns:
        The new record.

    Raises:
        UsageError: The name is taken or has other characters.
    """
    if not re.fullmatch(r"[a-z0-9_-]+", name):
        raise UsageError(f"Expected a backbone name of a-z, 0-9, _ and -. Received: {name!r}")
    if name in _REGISTRY and not overwrite:
        raise UsageError(f"Backbone {name!r} exists. Choose another name or pass overwrite=True.")
    _REGISTRY[name] = Backbone(
        name=name,
        constructor=constructor,
        preprocess=preprocess,
        family=family,
        image_size=image_size,
        min_size=1 if min_size is None else min_size,
        parameters=parameters,
        feature_dim=feature_dim,
        weights_url=weights_url,
        weights_md5=weights_md5,
        weights_file=weights_url and weights_url.rsplit("/", 1)[-1],
    )
    return _REGISTRY[name]


def _resolve(target: str | Callable[..., Any]) -> Callable[..., Any]:
    if not isinstance(target, str):
        return target
    try:
        function: Callable[..., Any] = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"Cannot import {target!r}: {error}. Expected 'module:function'."
        ) from error
    return function


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _application(family: Family, application: Application) -> Backbone:
    name = application.constructor.lower()
    variant = name.removeprefix(family.name.lower())
    module = family.module.format(name=name)
    file = family.file.format(name=name, variant=variant, weights=applications.WEIGHTS)
    # Keras stores the files of NASNet under other names than in their URLs.
    nasnet = family.name == "NASNet"
    return Backbone(
        name=name,
        constructor=f"keras.applications:{application.constructor}",
        preprocess=f"keras.applications.{module}:preprocess_input",
        family=family.name,
        image_size=application.image_size,
        min_size=family.min_size,
        parameters=application.parameters,
        feature_dim=application.feature_dim,
        weights_url=urljoin(applications.URL, file),
        weights_md5=applications.HASHES.get(name),
        weights_file=f"nasnet_{variant}_no_top.h5" if nasnet else file.rsplit("/", 1)[-1],
        bundled=applications.BUNDLED.get(name),
    )


def _scratch_network(
    name: str, image_size: int, min_size: int, parameters: int, feature_dim: int
) -> Backbone:
    return Backbone(
        name=name,
        constructor=f"transfer.networks.scratch:{name.replace('-', '_')}",
        preprocess="transfer.networks.scratch:rescale",
        family="scratch",
        image_size=image_size,
        min_size=min_size,
        parameters=parameters,
        feature_dim=feature_dim,
        scratch=True,
    )


_SCRATCH = {  # default size, smallest size, parameters, features
    "dnn": (32, 8, 393_344, 128),
    "lenet5": (32, 16, 61_156, 84),
    "simple-cnn": (32, 18, 121_920, 64),
    "small-cnn": (180, 8, 3_988_640, 128),
}

_RECORDS = [_application(family, row) for family in applications.FAMILIES for row in family.rows]
_RECORDS += [_scratch_network(name, *sizes) for name, sizes in _SCRATCH.items()]
_REGISTRY = {backbone.name: backbone for backbone in _RECORDS}
