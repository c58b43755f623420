"""Names for classes that are numbers or codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from transfer.errors import DataError
from transfer.images.layout.classnames import rename_classes
from transfer.images.layout.plan import Plan


def plan(*classes: str) -> Plan:
    made = Plan()
    for name in classes:
        made.add("", name, name, [f"{name}/1.jpg"])
    return made


def test_a_class_beyond_the_list_is_an_error_unless_there_is_a_model(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("cat\ndog\n")
    with pytest.raises(DataError, match="has no name for extra"):
        rename_classes(plan("0", "1", "extra"), file)
    for classes in (("0", "1", "extra"), ("cat", "dog", "extra")):
        found = plan(*classes)
        rename_classes(found, file, known={"cat", "dog"})
        assert [name for _, name, _ in found.rows] == ["cat", "dog", "extra"]


@pytest.mark.parametrize(
    ("name", "text"), [("names.txt", 200_000 * "a" + ",b"), ("names.json", 100_000 * "[")]
)
def test_files_that_cannot_be_read_are_one_line(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"Cannot read the class names in .*names") as caught:
        rename_classes(plan("0", "1"), tmp_path / name)
    assert len(str(caught.value)) < 500
