from __future__ import annotations

import re
from pathlib import Path

import pytest
from layouts import Counts, table, tree

from transfer.data.sources.prepare import resolve
from transfer.errors import DataError, UsageError
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading

TWO = {"": {"cat": 2, "dog": 2}}


def read(data: Path, negatives: object, **reading: object) -> ImageFolder:
    return resolve(data, Reading(negatives=str(negatives), **reading)).index()


def apart(folder: ImageFolder) -> tuple[Path, tuple[str, ...]]:
    assert folder.negatives is not None
    return folder.negatives.root, folder.negatives.paths


@pytest.mark.case("L14")
@pytest.mark.parametrize("name", ["BACKGROUND_Google", "other", "negative", "unknown", "none"])
def test_a_class_that_looks_like_negatives_is_taken_out_as_it_is_said(
    name: str, tmp_path: Path
) -> None:
    data = tree({"cat": 2, "dog": 2, name: 3})(tmp_path)
    [said] = [each.text for each in read(data, "none").remarks if each.kind == "negatives"]
    asked = re.search(r"negatives='([^']+)'", said)
    assert asked is not None
    folder = read(data, asked[1])
    assert folder.counts() == TWO
    assert folder.read_as == "2 classes: cat, dog"
    assert apart(folder) == (data, tuple(f"{name}/{n}.png" for n in range(3)))
    assert [each.kind for each in folder.remarks] == ["apart"]


@pytest.mark.case("L14")
@pytest.mark.parametrize(
    ("folders", "negatives", "counts", "taken"),
    [
        ({"cat": 2, "dog": 2, "other": 2}, "DATA/other", TWO, 2),
        ({"cat": 2, "dog": 2, "x/other": 2}, "DATA/x", TWO, 2),
        ({"set/cat": 2, "set/dog": 2, "other": 3}, "DATA/other", TWO, 3),
        (
            {f"{s}/{c}": 2 for s in ("train", "test") for c in ("cat", "dog", "other")},
            "other",
            {"train": TWO[""], "test": TWO[""]},
            4,
        ),
        (
            {f"{s}/{c}": 2 for s in ("train", "test") for c in ("cat", "dog")} | {"neg": 5},
            "DATA/neg",
            {"train": TWO[""], "test": TWO[""]},
            5,
        ),
    ],
)
def test_folders_in_the_data_are_no_classes(
    folders: dict[str, int], negatives: str, counts: Counts, taken: int, tmp_path: Path
) -> None:
    data = tree(folders)(tmp_path)
    folder = read(data, negatives.replace("DATA", str(data)))
    assert folder.counts() == counts
    assert len(apart(folder)[1]) == taken
    assert not set(apart(folder)[1]) & set(folder.paths)


def test_a_folder_elsewhere(tmp_path: Path) -> None:
    data, other = (tree(sizes)(tmp_path / k) for k, sizes in
                   (("a", {"cat": 2, "dog": 2}), ("b", {"deep/er": 2, ".": 1})))  # fmt: skip
    folder = read(data, other)
    assert folder.counts() == TWO
    assert (apart(folder)[0], len(apart(folder)[1])) == (other, 3)
    assert len(apart(read(data, other, limit=2))[1]) == 2


def test_a_class_that_a_file_names(tmp_path: Path) -> None:
    data = tree({"0": 2, "1": 2, "2": 3})(tmp_path / "data")
    (tmp_path / "names.txt").write_text("cat\nother\ndog\n")
    folder = read(data, "other", class_names=str(tmp_path / "names.txt"))
    assert folder.counts() == {"": {"cat": 2, "dog": 3}}
    assert folder.named == {"0": "cat", "2": "dog"}


def test_a_class_in_file_names(tmp_path: Path) -> None:
    data = tree({}, *())(tmp_path)
    for name in ("cat.0", "cat.1", "dog.0", "dog.1", "other.0"):
        tree({".": 1})(tmp_path / "made")
        (tmp_path / "made/0.png").rename(data / f"{name}.png")
    (tmp_path / "made").rmdir()
    folder = read(data, "other", label_regex=r"([a-z]+)\.\d")
    assert (folder.counts(), apart(folder)[1]) == (TWO, ("other.0.png",))


def test_rows_of_a_table_in_the_folder_are_left_out(tmp_path: Path) -> None:
    photos = [f"{f}/{c}{n}.png" for f in ("images", "none of them") for c in "ab" for n in (1, 2)]
    rows = [("path", "label"), *((name, Path(name).stem[0]) for name in photos)]
    data = table("labels.csv", rows, photos, True)(tmp_path)
    apart_in = data / "none of them"
    for given in (data, data / "labels.csv"):
        folder = read(given, apart_in)
        assert folder.counts() == {"": {"a": 2, "b": 2}}
        assert apart(folder)[0] == apart_in


@pytest.mark.parametrize(
    ("negatives", "words"),
    [
        ("othr", r"name of a class of '.*' \(3 classes: cat, dog, other\)\. Did you mean 'other'"),
        ("no/such", "Expected negatives= as a folder, or the name of a class. Received: 'no/such'"),
        ("DATA", "which holds the classes too"),
        ("DATA/..", "which holds the classes too"),
        ("DATA/empty", "No usable image .* among the negatives= in '.*empty'"),
        ("beside", "No usable image .* among the negatives= in '.*beside'"),
    ],
)
def test_what_is_no_folder_of_negatives(
    negatives: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tree({"cat": 2, "dog": 2, "other": 2}, "empty/readme.txt")(tmp_path / "data")
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=words) as raised:
        read(data, negatives.replace("DATA", str(data)))
    assert "\n" not in str(raised.value)


def test_a_name_that_is_a_folder_and_a_class_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tree({"cat": 2, "dog": 2, "other": 2})(tmp_path / "data")
    tree({"other": 1})(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"negatives='./other', or the path of the other"):
        read(data, "other")
    assert apart(read(data, "./other"))[0] == Path("other").absolute()
    monkeypatch.chdir(data)
    assert len(apart(read(data, "other"))[1]) == 2  # the same folder


@pytest.mark.case("D24")
def test_a_single_class_that_is_left_cannot_be_trained(tmp_path: Path) -> None:
    data = tree({"cat": 2, "other": 2})(tmp_path)
    with pytest.raises(DataError, match="Need at least 2 classes"):
        read(data, "other")


def test_with_several_labels_an_image_without_any_is_a_negative(tmp_path: Path) -> None:
    rows = [("path", "labels"), ("0.png", "cat|dog"), ("1.png", "cat"), ("2.png", "")]
    data = table("labels.csv", rows, [f"{n}.png" for n in range(3)])(tmp_path / "data")
    tree({"other": 1})(tmp_path)
    with pytest.raises(UsageError, match=r"negatives= has no meaning with task='multi-label'"):
        read(data, tmp_path / "other", task="multi-label")
