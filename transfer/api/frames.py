"""Tables of a run as pandas DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from transfer.errors import UsageError
from transfer.runs.run import Run

if TYPE_CHECKING:
    import pandas


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
