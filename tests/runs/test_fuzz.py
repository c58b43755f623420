"""Runs whose files were changed at random: every command ends well, or with one clear line.

More draws by hand, from another seed:

    TRANSFER_FUZZ_DRAWS=2000 TRANSFER_FUZZ_SEED=1000 ./scripts/test -m slow tests/runs/test_fuzz.py
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import transfer
from transfer.cli.main import main
from transfer.runs.run import Run
from transfer.training.keep.state import _digest_of

DRAWS = int(os.environ.get("TRANSFER_FUZZ_DRAWS", "300"))
SEED = int(os.environ.get("TRANSFER_FUZZ_SEED", "0"))
SECONDS = 60  # after which a command counts as hanging
LONGEST = 2500  # characters of a line of stderr
KNOBS: dict[str, Any] = {"backbone": "toy", "head_epochs": 2, "views": 0, "batch_size": 8}
TOY = ["--backbone", "toy", "--head-epochs", "2", "--views", "0", "--unfreeze", "none"]

LONG = 100_000 * "x"
VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2, 7, 10**20, -(10**20), 10**400, 0.5, -0.5)
VALUES += (1.5, 1e-320, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), "", "x", "nan")
VALUES += ("1e999", "green", "../../etc/passwd", "/etc/passwd", "\ud800", "é\n\0\r", LONG, [], {})
VALUES += ([[[[]]]], [1], ["x", "y"], {"a": []}, {"red": 1}, [None], "none", "all", "auto", "done")
VALUES += ("running", "keras", "openvino", "head", "val_loss", "openvino.nothing", "layer_1")
PARTS = (
    b"",
    b"\xff\xfe",
    b"\0",
    b"[" * 100_000,
    b"{",
    b'"',
    b",",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"NaN",
)


@dataclass(frozen=True)
class Base:
    """A run to be changed, and what the commands need besides it."""

    run: Path
    photos: Path


def changed_bytes(data: bytes, draw: random.Random) -> bytes:
    """Return a file with a part cut off, removed, repeated, moved or replaced."""
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    lines = data.splitlines(keepends=True) or [b""]
    match draw.randrange(7):
        case 0:
            return data[:start]
        case 1:
            return data[:start] + data[end:]
        case 2:
            return data[:start] + draw.choice(PARTS) + data[start:]
        case 3:
            return data[:start] + draw.choice(PARTS) + data[end:]
        case 4:
            return b"".join([*lines, draw.choice(lines)])
        case 5:
            draw.shuffle(lines)
            return b"".join(lines)
        case _:
            return draw.choice(PARTS)


def changed_json(value: Any, draw: random.Random) -> Any:
    """Return JSON with one value, at any depth, replaced, removed, added or renamed."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    deeper = [each for each in inside if isinstance(each, dict | list) and each]
    if deeper and draw.random() < 0.5:
        chosen = draw.choice(deeper)
        new = changed_json(chosen, draw)
        if isinstance(value, dict):
            return {key: new if each is chosen else each for key, each in value.items()}
        return [new if each is chosen else each for each in value]
    if not isinstance(value, dict | list) or not value or draw.random() < 0.05:
        return draw.choice(VALUES)
    other, how = draw.choice(VALUES), draw.random()
    if isinstance(value, list):
        at = draw.randrange(len(value))
        return (
            value[:at]
            + ([] if how < 0.2 else [other, other] if how < 0.4 else [other])
            + (value[at + 1 :])
        )
    key, word = draw.choice(list(value)), str(other)
    if how < 0.2:
        return {name: each for name, each in value.items() if name != key}
    if how < 0.3:
        return value | {word: other}
    if how < 0.4:
        return {word if name == key else name: each for name, each in value.items()}
    return value | {key: other}


def changed_csv(text: str, draw: random.Random) -> str:
    """Return a table with a cell, a row or a column replaced, removed or repeated."""
    rows = list(csv.reader(io.StringIO(text))) or [[""]]
    row = draw.choice(rows)
    at = draw.randrange(len(row)) if row else 0
    match draw.randrange(6):
        case 0:
            rows.append(row)
        case 1:
            rows.remove(row)
        case 2:
            del row[at : at + 1]
        case 3:
            for each in rows:
                del each[at : at + 1]
        case _:
            row[at : at + 1] = [str(draw.choice(VALUES))]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def change(file: Path, draw: random.Random) -> None:
    """Change a file of a run; a saved state gets the digest of what it holds then, or not."""
    if draw.random() < 0.02:
        file.unlink()
    elif draw.random() < 0.25:
        file.write_bytes(changed_bytes(file.read_bytes(), draw))
    elif file.suffix == ".csv":
        text = changed_csv(file.read_text(encoding="utf-8"), draw)
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
    else:
        value = changed_json(json.loads(file.read_text(encoding="utf-8")), draw)
        if file.name.startswith("state-") and isinstance(value, dict) and draw.random() < 0.8:
            value.pop("sha256", None)
            value["sha256"] = _digest_of(value)
            with suppress(FileNotFoundError):
                (file.parent / f"state-{3 - int(file.stem[-1])}.json").unlink()
        file.write_text(json.dumps(value), encoding="utf-8")


