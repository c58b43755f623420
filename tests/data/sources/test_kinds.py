from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from transfer.api.run import Run
from transfer.data.sources.kinds import Options, find
from transfer.data.sources.members import Limits
from transfer.errors import DataError
from transfer.recipe.reading import Reading


def test_a_run_is_no_source_of_images(run: Run) -> None:
    expected = f"is a run, trained on {run.info.data!r}.*transfer.resume('{run.path}')"
    with pytest.raises(DataError, match=re.escape(expected).replace(r"\.\*", ".*")):
        find(run.path, Options())
    (run.path / "run.json").write_text("{")
    with pytest.raises(DataError, match=rf"is a run\. Expected images.*resume\('{run.path}'\)"):
        find(run.path, Options())


def test_options_for_other_sources_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(files=3)
    find(
        "sample:shapes",
        Options(manual_dir=tmp_path, reading=Reading(follow_links=True), limits=limits),
    )
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    options = "manual_dir= and follow_links= and max_files="
    assert record.getMessage() == f"{options} have no effect on 'sample:shapes'."
    caplog.clear()
    find("sample:shapes", Options())
    find(tmp_path, Options(reading=Reading(follow_links=True)))
    assert not caplog.records
