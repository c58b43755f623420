"""Probabilities corrected for class frequencies that differ from those of training.

A model outputs p(y|x) ∝ p(x|y) prior(y). If images of each class look as they did in training and
only the class frequencies differ, the prior can be replaced without training again
(M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the outputs of a classifier to new a priori
probabilities", Neural Computation 14, 2002, equation 4)::

    p'(y|x) ∝ p(y|x) target(y) / prior(y)

The prior of a model trained on n(y) images with weights w(y) in the loss is proportional to
n(y) w(y) (C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001): uniform under full
balancing, whether by weights or by sampling.

This is an approximation. Label smoothing pulls probabilities together, which is not undone here;
and weights have little effect on a model that separates its training images (J. Byrd, Z. Lipton,
"What is the Effect of Importance Weighting in Deep Learning?", ICML 2019), so undoing them
overcorrects. To find out whether a prior helps, run `transfer.evaluate` on representative images.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfer.errors import RunError, UsageError, did_you_mean, option
from transfer.runs.run import Run
from transfer.system.names import nfc
from transfer.system.progress import warn

PriorLike = str | Mapping[str, float]

_NAMES = ("train", "even")
_PAIR = re.compile(r"(.+?)=([^=,]*)(?:,|$)", re.DOTALL)  # names may hold "," and "="
_WANTED = 'train, even, or a share for each class, as in "cat=0.9,dog=0.1".'


@dataclass(frozen=True)
class Prior:
    """Class frequencies that probabilities are corrected to, and those that the model learned.

    Attributes:
        name: ``train``, ``even`` or ``given``.
        classes: Class names in the order of the model's outputs.
        model: Share of each class that the model assumes; they sum to 1.
        target: Share of each class where the model is used; they sum to 1.
    """

    name: str
    classes: tuple[str, ...]
    model: tuple[float, ...]
    target: tuple[float, ...]

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the model's probabilities (..., classes), corrected to the target's shares."""
        return change_prior(probabilities, self.model, self.target)

    def __str__(self) -> str:
        rows = zip(self.classes, self.target, self.model, strict=True)
        shares = [f"{name} {new:.3g} (trained as {old:.3g})" for name, new, old in rows]
        title = "given prior" if self.name == "given" else f"prior {self.name!r}"
        return f"{title}: {', '.join(shares[:8])}{', ...' if len(shares) > 8 else ''}"

    def shares(self) -> dict[str, float]:
        """Return the share of each class where the model is used, 0..1."""
        return dict(zip(self.classes, self.target, strict=True))


def change_prior(
    probabilities: np.ndarray, prior: Sequence[float], target: Sequence[float]
) -> np.ndarray:
    """Return p(y|x) target(y) / prior(y), divided by its sum over the classes.

    Args:
        probabilities: float array of shape (..., classes) that sums to 1 over the classes.
        prior: Share of each class that the probabilities assume; where it is 0, the class was
            not trained, and its probability becomes 0.
        target: Share of each class to correct to; above 0 for at least one class with a prior.

    Returns:
        float32 array of the same shape; it sums to 1 over the classes.
    """
    old, new = np.asarray(prior, np.float64), np.asarray(target, np.float64)
    ratio = np.where(old > 0, new / np.where(old > 0, old, 1.0), 0.0)
    # float32 rounds tiny probabilities to 0; they are not impossible, and every row needs a sum.
    smallest = np.finfo(np.float32).tiny
    scaled = np.maximum(probabilities.astype(np.float64), smallest) * ratio
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True), np.float32)


def resolve_prior(run: Run, prior: PriorLike) -> Prior:
    """Return what a prior means for the model of a run.

    Args:
        run: A run whose run.json records what it was trained with.
        prior: ``train`` (classes as frequent as in the training images), ``even``, or the share of
            each class, as a mapping or as text ``"cat=0.9,dog=0.1"``. Shares are divided by their
            sum, so counts work too.

    Raises:
        UsageError: It is none of these, a class is missing or unknown, or a share is negative or
            not a number.
        RunError: run.json does not record what the model was trained with.
    """
    if run.multi_label:
        raise UsageError(
            f"{option('prior')} has no meaning where an image may be of several classes: each has a"
            " threshold of its own. Leave it out."
        )
    counts, weights = _training(run)
    model = counts * weights / (counts * weights).sum()
    if isinstance(prior, str) and prior in _NAMES:
        name, wanted = prior, counts if prior == "train" else np.ones(len(model))
    else:
        pairs = _parse(prior) if isinstance(prior, str) else prior
        name, wanted = "given", _shares(pairs, run.classes, trained=model > 0)
    wanted = np.where(model > 0, wanted, 0.0)
    target = wanted / wanted.sum()
    return Prior(name, run.classes, tuple(model.tolist()), tuple(target.tolist()))


def _training(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Return training images and weight of each class, two float arrays of shape (classes,)."""
    info = run.info
    try:
        counts = np.array([info.counts["train"][name] for name in run.classes], np.float64)
        weights = np.array(info.settings.class_weights, np.float64)
        found = counts * weights
        if not (np.isfinite(found).all() and found.min() >= 0 and found.max() > 0):
            raise ValueError("no class has a weight and images")
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            "A prior needs the training images (counts) and the class_weights of each of the"
            f" {len(run.classes)} classes in {run.path / 'run.json'}. Received: {error!r}."
            " Train again, or leave out the prior."
        ) from error
    return counts, weights


def _parse(text: str) -> dict[str, float]:
    pairs = [(name.strip(), share) for name, share in _PAIR.findall(text)]
    if not pairs or _PAIR.sub("", text).strip():
        raise UsageError(
            f"Unknown {option('prior', text)}.{did_you_mean(text, _NAMES)} Expected {_WANTED}"
        )
    names = [name for name, _ in pairs]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UsageError(f"Expected one share for each class. Received two for {twice[0]!r}.")
    return {name: _number(name, share) for name, share in pairs}


def _number(name: str, share: object) -> float:
    try:
        number = float(share)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise UsageError(f"Expected a share of 0 or more for class {name!r}. Received: {share!r}")
    return number


def _shares(pairs: object, classes: Sequence[str], trained: np.ndarray) -> np.ndarray:
    """Return the share of each class, a float array of shape (classes,), as given."""
    if not isinstance(pairs, Mapping):
        raise UsageError(f"Expected {option('prior')} as {_WANTED} Received: {pairs!r:.80}")
    known = {nfc(name): name for name in classes}
    for name in pairs:
        if nfc(str(name)) not in known:
            raise UsageError(
                f"Unknown class {name!r} in the prior.{did_you_mean(str(name), classes)}"
                f" The classes are: {_some(classes)}."
            )
    pairs = {known[nfc(str(name))]: share for name, share in pairs.items()}
    needed = [name for name, seen in zip(classes, trained, strict=True) if seen]
    missing = [name for name in needed if name not in pairs]
    if missing:
        raise UsageError(
            f"The prior has no share for {_some(missing)}. Name every class, with 0 for"
            " classes that do not occur."
        )
    shares = np.array([_number(name, pairs.get(name, 0.0)) for name in classes])
    if not shares[trained].any():
        raise UsageError("Expected a share above 0 for at least one trained class.")
    untrained = [name for name, share in zip(classes, shares * ~trained, strict=True) if share]
    if untrained:
        warn(f"{_some(untrained)} had no training images: the probability stays 0.")
    return np.asarray(shares / shares.max())  # keeps their sum finite


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
