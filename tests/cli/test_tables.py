from __future__ import annotations

import io
import json

from transfer.cli.tables import PREDICTION_WRITERS, describe, table, write_json
from transfer.serving.predictor import Prediction

NAME = "cat\x1b[31m\u202e"
SHOWN = r"cat\x1b[31m\u202e"
METRICS = {"accuracy": 0.5, "accuracy_ci95": [0.1, 0.9], "n": 2, "split": "all", "macro_f1": 0.5}


def predictions() -> list[Prediction]:
    return [Prediction(f"new\nline {NAME}.png", NAME, 0.75, {NAME: 0.75, "dog": 0.25})]


def test_names_in_tables_cannot_act_on_the_terminal() -> None:
    assert table(["NAME", "N"], [[NAME, "1"]]).splitlines()[1] == f"{SHOWN}  1"
    pairs = [{"true": NAME, "predicted": "a\nb", "count": 1}]
    lines = describe(METRICS | {"most_confused": pairs}).splitlines()
    assert lines[-1] == rf"  {SHOWN} predicted as a\nb: 1"


def test_a_table_of_predictions_has_one_line_for_each_image() -> None:
    file = io.StringIO()
    PREDICTION_WRITERS["table"](predictions(), 1, file)
    assert file.getvalue() == rf"new\nline {SHOWN}.png: {SHOWN} 0.750" + "\n"


def test_json_for_a_terminal_means_the_same_names() -> None:
    file = io.StringIO()
    write_json(predictions(), 1, file)
    assert not {"\x1b", "\u202e"} & set(file.getvalue())
    [record] = json.loads(file.getvalue())
    assert (record["label"], record["path"]) == (NAME, f"new\nline {NAME}.png")


def test_csv_keeps_names_as_they_are() -> None:
    file = io.StringIO()
    PREDICTION_WRITERS["csv"](predictions(), 1, file)
    assert f",{NAME},0.75," in file.getvalue()
