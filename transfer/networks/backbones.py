"""The registry of backbones: what is known about each network, without importing Keras.

    >>> from transfer.networks.backbones import get_backbone
    >>> vgg16 = get_backbone("vgg16")
    >>> vgg16.image_size, vgg16.feature_dim
    (224, 512)

All of keras.applications stands in one table below, and a few networks without pretrained weights
in another; `register_backbone` adds a model of your own.
"""

from __future__ import annotations

import fnmatch
import inspect
import pkgutil
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin

from transfer.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Backbone:
    """All that is known about one network without its classifier.

    Attributes:
        name: Name in the registry, lower case.
        constructor: Import string ``"module:function"``, resolved on use, or a function. It is
            called with ``input_shape=(h, w, 3)``, and with ``weights=None`` and
            ``include_top=False`` where it knows them.
        preprocess: Import string or function that turns RGB 0..255 into what the network was
            trained on; None for none.
        family: Networks that share their code, for example ``"ResNetV2"``.
        image_size: Default side of the square input in pixels.
        min_size: Smallest side in pixels that the constructor accepts.
        parameters: Number of weights; 0 where it was not stated.
        feature_dim: Channels of the last feature map; 0 where it was not stated.
        weights_url: Where the ImageNet weights without the top can be downloaded.
        weights_md5: Hash of that file as hex digits: MD5 (32), or SHA-256 (64) for ConvNeXt,
            where Keras gives no other.
        weights_file: Name of that file in the Keras cache.
        bundled: Name of the weights file that comes with this package.
        scratch: Whether it is one of `transfer.networks.scratch`: there are no pretrained weights,
            and all of it is trained.
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
            UsageError: It is below the smallest that the network accepts.
        """
        side = self.image_size if image_size is None else image_size
        if side < self.min_size:
            raise UsageError(
                f"Expected an image size of at least {self.min_size} for {self.name!r}."
                f" Received: {side}"
            )
        return side

    def build(self, image_size: int | None = None) -> keras.Model:
        """Return the network without its top, with random weights.

        Args:
            image_size: Side of the square input in pixels; None takes the default.

        Returns:
            A functional Keras model named like the backbone, from float32 (b, s, s, 3) to a
            feature map (b, h, w, c) or a vector (b, c).

        Raises:
            UsageError: `image_size` is below the smallest that the network accepts.
        """
        import keras

        side = self.side(image_size)
        constructor = _resolve(self.constructor)
        known = inspect.signature(constructor).parameters
        wanted = {"weights": None, "include_top": False}
        options = {word: value for word, value in wanted.items() if word in known}
        # In a thread of its own Keras numbers layers from the start: each build has the same names.
        with ThreadPoolExecutor(1) as thread:
            model = thread.submit(constructor, input_shape=(side, side, 3), **options).result()
        if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
            raise UsageError(
                f"Expected the constructor of {self.name!r} to return a functional or Sequential"
                f" model with an Input({(side, side, 3)}). Received: {model!r:.60}"
            )
        if isinstance(model, keras.Sequential):
            model = keras.Model(model.inputs[0], model.outputs[0])
        model.name = self.name  # not at construction: some constructors prefix layers with it
        return model

    def apply_preprocess(self, x: Any) -> Any:
        """Return `x` as the network expects it.

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
        UsageError: There is none of that name.
    """
    backbone = _REGISTRY.get(name.lower())
    if backbone is None:
        hint = did_you_mean(name.lower(), _REGISTRY)
        raise UsageError(f'Unknown backbone {name!r}.{hint} See "transfer backbones".')
    return backbone


