"""Which classes a saved model may name: those that compute from tensors alone.

A class that reads files, imports code or unpickles is not among them. What networks of
keras.applications and heads consist of is all here (tests/networks/saved builds them), and the
usual layers of networks that users register.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What the serialized form of an object says about its class."""

    module: str | None
    name: str
    registered: str | None


_LAYERS = """
    Activation ActivityRegularization Add AdditiveAttention Attention Average AveragePooling1D
    AveragePooling2D BatchNormalization CenterCrop Concatenate Conv1D Conv1DTranspose Conv2D
    Conv2DTranspose Cropping1D Cropping2D Dense DepthwiseConv1D DepthwiseConv2D Dot Dropout ELU
    Embedding Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
    GlobalMaxPooling1D GlobalMaxPooling2D GroupNormalization Identity InputLayer
    LayerNormalization LeakyReLU Maximum MaxPooling1D MaxPooling2D Minimum MultiHeadAttention
    Multiply Normalization PReLU Permute RMSNormalization ReLU RepeatVector Rescaling Reshape
    Resizing SeparableConv1D SeparableConv2D Softmax SpatialDropout1D SpatialDropout2D Subtract
    UnitNormalization UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
"""
_INITIALIZERS = """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform Ones
    RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros
"""
_NUMPY_OPS = """
    Abs Absolute Add Average BroadcastTo Clip Concatenate Cos Divide Dot Exp ExpandDims Flip
    FloorDivide GetItem Log Matmul Max Maximum Mean Min Minimum Moveaxis Multiply Negative Power
    Prod Reshape Roll Sin Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Tanh Transpose
    TrueDivide Var
"""
_NN_OPS = """
    AveragePool Elu Gelu HardSigmoid HardSilu HardSwish LeakyRelu LogSoftmax MaxPool Normalize Relu
    Relu6 Selu Sigmoid Silu Softmax Softplus Softsign Swish
"""
_FUNCTIONAL = "keras.src.models.functional"

ALLOWED = frozenset(
    [
        *(("keras.layers", name) for name in _LAYERS.split()),
        *(("keras.initializers", name) for name in _INITIALIZERS.split()),
        *(("keras.src.ops.numpy", name) for name in _NUMPY_OPS.split()),
        *(("keras.src.ops.nn", name) for name in _NN_OPS.split()),
        *(("keras.regularizers", name) for name in ("L1", "L2", "L1L2")),
        *(("keras.constraints", name) for name in ("MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm")),
        (_FUNCTIONAL, "Functional"),
        ("keras", "Sequential"),
        ("keras", "DTypePolicy"),
        ("keras.src.applications.convnext", "LayerScale"),
        ("keras.src.applications.convnext", "StochasticDepth"),
        ("keras.src.applications.inception_resnet_v2", "CustomScaleLayer"),
        ("keras.src.ops.core", "Cast"),
    ]
)
# What the serialized form holds beside objects; of their contents only `_DTYPES` matter.
PLAIN = frozenset(["__keras_tensor__", "__slice__", "__ellipsis__", "__numpy__", "__tensor__"])
# Never, even in the network of a registered backbone: code, files and addresses in their configs.
_NEVER = {
    *("Hashing", "IntegerLookup", "JaxLayer", "Lambda", "StringLookup", "TFSMLayer"),
    *("TextVectorization", "FlaxLayer", "TorchModuleWrapper", "__lambda__", "__typespec__"),
    "function",
}


def kind_of(value: dict[str, Any]) -> Kind:
    """Return the kind of an object in serialized form. Raises ValueError where it names none."""
    parts = value.get("module"), value.get("class_name"), value.get("registered_name")
    module, name, registered = parts
    if not isinstance(name, str) or not all(
        part is None or isinstance(part, str) for part in parts
    ):
        raise ValueError("its config.json has an object without a class")
    return Kind(module, name, registered)


def kinds_in(config: Any) -> set[Kind]:
    """Return the kinds of all objects in a serialized network."""
    found, waiting = set(), [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                found.add(kind_of(value))
            waiting.extend(value.values())
        elif isinstance(value, (list, tuple)):
            waiting.extend(value)
    return found


def is_known(kind: Kind) -> bool:
    """Return whether it is one of Keras' own classes that may be in any file."""
    return (kind.module, kind.name) in ALLOWED and kind.registered in (None, kind.name)


def is_registered(kind: Kind, config: Any) -> bool:
    """Return whether this process has registered the class or function, as users do.

    Args:
        kind: Of the object.
        config: Its config; of a function its name, by which Keras finds it.
    """
    name = config if kind.name == "function" else kind.registered
    if kind.name in _NEVER - {"function"} or not isinstance(name, str) or ">" not in name:
        return False
    import keras

    found = keras.saving.get_registered_object(name)
    if kind.name == "function":
        return callable(found)
    bases = (keras.Operation, keras.initializers.Initializer, keras.regularizers.Regularizer)
    return isinstance(found, type) and issubclass(found, (*bases, keras.constraints.Constraint))


def may_be_named(kind: Kind) -> bool:
    """Return whether the network of a registered backbone may contribute a class."""
    return kind.name not in _NEVER and kind.module is not None
