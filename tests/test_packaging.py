"""What is in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tree: building in place would leave traces."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns(".git", ".venv", "*.egg-info", ".*_cache", "__pycache__")
    built = {"runs", "build", "dist"}  # at the root; transfer/runs is a room

    def ignored(path: str, names: list[str]) -> set[str]:
        return left_out(path, names) | (built if Path(path) == ROOT else set())

    shutil.copytree(ROOT, folder / "tree", ignore=ignored)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, "tree"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"transfer"}
    tracked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "transfer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("transfer/")} == tracked
    assert "transfer/bundled/mobilenetv2_notop.fp16.weights.h5" in names
    assert "transfer/evaluation/report/templates/report.html.j2" in names


def test_the_wheel_is_described(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = next(n for n in archive.namelist() if n.endswith("/METADATA")).split("/")[0]
        metadata = archive.read(f"{folder}/METADATA").decode()
        scripts = archive.read(f"{folder}/entry_points.txt").decode()
    assert "Name: transfer-classifier\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    keras = next(line for line in metadata.splitlines() if line.startswith("Requires-Dist: keras"))
    assert set(keras.removeprefix("Requires-Dist: keras").split(",")) == {">=3.15.1", "<3.17"}
    assert "transfer = transfer.cli:main" in scripts
