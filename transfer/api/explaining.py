"""explain: which places of images raise the logit of a class."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from transfer.api.explained_files import write_explanations
from transfer.api.explained_report import explain_run
from transfer.api.explanation import Explanation
from transfer.api.explanations import iterate_explanations
from transfer.errors import UsageError, option
from transfer.recipe import ON_BAD
from transfer.runs.run import RunLike
from transfer.system.guest import numpy_defaults
from transfer.system.progress import warn

if TYPE_CHECKING:
    from transfer.images.decode import Source


@numpy_defaults()
def explain(
    run: RunLike,
    pictures: Source | Iterable[Source] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    method: str = "auto",
    layer: str = "",
    class_name: str = "",
    on_bad: str = "fail",
) -> list[Explanation]:
    """Show which places of images raise the logit of a class of a run's model.

    Args:
        run: A run or its path.
        pictures: One or several, as `predict` takes them. None explains the worst mistakes and the
            surest hit of each class of the run's own evaluation (24 in all), keeps their pictures
            in ``explanations/`` of the run, and writes its report again with them.
        output: Folder for a PNG file of each explanation, and explanations.json; it is made. None
            writes nothing.
        method: ``cam``, exact, for linear heads; ``layercam``, by gradients, for any; ``occlusion``
            covers one part of the image after the other, and is slow. ``auto`` takes the first that
            the model allows.
        layer: The layer of the backbone whose feature map ``layercam`` explains; ``""`` takes the
            uppermost.
        class_name: The class that is explained; ``""`` for what each image is predicted as: one
            class or, where an image may be of several, each above its threshold.
        on_bad: ``fail`` raises at the first unreadable image; ``skip`` warns and continues.

    Returns:
        One `Explanation` for each class of each readable image.

    Raises:
        DataError: An image cannot be read.
        RunError: The run has no valid model; or, without `pictures`, no predictions.
        UsageError: An argument is invalid, or the method is impossible for the model.

    Example:
        >>> found = explain("runs/dogs-vgg16-001", "rex.jpg")[0]
        >>> found.class_name, found.map.shape
        ('beagle', (7, 7))
        >>> found.save("why.png")
    """
    if on_bad not in ON_BAD:
        raise UsageError(f"Expected {option('on_bad')} as skip or fail. Received: {on_bad!r}")
    if pictures is None:
        if output is not None or class_name:
            name = "output" if output is not None else "class_name"
            raise UsageError(f"{option(name)} needs images: without any, the run's own are shown.")
        return explain_run(run, method=method, layer=layer)
    skip = None if on_bad == "fail" else lambda name, error: warn(f"Left out: {error}")
    found = iterate_explanations(
        run, pictures, skip, method=method, layer=layer, class_name=class_name
    )
    if output is None:
        return list(found)
    return [each for each, _ in write_explanations(found, output, [])]
