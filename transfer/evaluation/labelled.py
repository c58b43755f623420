"""The confusion matrix with the names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas

    Labelled: TypeAlias = pandas.DataFrame | dict[str, dict[str, int]]


def label_matrix(matrix: np.ndarray, classes: Sequence[str]) -> Labelled:
    """Return a confusion matrix with names: ``found[predicted][true]`` is a number of images.

    Args:
        matrix: int array (classes, classes): rows are true, columns predicted.
        classes: Their names.

    Returns:
        A pandas DataFrame, a row for each true class and a column for each predicted one; without
        pandas, dicts that are indexed in the same way.
    """
    try:
        import pandas
    except ImportError:
        return {
            predicted: dict(zip(classes, matrix[:, i].tolist(), strict=True))
            for i, predicted in enumerate(classes)
        }
    rows = pandas.Index(list(classes), name="true")
    columns = pandas.Index(list(classes), name="predicted")
    frame: pandas.DataFrame = pandas.DataFrame(matrix, rows, columns)
    return frame
