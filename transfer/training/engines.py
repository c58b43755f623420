"""Which engine at which precision computes the features of a training, by measurement.

A precision below float32 is taken where it is faster on this machine and harmless on these photos:
some of the training photos are computed at both, and the vectors have to agree, and a linear head
that is trained on either has to recognise as many of the others.
"""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from transfer.data.dataset import Dataset
from transfer.data.folds import make_folds, make_folds_of_sets
from transfer.errors import TransferError
from transfer.features.engines import low_precisions
from transfer.features.extract import extract
from transfer.features.speeds import ROUNDS, Speeds, compare, recall, remember
from transfer.runs.info import EngineChoice
from transfer.settings import Settings
from transfer.statistics.scaling import common_scale, unit
from transfer.system.progress import say
from transfer.training.head.logistic import START, STRENGTHS, solve
from transfer.training.sources import CALIBRATION, Sources

FEW = 300  # images and views; for fewer, nothing is measured
WORTH = 20.0  # seconds of work in float32; for less, nothing else is tried
FASTER = 1.15  # times as fast: an engine that replaces the usual one
MUCH_FASTER = 1.25  # times as fast: a lower precision
PHOTOS = 100  # on which precisions are compared, about
# Mean cosine of the vectors of a photo at both precisions. From scripts/benchmarks/precision.py:
# 0.99 and more cost a linear head nothing, 0.987 and less up to a point of accuracy.
AGREEMENT = 0.99


