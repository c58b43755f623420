from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from layouts import files, parquet, png, shards, table, tree
from toys import place

import transfer
from transfer.data.sources.foldered import from_folder
from transfer.data.sources.prepare import prepared_dir
from transfer.data.sources.source import Options
from transfer.errors import DataError
from transfer.images.folder import ImageFolder

ROWS = [("path", "label"), ("a.png", "cat"), ("b.png", "dog")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return files("x/a.png", "x/b.png")(tmp_path) / "x"


@pytest.mark.case("L10")
@pytest.mark.case("L11")
@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.parquet", b"PAR1 and then nothing", "cannot be read as a Parquet file"),
        ("x.parquet", b"", "cannot be read as a Parquet file"),
        ("x.xlsx", b"PK\x03\x04 and then nothing", "cannot be read as an Excel file"),
        ("x.jsonl", b'{"file_name": "a.png", "label": "cat"}\n{"file', "cannot be read as JSON"),
        ("x.json", b"[1, 2]", "Expected a list of objects"),
        ("x.json", b"[" * 100_000, "cannot be read as JSON"),
        ("x.jsonl", b'{"label": "cat"}\n', "no column 'path'"),
        ("x.txt", b"\xff\xfe\x00", "UTF-8"),
        ("x.txt", b"", "no column 'path'"),
        ("x.csv", b"path,label\na.png,cat|dog\n", "line 2: 'cat|dog' are several labels"),
    ],
)
def test_files_that_cannot_be_used(root: Path, name: str, data: bytes, words: str) -> None:
    (root / name).write_bytes(data)
    with pytest.raises(DataError) as raised:
        place(root / name)
    assert words in str(raised.value)
    assert name in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(prepared_dir().glob("*"))


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("x.xlsx", "openpyxl", "[excel]"), ("x.parquet", "pyarrow.parquet", "[parquet]")],
)
def test_a_missing_package_is_one_line(
    root: Path, name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match="pip install 'transfer-classifier") as raised:
        place(root / name)
    assert extra in str(raised.value)


@pytest.mark.case("L11")
def test_shards_that_cannot_be_used(tmp_path: Path) -> None:
    whole = shards(["a.tar"], "cls", "{}", "a.tar")(tmp_path)
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    with pytest.raises(DataError, match=r"cut\.tar' is damaged or cut off"):
        place(cut)
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        for name in ("1.png", "1.cls"):
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"cat"))
        link = tarfile.TarInfo("2.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="symbolic link"):
        place(tmp_path / "link.tar")
    with pytest.raises(
        DataError, match=r"000000: the label '\.\.-\.\.-cat' is the name of a hidden"
    ):
        place(shards(["up.tar"], "cls", "../../{}", "up.tar")(tmp_path))
    assert not list(prepared_dir().glob("*"))


@pytest.mark.case("L10")
def test_images_of_parquet_are_kept_byte_for_byte(tmp_path: Path) -> None:
    import pyarrow.parquet

    file = parquet(["a.parquet"], classes=("cat", "dog"))(tmp_path)
    rows = pyarrow.parquet.read_table(file).to_pylist()
    index = ImageFolder.index(place(file)[0])
    assert {index.file(path).read_bytes() for path in index.paths} == {
        row["image"]["bytes"] for row in rows
    }


@pytest.mark.case("L10")
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([{"name": "cat"}, {"name": "dog"}], ""),
        ([["cat"], ["dog"]], ""),
        ([["cat"], ["cat", "dog"]], "row 2: .* in the column 'label' holds several labels"),
        ([{"bbox": [1, 2, 3, 4]}, {"bbox": [1, 2, 3, 4]}], "row 1: .*'label' holds bounding boxes"),
    ],
)
def test_labels_of_parquet_that_are_lists_or_objects(
    labels: list[object], words: str, tmp_path: Path
) -> None:
    import pyarrow.parquet

    images = [{"bytes": png(), "path": f"{n}.png"} for n in range(2)]
    pyarrow.parquet.write_table(
        pyarrow.table({"image": images, "label": labels}), tmp_path / "a.parquet"
    )
    if words:
        with pytest.raises(DataError, match=words):
            place(tmp_path / "a.parquet")
    else:
        index = ImageFolder.index(place(tmp_path / "a.parquet")[0])
        assert index.counts() == {"": {"cat": 1, "dog": 1}}


