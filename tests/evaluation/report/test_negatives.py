from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from transfer.evaluation.report import write_report
from transfer.runs.info import NegativesInfo
from transfer.runs.negatives import Negative, write_negatives
from transfer.runs.run import Run
from transfer.system.digests import sha256_of

HOSTILE = "<img src=x onerror=alert(1)>"


def section(run: Run) -> str:
    page = write_report(run).read_text(encoding="utf-8")
    assert "<img src=x" not in page
    return re.sub(r"[ \n]+", " ", page.partition('id="negatives"')[2].partition("</section>")[0])


@pytest.fixture
def run(make_predictions, make_run, tmp_path: Path) -> Run:
    """A run with 20 negatives, of which 5 pass; the picture of the surest is on disk."""
    run = make_run(make_predictions(["a", "b"], per_class=20))
    photo = tmp_path / "no" / "19.png"
    photo.parent.mkdir()
    Image.new("RGB", (40, 40), "teal").save(photo)
    digests = {19: sha256_of(photo)}
    rows = [
        Negative(f"{n}.png", digests.get(n, "ab"), "b", 0.5 + n / 40, n < 15) for n in range(20)
    ]
    write_negatives(run.path, rows)
    bad = ((f"{HOSTILE}.png", f"'{tmp_path}/no/x.png' is empty."),)
    info = NegativesInfo(str(tmp_path / "no"), 20, bad, 0.86, 15, 39, 40)
    run.update(negatives=info)
    return run


def test_how_many_are_refused_and_which_pass(run: Run, tmp_path: Path) -> None:
    found = section(run)
    share = "<b>75.0\u00a0%</b> of 20 negatives are refused (15; 95&nbsp;% interval 53.1–88.8"
    assert share in found
    assert "confidence is below 0.860" in found
    assert "39 of 40 validation images are kept" in found
    probabilities = run.predictions().probabilities
    kept = probabilities.max(axis=1) >= 0.86
    right = (probabilities.argmax(axis=1) == run.predictions().true)[kept].mean()
    words = f"{100 * kept.mean():.1f}\u00a0% are kept, and {100 * right:.1f}\u00a0% of these"
    assert words in found
    assert re.findall(r"<bdi>(\d+)\.png</bdi>", found) == ["19", "18", "17", "16", "15"]
    assert found.count('class="thumb" href') == 1
    assert found.count("predicted as <bdi>b</bdi>") == 5
    assert str(tmp_path) not in found


@pytest.mark.case("R01")
def test_hostile_names_stay_text(run: Run) -> None:
    run.update(negatives=run.info.negatives)
    write_negatives(run.path, [Negative(f"{HOSTILE}.png", "ab", "a", 0.9)])
    assert "&lt;img src=x" in section(run)


def test_a_rule_that_refuses_nothing_says_so(run: Run) -> None:
    write_negatives(run.path, [Negative("1.png", "ab", "a", 0.9)])
    run.update(negatives=NegativesInfo("/data", 1, (), 0.0, 0, 40, 40))
    assert "so nothing is refused" in section(run)


def test_no_section_without_negatives(make_predictions, make_run) -> None:
    assert section(make_run(make_predictions(["a", "b"]))) == ""
