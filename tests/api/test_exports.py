"""report.md, JUnit XML and least values, on runs that were never trained."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from toys import evaluated_run

from transfer.api.exports import export
from transfer.errors import UsageError
from transfer.evaluation.junit import as_junit
from transfer.evaluation.markdown import as_markdown, code
from transfer.runs.run import Run

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = (HOSTILE, "=cmd()", "a|b`c", "@user [x](http://x.invalid)", "개나리\n둘", "never")


@pytest.fixture
def hostile(tmp_path: Path) -> Run:
    """A run of 5 classes, 3 photos of each, the last of each predicted as the next class."""
    rows = {
        f"{i}-{k}.png": (name, NAMES[(i + (k == 2)) % 5])
        for i, name in enumerate(NAMES[:5])
        for k in range(3)
    }
    return evaluated_run(tmp_path / "a|b", tmp_path / "photos", rows, NAMES)


def check(run: Run, name: str, least: float) -> Any:
    return export(run, fail_under={name: least})[0]


def test_least_values_are_compared(hostile: Run) -> None:
    assert check(hostile, "accuracy", 2 / 3).passed
    assert check(hostile, "macro-F1", 0.6).name == "macro_f1"
    failed = check(hostile, f"recall[{HOSTILE}]", 0.7)
    assert not failed.passed
    assert str(failed) == f"recall[{HOSTILE}] is 0.667, below 0.7"
    assert str(check(hostile, "accuracy", 0.66668)) == "accuracy is 0.66667, below 0.66668"
    undefined = check(hostile, "f1[never]", 0)
    assert not undefined.passed
    assert "is not defined: the class has no images" in str(undefined)


@pytest.mark.parametrize(
    ("name", "least", "hint"),
    [
        ("acuracy", 0.9, r"Unknown metric 'acuracy' .* Did you mean 'accuracy'\?"),
        ("kappa", 0.9, "Expected one of accuracy, macro_f1, balanced_accuracy"),
        ("recall", 0.9, r"It is of one class: recall\["),
        ("recal[never]", 0.9, "Did you mean 'recall'"),
        ("recall[nevr]", 0.9, r"Unknown class 'nevr' .* Did you mean 'never'\?"),
        ("recall[zzzzzz]", 0.9, "Expected one such as '<img"),
        ("accuracy[never]", 0.9, "Expected one of precision, recall, f1"),
        ("accuracy", 90, "Expected a share of 0 to 1 for 'accuracy'.* Received: '90'"),
        ("accuracy", float("nan"), "Expected a share of 0 to 1"),
    ],
)
def test_what_is_unknown_is_refused_with_near_names(
    hostile: Run, tmp_path: Path, name: str, least: float, hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        export(hostile, markdown=tmp_path / "report.md", fail_under={name: least})
    assert not (tmp_path / "report.md").exists()


def test_names_are_code_in_markdown(hostile: Run, tmp_path: Path) -> None:
    export(hostile, markdown=tmp_path / "r.md", fail_under={"recall[a|b`c]": 0.9})
    text = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("## `a\\|b`\n\n**Accuracy 66.7 %** (95 % interval 41.7 to 84.8 %) on 15")
    assert "| ❌ failed | ``recall[a\\|b`c]`` | 0.6667 | 0.9 |" in text
    assert "| `개나리\\n둘` |" in text
    outside = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
    assert not {"<", "@", "[", "=cmd"} & {*outside, *re.findall("=cmd", outside)}
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) in (5, 7, 4)


def test_code_spans_hold_backticks_and_nothing() -> None:
    assert code("`a``b") == "``` `a``b ```"
    assert code("") == "`   `"


@pytest.mark.parametrize("slashes", range(5))
def test_a_bar_never_ends_its_cell(slashes: int) -> None:
    shown = code("a" + "\\" * slashes + "|b")
    assert len(re.fullmatch(r"`a(\\*)\|b`", shown)[1]) % 2 == 1  # type: ignore[index]


def test_many_classes_are_folded_the_weakest_first(tmp_path: Path) -> None:
    names = tuple(f"class {i}" for i in range(40))
    rows = {f"{i}.png": (name, names[0] if i == 39 else name) for i, name in enumerate(names)}
    run = evaluated_run(tmp_path / "run", tmp_path / "photos", rows, names)
    text = as_markdown("run", run.metrics)
    assert "The 30 of 40 classes with the lowest F1:" in text
    first, rest = text.split("<details>")
    assert "`class 39`" in first
    assert rest.count("100.0 %") > 9


def test_junit_is_xml_with_a_case_for_each_check(hostile: Run, tmp_path: Path) -> None:
    least = {"accuracy": 0.5, f"recall[{HOSTILE}]": 0.9, "recall[개나리\n둘]": 0.1}
    export(hostile, junit=tmp_path / "j.xml", fail_under=least)
    root = ET.parse(tmp_path / "j.xml").getroot()
    assert root.attrib == {"tests": "3", "failures": "1", "errors": "0"}
    cases = root.findall("testsuite/testcase")
    assert [case.get("name") for case in cases] == [
        "accuracy >= 0.5",
        f"recall[{HOSTILE}] >= 0.9",
        "recall[개나리\\n둘] >= 0.1",
    ]
    [failure] = root.findall("testsuite/testcase/failure")
    assert failure.text == failure.get("message") == f"recall[{HOSTILE}] is 0.667, below 0.9"
    values = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert float(str(values["accuracy"])) == hostile.metrics["accuracy"]
    ET.fromstring(as_junit("a\x00\x1b\ufffe\ud800", hostile.metrics, []).encode())


def test_two_exports_need_two_files(tmp_path: Path) -> None:
    run = evaluated_run(tmp_path / "run", tmp_path / "photos", {"1.png": ("ant", "ant")})
    least, file = {"accuracy": 0.5}, tmp_path / "out.xml"
    with pytest.raises(UsageError, match=r"Expected different files as markdown= and junit="):
        export(run, markdown=file, junit=file, fail_under=least)
    assert not file.exists()
