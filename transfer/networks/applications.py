"""The table of keras.applications: sizes, and where the ImageNet weights are."""

from __future__ import annotations

from typing import NamedTuple


class Application(NamedTuple):
    """One network of keras.applications.

    Attributes:
        constructor: Its function in keras.applications.
        image_size: Default side of the square input in pixels.
        parameters: Number of weights without the classifier.
        feature_dim: Channels of the last feature map.
    """

    constructor: str
    image_size: int
    parameters: int
    feature_dim: int


class Family(NamedTuple):
    """Networks that share their code.

    Attributes:
        name: Prefix of the networks' names, in another case.
        module: Module under keras.applications with their preprocess_input; ``{name}`` is the
            constructor's name in lower case.
        min_size: Smallest side in pixels that the constructors accept.
        file: Weights file under `URL`; ``{variant}`` is what follows the family's name, in lower
            case, and ``{weights}`` is `WEIGHTS`.
        rows: The networks.
    """

    name: str
    module: str
    min_size: int
    file: str
    rows: tuple[Application, ...]


URL = "https://storage.googleapis.com/tensorflow/keras-applications/"
WEIGHTS = "weights_tf_dim_ordering_tf_kernels"
BUNDLED = {"mobilenetv2": "mobilenetv2_notop.fp16.weights.h5"}

HASHES = {
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

FAMILIES = (
    Family(
        "VGG",
        "{name}",
        32,
        "{name}/{name}_{weights}_notop.h5",
        (
            Application("VGG16", 224, 14_714_688, 512),
            Application("VGG19", 224, 20_024_384, 512),
        ),
    ),
    Family(
        "ResNet",
        "resnet",
        32,
        "resnet/{name}_{weights}_notop.h5",
        (
            Application("ResNet50", 224, 23_587_712, 2048),
            Application("ResNet101", 224, 42_658_176, 2048),
            Application("ResNet152", 224, 58_370_944, 2048),
        ),
    ),
    Family(
        "ResNetV2",
        "resnet_v2",
        32,
        "resnet/{name}_{weights}_notop.h5",
        (
            Application("ResNet50V2", 224, 23_564_800, 2048),
            Application("ResNet101V2", 224, 42_626_560, 2048),
            Application("ResNet152V2", 224, 58_331_648, 2048),
        ),
    ),
    Family(
        "DenseNet",
        "densenet",
        32,
        "densenet/{name}_{weights}_notop.h5",
        (
            Application("DenseNet121", 224, 7_037_504, 1024),
            Application("DenseNet169", 224, 12_642_880, 1664),
            Application("DenseNet201", 224, 18_321_984, 1920),
        ),
    ),
    Family(
        "Inception",
        "inception_v3",
        75,
        "inception_v3/inception_v3_{weights}_notop.h5",
        (Application("InceptionV3", 299, 21_802_784, 2048),),
    ),
    Family(
        "InceptionResNet",
        "inception_resnet_v2",
        75,
        "inception_resnet_v2/inception_resnet_v2_{weights}_notop.h5",
        (Application("InceptionResNetV2", 299, 54_336_736, 1536),),
    ),
    Family(
        "Xception",
        "xception",
        71,
        "xception/xception_{weights}_notop.h5",
        (Application("Xception", 299, 20_861_480, 2048),),
    ),
    Family(
        "MobileNet",
        "mobilenet",
        32,
        "mobilenet/mobilenet_1_0_224_tf_no_top.h5",
        (Application("MobileNet", 224, 3_228_864, 1024),),
    ),
    Family(
        "MobileNetV2",
        "mobilenet_v2",
        32,
        "mobilenet_v2/mobilenet_v2_{weights}_1.0_224_no_top.h5",
        (Application("MobileNetV2", 224, 2_257_984, 1280),),
    ),
    Family(
        "MobileNetV3",
        "mobilenet_v3",
        32,
        "mobilenet_v3/weights_mobilenet_v3_{variant}_224_1.0_float_no_top_v2.h5",
        (
            Application("MobileNetV3Small", 224, 939_120, 576),
            Application("MobileNetV3Large", 224, 2_996_352, 960),
        ),
    ),
    Family(
        "NASNet",
        "nasnet",
        32,
        "nasnet/NASNet-{variant}-no-top.h5",
        (
            Application("NASNetMobile", 224, 4_269_716, 1056),
            Application("NASNetLarge", 331, 84_916_818, 4032),
        ),
    ),
    Family(
        "EfficientNet",
        "efficientnet",
        32,
        "/keras-applications/{name}_notop.h5",
        (
            Application("EfficientNetB0", 224, 4_049_571, 1280),
            Application("EfficientNetB1", 240, 6_575_239, 1280),
            Application("EfficientNetB2", 260, 7_768_569, 1408),
            Application("EfficientNetB3", 300, 10_783_535, 1536),
            Application("EfficientNetB4", 380, 17_673_823, 1792),
            Application("EfficientNetB5", 456, 28_513_527, 2048),
            Application("EfficientNetB6", 528, 40_960_143, 2304),
            Application("EfficientNetB7", 600, 64_097_687, 2560),
        ),
    ),
    Family(
        "EfficientNetV2",
        "efficientnet_v2",
        32,
        "efficientnet_v2/efficientnetv2-{variant}_notop.h5",
        (
            Application("EfficientNetV2B0", 224, 5_919_312, 1280),
            Application("EfficientNetV2B1", 240, 6_931_124, 1280),
            Application("EfficientNetV2B2", 260, 8_769_374, 1408),
            Application("EfficientNetV2B3", 300, 12_930_622, 1536),
            Application("EfficientNetV2S", 384, 20_331_360, 1280),
            Application("EfficientNetV2M", 480, 53_150_388, 1280),
            Application("EfficientNetV2L", 480, 117_746_848, 1280),
        ),
    ),
    Family(
        "ConvNeXt",
        "convnext",
        32,
        "convnext/convnext_{variant}_notop.h5",
        (
            Application("ConvNeXtTiny", 224, 27_820_128, 768),
            Application("ConvNeXtSmall", 224, 49_454_688, 768),
            Application("ConvNeXtBase", 224, 87_566_464, 1024),
            Application("ConvNeXtLarge", 224, 196_230_336, 1536),
            Application("ConvNeXtXLarge", 224, 348_147_968, 2048),
        ),
    ),
)
