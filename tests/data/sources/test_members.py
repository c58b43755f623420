"""Names of members in zip files that do not say how they are encoded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from transfer.data.sources.members import Limits, read_members


def zip_with(raw: bytes) -> bytes:
    """Return a zip whose one member has a name of these bytes, and no flag for UTF-8."""
    stand_in = "x" * len(raw)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(stand_in, b"1")
    return file.getvalue().replace(stand_in.encode(), raw)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("장미/1.jpg", "euc_kr"),
        ("튤립/2.jpg", "euc_kr"),
        ("장미/1.jpg", "utf-8"),
        ("café/1.jpg", "utf-8"),
        ("café/1.jpg", "cp437"),
        ("Größe/1.jpg", "cp437"),
    ],
)
def test_names_without_a_flag(name: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(zip_with(name.encode(encoding)))
    with path.open("rb") as file:
        (member,) = read_members(path, file, Limits())
    assert member.name == name
