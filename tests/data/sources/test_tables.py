from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from toys import place

from transfer.data.sources.prepare import prepared_dir
from transfer.data.sources.rows import label_flaw
from transfer.data.sources.tables import read_table
from transfer.errors import DataError
from transfer.images.folder import ImageFolder

Draw = Callable[..., Image.Image]


@pytest.fixture
def folder(tmp_path: Path, picture: Draw) -> Path:
    """photos/ with 1.jpg to 4.jpg, more/ with 1.jpg; secret.jpg next to the folder."""
    root = tmp_path / "set"
    for number, name in enumerate(["photos/1", "photos/2", "photos/3", "photos/4", "more/1"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed=number).save(root / f"{name}.jpg")
    picture(seed=9).save(tmp_path / "secret.jpg")
    return root


def write(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


ROWS = "photos/1.jpg,cat\nphotos/2.jpg,dog\n"


def test_a_table_becomes_a_folder(folder: Path) -> None:
    table = write(folder, "path,label\n" + ROWS + "\nphotos/3.jpg,big dog\nmore/1.jpg,cat\n")
    root, name = place(table)
    assert name == "labels"
    index = ImageFolder.index(root)
    assert index.paths == (
        "big dog/photos-3.jpg",
        "cat/more-1.jpg",
        "cat/photos-1.jpg",
        "dog/photos-2.jpg",
    )
    assert (root / "cat/more-1.jpg").read_bytes() == (folder / "more/1.jpg").read_bytes()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "\ufeffPath,Label\n" + ROWS),
        ("a.csv", "id;label;path\n1;cat;photos/1.jpg\n2;dog;photos/2.jpg\n"),
        ("a.csv", "filename,class\r\n" + ROWS.replace("\n", "\r\n")),
        ("a.tsv", "path\tlabel\tnote\nphotos/1.jpg\tcat\ta,b\nphotos/2.jpg\tdog\t\n"),
        ("a.csv", "label,path\ncat,photos\\1.jpg\ndog, photos/2.jpg \n"),
        ("a.csv", "path,label\n" + ROWS + ROWS),
        ("a.csv", "path,label\n" + ROWS.replace("\n", ",,\n") + ",,,\n"),
        ("a.tsv", "path\tlabel\ta,b,c,d\nphotos/1.jpg\tcat\t\nphotos/2.jpg\tdog\t\n"),
    ],
)
def test_forms_of_tables(folder: Path, name: str, text: str) -> None:
    root, _ = place(write(folder, text, name))
    assert ImageFolder.index(root).paths == ("cat/1.jpg", "dog/2.jpg")


def test_a_column_of_splits(folder: Path) -> None:
    rows = "photos/1.jpg,cat,train\nphotos/2.jpg,dog,Train\nphotos/3.jpg,cat,validation\n"
    root, _ = place(write(folder, "path,label,split\n" + rows + "photos/4.jpg,dog,val\n"))
    assert ImageFolder.index(root).counts() == {
        "train": {"cat": 1, "dog": 1},
        "val": {"cat": 1, "dog": 1},
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("photos/1.jpg,\n", "line 4: the label '' is empty"),
        ("photos/1.jpg,a/b\n", "line 4: the label 'a/b' is a path"),
        ("photos/1.jpg,..\n", r"line 4: the label '\.\.' is a path"),
        ("photos/1.jpg,.hidden\n", r"line 4: the label '\.hidden' is the name of a hidden"),
        (",cat\n", "line 4: the path is empty"),
        ("photos/3.jpg\n", "line 4: expected 2 or more cells. Received: 1"),
        ("photos/7.jpg,cat\nphotos/8.jpg,cat\n", r"2 of 4 .* missing: 'photos/7.jpg' \(line 4\)"),
        ("photos,cat\n", "missing: 'photos'"),
        ("../secret.jpg,cat\n", r"line 4: '\.\./secret\.jpg' leads out.*follow_links=True"),
        ("/etc/passwd,cat\n", "line 4: '/etc/passwd' leads out"),
        ("link.jpg,cat\n", "line 4: 'link.jpg' leads out"),
        ("photos/1.jpg,dog\n", "line 4: 'photos/1.jpg' is 'dog'  here and 'cat'  in line 2"),
        ('photos/3.jpg,"cat\n', r"Line 4 of .*labels\.csv' cannot be read: unexpected end"),
    ],
)
def test_rows_that_cannot_be_used(folder: Path, rows: str, words: str) -> None:
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    with pytest.raises(DataError, match=words):
        place(write(folder, "path,label\n" + ROWS + rows))
    assert not prepared_dir().exists()