@pytest.mark.case("L12")
def test_lists_name_no_file_outside(tmp_path: Path, root: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    rows = [["images/cat/0.png"], ["images/dog/0.png"]]
    data = tree({"images/cat": 2, "images/dog": 2})(tmp_path / "y")
    table("test.txt", [["images/cat/1.png"], ["images/dog/1.png"]], [])(data)
    table("train.txt", [*rows, ["../secret.png"]], [])(data)
    with pytest.raises(DataError, match=r"line 3: '\.\./secret\.png' leads out"):
        transfer.check(data)
    table("train.txt", rows, [])(data)
    assert set(transfer.check(data).counts) == {"train", "test"}


@pytest.mark.case("L09")
def test_a_table_names_no_file_outside(tmp_path: Path, root: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    (root / "metadata.jsonl").write_text(
        "".join(
            json.dumps({"file_name": name, "label": label}) + "\n"
            for name, label in (*ROWS[1:], ("../secret.png", "dog"))
        )
    )
    with pytest.raises(DataError, match=r"'\.\./secret\.png' leads out.*follow_links=True"):
        place(root / "metadata.jsonl")


@pytest.mark.parametrize(
    ("make", "options", "counts"),
    [
        (tree({f"{c}/{s}": n for s, n in (("train", 3), ("test", 2)) for c in ("cat", "dog")}), {},
         {"train": {"cat": 3, "dog": 3}, "test": {"cat": 2, "dog": 2}}),
        (tree({"set/training/cat": 2, "set/training/dog": 2, "set/Test_1/cat": 1,
               "set/Test_1/dog": 1}), {},
         {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}}),
        (files("cat.1.png", "dog.1.png", "sub/cat.1.png"), {"label_regex": r"(\w+)\.\d"},
         {"": {"cat": 2, "dog": 1}}),
        (tree({"train": 2, "test": 1}), {"layout": "classes"}, {"": {"test": 1, "train": 2}}),
        (tree({"n/cat": 2, "s/cat": 1, "s/dog": 1, "n/dog": 1}), {"class_level": 2},
         {"": {"cat": 3, "dog": 2}}),
        (table("a.csv", [("id", "y", "usage"), ("a", "cat", "train"), ("b", "dog", "train"),
                         ("c", "cat", "test"), ("d", "dog", "test")],
               [f"images/{n}.png" for n in "abcd"], True), {},
         {"train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}}),
    ],
)  # fmt: skip
def test_prepare_makes_a_plain_folder(
    tmp_path: Path,
    make: Callable[[Path], Path],
    options: dict[str, object],
    counts: dict[str, dict[str, int]],
) -> None:
    (tmp_path / "x").mkdir()
    index = transfer.prepare(make(tmp_path / "x"), tmp_path / "plain", **options)
    assert index.counts() == counts
    for path, label, split in zip(index.paths, index.labels, index.splits, strict=True):
        assert path.startswith(f"{split}/{index.classes[label]}/".lstrip("/"))
    assert len(list((tmp_path / "plain").rglob("*.png"))) == len(index)


def test_where_tables_are_said_to_be_none(root: Path) -> None:
    for name in ("one.csv", "two.csv"):
        table(name, [("id", "height"), ("a", 3), ("b", 4)], [])(root)
    with pytest.raises(DataError, match=r"holds 2 tables .*and none can be used.*label_column="):
        transfer.check(root)


def test_many_folders_are_told_from_files_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        files(f"{number}/a.png")(tmp_path)
    compared: list[object] = []
    real = Path.__eq__
    monkeypatch.setattr(Path, "__eq__", lambda a, b: compared.append(a) or real(a, b))
    assert from_folder("x", tmp_path, Options()) is None
    assert len(compared) <= 40
