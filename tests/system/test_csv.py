from __future__ import annotations

import csv
from pathlib import Path

import pytest

from transfer.errors import DataError
from transfer.system.csv import SPLIT_HEADER, csv_line, read_cells, read_csv, read_rows, write_csv

ODD = ["=1+1", "+1", "-1", "@x", "\t", "\r", "a\rb", "'tis", "'=1", "''", "'", "a\nb", 'é "q"', ""]


def test_our_own_tables_come_back_and_no_cell_is_a_formula(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", ["=h", "other"], [[cell, "x"] for cell in ODD])
    assert [row["=h"] for row in read_csv(tmp_path / "a.csv")] == ODD
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("cell", ODD)
def test_a_row_that_is_written_alone_is_one_row_for_every_reader(cell: str, tmp_path: Path) -> None:
    """The csv module does not quote a carriage return, and its strict reader refuses that."""
    (tmp_path / "a.csv").write_text("h,n\n" + csv_line([cell, 1.5]), encoding="utf-8", newline="")
    assert [row["h"] for row in read_csv(tmp_path / "a.csv")] == [cell]
    _, rows = read_cells(tmp_path / "a.csv")
    assert [len(cells) for _, cells in rows] == [2]


def test_users_tables_are_taken_literally(tmp_path: Path) -> None:
    names = ["'tis/1.jpg", "'=1.jpg", "''90s/1.jpg", "=1.jpg"]
    lines = ["path,'column", *(f"{name},x" for name in names)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    rows = read_rows(tmp_path / "t.csv", ("path", "'column"))
    assert [row["path"] for _, row in rows] == names


def test_a_split_of_ours_that_a_user_names_comes_back(tmp_path: Path) -> None:
    write_csv(tmp_path / "s.csv", SPLIT_HEADER, [[cell, "", "val", "", "", cell] for cell in ODD])
    rows = [row for _, row in read_rows(tmp_path / "s.csv", ("path", "group"))]
    assert [(row["path"], row["group"]) for row in rows] == [(cell, cell) for cell in ODD]


def test_rows_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b'\xef\xbb\xbfpath, split,x\r\n"a\nb",val,1\r\n\r\n\'=c,train,\r\n,,\r\n')
    rows = read_rows(file, ("path", "split"))
    assert rows == [
        (3, {"path": "a\nb", "split": "val", "x": "1"}),
        (5, {"path": "'=c", "split": "train", "x": ""}),
    ]
    file.rename(tmp_path / "t.TSV").write_text("path\tsplit\na,b\tval\n")
    (tmp_path / "semicolon.csv").write_text("path;split\na,b;val\n")
    for name in ("t.TSV", "semicolon.csv"):
        assert read_rows(tmp_path / name, ()) == [(2, {"path": "a,b", "split": "val"})]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has no column 'path'.*an empty file"),
        (b"path,spilt\n", "no column 'split'. Did you mean 'spilt'"),
        (b"path,split\na,val\nb\n", "Expected 2 cells, as in its header, in line 3.*Received: 1"),
        (b"path,split\na,val,x\n", "Expected 2 cells, as in its header, in line 2.*Received: 3"),
        (b"path,split\n\xff,val\n", "in UTF-8"),
        (b'path,split\n"a,val\n', "Line 2 of .* cannot be read"),
        (b'path,split\na,val\n"b,val\n', "Line 3 of .* cannot be read"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match=words) as raised:
        read_rows(tmp_path / "t.csv", ("path", "split"))
    assert "t.csv" in str(raised.value)


def test_a_missing_file_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DataError, match=r"Cannot read .*: "):
            read_rows(path, ())
