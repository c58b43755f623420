"""The verbs, which the command line and notebooks call. Each calls the other rooms in order."""

from __future__ import annotations

from transfer.api.comparison import compare
from transfer.api.data import prepare
from transfer.api.data_check import check
from transfer.api.difference import diff
from transfer.api.evaluation import evaluate, report
from transfer.api.explained_files import write_explanations
from transfer.api.explaining import explain
from transfer.api.explanations import iterate_explanations
from transfer.api.feature_maps import feature_maps
from transfer.api.listing import list_runs
from transfer.api.prediction import iterate_predictions, predict
from transfer.api.previews import preview
from transfer.api.rates import lr_find
from transfer.api.resuming import resume
from transfer.api.seeds import finetune_seeds
from transfer.api.tracking import track
from transfer.api.training import finetune

__all__ = [
    "check",
    "compare",
    "diff",
    "evaluate",
    "explain",
    "feature_maps",
    "finetune",
    "finetune_seeds",
    "iterate_explanations",
    "iterate_predictions",
    "list_runs",
    "lr_find",
    "predict",
    "prepare",
    "preview",
    "report",
    "resume",
    "track",
    "write_explanations",
]
