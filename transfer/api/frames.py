"""Tables of a run: as pandas DataFrames, and as HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transfer.errors import RunError, UsageError
from transfer.evaluation.labelled import label_matrix
from transfer.evaluation.summary import message_html, summary_html
from transfer.runs.run import Run

if TYPE_CHECKING:
    import pandas

    from transfer.evaluation.labelled import Labelled


def predictions_frame(run: Run) -> pandas.DataFrame:
    """Return the predictions of a run on its own split; see `transfer.Run.predictions_frame`."""
    try:
        import pandas
    except ImportError as error:
        raise UsageError("pandas is not installed. Install it with: pip install pandas") from error
    if run.multi_label:
        raise UsageError(f"{run.path} is of images with several classes each: read its files.")
    found = run.predictions()
    names, best = np.array(found.classes, dtype=object), found.probabilities.argmax(axis=1)
    columns = {
        "path": list(found.paths),
        "true": names[found.true],
        "predicted": names[best],
        "confidence": found.probabilities.max(axis=1),
        "correct": best == found.true,
    }
    shares = {f"p_{name}": found.probabilities[:, i] for i, name in enumerate(found.classes)}
    return pandas.DataFrame(columns | shares)


def confusion_matrix(run: Run) -> Labelled:
    """Return the confusion matrix of a run; see `transfer.Run.confusion_matrix`."""
    if run.multi_label:
        raise UsageError(
            f"{run.path} is of images with several classes each, which have no confusion matrix:"
            " read its co_occurrence.csv."
        )
    return label_matrix(np.array(run.metrics["confusion_matrix"], dtype=np.int64), run.classes)


def run_html(run: Run) -> str:
    """Return the main figures of a run for a notebook, or why there are none."""
    try:
        return summary_html(run.path.name, run.metrics)
    except RunError as error:
        return message_html(run.path.name, str(error))
