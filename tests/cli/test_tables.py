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
    PREDICTION_WRITERS["table"](predictions(), 1, file, False)
    assert file.getvalue() == rf"new\nline {SHOWN}.png: {SHOWN} 0.750" + "\n"


def test_json_for_a_terminal_means_the_same_names() -> None:
    file = io.StringIO()
    write_json(predictions(), 1, file, False)
    assert not {"\x1b", "\u202e"} & set(file.getvalue())
    [record] = json.loads(file.getvalue())
    assert (record["label"], record["path"]) == (NAME, f"new\nline {NAME}.png")


def test_csv_keeps_names_as_they_are() -> None:
    file = io.StringIO()
    PREDICTION_WRITERS["csv"](predictions(), 1, file, False)
    assert f",{NAME},0.75," in file.getvalue()


def test_what_a_run_refuses_is_told_in_every_format() -> None:
    shares = {"cat": 0.5, "dog": 0.25}
    found = [Prediction(f"{n}.png", "cat", 0.5, shares, (), bool(n)) for n in (0, 1)]
    files = {name: io.StringIO() for name in ("table", "csv", "json")}
    for name, file in files.items():
        PREDICTION_WRITERS[name](found, 1, file, False)
    assert files["table"].getvalue() == "0.png: cat 0.500\n1.png: refused (cat 0.500)\n"
    assert files["csv"].getvalue().splitlines() == [
        "path,label,confidence,p_cat,p_dog,refused",
        "0.png,cat,0.5,0.5,0.25,0",
        "1.png,cat,0.5,0.5,0.25,1",
    ]
    assert [each["refused"] for each in json.loads(files["json"].getvalue())] == [False, True]


def test_a_run_without_a_rule_has_no_column_for_it() -> None:
    for name in ("csv", "json"):
        file = io.StringIO()
        PREDICTION_WRITERS[name](predictions(), 1, file, False)
        assert "refused" not in file.getvalue()
