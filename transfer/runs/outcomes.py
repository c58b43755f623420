"""What a training leaves in run.json: where its features came from, what was kept, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.runs.records import Count, Share

Figures = dict[str, float | None]  # None for values that are not finite


@dataclass(frozen=True)
class WeightsInfo:
    """Where the backbone's weights came from: see `transfer.networks.weights.Weights`."""

    origin: str
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class EngineChoice:
    """What computes the features, by measurement.

    Attributes:
        engine: What computes in float32.
        precision: Of the training images' features: ``f32``, ``bf16`` or ``int8``.
        why: The reason, as part of a sentence.
        speeds: Images per second, by engine and precision such as ``"openvino int8"``; 0 where it
            cannot run the network.
        agreement: Mean cosine of the vectors of some training photos at a lower precision and in
            float32; None where that was not compared.
    """

    engine: str
    precision: str
    why: str
    speeds: dict[str, float] = field(default_factory=dict)
    agreement: float | None = None


@dataclass(frozen=True)
class FeatureInfo:
    """Images whose features came from the cache or were computed, and by what.

    Attributes:
        cached: Images that were in the cache.
        computed: The others.
        engine: What computed in float32, and runs the model ever after.
        precision: Of the training images' features; those of other images are float32.
        choice: How engine and precision were chosen; None where the recipe names the precision.
    """

    cached: Count
    computed: Count
    engine: str
    precision: str
    choice: EngineChoice | None = None


@dataclass(frozen=True)
class Choice:
    """Which weights were kept after fine-tuning, and why.

    Attributes:
        kept: ``head``, ``epoch 7`` or ``50% of fine-tuning``.
        why: A sentence.
        monitor: What the candidates were compared by; ``""`` where there was one only.
        candidates: Name to value of the monitor.
        gained: Validation images that the kept weights recognise and the head does not.
        lost: The reverse.
    """

    kept: str
    why: str = ""
    monitor: str = ""
    candidates: Figures = field(default_factory=dict)
    gained: Count = 0
    lost: Count = 0


@dataclass(frozen=True)
class LabelErrors:
    """How many labels of the training and validation images are probably wrong.

    Attributes:
        likely: Approximate number, as counted by confident learning.
        images: Of how many images; 0 where that is not known.
        low: `likely` minus what the model's own mistakes may add; None in older runs.
        high: Number of images predicted as another class than their label; None in older runs.
        accuracy: Out-of-fold accuracy of the model that judged them, 0..1; 0 where it could judge
            none; None in older runs.
        reliable: Whether that model is accurate enough for these figures to mean anything.
    """

    likely: Count = 0
    images: Count = 0
    low: Count | None = None
    high: Count | None = None
    accuracy: Share | None = None
    reliable: bool = True


@dataclass(frozen=True)
class NegativesInfo:
    """The images of none of the classes, and the rule that follows from them.

    A prediction is refused where the probability of its class is below the threshold.

    Attributes:
        data: Absolute path of their folder.
        images: Number of usable ones, which negatives.csv lists.
        bad: (path, reason) of those that cannot be used.
        threshold: 0..1; None before the model is there.
        refused: Number of negatives below it.
        kept: Number of validation images that are not.
        validated: Number of validation images.
    """

    data: str
    images: Count
    bad: tuple[tuple[str, str], ...] = ()
    threshold: Share | None = None
    refused: Count = 0
    kept: Count = 0
    validated: Count = 0


@dataclass(frozen=True)
class FoldFigures:
    """One fold: its number from 1, images, accuracy and macro-F1 (0..1)."""

    fold: Count
    n: Count
    accuracy: Share
    macro_f1: Share


@dataclass(frozen=True)
class FoldsInfo:
    """The results of a cross-validation; see `transfer.evaluation.folds.summarise_folds`."""

    phase: str
    seconds: float
    k: Count = 0
    n: Count = 0
    accuracy: Share = 0.0
    accuracy_ci95: tuple[Share, Share] = (0.0, 1.0)
    macro_f1: Share = 0.0
    accuracy_mean: Share = 0.0
    accuracy_std: Share = 0.0
    macro_f1_mean: Share = 0.0
    macro_f1_std: Share = 0.0
    per_fold: tuple[FoldFigures, ...] = ()


@dataclass(frozen=True)
class Calibration:
    """How the kept model's confidence was calibrated on the validation images.

    Attributes:
        temperature: What its logits are divided by; the saved model is divided already.
        images: Number of these images.
        ece_before: Expected calibration error before, 0..1; 0 where an image may be of several
            classes.
        log_loss_before: Log loss before, nats.
        ece: The error after, each image at a temperature that was fitted without it.
        log_loss: The log loss, likewise.
    """

    temperature: float
    images: Count
    ece_before: Share
    log_loss_before: float
    ece: Share
    log_loss: float
