from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.errors import DataError, UsageError
from transfer.evaluation.fixing.page import MOST, write_fix_page
from transfer.evaluation.fixing.suspects import Suspect, joined, of_check, of_run
from transfer.runs.run import Run
from transfer.system.csv import write_csv

RNG = np.random.default_rng(0)


def photo(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(path)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes with awkward names, a copy across them, one within, and a blank image."""
    data = tmp_path / "data"
    for name in ("=cat", 'a "dog", <b>'):
        for n in range(4):
            photo(data / name / f"{n}.png")
    copy = (data / "=cat" / "0.png").read_bytes()
    (data / 'a "dog", <b>' / "-x.png").write_bytes(copy)
    (data / "=cat" / "again.png").write_bytes((data / "=cat" / "1.png").read_bytes())
    Image.new("RGB", (64, 64)).save(data / "=cat" / "black.png")
    return data


class Rows(HTMLParser):
    """What a page offers: for each row the start of its line, its radios and its options."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.header = ""
        self.rows: list[tuple[str, list[str], list[str]]] = []
        self.checked: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag == "body":
            self.header = found["data-header"]
        elif found.get("class") == "row":
            self.rows.append((found["data-start"], [], []))
        elif tag == "input":
            self.rows[-1][1].append(found["value"])
            self.checked += [found["value"]] if "checked" in found else []
        elif tag == "option":
            self.rows[-1][2].append(found["value"])


def test_the_choices_on_the_page_are_what_prepare_reads(folder: Path, tmp_path: Path) -> None:
    found = transfer.check(folder)
    found.write_fix_page(tmp_path / "page.html")
    page = Rows((tmp_path / "page.html").read_text())
    assert all(radios == ["keep", "", "remove"] for _, radios, _ in page.rows)
    assert sorted(page.checked) == ["keep", "keep", "keep", "remove"]  # a copy in one class
    chosen = [options[0] for *_, options in page.rows[:1]] + ["remove"] * (len(page.rows) - 1)
    lines = [start + action for (start, *_), action in zip(page.rows, chosen, strict=True)]
    fixes = tmp_path / "fixes.csv"
    fixes.write_text("\n".join([page.header, *lines]) + "\n")  # as page.js joins them
    made = transfer.prepare(folder, tmp_path / "out", fixes=fixes)
    moved = next(csv.reader(io.StringIO(lines[0])))
    assert moved[0] == "'=cat/0.png"
    assert made.counts() == {"": {"=cat": 3, 'a "dog", <b>': 5}}
    assert "=cat/again.png" not in made.paths


def test_nothing_but_the_scripts_of_the_page_runs(folder: Path, tmp_path: Path) -> None:
    transfer.check(folder).write_fix_page(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    policy = re.search(r'Policy" content="(.*?)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert "<b>&lt;b&gt;" not in text
    assert not re.findall(r'\son\w+="|\sstyle="|(?:src|href)="(?!data:)', text)
    assert "http" not in re.sub(r'content="[^"]*"|http-equiv', "", text)
    assert text.count("data:image/jpeg;base64,") == 4


def test_an_earlier_page_is_replaced_and_another_file_is_not(folder: Path, tmp_path: Path) -> None:
    found = transfer.check(folder)
    page = tmp_path / "page.html"
    found.write_fix_page(page)
    found.write_fix_page(page)
    page.write_text("<p>mine")
    with pytest.raises(UsageError, match="path= as a new file"):
        found.write_fix_page(page)


def test_pages_are_bounded(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    digest = hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    suspects = [Suspect("a.png", "cat", "", "blank", "look", "")] * (MOST + 5)
    write_fix_page(tmp_path / "page.html", tmp_path, ["cat", "keep"], suspects, {"a.png": digest})
    text = (tmp_path / "page.html").read_text()
    page = Rows(text)
    assert len(page.rows) == MOST
    assert f"of {MOST + 5}, the first" in " ".join(text.split())
    assert page.rows[0][2] == []  # keep means an action, not the class of that name
    assert len(text) < 6_000_000


def test_the_label_errors_of_a_run_come_first(tmp_path: Path) -> None:
    labels = {"cat/1.png": "cat", "cat/2.png": "cat", "dog/1.png": "dog"}
    (tmp_path / "recipe.json").write_text("{}")
    run = Run(tmp_path)
    with pytest.raises(DataError, match="lists no label errors"):
        of_run(run, labels)
    write_csv(
        tmp_path / "label_errors.csv",
        ("path", "given", "suggested", "score"),
        [("cat/2.png", "cat", "dog", 0.1), ("gone.png", "cat", "dog", 0.2)],
    )
    write_csv(tmp_path / "outliers.csv", ("path", "label", "distance"), [("dog/1.png", "dog", 3)])
    found = of_run(run, labels)
    assert [(each.path, each.suggested, each.action) for each in found] == [
        ("cat/2.png", "dog", ""),
        ("dog/1.png", "", ""),
    ]
    with pytest.raises(DataError, match=r"are of other images, such as 'cat/2\.png'"):
        of_run(run, {"bird/1.png": "bird"})
    checked = of_check([("cat/2.png", "blank", "look"), ("x.txt", "left out", "move it")], labels)
    both = joined(found, checked)
    assert [each.path for each in both] == ["cat/2.png", "dog/1.png"]
    assert both[0].reason == "the label looks wrong; blank"
