"""run.json as versions before schema 2 wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from transfer.recipe import Recipe
from transfer.settings import EARLIER_DECODING, Settings
from transfer.system.units import parse_seconds


def upgraded(raw: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return the object of a run.json of schema 1 in the current schema."""
    new = {key: value for key, value in raw.items() if value is not None}
    new["settings"] = _settings_before(raw, recipe)
    new.setdefault("data", "")
    new.setdefault("split", "val")
    new.setdefault("counts", {})
    new.setdefault("weights", {"origin": "unknown"})
    if "suspects" in raw:
        new["label_errors"] = raw["suspects"]
    return new


def _settings_before(raw: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a run of schema 1, as far as run.json and recipe.json record them."""
    plan, features = raw.get("plan") or {}, raw.get("features") or {}
    pretrained = (raw.get("weights") or {}).get("origin", "none") != "none"
    epochs, views = plan.get("epochs", recipe.epochs or 0), plan.get("views", recipe.views or 0)
    monitor = raw.get("monitor", recipe.monitor)
    return {each.name: getattr(recipe, each.name, None) for each in fields(Settings)} | {
        "pretrained": pretrained,
        "image_size": raw.get("image_size", recipe.image_size or 0),
        "views": views,
        "least_views": views,
        "most_views": views,
        "solve_on_views": recipe.views is not None,
        "unfreeze": recipe.unfreeze if pretrained else "all",
        "cut": "",
        "head_patience": recipe.patience or 10,
        "epochs": epochs,
        "most_epochs": epochs,
        "patience": recipe.patience or max(5, epochs // 2),
        "learning_rate": raw.get("learning_rate") or recipe.learning_rate or 0.0,
        "optimizer": "adamw" if recipe.optimizer == "auto" else recipe.optimizer,
        "layer_decay": 0.8 if recipe.layer_decay is None else recipe.layer_decay,
        "weight_decay": 0.01 if recipe.weight_decay is None else recipe.weight_decay,
        "label_smoothing": raw.get("label_smoothing", recipe.label_smoothing) or 0.0,
        "ema": recipe.ema or 0.0,
        "engine": features.get("engine", "keras"),
        "engine_required": recipe.engine != "auto",
        "mixed_precision": raw.get("mixed_precision") == "on",
        "monitor": "val_accuracy" if monitor == "auto" else monitor,
        "class_weights": raw.get("class_weights", ()),
        "seconds": parse_seconds(recipe.time) or 0.0,
        "decoding": EARLIER_DECODING,
    }