def test_splits_that_cannot_be_used(folder: Path) -> None:
    head = "path,label,split\nphotos/1.jpg,cat,train\n"
    with pytest.raises(
        DataError, match=r"line 3: unknown split 'tets' in the column 'split'\. Did you mean 'test'"
    ):
        place(write(folder, head + "photos/2.jpg,dog,tets\n"))
    with pytest.raises(DataError, match="line 3: the split is empty"):
        place(write(folder, head + "photos/2.jpg,dog,\n"))
    with pytest.raises(DataError, match=r"line 3: .* 'cat' test here and 'cat' train in line 2"):
        place(write(folder, head + "photos/1.jpg,cat,test\n"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no column 'path'"),
        (b"thing,label\n", r"no column 'path' \(or file, filename, image\).*'thing, label'"),
        (b"path,name\n", "no column 'label'"),
        (b"path,label\n", "lists no image"),
        (b"path,label\nphotos/1.jpg,caf\xe9\n", "UTF-8"),
    ],
)
def test_tables_that_are_none(folder: Path, data: bytes, words: str) -> None:
    (folder / "x.csv").write_bytes(data)
    with pytest.raises(DataError, match=words):
        place(folder / "x.csv")


def test_files_elsewhere_where_that_is_allowed(folder: Path) -> None:
    table = write(folder, "path,label\n" + ROWS + "../secret.jpg,cat\n")
    root, _ = place(table, follow_links=True)
    assert len(ImageFolder.index(root)) == 3


def test_names_that_would_be_the_same(folder: Path, picture: Draw) -> None:
    (folder / "a").mkdir()
    picture(seed=20).save(folder / "a-b.jpg")
    picture(seed=21).save(folder / "a" / "b.jpg")
    root, _ = place(write(folder, "path,label\na-b.jpg,x\na/b.jpg,x\nphotos/1.jpg,y\n"))
    assert ImageFolder.index(root).paths == ("x/a-b-2.jpg", "x/a-b.jpg", "y/photos-1.jpg")


def test_long_names_are_cut(folder: Path, picture: Draw) -> None:
    path = f"{'d' * 150}/.{'é' * 97}b.jpg"
    (folder / path).parent.mkdir()
    picture().save(folder / path)
    root, _ = place(write(folder, f"path,label\n{path},cat\nphotos/1.jpg,dog\n"))
    assert ImageFolder.index(root).paths[0] == f"cat/{'é' * 97}b.jpg"


def test_prepared_anew_only_where_something_changed(
    folder: Path, picture: Draw, said: Callable[[], str]
) -> None:
    table = write(folder, "path,label\n" + ROWS)
    first, _ = place(table)
    assert "already prepared" not in said()
    assert place(table)[0] == first
    assert "already prepared" in said()
    picture(seed=30).save(folder / "photos/1.jpg")
    second, _ = place(table)
    assert second != first
    write(folder, "path,label\n" + ROWS.replace("cat", "mouse"))
    assert place(table)[0] not in (first, second)


def test_lines_are_counted_as_an_editor_counts_them(folder: Path) -> None:
    table = write(folder, 'path,label\n"photos/1.jpg","cat"\n\n\nphotos/2.jpg,dog\n')
    assert [row.line for row in read_table(table).rows] == [2, 5]


@pytest.mark.parametrize("label", ["cat", "0", "Bernese mountain dog", "\u00e9t\u00e9", "-1"])
def test_labels_that_name_a_folder(label: str) -> None:
    assert label_flaw(label) == ""


def test_a_path_that_no_file_can_have(folder: Path) -> None:
    table = write(folder, f"path,label\n{'a' * 5000},x\nphotos/1.jpg,y\n")
    with pytest.raises(DataError, match=r"1 of 2 files .* are missing: 'a{90,99} \(line 2\)"):
        read_table(table)
