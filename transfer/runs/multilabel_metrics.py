"""The types of metrics.json where an image may be of several classes."""

# Without annotations from __future__, which would make every key required at run time.
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from transfer.runs.metrics import Leaked
from transfer.runs.records import Count, Interval, Share

MultilabelClass = TypedDict(
    "MultilabelClass",
    {
        "class": str,
        "threshold": Share,
        "average_precision": Share | None,
        "precision": Share | None,
        "recall": Share | None,
        "f1": Share | None,
        "support": Count,
        "predicted": Count,
        "recall_ci95": Interval | None,
    },
)
MultilabelClass.__doc__ = """The metrics of one class.

Keys:
    class: Its name.
    threshold: Probability from which an image is predicted as it, 0..1.
    average_precision: Area under the curve of precision and recall, 0..1; None without images.
    precision: Share of the images predicted as it that are of it, 0..1; None if there are none.
    recall: Share of its images that are predicted as it, 0..1; None without images.
    f1: Harmonic mean of both, 0..1; None without images.
    support: Number of its images.
    predicted: Number of the images predicted as it.
    recall_ci95: 95 % interval of the recall (Wilson), [low, high]; None without images.
"""


class MultilabelMetrics(TypedDict):
    """The metrics of a model with several classes for each image, as metrics.json holds them.

    Means over classes include the classes that have images. An image is predicted as the classes
    whose probability is above their threshold.

    Keys:
        split: ``train``, ``val``, ``test``, or ``all`` for images without splits.
        n: Number of images.
        mean_average_precision: mAP, the mean of the classes' average precision, 0..1.
        macro_f1: Mean F1 of the classes, 0..1.
        micro_f1: F1 of all decisions together, 0..1.
        accuracy: Share of images all of whose classes are right, and no other, 0..1.
        accuracy_ci95: Its 95 % interval (Wilson), [low, high].
        hamming_loss: Share of the n x classes decisions that are wrong, 0..1.
        log_loss: Mean binary cross-entropy of these decisions, nats; 0 is best.
        classes_per_image: Mean number of classes of an image.
        per_class: The metrics of each class, in the order of the run's classes.
        co_occurrence: Counts, (classes, classes): images of both classes.
        predicted_with: Counts, (classes, classes): images of the class of the row that are
            predicted as that of the column.
        leaked: Only if some of the images were trained on; its accuracy is `accuracy`.
        caveat: Why the metrics are optimistic: ``trained_on``, ``chose_the_model``,
            ``chose_the_thresholds`` or None.
    """

    split: str
    n: Annotated[int, Meta(ge=1, le=2**53)]
    mean_average_precision: Share
    macro_f1: Share
    micro_f1: Share
    accuracy: Share
    accuracy_ci95: Interval
    hamming_loss: Share
    log_loss: float
    classes_per_image: float
    per_class: list[MultilabelClass]
    co_occurrence: list[list[Count]]
    predicted_with: list[list[Count]]
    leaked: NotRequired[Leaked]
    caveat: str | None