def commands(run: Path, base: Base, draw: random.Random) -> tuple[list[str], str]:
    """Return the words of a command that reads a run, and a pattern of the files that it reads."""
    photo = next((base.photos / "red").iterdir())
    prior = draw.choice([[], ["--prior", "even"], ["--prior", "train"]])
    split = draw.choice([[], ["--split", draw.choice(["train", "val", "test"])]])
    resume: list[Any] = ["finetune", "--resume", run, *draw.choice([[], ["--json"]])]
    again = ["finetune", base.photos, "--split", run, "-o", run / "new", *TOY]
    least = ["--markdown", run / "new.md", "--fail-under", "accuracy=0"]
    own, other = "run.json|recipe.json|classes.json", "evaluations/.*/(evaluation.json|split.csv)"
    listed = "(split|predictions|history|label.*|out.*|negatives)"
    choices: list[tuple[int, list[Any], str]] = [
        (8, ["report", run], f"{own}|metrics.json|{listed}.csv"),
        (4, resume, f"{own}|lock.json|state-..json|(split|history|folds|neg.*).csv|metrics.json"),
        (2, ["predict", run, photo, *prior], own),
        (3, ["evaluate", run, *prior, *split], f"{own}|(split|history|label.*).csv|{other}"),
        (1, ["evaluate", run, base.photos, *prior], f"{own}|split.csv|{other}"),
        (1, ["finetune", "nowhere", "--recipe", run / "recipe.json"], "recipe.json"),
        (1, again, "split.csv"),
        (2, ["diff", base.run, run], f"{own}|metrics.json|(split|predictions).csv"),
        (1, ["report", run, *least], f"{own}|metrics.json"),
        (1, ["track", run, "--tensorboard", run / "logs"], f"{own}|metrics.json|history.csv"),
    ]
    weights = [weight for weight, _, _ in choices]
    _, words, read = draw.choices(choices, weights)[0]
    return [str(word) for word in words], read


@pytest.fixture(scope="module")
def bases(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> list[Base]:
    """A finished run with folds and another evaluation, and one that was interrupted."""
    root = tmp_path_factory.mktemp("bases")
    photos = root / "photos"
    for colour in trained.classes:
        (photos / colour).mkdir(parents=True)
        for number in range(6):
            shutil.copy(Path(trained.info.data, colour, f"{number}.png"), photos / colour)
    (root / "negatives").mkdir()
    for number in range(4):
        noise = Image.effect_noise((40, 36), 60 + number)
        noise.convert("RGB").save(root / "negatives" / f"{number}.png")
    knobs = KNOBS | {"negatives": root / "negatives"}
    whole = transfer.finetune(photos, output=root / "whole", folds=2, unfreeze="none", **knobs)
    whole.evaluate(photos)

    class Interruption(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("Epoch  2/"):
                raise KeyboardInterrupt

    logger, handler = logging.getLogger("transfer"), Interruption()
    level = logger.level
    logger.setLevel("INFO")
    logger.addHandler(handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            transfer.finetune(photos, output=root / "part", epochs=3, unfreeze="2", **knobs)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert (root / "part" / "state-1.json").is_file()
    return [Base(root / "whole", photos), Base(root / "part", photos)]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run the command in this process; return its exit code, stdout and stderr."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}

    def hanging(number: int, frame: object) -> None:
        raise SystemExit(99)

    def run(words: list[str]) -> tuple[int, str, str]:
        signal.signal(signal.SIGALRM, hanging)
        signal.alarm(SECONDS)
        try:
            main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.alarm(0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def faults(code: int, out: str, err: str) -> list[str]:
    """Return what is wrong with the end of a command."""
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    wrong = {
        f"exit code {code}": code not in (0, 2),
        f"{len(errors)} error lines": len(errors) != (code != 0),
        "a traceback": "Traceback" in err,
        "a long line": max(map(len, err.splitlines()), default=0) > LONGEST,
        "NaN": bool(re.search(r"\b(nan|inf)\b", out, re.IGNORECASE)),
    }
    return [name for name, found in wrong.items() if found]


@pytest.mark.slow
def test_changed_files_end_well_or_in_one_line(
    toy: str,
    bases: list[Base],
    command: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = []
    for number in range(SEED, SEED + DRAWS):
        draw = random.Random(number)
        base = bases[draw.random() < 0.25]
        run = tmp_path / f"run-{number}"
        shutil.copytree(base.run, run)
        words, read = commands(run, base, draw)
        names = {file: str(file.relative_to(run)) for file in run.rglob("*")}
        file = draw.choice([file for file in sorted(names) if re.fullmatch(read, names[file])])
        change(file, draw)
        code, out, err = command(words)
        if found := faults(code, out, err):
            last = (err.strip().splitlines() or [""])[-1]
            where = f"draw {number}: {names[file]}: {' '.join(words)}"
            failed.append(f"{where}: {', '.join(found)}: {last[:300]} ... {last[-100:]}")
            with capsys.disabled():
                print(f"\n{failed[-1]}")
        shutil.rmtree(run)
    assert not failed, "\n".join(failed)
