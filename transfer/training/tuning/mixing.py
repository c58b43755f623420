"""Training targets: label smoothing, and mixtures of two images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transfer.settings import Settings
from transfer.system.python_ops import python_op

if TYPE_CHECKING:
    import tensorflow as tf

_MIXUP_ALPHA, _CUTMIX_ALPHA = 0.2, 1.0  # of the papers, for ImageNet


def soft_batches(
    batches: tf.data.Dataset,
    num_classes: int,
    settings: Settings,
    first_step: int = 0,
    table: np.ndarray | None = None,
) -> tf.data.Dataset:
    """Turn batches of labels into batches of targets for the cross-entropy.

    Which images are mixed, and how, depends only on the seed and the number of the step.

    Args:
        batches: Of (inputs (b, ...), labels (b,), weights (b,)).
        num_classes: Number of classes.
        settings: Give mixing, label smoothing and seed.
        first_step: Number of the first batch, counted through all epochs.
        table: Target of each label, float32 (labels, num_classes), where an image may be of several
            classes; None where labels are classes.

    Returns:
        Dataset of (inputs, float32 targets (b, num_classes), weights), as long as `batches`.
    """
    import tensorflow as tf

    def mixed(
        step: np.ndarray, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng([settings.seed, int(step), 2])
        return mix_batch(inputs, targets, weights, settings.mix, rng)

    def soften(
        step: tf.Tensor, example: tuple[tf.Tensor, tf.Tensor, tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        inputs, labels, weights = example
        targets = _targets(labels, num_classes, table)
        if settings.mix != "none":
            shapes = [inputs.shape, targets.shape, weights.shape]
            mixture = python_op(mixed, [step, inputs, targets, weights], [tf.float32] * 3)
            inputs, targets, weights = map(tf.ensure_shape, mixture, shapes)
        smoothing = settings.label_smoothing
        # Each class of several is a question of its own, with two answers.
        answers = num_classes if table is None else 2
        return inputs, targets * (1 - smoothing) + smoothing / answers, weights

    return batches.enumerate(first_step).map(soften)


def hard_batches(
    batches: tf.data.Dataset, num_classes: int, table: np.ndarray | None = None
) -> tf.data.Dataset:
    """Turn batches of (inputs, labels) for validation into (inputs, targets of 0 and 1)."""
    return batches.map(lambda inputs, labels: (inputs, _targets(labels, num_classes, table)))


def _targets(labels: tf.Tensor, num_classes: int, table: np.ndarray | None) -> tf.Tensor:
    import tensorflow as tf

    if table is None:
        return tf.one_hot(labels, num_classes)
    return tf.gather(tf.constant(table), labels)


def mix_batch(
    inputs: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    kind: str,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mix each example of a batch with another one of the batch.

    MixUp (H. Zhang et al., 2018) takes ``share * a + (1 - share) * b``, CutMix (S. Yun et al.,
    2019) puts a rectangle of b into a; `share` is what is left of a. One share and one rectangle
    are drawn for the batch. CutMix needs inputs with height and width; where they have none, it
    is MixUp.

    Args:
        inputs: float32 array of shape (b, ...).
        targets: float32 array of shape (b, classes), 0..1.
        weights: float32 array of shape (b,), the weight of each example in the loss.
        kind: ``mixup``, ``cutmix`` or ``both``: one of them, at random.
        rng: Random generator.

    Returns:
        Inputs, targets and weights of the mixtures, see `mix_targets`.
    """
    partners = rng.permutation(len(inputs))
    cut = kind == "cutmix" or (kind == "both" and rng.random() < 0.5)
    if not cut or inputs.ndim != 4:
        share = float(rng.beta(_MIXUP_ALPHA, _MIXUP_ALPHA))
        inputs = (share * inputs + (1 - share) * inputs[partners]).astype(np.float32)
    else:
        height, width = inputs.shape[1:3]
        rows, columns = draw_rectangle(height, width, rng.beta(_CUTMIX_ALPHA, _CUTMIX_ALPHA), rng)
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        share = 1 - area / (height * width)
        pasted = inputs[partners][:, rows, columns]
        inputs = inputs.copy()
        inputs[:, rows, columns] = pasted
    return inputs, *mix_targets(targets, weights, partners, share)


def mix_targets(
    targets: np.ndarray, weights: np.ndarray, partners: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and weights that give mixtures the summed loss of their parts.

    The cross-entropy H is linear in its target (the binary one affine), so that with weights u of a
    and v of b::

        share * u * H(a) + (1 - share) * v * H(b) = w * H(t)
        w = share * u + (1 - share) * v,    w * t = share * u * a + (1 - share) * v * b

    Args:
        targets: float array of shape (b, classes).
        weights: float array of shape (b,).
        partners: int array of shape (b,): the example that each one is mixed with.
        share: Share of itself that each one keeps, 0 to 1.
    """
    own, other = share * weights, (1 - share) * weights[partners]
    total = own + other
    mixed = own[:, None] * targets + other[:, None] * targets[partners]
    safe = np.where(total > 0, total, 1.0)  # with a weight of 0, the target does not matter
    return (mixed / safe[:, None]).astype(np.float32), total.astype(np.float32)


def draw_rectangle(
    height: int, width: int, share: float, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Return rows and columns of about 1 - `share` of an image, around a point drawn at random.

    It is clipped at the border and may be smaller.
    """
    scale = (1 - share) ** 0.5
    slices = []
    for side in (height, width):
        centre, length = int(rng.integers(side)), round(side * scale)
        start = centre - length // 2
        slices.append(slice(max(start, 0), min(start + length, side)))
    return slices[0], slices[1]
