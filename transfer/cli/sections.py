"""The help of a command with many options: in sections, the common ones first."""

from __future__ import annotations

import click

SECTIONS = {
    "Common options": (
        *("backbone", "image_size", "augment", "unfreeze", "epochs", "balance", "val", "test"),
        *("time", "output", "resume", "as_json", "quiet"),
    ),
    "Images and splits": (
        *("split", "group_by", "dedupe", "folds", "folds_finetune", "resize"),
        *("color_profiles", "check"),
        *("on_bad", "strict", "limit", "allow_empty", "follow_links"),
    ),
    "How DATA is read": (
        *("task", "layout", "class_level", "label_regex", "path_column", "label_column"),
        *("split_column", "class_names", "negatives"),
    ),
    "Network and head": (
        *("weights", "head", "head_epochs", "head_learning_rate", "views", "normalize"),
        *("engine", "precision", "views_precision", "trunk_cache", "no_cache"),
    ),
    "Fine-tuning": (
        *("batch_size", "learning_rate", "optimizer", "schedule", "layer_decay", "weight_decay"),
        *("label_smoothing", "mix", "clip_norm", "ema", "accumulate", "interpolate", "patience"),
        *("monitor", "mixed_precision"),
    ),
    "Repeating a run": ("recipe", "seed", "seeds", "deterministic"),
}


class Sectioned(click.Command):
    """A command whose help has the `SECTIONS`; options in none of them come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        left = {str(each.name): each.get_help_record(ctx) for each in options}
        parts = [(title, [left.pop(name, None) for name in SECTIONS[title]]) for title in SECTIONS]
        for title, records in [*parts, ("Other options", list(left.values()))]:
            rows = [record for record in records if record is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
