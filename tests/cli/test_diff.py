from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from toys import evaluated_run

from transfer.cli.diff import diff

PHOTOS = {"a.png": ("ant", "bee"), "b\x1b[31m.png": ("bee", "bee"), "c.png": ("cat", "cat")}


def run_diff(tmp_path: Path, *options: str) -> str:
    names = []
    for name, found in (("one", "bee"), ("two", "ant")):
        rows = PHOTOS | {"a.png": ("ant", found), "b\x1b[31m.png": ("bee", found)}
        evaluated_run(tmp_path / name, tmp_path / "photos", rows)
        names.append(str(tmp_path / name))
    done = CliRunner().invoke(diff, [*names, *options], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_the_difference_is_told_in_lines(tmp_path: Path) -> None:
    lines = run_diff(tmp_path).splitlines()
    assert lines[0] == "3 val photos that both predicted"
    assert lines[2].split()[:4] == ["accuracy", "0.667", "0.667", "+0.000"]
    assert lines[lines.index("Wrong to right: 1") + 1] == "  a.png: bee 0.800 -> ant 0.800"
    assert r"  b\x1b[31m.png: bee 0.800 -> ant 0.800" in lines
    assert "  bee predicted as ant: 0 -> 1" in lines
    assert lines[-1].startswith("No evidence that they differ: 1 photo only ")


def test_json_and_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    [found] = json.loads(run_diff(tmp_path, "--json", "-o", str(page)))
    assert found["p_exact"] == 1
    assert [each["path"] for each in found["wrong_to_right"]] == ["a.png"]
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
