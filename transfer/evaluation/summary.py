"""A small table of the main figures, which notebooks show."""

from __future__ import annotations

from html import escape

from transfer.evaluation.report.words import interval, isolate, percent
from transfer.runs.metrics import Metrics


def summary_html(title: str, metrics: Metrics) -> str:
    """Return a small table of the main figures, for notebooks; names in it are escaped."""
    rows = {
        "Images": f"{metrics['n']:,}",
        "Accuracy": f"{percent(metrics['accuracy'])} ({interval(metrics['accuracy_ci95'])})",
        "Macro-F1": percent(metrics["macro_f1"]),
    }
    for pair in metrics.get("most_confused", [])[:1]:  # none where images are of several classes
        names = f"{isolate(pair['true'])} as {isolate(pair['predicted'])}"
        rows["Most confused"] = f"{names} ({pair['count']})"
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{term}</th>'
        f'<td style="text-align:left">{escape(words)}</td></tr>'
        for term, words in rows.items()
    )
    return f"<table><caption>{escape(title)}</caption><tbody>{cells}</tbody></table>"


def message_html(title: str, words: str) -> str:
    """Return a name and a sentence, escaped."""
    return f"<p><b>{escape(title)}</b>: {escape(words)}</p>"
