from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from toys import evaluated_run

from transfer.cli.runs import runs


def lines(*arguments: str) -> list[str]:
    done = CliRunner().invoke(runs, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


def test_all_runs_are_listed_with_what_is_wrong(tmp_path: Path) -> None:
    rows = {f"{i}.png": ("ant", "ant" if i < 3 else "bee") for i in range(4)}
    for name, photos in (("good", rows), ("small", dict(list(rows.items())[1:]))):
        evaluated_run(tmp_path / "runs" / name, tmp_path / "p", photos, seconds={"total": 300.0})
    evaluated_run(tmp_path / "runs/=cmd()\n\x1b[31m", tmp_path / "p", rows)
    (tmp_path / "runs/=cmd()\n\x1b[31m/metrics.json").write_text("[]")
    shown = lines(str(tmp_path / "runs"))
    header, first, second, damaged, *remarks = shown
    assert header.split()[:4] == ["RUN", "BACKBONE", "ACCURACY", "95"]
    assert first.split()[:4] == ["good", "mobilenetv2", "0.750", "0.301-0.954"]
    assert first.split()[5:9] == ["4", "val", "A", "5"]
    assert second.split()[5:8] == ["3", "val", "B"]
    assert damaged.startswith(r"=cmd()\n\x1b[31m  mobilenetv2")
    assert " damaged: Expected a JSON object" in damaged
    assert remarks == [
        "Only runs with the same letter were evaluated on the same photos and classes."
    ]
    found = json.loads("\n".join(lines(str(tmp_path / "runs"), "--json")))
    assert [each["status"] for each in found] == ["done", "done", "damaged"]


def test_a_folder_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    [line] = lines(str(tmp_path))
    assert line.endswith("Runs are made by: transfer finetune DATA")
