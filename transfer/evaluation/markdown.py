"""report.md: the metrics of a run as GitHub shows them in a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from transfer.evaluation.checks import Check
from transfer.system.terminal import visible

SHOWN = 30  # classes outside of <details>
_CAVEATS = {
    "trained_on": "The model was trained on these images: this says nothing about new ones.",
    "chose_the_model": "These images also chose the model, so the accuracy is slightly optimistic.",
    "chose_the_thresholds": "These images also chose the thresholds, so F1 is slightly optimistic.",
}


def as_markdown(name: str, metrics: Mapping[str, Any], checks: Sequence[Check] = ()) -> str:
    """Return the metrics of a run in GitHub's Markdown.

    Names are code spans: nothing in them is a link, a mention, markup or HTML.

    Args:
        name: Of the run.
        metrics: As in metrics.json.
        checks: What the metrics had to reach.
    """
    parts = [f"## {code(name)}", _headline(metrics)]
    if metrics.get("caveat") in _CAVEATS:
        parts.append(_CAVEATS[metrics["caveat"]])
    if (leaked := metrics.get("leaked")) and leaked["accuracy_without"] is not None:
        parts.append(
            f"{leaked['images']:,} of them were seen in training, or near duplicates of them;"
            f" accuracy on the others: {_percent(leaked['accuracy_without'])}."
        )
    if checks:
        rows = [
            [
                "✅ passed" if each.passed else "❌ failed",
                code(each.name),
                "not defined" if each.value is None else f"{each.value:.4f}",
                f"{each.least:g}",
            ]
            for each in checks
        ]
        parts.append(_table(("Check", "Metric", "Value", "At least"), rows, right=(2, 3)))
    parts += _classes(metrics["per_class"])
    if pairs := metrics.get("most_confused", [])[:10]:
        rows = [[code(p["true"]), code(p["predicted"]), str(p["count"])] for p in pairs]
        parts += ["### Most confused", _table(("True", "Predicted as", "Images"), rows, right=(2,))]
    return "\n\n".join(parts) + "\n"


def code(text: str) -> str:
    """Return a name as a code span that is safe in a table, too.

    GitHub splits a row at each bar that no backslash stands before, and takes two backslashes for
    one that is escaped; before a bar, each is therefore doubled.
    """
    shown = re.sub(r"(\\*)\|", r"\1\1\|", visible(text))
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown or ' '}{space}{fence}"


def _headline(metrics: Mapping[str, Any]) -> str:
    low, high = metrics["accuracy_ci95"]
    split = "" if metrics["split"] == "all" else f"{metrics['split']} "
    macro = metrics["macro_f1"]
    if "mean_average_precision" in metrics:
        first = f"**mAP {_percent(metrics['mean_average_precision'])}**, all classes right:"
        first += f" {_percent(metrics['accuracy'])}"
    else:
        first = f"**Accuracy {_percent(metrics['accuracy'])}**"
    text = (
        f"{first} (95 % interval {100 * low:.1f} to {100 * high:.1f} %) on {metrics['n']:,}"
        f" {split}images, macro-F1 {_percent(macro)}."
    )
    if "majority_accuracy" in metrics:
        guess = _percent(metrics["majority_accuracy"])
        text += f" Always predicting the most frequent class would get {guess}."
    return text


def _classes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the tables of the classes; many are sorted, and all but the weakest are folded."""
    if len(rows) <= SHOWN:
        yield _class_table(rows)
        return
    weakest = sorted(rows, key=lambda row: 2.0 if row["f1"] is None else row["f1"])
    yield f"The {SHOWN} of {len(rows):,} classes with the lowest F1:"
    yield _class_table(weakest[:SHOWN])
    yield f"<details><summary>The other {len(rows) - SHOWN:,} classes</summary>"
    yield _class_table(weakest[SHOWN:])
    yield "</details>"


def _class_table(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        [
            code(row["class"]),
            _percent(row["precision"]),
            _percent(row["recall"]),
            _interval(row.get("recall_ci95")),
            _percent(row["f1"]),
            f"{row['support']:,}",
        ]
        for row in rows
    ]
    header = ("Class", "Precision", "Recall", "95 % interval", "F1", "Images")
    return _table(header, cells, right=(1, 2, 3, 4, 5))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> str:
    marks = ["---:" if place in right else "---" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, marks, *rows))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(bounds: Sequence[float] | None) -> str:
    return "-" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"
