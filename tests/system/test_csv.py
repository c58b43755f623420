from __future__ import annotations

import pytest

from transfer.errors import DataError
from transfer.system.csv import read_rows


def test_rows_with_their_lines(tmp_path):
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
def test_a_broken_file_is_named_with_its_line(tmp_path, data, words):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(DataError, match=words) as raised:
        read_rows(tmp_path / "t.csv", ("path", "split"))
    assert "t.csv" in str(raised.value)


def test_a_missing_file_or_a_folder(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(DataError, match=r"Cannot read .*: "):
            read_rows(path, ())
