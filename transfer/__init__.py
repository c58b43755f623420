"""Transfer learning on a folder of photos, built on keras.applications.

import transfer

run = transfer.finetune("data/dogs", backbone="vgg16")
print(run.metrics["accuracy"])
for prediction in run.predict(["rex.jpg"]):
    print(prediction.path, prediction.label, prediction.confidence)
print(run.report())              # path of a page that shows what the model confuses
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfer.api import (
        check,
        compare,
        diff,
        evaluate,
        explain,
        feature_maps,
        finetune,
        finetune_seeds,
        list_runs,
        lr_find,
        predict,
        prepare,
        preview,
        report,
        resume,
        track,
    )
    from transfer.api.comparison import Compared
    from transfer.api.data_check import Checkup
    from transfer.api.difference import Difference
    from transfer.api.explanation import Explanation
    from transfer.api.knobs import Knobs
    from transfer.api.listing import ListedRun
    from transfer.api.run import Run
    from transfer.api.seeds import Seeds
    from transfer.errors import DataError, RunError, TransferError, UsageError, WeightsError
    from transfer.evaluation.report.report import Report
    from transfer.experiments.lr_find import RateCurve
    from transfer.images.decode import decode
    from transfer.images.folder import ImageFolder
    from transfer.networks.backbones import get_backbone, list_backbones, register_backbone
    from transfer.recipe import Recipe
    from transfer.runs.metrics import Metrics
    from transfer.serving.predictor import Prediction

_HOMES = {
    "Checkup": "transfer.api.data_check",
    "Compared": "transfer.api.comparison",
    "DataError": "transfer.errors",
    "Difference": "transfer.api.difference",
    "Explanation": "transfer.api.explanation",
    "ImageFolder": "transfer.images.folder",
    "Knobs": "transfer.api.knobs",
    "ListedRun": "transfer.api.listing",
    "Metrics": "transfer.runs.metrics",
    "Prediction": "transfer.serving.predictor",
    "RateCurve": "transfer.experiments.lr_find",
    "Recipe": "transfer.recipe",
    "Report": "transfer.evaluation.report.report",
    "Run": "transfer.api.run",
    "RunError": "transfer.errors",
    "Seeds": "transfer.api.seeds",
    "TransferError": "transfer.errors",
    "UsageError": "transfer.errors",
    "WeightsError": "transfer.errors",
    "check": "transfer.api",
    "compare": "transfer.api",
    "decode": "transfer.images.decode",
    "diff": "transfer.api",
    "evaluate": "transfer.api",
    "explain": "transfer.api",
    "feature_maps": "transfer.api",
    "finetune": "transfer.api",
    "finetune_seeds": "transfer.api",
    "get_backbone": "transfer.networks.backbones",
    "list_backbones": "transfer.networks.backbones",
    "list_runs": "transfer.api",
    "lr_find": "transfer.api",
    "predict": "transfer.api",
    "prepare": "transfer.api",
    "preview": "transfer.api",
    "register_backbone": "transfer.networks.backbones",
    "report": "transfer.api",
    "resume": "transfer.api",
    "track": "transfer.api",
}

__version__ = "0.1.0"
__all__ = [
    "Checkup",
    "Compared",
    "DataError",
    "Difference",
    "Explanation",
    "ImageFolder",
    "Knobs",
    "ListedRun",
    "Metrics",
    "Prediction",
    "RateCurve",
    "Recipe",
    "Report",
    "Run",
    "RunError",
    "Seeds",
    "TransferError",
    "UsageError",
    "WeightsError",
    "check",
    "compare",
    "decode",
    "diff",
    "evaluate",
    "explain",
    "feature_maps",
    "finetune",
    "finetune_seeds",
    "get_backbone",
    "list_backbones",
    "list_runs",
    "lr_find",
    "predict",
    "prepare",
    "preview",
    "register_backbone",
    "report",
    "resume",
    "track",
]


if not TYPE_CHECKING:  # which would take any name for a public one

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used (PEP 562)."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
