from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from transfer.evaluation.report import write_report
from transfer.evaluation.report.redaction import last_part, redact_message, redact_recipe
from transfer.recipe import Recipe
from transfer.system.files import write_json

WINDOWS = r"C:\Users\my name\fish.csv:species"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/mnt/a disk/w.h5", "w.h5"),
        (r"C:\Users\my name\w.h5", "w.h5"),
        ("../weights/", "weights"),
        ("imagenet", "imagenet"),
        ("/", "/"),
    ],
)
def test_only_the_last_part_of_a_path_is_shown(path: str, shown: str) -> None:
    assert last_part(path) == shown
    assert redact_recipe({"weights": path})["weights"] == shown


@pytest.mark.parametrize(
    ("group_by", "shown"),
    [
        ("([^/]+)/IMG", "([^/]+)/IMG"),
        ("/patient (\\d+)/", "/patient (\\d+)/"),
        ("^(.*)/[^/]+/", "^(.*)/[^/]+/"),
        (r"C:\\d+/x", r"C:\\d+/x"),
        ("none", "none"),
        ("/home/me/my fish.csv:species", "my fish.csv:species"),
        ("/home/me/fish.TSV:a/b", "fish.TSV:a/b"),
        (WINDOWS, "fish.csv:species"),
    ],
)
def test_a_table_loses_its_folders_and_a_regular_expression_nothing(
    make_predictions, make_run, group_by: str, shown: str
) -> None:
    run = make_run(make_predictions(["a", "b"]))
    recipe = replace(Recipe(), group_by=group_by, weights="/home/me/w.h5")
    write_json(run.path / "recipe.json", recipe.to_dict())
    page = write_report(run).read_text(encoding="utf-8")
    assert f"group_by</bdi></th><td><code><bdi>{shown}</bdi>" in page
    assert "/home/me" not in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot identify '/home/me/my photos/a b/c.jpg'", "cannot identify 'my photos/a b/c.jpg'"),
        ("no space for /home/me/runs/one/model.keras", "no space for one/model.keras"),
        ("cannot read '/opt/a thing/w.h5'", "cannot read 'w.h5'"),
        (r"cannot read 'D:\a thing\w.h5'", "cannot read 'w.h5'"),
        ("see https://example.org/a/b/w.h5", "see https://example.org/a/b/w.h5"),
        ("daisy/a/b.jpg is no image", "daisy/a/b.jpg is no image"),
    ],
)
def test_messages_lose_the_folders_of_known_and_quoted_paths(text: str, shown: str) -> None:
    known = [Path("/home/me/my photos"), Path("/home/me/runs/one")]
    assert redact_message(text, known) == shown