@dataclass(frozen=True)
class Verdict:
    """What a lower precision does to the vectors of some training photos.

    Attributes:
        photos: Their number.
        agreement: Mean cosine of the vectors at both precisions, -1..1.
        exact: How many a head recognises that was trained on the float32 vectors of others; None
            where a class has too few photos to find out.
        low: The same for heads trained on the others' vectors at the lower precision; the photos
            that they recognise are float32 in both.
    """

    photos: int
    agreement: float
    exact: int | None = None
    low: int | None = None

    @property
    def harmless(self) -> bool:
        """Whether the vectors agree, and not more than one photo in a hundred is lost."""
        if self.exact is None or self.low is None or self.agreement < AGREEMENT:
            return False
        return self.exact - self.low <= max(1, self.photos // 100)

    def words(self) -> str:
        """Return the figures as the end of a sentence."""
        text = f"the vectors of {self.photos} photos agree to {self.agreement:.4f}"
        if self.exact is None or self.low is None:
            return f"{text}, too few for each class to tell what that costs"
        return f"{text}, and {self.low} instead of {self.exact} of them are recognised"


def choose_engine(sources: Sources) -> EngineChoice | None:
    """Choose what computes the features of a training.

    Args:
        sources: With settings whose precision is open, and whose engine is the usual one.

    Returns:
        The choice; None for the usual engine in float32, where nothing else is installed or
        allowed, or where there is too little to compute.
    """
    settings = sources.settings
    if settings.engine != "openvino" or (passes := _passes(sources)) < FEW:
        return None
    usual, others = "openvino f32", _others(settings)
    if not others:
        return None
    space = sources.speeds()
    speeds = recall(space)
    if usual not in speeds:
        speeds |= _measure(sources, [usual], rounds=1)
        remember(space, speeds)
    if passes < WORTH * speeds[usual] or not speeds[usual]:
        return None
    if set(others) - set(speeds):
        say(f"Timing {1 + len(others)} ways to compute features on this machine")
        speeds |= _measure(sources, [usual, *others])
        remember(space, speeds)
    exact = "keras f32" if speeds.get("keras f32", 0.0) > FASTER * speeds[usual] else usual
    if settings.engine_required:
        exact = usual
    return _lowest_harmless(sources, exact, {name: speeds[name] for name in [usual, *others]})


def _passes(sources: Sources) -> int:
    """Return how many training images and views have to be computed.

    Features in float32 that are there already are the best there are; where most are missing, the
    others do not count, so that those that were computed to compare precisions change nothing.
    """
    settings, train = sources.settings, sources.dataset.train.images
    views = settings.views if settings.views_precision == "auto" else 0
    plain = sources.at(settings.engine, "f32")
    missing = plain.missing(train, views, bool(settings.cut))
    every = len(train) * (views + 1)
    return every if missing > every / 2 else missing


def _others(settings: Settings) -> list[str]:
    """Return what may replace OpenVINO in float32, such as ``["keras f32", "openvino int8"]``."""
    names = [f"openvino {precision}" for precision in low_precisions()]
    return names if settings.engine_required else ["keras f32", *names]


def _measure(sources: Sources, names: list[str], rounds: int = ROUNDS) -> Speeds:
    """Time engines against each other; 0 for those that cannot run the network."""
    engines, speeds = {}, dict.fromkeys(names, 0.0)
    for name in names:
        source = sources.at(*name.split())
        with suppress(TransferError):
            engine = source.start()
            if source.network.engine_name == name.split()[0]:  # else Keras took over
                engines[name] = engine
    return speeds | compare(engines, source.network.model.input.shape[1:], rounds)


def _lowest_harmless(sources: Sources, exact: str, speeds: Speeds) -> EngineChoice:
    """Return the fastest precision that does no harm; float32 where none gains enough."""
    low = [
        name
        for name in sorted(speeds, key=lambda name: -speeds[name])
        if not name.endswith(" f32") and speeds[name] >= MUCH_FASTER * speeds[exact]
    ]
    verdict, why = None, "no lower precision is much faster on this machine"
    for name in low:
        verdict = judge(sources, exact, name)
        ratio = speeds[name] / speeds[exact]
        fast = f"{name} is {ratio:.1f} x as fast as {exact}"
        if verdict.harmless:
            return _choice(name, f"{fast}; {verdict.words()}", speeds, verdict, exact)
        why = f"{fast}, but {verdict.words()}"
    return _choice(exact, why, speeds, verdict)


def _choice(
    name: str, why: str, speeds: Speeds, verdict: Verdict | None = None, exact: str = ""
) -> EngineChoice:
    engine, precision = (exact or name).split()[0], name.split()[1]
    agreement = None if verdict is None else verdict.agreement
    return EngineChoice(engine, precision, why, dict(speeds), agreement)


def judge(sources: Sources, exact: str, low: str) -> Verdict:
    """Return what a lower precision does to the vectors of some training photos."""
    photos = photos_to_judge(sources)
    ends = [sources.at(*name.split()) for name in (exact, low)]
    vectors = [
        unit(extract(each.network, photos.images, cache=each.cache).vectors) for each in ends
    ]
    agreement = float((vectors[0] * vectors[1]).sum(axis=1).mean())
    labels, groups = np.array(photos.images.labels), photos.group_numbers()
    table = None if photos.images.label_sets is None else photos.images.target_table()
    if table is None:
        folds = make_folds(labels, groups, sources.settings.seed)
    else:
        folds = make_folds_of_sets(table[labels], groups, sources.settings.seed)
    if not folds:
        return Verdict(len(labels), agreement)
    right = [_recognised(each, vectors[0], labels, folds, table) for each in vectors]
    return Verdict(len(labels), agreement, *right)


def photos_to_judge(sources: Sources) -> Dataset:
    """Return about a hundred training photos, as many of each class where there are as many.

    Like those for the calibration, which are not among them, they are those with the smallest
    digests.
    """
    train = sources.dataset.train
    images = train.images
    present = {number for label in set(images.labels) for number in images.classes_of(label)}
    each = max(2, math.ceil(PHOTOS / max(1, len(present))))
    counts: Counter[int] = Counter()
    paths = set()
    spared = set(sources.calibration.paths) if len(train) > CALIBRATION + PHOTOS else set()
    labels = dict(zip(train.paths, train.images.labels, strict=True))
    for path in sorted(train.paths, key=lambda path: train.sha256[path]):
        own = images.classes_of(labels[path]) or (-1,)
        if path not in spared and any(counts[number] < each for number in own):
            counts.update(own)
            paths.add(path)
    return train.keep([path in paths for path in train.paths])


def _recognised(
    seen: np.ndarray,
    judged: np.ndarray,
    labels: np.ndarray,
    folds: list[tuple[np.ndarray, np.ndarray]],
    table: np.ndarray | None,
) -> int:
    """Return how many photos are recognised by heads that were not trained on them.

    Args:
        seen: Vectors (n, d) of length 1 that heads are trained on.
        judged: Those of the same photos that they are judged on.
        labels: int64 array of shape (n,).
        folds: From `make_folds`.
        table: Target of each label, where a photo may be of several classes: all have to be right.
    """
    right = 0
    for rows, held in folds:
        mean, scale = common_scale(seen[rows])
        train, test = (seen[rows] - mean) / scale, (judged[held] - mean) / scale
        classes = labels.max() + 1 if table is None else table.shape[1]
        strength = float(STRENGTHS[START])
        kernel, bias = solve(train, labels[rows], classes, strength, table=table)
        logits = test @ kernel + bias
        if table is None:
            right += int((logits.argmax(axis=1) == labels[held]).sum())
        else:
            right += int(((logits > 0) == (table[labels[held]] > 0.5)).all(axis=1).sum())
    return right
