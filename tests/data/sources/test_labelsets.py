"""Tables with several labels for each image: every form, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from transfer.data.sources.kinds import find
from transfer.data.sources.prepare import resolve, write_to
from transfer.data.sources.source import Options
from transfer.errors import DataError, UsageError
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading
from transfer.system.names import split_names

MULTI = Reading(task="multi-label")
TRUTH = {"1.png": {"cat", "dog"}, "2.png": {"cat"}, "3.png": set(), "4.png": {"dog", "red bird"}}


def draw(folder: Path) -> None:
    for number in range(1, 5):
        Image.new("RGB", (8, 8), (50 * number, 0, 0)).save(folder / f"{number}.png")


def read(file: Path) -> tuple[ImageFolder, dict[str, set[str]]]:
    folder = resolve(file, MULTI).index()
    names = [set(split_names(folder.label_names[label])) for label in folder.labels]
    return folder, dict(zip((path.rpartition("/")[2] for path in folder.paths), names, strict=True))


def rows(mark: str) -> str:
    return "path,tags\n" + "".join(
        f'{path},"{mark.join(sorted(names))}"\n' for path, names in TRUTH.items()
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", rows("|")),
        ("t.csv", rows("; ")),
        ("t.csv", rows(", ")),
        ("t.csv", "path,cat,dog,red bird\n1.png,1,1,0\n2.png,1,0,0\n3.png,0,0,0\n4.png,0,1,1\n"),
        ("t.csv", "path,label,label2\n1.png,cat,dog\n2.png,cat,\n3.png,,\n4.png,dog,red bird\n"),
        ("t.csv", "path,label\n1.png,cat\n1.png,dog\n2.png,cat\n3.png,\n4.png,dog\n"
                  "4.png,red bird\n"),
        ("t.csv", "path,labels\n1.png,\"['cat', 'dog']\"\n2.png,['cat']\n3.png,[]\n"
                  "4.png,\"['dog', 'red bird']\"\n"),
        ("t.jsonl", "".join(json.dumps({"file_name": path, "labels": sorted(names)}) + "\n"
                            for path, names in TRUTH.items())),
    ],
    ids=["bar", "semicolon", "comma", "one-hot", "columns", "rows", "lists", "jsonl"],
)  # fmt: skip
def test_each_form_gives_the_same(tmp_path: Path, name: str, content: str) -> None:
    draw(tmp_path)
    (tmp_path / name).write_text(content)
    folder, found = read(tmp_path / name)
    assert found == TRUTH
    assert folder.classes == ("cat", "dog", "red bird")
    assert folder.class_counts() == [2, 2, 1]
    assert "1.2 for each image on average; 1 image(s) of none" in folder.read_as


def test_words_of_tags_are_classes_of_their_own(tmp_path: Path) -> None:
    draw(tmp_path)
    text = "image_name,tags\n1,haze primary\n2,primary\n3,clear primary water\n4,water\n"
    (tmp_path / "t.csv").write_text(text)
    folder, found = read(tmp_path / "t.csv")
    assert folder.classes == ("clear", "haze", "primary", "water")
    assert found["3.png"] == {"clear", "primary", "water"}
    assert "divided at spaces" in folder.read_as


def test_splits_are_kept_and_a_prepared_folder_reads_the_same(tmp_path: Path) -> None:
    draw(tmp_path)
    text = "path,labels,split\n1.png,cat|dog,train\n2.png,cat,train\n3.png,,val\n4.png,dog,test\n"
    (tmp_path / "t.csv").write_text(text)
    folder, found = read(tmp_path / "t.csv")
    assert folder.splits == ("train", "train", "val", "test")
    made = write_to(tmp_path / "t.csv", tmp_path / "made", Options(reading=MULTI))
    assert (made.paths, made.labels, made.label_sets) == (
        folder.paths, folder.labels, folder.label_sets
    )  # fmt: skip
    again, same = read(tmp_path / "made")
    assert (same, again.splits) == (found, folder.splits)


def test_classes_of_a_model_are_matched_and_others_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(tmp_path)
    (tmp_path / "t.csv").write_text(rows("|"))
    folder = resolve(tmp_path / "t.csv", MULTI).index(classes=("dog", "fish", "cat"))
    assert folder.class_counts() == [2, 0, 2]
    assert "Labels unknown to the model are not counted: red bird." in caplog.messages


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,labels\n1.png,a\n2.png,a\n3.png,\n", "Need at least 2 classes. Received: a"),
        ("path,labels\n1.png,\"{'x': 1, 'y': 2}\"\n2.png,b\n", "line 2: the cell of the labels"),
        ("path,labels,split\n1.png,a|b,train\n1.png,a,val\n", "line 3: '1.png'"),
        ("path,labels\n9.png,a|b\n", "1 of 1 files .* missing: '9.png' .line 2."),
        ("path,size,weight\n1.png,10.5,2.5\n", "has no column 'labels'"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, content: str, message: str) -> None:
    draw(tmp_path)
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.csv")


@pytest.mark.case("L08")
def test_one_label_is_the_default_and_the_way_out_is_named(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "t.csv").write_text("path,cat,dog\n1.png,1,0\n2.png,1,1\n3.png,0,1\n4.png,1,0\n")
    with pytest.raises(DataError, match=r"line 3: 2 classes have a 1 .*task='multi-label'"):
        resolve(tmp_path / "t.csv", Reading())


def test_what_has_one_label_for_each_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'sample:shapes' has one label for each image"):
        find("sample:shapes", Options(reading=MULTI))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.png")
    with pytest.raises(DataError, match="has no table of images and their labels"):
        resolve(tmp_path, MULTI).index()
    with pytest.raises(DataError, match="has no table of images and their labels"):
        write_to(tmp_path, tmp_path.parent / "made", Options(reading=MULTI))
