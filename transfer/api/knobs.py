"""The keyword arguments of the verbs: fields of the Recipe, each with its type."""

from __future__ import annotations

import os
from typing import TypedDict


class ReadingKnobs(TypedDict, total=False):
    """How data are read: keyword arguments of `transfer.check` and `transfer.prepare`."""

    task: str
    layout: str
    class_level: int | None
    label_regex: str
    path_column: str
    label_column: str
    split_column: str
    class_names: str | os.PathLike[str]
    negatives: str | os.PathLike[str]
    limit: int | None
    allow_empty: bool
    follow_links: bool


class OtherDataKnobs(TypedDict, total=False):
    """How data are read that a run is evaluated on: keyword arguments of `transfer.evaluate`."""

    layout: str
    class_level: int | None
    label_regex: str
    path_column: str
    label_column: str
    split_column: str
    class_names: str | os.PathLike[str]
    limit: int | None
    follow_links: bool


class FrozenKnobs(ReadingKnobs, total=False):
    """What the images, their split and the frozen features of a backbone depend on."""

    weights: str | os.PathLike[str]
    image_size: int | None
    resize: str
    color_profiles: str
    engine: str
    precision: str
    val: float
    test: float
    seed: int
    group_by: str
    dedupe: bool
    on_bad: str
    check: str


class UpdateKnobs(TypedDict, total=False):
    """What one update of the weights depends on."""

    augment: str
    batch_size: int
    optimizer: str
    weight_decay: float | None
    layer_decay: float | None
    label_smoothing: float | None
    clip_norm: float
    mix: str
    accumulate: int
    balance: str
    mixed_precision: str
    deterministic: bool


class CourseKnobs(TypedDict, total=False):
    """What the course of a training depends on, and which epoch is kept."""

    epochs: int | None
    patience: int | None
    learning_rate: float | None
    schedule: str
    ema: float | None
    monitor: str


class NetworkKnobs(TypedDict, total=False):
    """The network, its head, and what of it is trained."""

    backbone: str
    normalize: str
    head: str
    head_epochs: int
    head_learning_rate: float
    views: int | None
    views_precision: str
    unfreeze: str | int
    trunk_cache: str | int


class CompareKnobs(FrozenKnobs, UpdateKnobs, CourseKnobs, total=False):
    """Keyword arguments of `transfer.compare`: fields of `transfer.Recipe`."""


class RateKnobs(FrozenKnobs, UpdateKnobs, NetworkKnobs, total=False):
    """Keyword arguments of `transfer.lr_find`: fields of `transfer.Recipe`."""


class PreviewKnobs(ReadingKnobs, total=False):
    """Keyword arguments of `transfer.preview`: fields of `transfer.Recipe`."""

    augment: str
    normalize: str
    resize: str
    color_profiles: str
    image_size: int | None
    backbone: str
    seed: int


class Knobs(RateKnobs, CourseKnobs, total=False):
    """Keyword arguments of `transfer.finetune`: every field of `transfer.Recipe`.

    Its documentation says what each means. To pass them on:

    Example:
        >>> def train(data: str, **knobs: Unpack[transfer.Knobs]) -> transfer.Run:
        ...     return transfer.finetune(data, output="runs/today", **knobs)
    """

    interpolate: bool
    folds: int
    folds_finetune: bool
    time: str
