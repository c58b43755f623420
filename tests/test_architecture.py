"""Which room may import which: the rules of docs/architecture.md, checked on the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import transfer

ROOT = Path(transfer.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Rooms in order: each may import those above it that are named here, and none below.
LOW = {"errors", "system", "recipe", "settings"}
ALLOWED = {
    "errors": set(),
    "system": {"errors"},
    "recipe": {"errors", "system"},
    "settings": set(),
    "runs": LOW,
    "networks": LOW | {"runs"},
    "images": LOW,
    "statistics": {"errors", "system"},
    "data": LOW | {"runs", "networks", "images", "statistics"},
    "features": LOW | {"networks", "images"},
    "training": LOW | {"runs", "networks", "images", "statistics", "data", "features"},
    "experiments": LOW
    | {"runs", "networks", "images", "statistics", "data", "features", "training"},
    "evaluation": LOW | {"runs", "images", "statistics", "data"},
    "serving": LOW | {"runs", "networks", "images", "statistics", "features"},
    "api": LOW
    | {"runs", "networks", "images", "statistics", "data", "features"}
    | {"training", "experiments", "evaluation", "serving"},
    "cli": LOW | {"api"},
}
LATE = {"tensorflow", "keras", "matplotlib", "sklearn"}


def imports(path: Path, top_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "transfer":
                yield from (f"transfer.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_know_only_whom_they_may(path: Path) -> None:
    if path.parent == ROOT and path.stem in ("__init__", "__main__"):
        return
    known = {name.split(".")[1] for name in imports(path) if name.startswith("transfer.")}
    own = {room(path), "__version__"}
    assert known - own <= ALLOWED[room(path)]


def test_rooms_know_only_what_stands_above_them() -> None:
    above: set[str] = set()
    for name, allowed in ALLOWED.items():
        assert not allowed - above, name
        above.add(name)


def test_no_file_knows_itself_by_a_detour() -> None:
    """Import cycles among files, also by imports inside functions and for types only."""
    names = {_module(path): path for path in FILES}
    known = {name: set(_files_known(path, names)) - {name} for name, path in names.items()}
    left = dict(known)
    while free := [name for name, wanted in left.items() if not wanted & left.keys()]:
        for name in free:
            del left[name]
    assert not left, sorted(left)


def _module(path: Path) -> str:
    parts = ["transfer", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _files_known(path: Path, names: Collection[str]) -> Iterator[str]:
    """Yield the files that a file imports: the modules, or those that hold the names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("transfer"):
            wanted = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (each if each in names else str(node.module) for each in wanted)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)


def test_few_files_lie_at_the_top() -> None:
    assert len([path for path in ROOT.iterdir() if path.is_file()]) <= 6


def test_only_the_command_line_knows_click_and_rich() -> None:
    for path in FILES:
        if room(path) != "cli":
            assert not {name.split(".")[0] for name in imports(path)} & {"click", "rich"}, path


@pytest.mark.case("C01")
def test_nothing_that_runs_code_from_a_file() -> None:
    words = ("extractall", "safe_mode=False", "enable_unsafe_deserialization", "allow_pickle=True")
    modules = {"pickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in words if word in text], path
        assert not {name.split(".")[0] for name in imports(path)} & modules, path
        calls = [node.func for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert not names & {"eval", "exec"}, path


def run_python(code: str) -> set[str]:
    """Return the heavy packages that some code has imported."""
    code += f"\nimport sys; print(*({LATE!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def command(*arguments: str) -> str:
    main = "from transfer.cli.main import transfer as command"
    return f"{main}\ntry: command({list(arguments)})\nexcept (Exception, SystemExit): pass"


@pytest.mark.parametrize(
    "code",
    [
        "import transfer; transfer.finetune; transfer.Run; transfer.decode",
        command("--help"),
        command("backbones"),
        command("weights"),
        command("check", "sample:shapes"),
        command("cache"),
        command("report", "nowhere"),
        command("runs", "."),
        command("diff", "nowhere", "nothing"),
        command("prepare", "nowhere.zip", "nothing"),
    ],
)
def test_what_starts_without_tensorflow(code: str) -> None:
    assert run_python(code) == set()


def test_files_and_functions_stay_short() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if path.name != "backbones.py":  # which is mostly a table
            assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                assert lines <= 60, f"{path}: {node.name}"
