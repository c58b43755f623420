"""The command as a user meets it: exit codes, messages, streams."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from toys import place

import transfer
from transfer.cli.main import COMMANDS, main
from transfer.cli.main import transfer as group
from transfer.cli.options import HELP
from transfer.cli.tables import describe
from transfer.features.store import Space, features_dir
from transfer.recipe import Recipe
from transfer.system.cachedir import cache_limit

README = Path(__file__).resolve().parents[2] / "README.md"
TOY = ["--backbone", "toy", "--head-epochs", "20", "--head-learning-rate", "0.01"]
TOY += ["--unfreeze", "none", "--views", "0"]
LONG = ["--image-size", "32", "--epochs", "1000", "--patience", "1000"]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Run the command in this process; return its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            with pytest.raises(SystemExit) as stopped:
                main([str(argument) for argument in arguments])
        finally:
            signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return run


def test_finetune_report_evaluate_predict(
    toy: str, make_folder: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    folder = make_folder()
    code, out, err = command("finetune", folder, *TOY)
    assert code == 0
    held = sum(transfer.Run("runs/colours-toy-001").info.counts["val"].values())
    assert f"Accuracy 1.000 on {held} val images" in out
    assert "runs/colours-toy-001/report.html" in out
    assert "30 images of 3 classes" in err
    run = "runs/colours-toy-001"
    assert command("report", run) == (0, f"{run}/report.html\n", "")
    code, out, _ = command("evaluate", run, "--split", "train", "--json")
    assert code == 0
    assert json.loads(out)["n"] == 30 - held
    code, out, _ = command("predict", run, folder / "red" / "0.png", "--top", "2")
    assert code == 0
    assert re.fullmatch(rf"{folder}/red/0\.png: red \d\.\d+  \w+ \d\.\d+\n", out)


def test_json_is_all_that_is_on_stdout(
    toy: str, make_folder: Callable[..., Path], command: Command
) -> None:
    code, out, _ = command("finetune", make_folder(), *TOY, "--json", "--quiet")
    assert code == 0
    result = json.loads(out)
    assert result["accuracy"] == 1.0
    assert result["phase_kept"] == "head"
    assert result["seconds"] > 0
    assert Path(result["run"]).is_dir()


def test_predict_formats(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    folder = make_folder(per_class=3)
    code, _, _ = command("predict", run.path, folder, "--format", "csv", "-o", "p.csv")
    assert code == 0
    with Path("p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert list(rows[0]) == ["path", "label", "confidence", "p_blue", "p_green", "p_red"]
    code, out, _ = command("predict", run.path, folder, "--format", "json", "--top", "3")
    assert code == 0
    records = json.loads(out)
    assert [len(record["top"]) for record in records] == [3] * 9
    assert records[0]["path"] == rows[0]["path"]


def test_a_prior_is_given_class_by_class(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    image = make_folder(per_class=1) / "red" / "0.png"
    for prior in (
        ["--prior", "red=0", "--prior", "green=1", "--prior", "blue=1"],
        ["--prior", '{"red": 0, "green": 1, "blue": 1}'],
    ):
        code, out, err = command("predict", "run", image, "--top", "3", *prior)
        assert code == 0
        assert "red 0.000" in out
        assert "given prior: blue 0.5" in err


def test_predict_names_what_it_cannot_read(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    folder = make_folder(per_class=3)
    Path("bad.jpg").write_bytes(b"<html>")
    code, out, err = command("predict", "run", "bad.jpg", folder / "red" / "0.png", "no.jpg")
    assert code == 2
    assert out.startswith(f"{folder}/red/0.png: ")
    assert "bad.jpg" in err
    assert "no.jpg" in err
    assert "2 of the images could not be read" in err
    before = Path("out.csv")
    before.write_text("of an earlier run")
    for form in ("table", "csv", "json"):
        code, out, err = command("predict", "run", "no.jpg", "-o", "out.csv", "--format", form)
        assert (code, out) == (2, "")
        assert "None of the images could be read: nothing was written" in err
        assert before.read_text() == "of an earlier run"
    assert command("predict", "run", "no.jpg", "--format", "json")[:2] == (2, "")


@pytest.mark.parametrize("source", ["https://x.invalid/x.jpg", "sample:shapes", "tfds:x"])
def test_predict_says_that_it_takes_files(run: transfer.Run, command: Command, source: str) -> None:
    code, _, err = command("predict", "run", source)
    assert code == 2
    assert f"Expected files and folders of images. Received: '{source}'" in err
    assert "transfer prepare SOURCE DEST" in err
    assert "is missing" not in err


def test_predict_takes_the_format_from_the_suffix(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    folder = make_folder(per_class=1)
    for name, start in (("p.csv", "path,label,"), ("p.JSON", '[{"path"'), ("p.txt", "/")):
        assert command("predict", "run", folder, "-o", name)[0] == 0
        assert Path(name).read_text().startswith(start)
    code, out, err = command("predict", "run", folder, "-o", "p.csv", "--format", "json")
    assert (code, out) == (0, "")
    assert "Wrote 3 rows to p.csv\n" in err
    assert len(json.loads(Path("p.csv").read_text())) == 3
    assert command("predict", "run", folder, "-o", "p.csv", "--format", "csv-bom")[0] == 0
    assert Path("p.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,label,")
    one = folder / "red" / "0.png"
    code, _, err = command("predict", "run", one, "-o", "p.csv", "--top", "2")
    assert code == 0
    assert "Wrote 1 row to p.csv\n" in err
    assert "--top has no effect in CSV" in err
    for name, hint in (("p.xlsx", ".csv file with --format csv-bom"), ("p.tsv", "--format")):
        code, _, err = command("predict", "run", folder, "-o", name)
        assert code == 2
        assert hint in err
        assert not Path(name).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_file_that_cannot_be_written_is_named(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    folder = make_folder(per_class=1)
    code, out, err = command("predict", "run", folder, "-o", "/dev/full", "--format", "csv")
    assert (code, out) == (1, "")
    assert err == "Error: Cannot read or write '/dev/full': No space left on device.\n"
    for arguments in (
        ["predict", "nowhere", "x.jpg", "-o", "/sys/x.csv"],
        ["preview", "nowhere", "-o", "/sys/x.png"],
        ["compare", "nowhere", "-o", "/sys/x.png"],
        ["lr-find", "nowhere", "-o", "/sys/x.png"],
        ["check", "nowhere", "--fix-list", "/sys/x.csv"],
    ):
        code, out, err = command(*arguments)  # before it looks at anything else
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"Error: Cannot write '{arguments[-1]}': [\w -]+\.\n", err)


def test_json_comes_in_whole_lines(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    """Otherwise a warning on the same terminal would end up inside a line."""
    folder = make_folder(per_class=1)
    _, out, _ = command("predict", "run", folder, "--format", "json")
    lines = out.splitlines()
    assert [line[:2] for line in lines] == ["[{", ",{", ",{", "]"]
    assert len(json.loads(out)) == 3


def test_run_and_data_the_wrong_way_round(
    run: transfer.Run, make_folder: Callable[..., Path], command: Command
) -> None:
    make_folder("a b", per_class=1)
    code, _, err = command("predict", "a b", "x.jpg", "run")
    assert code == 2
    assert "Did you mean: transfer predict run 'a b' x.jpg" in err
    code, _, err = command("evaluate", "a b", "run")
    assert code == 2
    assert "Did you mean: transfer evaluate run 'a b'" in err
    assert command("evaluate", "run", "a b")[0] == 0


def test_nothing_stays_of_how_lines_are_shown(
    command: Command, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("transfer")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.ERROR, "transfer")
    assert command("check", "nowhere")[0] == 2
    assert (logger.level, logger.propagate) == (logging.ERROR, True)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 20 + len(list(path.parent.iterdir()))), "red").save(path)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["finetune", "nowhere"], 2, ["nowhere"]),
        (["finetune", "one"], 2, ["2 classes"]),
        (["finetune", "flat"], 2, ["Expected one folder per class"]),
        (["finetune", "two", "--backbone", "vgg61"], 2, ["Did you mean 'vgg16'?"]),
        (["finetune", "two", "--monitor", "val_acc"], 2, ["Did you mean 'val_accuracy'?"]),
        (["finetune", "two", "--epochs", "many"], 2, ["--epochs", "many"]),
        (["finetune", "two", "--epoch", "3"], 2, ["--epochs"]),
        (["finetune", "two", "--output", "file"], 2, ["file", "--output"]),
        (["finetune", "two", "--recipe", "none.json"], 2, ["none.json"]),
        (["finetune", "two", "--split", "none.csv"], 2, ["none.csv"]),
        (["finetune", "two", "--group-by", "(x"], 2, ["--group-by", "'(x'"]),
        (["finetune", "two", "--test", "0.3"], 2, ["Class 'a'", "at least 3", "val and test"]),
        (["finetune", "sample:digit"], 2, ["sample:digits"]),
        (["fintune", "two"], 2, ["'fintune'. Did you mean 'finetune'?"]),
        (["train", "two"], 2, ["'train'. Did you mean 'finetune'?"]),
        (["finetune", "two", "--lr", "1e-3"], 2, ["'--lr'", "'--learning-rate'"]),
        (["finetune", "two", "--img-size", "96"], 2, ["'--img-size'", "'--image-size'"]),
        (["report", "two"], 2, ["is not a run directory"]),
        (["evaluate", "nowhere"], 2, ["is not a run directory"]),
        (["predict", "two", "x.jpg"], 2, ["is not a run directory"]),
        (["predict", "two"], 2, ["RUN is missing"]),
        (["predict", "two", "x.jpg", "--top", "0"], 2, ["Expected --top of 1 or more"]),
        (["backbones", "vgg61"], 2, ["Did you mean 'vgg16'?"]),
        (["backbones", "zz*"], 2, ["No backbone matches 'zz*'"]),
        (["weights", "vgg61"], 2, ["No backbone matches 'vgg61'. Did you mean 'vgg16'?"]),
        (["predict", "two", "x.jpg", "-o", "no/x.csv"], 2, ["'no/x.csv'", "--output"]),
        (["predict", "two", "x.jpg", "-o", "one"], 2, ["'one'", "--output"]),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    command: Command, tmp_path: Path, arguments: list[str], code: int, words: list[str]
) -> None:
    for name in ("one/a/1.png", "flat/1.png", "two/a/1.png", "two/a/2.png", "two/b/1.png"):
        picture(tmp_path / name)
    picture(tmp_path / "two/b/2.png")
    (tmp_path / "file").write_text("mine")
    found, out, err = command(*arguments)
    assert found == code
    assert out == ""
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    for word in words:
        assert word in last
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--batch-size", "0"), ("--val", "2"), ("--image-size", "7")]
)
def test_the_recipe_names_options(command: Command, option: str, value: str) -> None:
    code, _, err = command("finetune", "x", option, value)
    assert (code, err.split(" between")[0]) == (2, f"Error: Expected {option}")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("finetune x --gpu 0", "It runs on the GPU that TensorFlow finds; set CUDA"),
        ("finetune x --exist-ok", "Each run gets a new directory; --output names one."),
        ("finetune x --project y", "Did you mean '--output'?"),
        ("finetune x --verbose", "Did you mean '--debug'?"),
        ("finetune x --amp", "Did you mean '--mixed-precision'?"),
        ("finetune x --dropout 0.5", "--head avg,dropout=0.5."),
        ("finetune x --learn 1", "Did you mean '--learning-rate'?"),
        ("finetune x --no-interpolat", "Did you mean '--no-interpolate'?"),
        ("predict x y --json", "Give --format json or csv."),
        ("predict x y --output-format json", "Give --format json or csv."),
        ("report x --json", "No such option '--json'."),
        ("preview x --dropout 0.5", "No such option '--dropout'."),
        ("export x", "keras.models.load_model(...).export(DIR)."),
        ("infer x", "Did you mean 'predict'?"),
        ("test x", "Did you mean 'evaluate'?"),
        ("models", "Did you mean 'backbones'?"),
        ("resume x", "transfer finetune --resume RUN"),
        ("info x", "transfer runs lists all runs, transfer report RUN shows one."),
        ("serve x", "transfer.Run(RUN).predict(images) is fast and thread-safe."),
        ("classify x", "Did you mean 'predict'?"),
        ("inference x", "Did you mean 'predict'?"),
        ("convert x", "keras.models.load_model(...).export(DIR)."),
        ("cross-validate x", "transfer finetune DATA --folds 5"),
        ("train x", "Did you mean 'finetune'?"),
        ("compare x y", "Expected one DATA. Received: x y"),
        ("compare run run", "To compare runs: transfer diff run run"),
    ],
)
def test_names_of_other_tools(command: Command, arguments: str, hint: str) -> None:
    Path("run").mkdir()
    Path("run", "recipe.json").touch()
    code, _, err = command(*arguments.split())
    assert code == 2
    assert err.strip().endswith(hint) or f" {hint}" in err.strip().splitlines()[-1]


@pytest.mark.parametrize("arguments", ["-V", "--version", "version"])
def test_the_version(command: Command, arguments: str) -> None:
    assert command(arguments) == (0, f"transfer {transfer.__version__}\n", "")


def test_help_as_a_command(command: Command) -> None:
    assert command("help") == command("--help")
    assert command("help", "report") == command("report", "--help")
    code, _, err = command("help", "reprot")
    assert (code, "Did you mean 'report'?" in err) == (2, True)


def test_patterns_are_expanded_where_the_shell_does_not(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.jpg", "a.jpg", "c.png", "x[1].jpg", "x1.jpg"):
        (tmp_path / name).touch()
    words = ["transfer", "predict", "nowhere", "?.jpg", "*.gif", "x[1].jpg", "--top=*"]
    monkeypatch.setattr(sys, "argv", words)
    assert shell_words(monkeypatch) == words[1:]
    monkeypatch.setattr(sys.modules["transfer.cli.main"], "WINDOWS", True)
    expanded = ["predict", "nowhere", "a.jpg", "b.jpg", "*.gif", "x[1].jpg", "--top=*"]
    assert shell_words(monkeypatch) == expanded


def shell_words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the arguments that the group of commands receives from the process."""
    seen: list[str] = []
    monkeypatch.setattr(group, "main", lambda words, *_, **__: seen.extend(words))
    with pytest.raises(SystemExit):
        main()
    return seen


