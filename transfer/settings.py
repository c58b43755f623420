"""Settings: what one run does, with every open field of the recipe decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Decoding:
    """How the pictures of a run become 8-bit sRGB, in training and ever after.

    Attributes:
        integers: Values that become 0 and 255 where pictures have more than 8 bits; None: by the
            depth of each picture.
        floats: The same for floating-point numbers.
        profiles: ``convert`` colours to sRGB by their ICC profile, or ``ignore`` it.
    """

    integers: tuple[float, float] | None = None
    floats: tuple[float, float] | None = None
    profiles: str = "convert"


# How versions that did not record it read pictures.
EARLIER_DECODING = Decoding(integers=(0.0, 65535.0), profiles="ignore")


@dataclass(frozen=True)
class Settings:
    """What a run does. `transfer.training.settle` makes them once; run.json stores them.

    Training, resuming and the report read this record, not the recipe, and no field is open. In
    run directories of older versions, values that were not recorded are taken from the recipe,
    and some may still be ``auto``.

    Attributes:
        backbone: Name in the registry.
        pretrained: Whether the backbone starts from pretrained weights. If not, all of it is
            trained from scratch.
        image_size: Side of the square input in pixels.
        resize: ``stretch``, ``crop`` or ``pad``.
        head: Head spec, see `transfer.networks.head.parse_head`.
        augment: Augmentation spec, see `transfer.images.augment.parse_augment`.
        views: Augmented views of each training image whose features are computed, in addition to
            the image itself.
        least_views: Lower bound of `views` under a time limit.
        most_views: Upper bound.
        solve_on_views: Whether a solved head is fitted to the views too.
        unfreeze: ``none``, ``all``, the number of blocks from the top, or the name of the lowest
            layer that is trained.
        cut: Layer whose activations are computed once and kept for fine-tuning; ``""`` where the
            whole network runs in every step.
        head_epochs: Maximum number of epochs for a head that is trained rather than solved.
        head_patience: Epochs without improvement before its training stops.
        head_learning_rate: Its peak rate.
        epochs: Maximum number of epochs of fine-tuning; 0 for the head alone.
        most_epochs: Upper bound of `epochs` under a time limit.
        patience: Epochs without improvement before fine-tuning stops.
        learning_rate: Peak rate of fine-tuning.
        optimizer: ``adam``, ``adamw`` or ``sgd``.
        schedule: ``cosine``, ``onecycle`` or ``constant``.
        layer_decay: Factor of the rate from block to block, from the head down.
        weight_decay: See `transfer.recipe.Recipe`.
        label_smoothing: Share of each target spread over all classes, 0 to 1.
        clip_norm: Maximum global norm of the gradients; 0 for no limit.
        ema: Momentum of the average of the weights; 0 for none.
        mix: ``none``, ``mixup``, ``cutmix`` or ``both``.
        interpolate: Whether points between the head's and the last weights are candidates.
        accumulate: Batches whose gradients are accumulated for one update.
        batch_size: Images per step.
        engine: ``keras`` or ``openvino``: what runs the frozen network in float32.
        engine_required: Whether the recipe names that engine. If not, Keras replaces it where
            it fails.
        precision: ``f32``, ``bf16`` or ``int8``: of the training images' features; ``auto`` until
            `transfer.training.setup.prepare` has measured which suits the machine and the images.
        mixed_precision: Whether fine-tuning computes in float16.
        monitor: Key of `transfer.recipe.MONITORS` by which the best epoch is chosen.
        balance: ``none``, ``weights``, ``sqrt`` or ``oversample``.
        class_weights: Weight of each class in the loss, in the order of the classes.
        val: Share of a fold's training images by which its best epoch is chosen.
        folds: Folds of the cross-validation; 0 for none.
        folds_finetune: Whether each fold is fine-tuned too.
        seconds: Approximate time for the run; 0 for no limit.
        seed: Seed of shuffling, augmentation and initial weights.
        deterministic: Whether only operations are used that give the same bits every time.
        views_precision: Of the features of augmented views, like `precision`.
        normalize: See `transfer.networks.normalisation.parse_normalize`.
        decoding: How pictures become 8-bit sRGB.
        task: ``single-label``: each image is of one class; or ``multi-label``: of any number.
    """

    backbone: str
    pretrained: bool
    image_size: int
    resize: str
    head: str
    augment: str
    views: int
    least_views: int
    most_views: int
    solve_on_views: bool
    unfreeze: str
    cut: str
    head_epochs: int
    head_patience: int
    head_learning_rate: float
    epochs: int
    most_epochs: int
    patience: int
    learning_rate: float
    optimizer: str
    schedule: str
    layer_decay: float
    weight_decay: float
    label_smoothing: float
    clip_norm: float
    ema: float
    mix: str
    interpolate: bool
    accumulate: int
    batch_size: int
    engine: str
    engine_required: bool
    precision: str
    mixed_precision: bool
    monitor: str
    balance: str
    class_weights: tuple[float, ...]
    val: float
    folds: int
    folds_finetune: bool
    seconds: float
    seed: int
    deterministic: bool
    views_precision: str = "f32"
    normalize: str = "none"
    decoding: Decoding = EARLIER_DECODING
    task: str = "single-label"

    @property
    def multi_label(self) -> bool:
        """Whether an image may be of several classes."""
        return self.task == "multi-label"

    @property
    def fine_tunes(self) -> bool:
        """Whether any of the backbone is trained."""
        return self.unfreeze != "none" and self.epochs > 0
