"""JUnit XML: what the metrics had to reach, as the test cases of a pipeline."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any

from transfer.evaluation.checks import OF_ALL, Check
from transfer.system.terminal import visible

_NOT_IN_XML = re.compile("[\ufffe\uffff]")


def as_junit(name: str, metrics: Mapping[str, Any], checks: Sequence[Check]) -> str:
    """Return a test suite with a test case for each check, and the metrics as its properties.

    Args:
        name: Of the run.
        metrics: As in metrics.json.
        checks: What the metrics had to reach.
    """
    failures = sum(not each.passed for each in checks)
    about = {"tests": str(len(checks)), "failures": str(failures), "errors": "0"}
    suites = ET.Element("testsuites", about)
    suite = ET.SubElement(suites, "testsuite", {"name": _shown(name)} | about)
    properties = ET.SubElement(suite, "properties")
    for key in ("split", "n", *OF_ALL):
        if key in metrics:
            ET.SubElement(properties, "property", {"name": key, "value": str(metrics[key])})
    for each in checks:
        title = _shown(f"{each.name} >= {each.least:g}")
        case = ET.SubElement(suite, "testcase", {"classname": _shown(name), "name": title})
        if not each.passed:
            told = _shown(str(each))
            ET.SubElement(case, "failure", {"message": told, "type": "fail-under"}).text = told
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _shown(text: str) -> str:
    return _NOT_IN_XML.sub("?", visible(text))