def list_backbones(pattern: str = "*") -> list[Backbone]:
    """Return the backbones whose name fits a glob, in natural order.

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

    Args:
        name: Lower-case letters, digits, ``_`` and ``-``.
        constructor: Import string ``"module:function"`` or function; called with
            ``input_shape=(h, w, 3)``, returns a Keras model whose output is a feature map
            (b, h, w, c) or a vector (b, c). Where it knows them, it gets ``weights=None`` and
            ``include_top=False`` too, as those of keras.applications do: its weights then come
            from `weights_url` or from the recipe's ``weights``. One that knows neither may load
            weights of its own.
        preprocess: Import string or function from RGB 0..255 to what the model expects, made of
            operations that work on symbolic tensors. None for none.
        image_size: Default side in pixels.
        min_size: Smallest side in pixels; None for no limit.
        family: What `list_backbones` shows as its family.
        parameters: Number of weights, where known.
        feature_dim: Channels of the output, where known.
        weights_url: Where its weights can be downloaded (``.weights.h5`` or legacy ``.h5``).
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
        found: Callable[..., Any] = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"Cannot import {target!r}: {error}. Expected 'module:function'."
        ) from error
    return found


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class _Family(NamedTuple):
    name: str
    module: str  # under keras.applications, for preprocess_input
    min_size: int
    file: str  # under _URL; {variant} is what follows the family's name, in lower case
    rows: list[tuple[str, int, int, int]]  # constructor, default size, parameters, feature_dim

    def backbones(self) -> list[Backbone]:
        return [self._backbone(*row) for row in self.rows]

    def _backbone(self, constructor: str, side: int, parameters: int, channels: int) -> Backbone:
        name = constructor.lower()
        variant = name.removeprefix(self.name.lower())
        module = self.module.format(name=name)
        url = self.file.format(name=name, variant=variant, weights=_WEIGHTS)
        file = f"nasnet_{variant}_no_top.h5" if self.name == "NASNet" else url.rsplit("/", 1)[-1]
        return Backbone(
            name=name,
            constructor=f"keras.applications:{constructor}",
            preprocess=f"keras.applications.{module}:preprocess_input",
            family=self.name,
            image_size=side,
            min_size=self.min_size,
            parameters=parameters,
            feature_dim=channels,
            weights_url=urljoin(_URL, url),
            weights_md5=_HASHES.get(name),
            weights_file=file,
            bundled=_BUNDLED.get(name),
        )


_URL = "https://storage.googleapis.com/tensorflow/keras-applications/"
_WEIGHTS = "weights_tf_dim_ordering_tf_kernels"
_BUNDLED = {"mobilenetv2": "mobilenetv2_notop.fp16.weights.h5"}

_HASHES = {
    "vgg16": "6d6bbae143d832006294945121d1f1fc",
    "vgg19": "253f8cb515780f3b799900260a226db6",
    "resnet50": "4d473c1dd8becc155b73f8504c6f6626",
    "resnet101": "88cf7a10940856eca736dc7b7e228a21",
    "resnet152": "ee4c566cf9a93f14d82f913c2dc6dd0c",
    "resnet50v2": "fac2f116257151a9d068a22e544a4917",
    "resnet101v2": "c0ed64b8031c3730f411d2eb4eea35b5",
    "resnet152v2": "ed17cf2e0169df9d443503ef94b23b33",
    "densenet121": "30ee3e1110167f948a6b9946edeeb738",
    "densenet169": "b8c4d4c20dd625c148057b9ff1c1176b",
    "densenet201": "c13680b51ded0fb44dff2d8f86ac8bb1",
    "inceptionv3": "bcbd6486424b2319ff4ef7d526e38f63",
    "inceptionresnetv2": "d19885ff4a710c122648d3b5c3b684e4",
    "xception": "b0042744bf5b25fce3cb969f33bebb97",
    "mobilenetv3small": "d3e8ec802a04aa4fc771ee12a9a9b836",
    "mobilenetv3large": "07fb09a5933dd0c8eaafa16978110389",
    "nasnetmobile": "1ed92395b5b598bdda52abe5c0dbfd63",
    "nasnetlarge": "d81d89dc07e6e56530c4e77faddd61b5",
    "efficientnetb0": "50bc09e76180e00e4465e1a485ddc09d",
    "efficientnetb1": "74c4e6b3e1f6a1eea24c589628592432",
    "efficientnetb2": "111f8e2ac8aa800a7a99e3239f7bfb39",
    "efficientnetb3": "af6d107764bb5b1abb91932881670226",
    "efficientnetb4": "ebc24e6d6c33eaebbd558eafbeedf1ba",
    "efficientnetb5": "38879255a25d3c92d5e44e04ae6cec6f",
    "efficientnetb6": "9ecce42647a20130c1f39a5d4cb75743",
    "efficientnetb7": "cbcfe4450ddf6f3ad90b1b398090fe4a",
    "efficientnetv2b0": "893217f2bb855e2983157299931e43ff",
    "efficientnetv2b1": "0e80663031ca32d657f9caa404b6ec37",
    "efficientnetv2b2": "1dfe2e7a5d45b6632553a8961ea609eb",
    "efficientnetv2b3": "f6abf7b5849ac99a89b50dd3fd532856",
    "efficientnetv2s": "af0682fb74e8c54910f2d4393339c070",
    "efficientnetv2m": "1b8dc055df72dde80d614482840fe342",
    "efficientnetv2l": "b0b66b5c863aef5b46e8608fe1711615",
    "convnexttiny": "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    "convnextsmall": "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    "convnextbase": "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    "convnextlarge": "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    "convnextxlarge": "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
}

_FAMILIES = [
    _Family(
        "VGG",
        "{name}",
        32,
        "{name}/{name}_{weights}_notop.h5",
        [
            ("VGG16", 224, 14_714_688, 512),
            ("VGG19", 224, 20_024_384, 512),
        ],
    ),
    _Family(
        "ResNet",
        "resnet",
        32,
        "resnet/{name}_{weights}_notop.h5",
        [
            ("ResNet50", 224, 23_587_712, 2048),
            ("ResNet101", 224, 42_658_176, 2048),
            ("ResNet152", 224, 58_370_944, 2048),
        ],
    ),
    _Family(
        "ResNetV2",
        "resnet_v2",
        32,
        "resnet/{name}_{weights}_notop.h5",
        [
            ("ResNet50V2", 224, 23_564_800, 2048),
            ("ResNet101V2", 224, 42_626_560, 2048),
            ("ResNet152V2", 224, 58_331_648, 2048),
        ],
    ),
    _Family(
        "DenseNet",
        "densenet",
        32,
        "densenet/{name}_{weights}_notop.h5",
        [
            ("DenseNet121", 224, 7_037_504, 1024),
            ("DenseNet169", 224, 12_642_880, 1664),
            ("DenseNet201", 224, 18_321_984, 1920),
        ],
    ),
    _Family(
        "Inception",
        "inception_v3",
        75,
        "inception_v3/inception_v3_{weights}_notop.h5",
        [("InceptionV3", 299, 21_802_784, 2048)],
    ),
    _Family(
        "InceptionResNet",
        "inception_resnet_v2",
        75,
        "inception_resnet_v2/inception_resnet_v2_{weights}_notop.h5",
        [("InceptionResNetV2", 299, 54_336_736, 1536)],
    ),
    _Family(
        "Xception",
        "xception",
        71,
        "xception/xception_{weights}_notop.h5",
        [("Xception", 299, 20_861_480, 2048)],
    ),
    _Family(
        "MobileNet",
        "mobilenet",
        32,
        "mobilenet/mobilenet_1_0_224_tf_no_top.h5",
        [("MobileNet", 224, 3_228_864, 1024)],
    ),
    _Family(
        "MobileNetV2",
        "mobilenet_v2",
        32,
        "mobilenet_v2/mobilenet_v2_{weights}_1.0_224_no_top.h5",
        [("MobileNetV2", 224, 2_257_984, 1280)],
    ),
    _Family(
        "MobileNetV3",
        "mobilenet_v3",
        32,
        "mobilenet_v3/weights_mobilenet_v3_{variant}_224_1.0_float_no_top_v2.h5",
        [
            ("MobileNetV3Small", 224, 939_120, 576),
            ("MobileNetV3Large", 224, 2_996_352, 960),
        ],
    ),
    _Family(
        "NASNet",
        "nasnet",
        32,
        "nasnet/NASNet-{variant}-no-top.h5",
        [
            ("NASNetMobile", 224, 4_269_716, 1056),
            ("NASNetLarge", 331, 84_916_818, 4032),
        ],
    ),
    _Family(
        "EfficientNet",
        "efficientnet",
        32,
        "/keras-applications/{name}_notop.h5",
        [
            ("EfficientNetB0", 224, 4_049_571, 1280),
            ("EfficientNetB1", 240, 6_575_239, 1280),
            ("EfficientNetB2", 260, 7_768_569, 1408),
            ("EfficientNetB3", 300, 10_783_535, 1536),
            ("EfficientNetB4", 380, 17_673_823, 1792),
            ("EfficientNetB5", 456, 28_513_527, 2048),
            ("EfficientNetB6", 528, 40_960_143, 2304),
            ("EfficientNetB7", 600, 64_097_687, 2560),
        ],
    ),
    _Family(
        "EfficientNetV2",
        "efficientnet_v2",
        32,
        "efficientnet_v2/efficientnetv2-{variant}_notop.h5",
        [
            ("EfficientNetV2B0", 224, 5_919_312, 1280),
            ("EfficientNetV2B1", 240, 6_931_124, 1280),
            ("EfficientNetV2B2", 260, 8_769_374, 1408),
            ("EfficientNetV2B3", 300, 12_930_622, 1536),
            ("EfficientNetV2S", 384, 20_331_360, 1280),
            ("EfficientNetV2M", 480, 53_150_388, 1280),
            ("EfficientNetV2L", 480, 117_746_848, 1280),
        ],
    ),
    _Family(
        "ConvNeXt",
        "convnext",
        32,
        "convnext/convnext_{variant}_notop.h5",
        [
            ("ConvNeXtTiny", 224, 27_820_128, 768),
            ("ConvNeXtSmall", 224, 49_454_688, 768),
            ("ConvNeXtBase", 224, 87_566_464, 1024),
            ("ConvNeXtLarge", 224, 196_230_336, 1536),
            ("ConvNeXtXLarge", 224, 348_147_968, 2048),
        ],
    ),
]

_SCRATCH = [  # name, default size, smallest size, parameters, features
    ("dnn", 32, 8, 393_344, 128),
    ("lenet5", 32, 16, 61_156, 84),
    ("simple-cnn", 32, 18, 121_920, 64),
    ("small-cnn", 180, 8, 3_988_640, 128),
]

_REGISTRY = {backbone.name: backbone for family in _FAMILIES for backbone in family.backbones()}
_REGISTRY |= {
    name: Backbone(
        name=name,
        constructor=f"transfer.networks.scratch:{name.replace('-', '_')}",
        preprocess="transfer.networks.scratch:rescale",
        family="scratch",
        image_size=side,
        min_size=smallest,
        parameters=parameters,
        feature_dim=features,
        scratch=True,
    )
    for name, side, smallest, parameters, features in _SCRATCH
}
