from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import transfer
from transfer.cli.main import main
from transfer.errors import DataError, UsageError

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `transfer check`; return its exit code, stdout and stderr."""
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            with pytest.raises(SystemExit) as stopped:
                main(["check", *map(str, arguments)])
        finally:
            signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    """Three classes of four pictures without problems."""
    return make_folder(per_class=4)


def test_good_folder(folder: Path, check: Command) -> None:
    code, out, err = check(folder)
    assert code == 0
    assert out.splitlines() == [
        "Read as: 3 classes: blue, green, red",
        f"{folder}: 12 images of 3 classes, 12 of them usable",
        "  blue 4, green 4, red 4",
        "No problems found.",
    ]
    assert err == ""


def test_one_class_is_no_classes(folder: Path, check: Command) -> None:
    for name in ("red", "blue"):
        shutil.rmtree(folder / name)
    assert f"\n{folder}: 4 images of 1 class, 4 of them usable\n" in check(folder)[1]


@pytest.mark.case("D01")
@pytest.mark.case("D03")
def test_unusable_images_are_named(folder: Path, check: Command) -> None:
    (folder / "red" / "empty.jpg").write_bytes(b"")
    data = (folder / "red" / "0.png").read_bytes()
    (folder / "red" / "cut.png").write_bytes(data[: len(data) // 2])
    code, out, err = check(folder)
    assert (code, err) == (0, "")
    assert "14 images of 3 classes, 12 of them usable" in out
    assert "2 images cannot be used. Replace or remove them." in out
    assert "      red/empty.jpg: is empty\n" in out
    for option in (["--strict"], ["--on-bad", "fail"]):
        code, _, err = check(folder, *option)
        assert code == 2
        assert err == "Error: Training is refused: 2 images cannot be used.\n"


@pytest.mark.case("D35")
def test_copies_in_two_classes_are_refused_by_strict(folder: Path, check: Command) -> None:
    (folder / "red" / "x.png").write_bytes((folder / "blue" / "0.png").read_bytes())
    code, out, _ = check(folder)
    assert code == 0
    assert "      blue/0.png = red/x.png\n" in out
    assert check(folder, "--strict")[0] == 2


@pytest.mark.case("D23")
def test_what_training_refuses_is_reported_with_the_rest(folder: Path, check: Command) -> None:
    (folder / "void").mkdir()
    (folder / "red" / "empty.jpg").write_bytes(b"")
    code, out, err = check(folder)
    assert code == 2
    assert out.index("1 class folder with no image") < out.index("1 image cannot be used")
    assert err == "Error: Training is refused: 1 class folder with no image.\n"


@pytest.mark.case("D24")
def test_one_class_is_reported_with_the_rest(folder: Path, check: Command) -> None:
    (folder / "red" / "empty.jpg").write_bytes(b"")
    for name in ("blue", "green"):
        (folder / name).rename(folder.parent / name)
    code, out, _ = check(folder)
    assert code == 2
    assert "there is a single class" in out
    assert "red/empty.jpg: is empty" in out


def lone(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / "red" / f"{number}.png").unlink()


def copies(folder: Path) -> None:
    for number in (1, 2, 3):
        with Image.open(folder / "red" / "0.png") as image:
            image.resize((80 + number, 72)).save(folder / "red" / f"{number}.png")


def into(folder: Path, *splits: str) -> None:
    for name in ("blue", "green", "red"):
        for split in splits:
            shutil.copytree(folder / name, folder / split / name)
        shutil.rmtree(folder / name)


@pytest.mark.case("D25")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lone, "Class 'red' has 1 different image(s) to divide"),
        (copies, "Class 'red' has 1 different image(s) to divide"),
        (lambda folder: into(folder, "val"), "No images to train on"),
        (lambda folder: into(folder, "train", "test"), "Class 'blue' has no image left in train"),
    ],
)
def test_what_cannot_be_divided(
    folder: Path, check: Command, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(folder)
    code, out, err = check(folder)
    assert (code, err) == (
        2,
        "Error: Training is refused: the images cannot be split for training.\n",
    )
    assert words in out


@pytest.mark.case("D26")
def test_folder_without_classes(tmp_path: Path, check: Command) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.jpg").write_bytes(b"x")
    code, out, err = check(tmp_path / "x")
    assert (code, out) == (2, "")
    assert "DATA/cats/1.jpg" in err


@pytest.mark.case("D20")
def test_names_that_are_not_utf8(folder: Path, check: Command) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/red/caf\xe9.jpg")).write_bytes(b"x")
    code, out, err = check(folder)
    assert (code, err) == (0, "")
    assert "1 file left out: the name is not UTF-8" in out
    assert r"red/caf\xe9.jpg" in out


@pytest.mark.case("D19")
def test_unusual_names_stay_on_their_line(folder: Path, check: Command) -> None:
    (folder / "red" / "a\nb\x1b[31m.jpg").write_bytes(b"")
    assert "      red/a\\nb\\x1b[31m.jpg: is empty\n" in check(folder)[1]


def test_json_holds_everything(folder: Path, check: Command) -> None:
    for number in range(8):
        (folder / "red" / f"empty{number}.jpg").write_bytes(b"")
    (folder / "notes.jpg").write_bytes(b"x")
    code, out, err = check(folder, "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert result["data"] == str(folder)
    assert (result["images"], result["usable"]) == (20, 12)
    assert result["counts"]["all"]["red"] == 12
    kinds = {finding["kind"]: finding for finding in result["findings"]}
    assert kinds["unusable"]["severity"] == "problem"
    assert kinds["unusable"]["items"][7] == ["red/empty7.jpg", "is empty"]
    assert kinds["left-out"]["items"] == [["notes.jpg", "loose file at the top"]]
    assert result["left_out"] == [{"path": "notes.jpg", "reason": "loose file at the top"}]
    assert result["read_as"] == "3 classes: blue, green, red"
    assert "and 3 more" in check(folder)[1]


def test_fix_list(folder: Path, check: Command, tmp_path: Path) -> None:
    (folder / "red" / "empty.jpg").write_bytes(b"")
    (folder / "red" / "=x.png").write_bytes((folder / "blue" / "0.png").read_bytes())
    before = digest(folder)
    for _ in range(2):
        assert check(folder, "--fix-list", tmp_path / "fixes.csv")[0] == 0
    with (tmp_path / "fixes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["path", "reason", "suggestion", "action"]
    assert [row["action"] for row in rows] == ["remove", "", ""]
    assert [row["path"] for row in rows] == ["red/empty.jpg", "blue/0.png", "red/=x.png"]
    assert digest(folder) == before


def test_fix_list_never_replaces_another_file(folder: Path, check: Command) -> None:
    before = digest(folder)
    for place in (folder / "red" / "0.png", folder, folder / "no" / "fixes.csv"):
        code, out, err = check(folder, "--fix-list", place)
        assert (code, out) == (2, "")
        assert "Expected --fix-list as" in err
    assert digest(folder) == before


def test_wrong_values(folder: Path, check: Command) -> None:
    code, _, err = check(folder, "--check", "ful")
    assert code == 2
    assert "Did you mean 'full'?" in err
    assert check(folder / "no")[0] == 2
    with pytest.raises(UsageError, match="Expected quick or full"):
        transfer.check(folder, check="x")


def test_full_finds_the_same(folder: Path, check: Command) -> None:
    (folder / "red" / "empty.jpg").write_bytes(b"")
    assert check(folder, "--check", "full") == check(folder)


@pytest.mark.case("D32")
def test_links_that_lead_out(folder: Path, check: Command, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    Image.new("RGB", (50, 50)).save(outside)
    (folder / "red" / "link.png").symlink_to(outside)
    assert "--follow-links" in check(folder)[2]
    assert "13 images" in check(folder, "--follow-links")[1]


def test_library(folder: Path) -> None:
    (folder / "red" / "empty.jpg").write_bytes(b"")
    result = transfer.check(folder)
    assert [finding.kind for finding in result.findings] == ["unusable"]
    assert result.refused() == ()
    assert result.refused(strict=True) == result.findings
    assert result.fixes == (("red/empty.jpg", "is empty", "replace or remove it"),)
    with pytest.raises(DataError):
        transfer.check(folder / "red")


def digest(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.case("L14")
def test_negatives_are_checked_and_counted(folder: Path, check: Command) -> None:
    shutil.copytree(folder / "red", folder / "other")
    for number, path in enumerate(sorted((folder / "other").iterdir())):
        if number:
            Image.effect_noise((40, 36), 60 + number).convert("RGB").save(path)
    code, out, _ = check(folder)
    assert "other (4 images) looks like negatives" in out
    assert "--negatives other" in out
    code, out, _ = check(folder, "--negatives", folder / "other", "--strict")
    assert code == 2
    assert out.splitlines()[0] == "Read as: 3 classes: blue, green, red"
    assert "12 images of 3 classes, 12 of them usable; 3 usable negatives" in out
    assert "1 negative(s) show the same as images of classes" in out
    assert "other/0.png: red/0.png" in out


def test_the_page_of_fixes(check: Command, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "fixes.html"
    assert check(folder, "--fix-page", page)[0] == 0
    assert page.read_text().startswith("<!DOCTYPE html>")
    _, _, told = check(folder, "--label-errors", tmp_path)
    assert "--label-errors has no effect without --fix-page" in told
    code, _, told = check(folder, "--fix-page", page, "--label-errors", tmp_path)
    assert (code, "is not a run directory" in told) == (2, True)
    page.write_text("mine")
    code, _, told = check(folder, "--fix-page", page)
    assert (code, page.read_text()) == (2, "mine")
    assert "Expected --fix-page as a new file" in told
