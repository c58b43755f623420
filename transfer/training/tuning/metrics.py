"""Metrics that Keras does not have in the form needed."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("transfer")
class MacroF1(keras.metrics.Metric):  # type: ignore[misc]
    """The mean F1 of the classes, over all images since the last reset.

    It accumulates counts and divides once: averaging the F1 of batches would be wrong.
    Classes without a true image are left out, as in `transfer.statistics.metrics.macro_f1`.

    Args:
        num_classes: Number of classes.
        name: Name in the logs.
    """

    def __init__(self, num_classes: int, name: str = "macro_f1", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.num_classes = num_classes
        # rows: true and predicted, true, predicted
        self.counts = self.add_weight(
            shape=(3, num_classes), initializer="zeros", dtype="int32", name="counts"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Labels (b,) or (b, 1), or targets (b, classes), whose largest entry counts.
            y_pred: Probabilities (b, classes).
            sample_weight: Not used: every image counts once.
        """
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) == 2 and y_true.shape[1] == self.num_classes:
            y_true = ops.argmax(y_true, axis=1)
        true = self._one_hot(ops.reshape(y_true, (-1,)))
        self._count(true, self._one_hot(ops.argmax(y_pred, axis=1)))

    def result(self) -> Any:
        """Return the macro-F1, a scalar from 0 to 1."""
        right, true, predicted = ops.unstack(ops.cast(self.counts, "float32"), 3)
        scores = 2 * right / ops.maximum(true + predicted, 1.0)  # 0 where there is no true image
        return ops.sum(scores) / ops.maximum(ops.sum(ops.cast(true > 0, "float32")), 1.0)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"num_classes": self.num_classes}

    def _count(self, true: Any, predicted: Any) -> None:
        parts = (true * predicted, true, predicted)
        self.counts.assign_add(ops.stack([ops.sum(each, axis=0) for each in parts]))

    def _one_hot(self, labels: Any) -> Any:
        return ops.one_hot(ops.cast(labels, "int32"), self.num_classes, dtype="int32")


@keras.saving.register_keras_serializable("transfer")
class MacroF1OfSets(MacroF1):
    """The same where an image may be of several classes: at a threshold of 0.5."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Targets (b, classes), above 0.5 for the classes of an image.
            y_pred: Probabilities (b, classes).
            sample_weight: Not used: every image counts once.
        """
        self._count(*(ops.cast(each > 0.5, "int32") for each in (y_true, y_pred)))


def exact_matches(y_true: Any, y_pred: Any) -> Any:
    """Return 1 for each image all of whose classes are right at a threshold of 0.5, else 0: (b,).

    Args:
        y_true: Targets (b, classes), above 0.5 for the classes of an image.
        y_pred: Probabilities (b, classes).
    """
    return ops.cast(ops.all((y_true > 0.5) == (y_pred > 0.5), axis=-1), "float32")


def compile_options(num_classes: int, multi_label: bool, sparse: bool = False) -> dict[str, Any]:
    """Return loss and metrics for `keras.Model.compile`.

    Args:
        num_classes: Number of classes.
        multi_label: Whether an image may be of several.
        sparse: Whether labels are class numbers instead of targets.
    """
    if multi_label:
        accuracy = keras.metrics.MeanMetricWrapper(exact_matches, name="accuracy")
        return {"loss": "binary_crossentropy", "metrics": [accuracy, MacroF1OfSets(num_classes)]}
    loss = "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    return {"loss": loss, "metrics": ["accuracy", MacroF1(num_classes)]}
