"""The types of metrics.json, checked as it is read: see `transfer.runs.records.as_record`."""

# Without annotations from __future__, which would make every key required at run time.
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from transfer.runs.records import Count, Interval, Share

ClassMetrics = TypedDict(
    "ClassMetrics",
    {
        "class": str,
        "precision": Share | None,
        "recall": Share | None,
        "f1": Share | None,
        "support": Count,
        "recall_ci95": NotRequired[Interval | None],
    },
)
ClassMetrics.__doc__ = """The metrics of one class.

Keys:
    class: Its name.
    precision: Share of the images predicted as it that are of it, 0..1; None if there are none.
    recall: Share of its images that are predicted as it, 0..1; None without images.
    f1: Harmonic mean of both, 0..1; None without images.
    support: Number of its images.
    recall_ci95: 95 % interval of the recall (Wilson), [low, high]; None without images. Absent in
        runs of older versions.
"""


class Confusion(TypedDict):
    """How often images of one class are predicted as another.

    Keys:
        true: The class of the images.
        predicted: The other class.
        count: Number of images.
        share: Of all images of the true class, 0..1.
    """

    true: str
    predicted: str
    count: Count
    share: Share


class Leaked(TypedDict):
    """Images that were trained on, themselves or as near duplicates.

    Keys:
        images: Their number.
        n_without: Number of the other images.
        accuracy_without: Accuracy on these, 0..1; None if there are none.
        accuracy_without_ci95: Its 95 % interval, [low, high]; None if there are none.
    """

    images: Count
    n_without: Count
    accuracy_without: Share | None
    accuracy_without_ci95: Interval | None


class Uncorrected(TypedDict):
    """The main metrics before the correction to a prior, as in `Metrics`."""

    accuracy: Share
    macro_f1: Share
    log_loss: float
    ece: Share


class PriorUsed(TypedDict):
    """The class frequencies that predictions were corrected to.

    Keys:
        name: ``train``, ``even`` or ``given``.
        shares: Share of each class, 0..1.
        without: The metrics without the correction.
    """

    name: str
    shares: dict[str, Share]
    without: Uncorrected


class Metrics(TypedDict):
    """The metrics of a model on one split, as metrics.json holds them.

    Averages over classes include the classes that have images. Undefined values are None.

    Keys:
        split: ``train``, ``val``, ``test``, or ``all`` for images without splits.
        n: Number of images.
        accuracy: Share of correct predictions, 0..1.
        accuracy_ci95: Its 95 % interval (Wilson), [low, high].
        majority_accuracy: Accuracy of always predicting the most frequent class, 0..1. Absent in
            runs of older versions.
        macro_f1: Mean F1 of the classes, 0..1.
        balanced_accuracy: Mean recall of the classes, 0..1.
        log_loss: Mean of -ln p(label), nats; 0 is best.
        ece: Expected calibration error, 0..1; 0 is best.
        per_class: The metrics of each class, in the order of the run's classes.
        confusion_matrix: Counts, (classes, classes): rows are true, columns predicted.
        most_confused: The 20 most frequent confusions, the most frequent first.
        top5_accuracy: Share of images whose class is among the 5 likeliest; only with more than 5
            classes.
        leaked: Only if some of the images were trained on.
        prior: Only if the predictions were corrected to one.
        caveat: Why the metrics are optimistic: ``trained_on``, ``chose_the_model`` or None. Absent
            in runs of older versions.
    """

    split: str
    n: Annotated[int, Meta(ge=1, le=2**53)]
    accuracy: Share
    accuracy_ci95: Interval
    majority_accuracy: NotRequired[Share]
    macro_f1: Share
    balanced_accuracy: Share
    log_loss: float
    ece: Share
    per_class: list[ClassMetrics]
    confusion_matrix: list[list[Count]]
    most_confused: list[Confusion]
    top5_accuracy: NotRequired[Share]
    leaked: NotRequired[Leaked]
    prior: NotRequired[PriorUsed]
    caveat: NotRequired[str | None]