def test_what_is_given_in_place_of_a_run(command: Command, tmp_path: Path) -> None:
    picture(tmp_path / "a b.jpg")
    code, _, err = command("predict", "a b.jpg")
    assert code == 2
    assert "RUN is missing: 'a b.jpg'" in err
    assert err.endswith("Runs are made by: transfer finetune DATA\n")
    for number, name in enumerate(("new", "old", "unfinished")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.json").touch()
        if name != "unfinished":
            (tmp_path / "runs" / name / "model.keras").touch()
            os.utime(tmp_path / "runs" / name / "model.keras", (9 - number, 9 - number))
    for arguments, right in (
        (["predict", "a b.jpg"], "predict runs/new 'a b.jpg'"),
        (["predict", "a b.jpg", "c.jpg"], "predict runs/new 'a b.jpg' c.jpg"),
        (["report", "runs"], "report runs/new"),
        (["evaluate", "nowhere"], "evaluate runs/new"),
    ):
        code, _, err = command(*arguments)
        assert code == 2
        assert err.endswith(f"Did you mean the newest: transfer {right}\n")
    code, _, err = command("predict", "runs/new")
    assert (code, "Missing argument PATH..." in err) == (2, True)


def test_a_traceback_only_under_debug(command: Command, tmp_path: Path) -> None:
    with pytest.raises(transfer.RunError):
        main(["--debug", "report", str(tmp_path)])
    with pytest.raises(transfer.RunError):
        main(["report", str(tmp_path), "--debug"])


def test_a_fault_of_our_own_is_one_line_too(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: str, **options: object) -> None:
        raise RuntimeError("something\nelse")

    monkeypatch.setattr("transfer.api.exports.export", fail)
    Path("x").mkdir()
    Path("x", "recipe.json").touch()
    code, out, err = command("report", "x")
    assert (code, out) == (1, "")
    assert err == "Error: RuntimeError: something else (run again with --debug for the traceback)\n"


def test_what_errors_repeat_is_visible_and_short(command: Command, tmp_path: Path) -> None:
    for arguments in (
        ["finetune", "x\x1b[2J" * 20_000],
        ["finetune", "x", "--backbone", "y\x1b[2J" * 20_000],
        ["--z\x1b[2J" + "z" * 100_000],
        ["z\x1b[2J" + "z" * 100_000],
        ["predict", "x", "y", "--top", "\x1b[2J" + "z" * 100_000],
        ["report", str(tmp_path / "\x1b[2J")],
    ):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert "\x1b" not in err
        assert r"\x1b[2J" in err
        assert len(err) < 3000
        assert err.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("arguments", ["check {}", "predict {} x.jpg", "preview . -o {}.png"])
def test_a_path_that_is_too_long_takes_one_line(command: Command, arguments: str) -> None:
    code, out, err = command(*arguments.format("a" * 300).split())
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert "a" * 300 in line
    assert "Errno" not in line


def test_cache(command: Command) -> None:
    folder = features_dir()
    assert command("cache") == (0, f"0.0 MB of at most 5,000 MB in {folder}\n", "")
    about = {"backbone": "vgg16", "image_size": 224, "engine": "keras", "what": "vectors (avg)"}
    rows = np.zeros((3, 50_000), np.float32)
    space = Space(folder, about | {"view": 1})
    space.append(["a", "b"], rows, np.arange(2))
    Space(folder, about | {"view": 0}).append(["a", "b", "c"], rows, np.arange(3))
    Space(folder, about | {"image_size": 96, "view": 0}).append(["a"], rows, np.arange(1))
    for number in (1, 2):
        Space(folder, {"what": "converted network", "model": number}).open()
    (folder / "mine").mkdir()
    code, out, _ = command("cache", "list")
    assert code == 0
    header, *lines, _, total = out.splitlines()
    assert header.split() == ["BACKBONE", "SIZE", "ENGINE", "IMAGES", "MB", "LAST", "USED"]
    assert sorted(" ".join(line.split()[:-2]) for line in lines) == [
        "2 converted networks 0.0",
        "vgg16 224 keras 3 1.0",
        "vgg16 96 keras 1 0.2",
    ]
    assert total.startswith("1.2 MB of at most 5,000 MB")
    found = json.loads(command("cache", "--json")[1])
    assert found["limit"] == 5_000_000_000
    assert {(each["image_size"], each["images"]) for each in found["features"]} == {
        (224, 3),
        (96, 1),
    }
    assert found["converted_networks"]["networks"] == 2
    assert found["bytes"] == found["converted_networks"]["bytes"] + sum(
        each["bytes"] for each in found["features"]
    )
    assert found["prepared"] == []
    (space.path / "space.json").write_text("[")
    assert ["?", "?", "?", "2"] in [line.split()[:4] for line in command("cache")[1].splitlines()]
    assert command("cache", "clear") == (0, f"Removed 1.2 MB from {folder}\n", "")
    assert json.loads(command("cache", "clear", "--json")[1])["removed_bytes"] == 0
    assert [path.name for path in folder.iterdir()] == ["mine"]
    code, out, err = command("cache", "clean")
    assert (code, out) == (2, "")
    assert "Unknown action 'clean'. Did you mean 'clear'?" in err
    place("sample:shapes")
    assert "MB of sample:shapes in" in command("cache")[1]
    assert json.loads(command("cache", "--json")[1])["prepared"][0]["source"] == "sample:shapes"


def test_no_cache(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRANSFER_CACHE", "much")
    code, _, err = command("finetune", "sample:shapes")
    assert code == 2
    assert "TRANSFER_CACHE" in err
    assert not (tmp_path / "runs").exists()
    seen = []
    monkeypatch.setattr("transfer.api.finetune", lambda *_, **__: seen.append(cache_limit()))
    command("finetune", "sample:shapes", "--no-cache")
    assert seen == [0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained(name: str) -> None:
    made = group.get_command(click.Context(group), name)
    assert made is not None
    assert made.help
    assert made.short_help
    for parameter in made.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
    assert f"transfer {name}" in README.read_text(encoding="utf-8")


def test_every_knob_has_an_option() -> None:
    assert list(HELP) == list(Recipe().to_dict())


def test_backbones_as_json(command: Command) -> None:
    code, out, _ = command("backbones", "vgg*", "--json")
    assert code == 0
    rows = json.loads(out)
    assert [row["name"] for row in rows] == ["vgg16", "vgg19"]
    assert [(len(row["weights_md5"]), row["weights_sha256"]) for row in rows] == [(32, None)] * 2
    [row] = json.loads(command("backbones", "convnextti[n]y", "--json")[1])
    assert (row["weights_md5"], len(row["weights_sha256"])) == (None, 64)
    code, out, _ = command("weights", "mobilenetv2", "--json")
    assert code == 0
    assert json.loads(out)[0]["origin"] == "bundled"


def test_options_without_effect_are_named(run: transfer.Run, command: Command) -> None:
    code, _, err = command("backbones", "vgg*", "--image-size", "64")
    assert (code, err) == (0, "Warning: --image-size has no effect on a list: name one network.\n")
    _, _, err = command("evaluate", "run", "--split", "test", "--follow-links")
    assert err.startswith("Warning: --follow-links has no effect without DATA.\n")
    _, _, err = command("evaluate", "run", "nowhere", "--follow-links")
    assert "no effect" not in err


def test_the_blocks_of_a_backbone(toy: str, command: Command) -> None:
    code, out, _ = command("backbones", "toy")
    assert code == 0
    assert re.search(r"^ *1 +block_2 \.\. out_relu ", out, re.MULTILINE)
    code, out, _ = command("backbones", "toy", "--json", "--image-size", "64")
    assert json.loads(out)[0]["last"] == "out_relu"


def test_a_closed_pipe_is_no_error() -> None:
    line = f"{sys.executable} -m transfer backbones | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert done.stdout.startswith("BACKBONE")
    assert done.stderr == ""


@pytest.mark.slow
@pytest.mark.case("T05")
@pytest.mark.case("T06")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "transfer", "finetune", "sample:shapes", *LONG],
        cwd=tmp_path,
        env=os.environ | {"TRANSFER_CACHE_DIR": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("Epoch"):
            process.send_signal(number)
            break
    rest = process.stderr.read()
    process.stderr.close()
    started = time.monotonic()
    assert process.wait(60) == code, "".join(said) + rest
    assert time.monotonic() - started < 30
    assert "Traceback" not in rest
    run = transfer.Run(tmp_path / "runs" / "shapes-mobilenetv2-001")
    assert run.info.status == "interrupted"
    assert len(run.predict(Path(run.info.data) / "circle")) == 100
    assert not list(run.path.glob(".*"))


def test_an_output_in_ascii_shows_other_letters_as_escapes() -> None:
    code = "import sys; from transfer.cli.main import main, transfer\n"
    code += "transfer.main = lambda *_, **__: print('l\\xf6we')\nmain(['report'])"
    env = os.environ | {"PYTHONIOENCODING": "ascii:surrogateescape"}  # as in the locale C
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"l\\xf6we\n", b"")


def test_a_pipe_closed_in_the_middle_is_no_error() -> None:
    code = "import os; read, write = os.pipe(); os.close(read); os.dup2(write, 1);"
    code += "from transfer.cli import main; main(['backbones'])"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_file_names_of_any_kind_take_one_line(
    run: transfer.Run, command: Command, tmp_path: Path
) -> None:
    names = [b"new\nline.png", b"bad\xff.png", "\U0001f600.png".encode()]
    for name in names:
        picture(tmp_path / "red" / "x.png")
        (tmp_path / "red" / "x.png").rename(tmp_path / os.fsdecode(name))
    code, out, _ = command("predict", "run", *(os.fsdecode(name) for name in names))
    assert code == 0
    assert len(out.splitlines()) == 3
    assert out.startswith(r"new\nline.png: ")
    code, _, _ = command("predict", "run", os.fsdecode(names[1]), "--format", "csv", "-o", "p.csv")
    assert code == 0
    assert r"bad\udcff.png" in Path("p.csv").read_text()


def test_every_default_is_shown(command: Command) -> None:
    _, out, _ = command("finetune", "--help")
    words = " ".join(out.split())
    assert words.count("[default: 0]") == 2  # of --folds and --seed
    assert words.count("sets views and epochs. [default: none]") == 1
    _, out, _ = command("predict", "--help")
    assert "Usage: transfer predict [OPTIONS] RUN PATH...\n" in out
    assert "Classes per image. [default: 1]" in " ".join(out.split())


def test_uneven_classes_are_told_by_macro_f1_first() -> None:
    metrics = {"accuracy": 0.95, "accuracy_ci95": [0.9, 0.98], "n": 100, "split": "val"}
    metrics |= {"macro_f1": 0.487, "most_confused": [], "majority_accuracy": 0.95}
    even = describe(metrics).splitlines()
    assert even[0].startswith(
        "Accuracy 0.950 on 100 val images (95 % interval 0.900 to 0.980), macro"
    )
    uneven = describe(metrics, uneven=True).splitlines()
    assert uneven[0] == "Macro-F1 0.487 on 100 val images (classes are uneven)"
    assert uneven[1].startswith("Accuracy 0.950 (95 % interval 0.900 to 0.980), 0.950 by always")


def test_all_images_and_priors_are_told_in_plain_words() -> None:
    metrics = {"accuracy": 0.75, "accuracy_ci95": [0.4, 0.9], "n": 8, "split": "all"}
    metrics |= {"macro_f1": 0.7, "most_confused": [], "log_loss": 0.5, "ece": 0.1}
    assert describe(metrics).startswith("Accuracy 0.750 on 8 images (95 %")
    before = {"accuracy": 0.5, "macro_f1": 0.25, "log_loss": 1.0, "ece": 0.2}
    for name, words in (("given", "the given prior"), ("even", "the prior 'even'")):
        assert describe(metrics | {"prior": {"name": name, "without": before}}).splitlines()[1] == (
            f"With {words}: accuracy 0.500 -> 0.750, macro-F1 0.250 -> 0.700,"
            " log loss 1.000 -> 0.500, calibration error 0.200 -> 0.100"
        )


def test_leaks_are_told_at_the_end() -> None:
    leaked = {"images": 2, "n_without": 6, "accuracy_without": 0.5}
    metrics = {"accuracy": 0.75, "accuracy_ci95": [0.4, 0.9], "n": 8, "split": "val"}
    metrics |= {"macro_f1": 0.7, "most_confused": [], "leaked": leaked}
    lines = describe(metrics | {"leaked": leaked | {"accuracy_without_ci95": [0.2, 0.8]}})
    assert "2 of them were seen in training" in lines
    assert "Accuracy 0.500 on the other 6 (95 % interval 0.200 to 0.800)" in lines
    lines = describe(metrics | {"leaked": {"images": 8, "n_without": 0}})
    assert "8 of them were seen in training" in lines
    assert "other" not in lines


def test_a_caveat_is_told() -> None:
    metrics = {"accuracy": 0.75, "accuracy_ci95": [0.4, 0.9], "n": 8, "split": "val"}
    metrics |= {"macro_f1": 0.7, "most_confused": []}
    assert "says nothing about new ones" in describe(metrics | {"caveat": "trained_on"})
    assert "slightly optimistic" in describe(metrics | {"caveat": "chose_the_model"})
    assert describe(metrics | {"caveat": None}) == describe(metrics)


@pytest.mark.slow
def test_lr_find(
    toy: str, make_folder: Callable[..., Path], command: Command, tmp_path: Path
) -> None:
    knobs = ["--backbone", "toy", "--head-epochs", "1", "--views", "0", "--batch-size", "8"]
    code, out, _ = command("lr-find", make_folder(), *knobs, "-q")
    assert code == 0
    assert out.splitlines()[-1] == "Curve: lr-find.png"
    assert (tmp_path / "lr-find.png").is_file()
    code, out, _ = command("lr-find", tmp_path / "colours", *knobs, "--json", "-o", "two.png")
    found = json.loads(out)
    assert (code, found["curve"]) == (0, "two.png")
    assert len(found["rates"]) == len(found["losses"]) == len(found["smoothed"])
    code, _, err = command("lr-find", tmp_path / "colours", *knobs, "--unfreeze", "none")
    assert (code, "Nothing is fine-tuned" in err) == (2, True)


def test_a_cache_that_cannot_be_cleared(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = tmp_path / "cache" / "features" / ("a" * 64)
    space.mkdir(parents=True)
    (space / "space.json").write_text("{}")

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)  # root may do anything
    code, out, err = command("cache", "clear")
    assert (code, out) == (1, "")
    assert f"Cannot remove {space}" in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(make_folder: Callable[..., Path], tmp_path: Path, closed: str) -> None:
    words = [sys.executable, "-m", "transfer", "check", str(make_folder(per_class=2)), "--fix-list"]
    words.append(str(tmp_path / "fixes.csv"))
    done = subprocess.run(["sh", "-c", f"{shlex.join(words)} {closed}"], check=False)
    assert done.returncode == 0
    assert (tmp_path / "fixes.csv").read_text().splitlines()[0].startswith("path")
