"""Copies of photos by their predictions, which are made up here."""

from __future__ import annotations

from pathlib import Path

import pytest

from transfer.errors import UsageError
from transfer.serving.predictor import Prediction
from transfer.serving.sorting import Sorter, refuse_inside, safe_names


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def predicted(path: str, label: str, **more: object) -> Prediction:
    return Prediction(path, label, 0.9, {label: 0.9}, **{"labels": (label,)} | more)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_photos_are_copied_by_label_and_stay_where_they_are(tmp_path: Path) -> None:
    photos = [write(tmp_path / "in" / name, name) for name in ("a.jpg", "b/c.jpg", "d.jpg")]
    found = [
        predicted(photos[0], "ant"),
        predicted(photos[1], "bee"),
        predicted(photos[2], "bee", refused=True),
    ]
    sorter = Sorter(tmp_path / "out", ("ant", "bee"))
    assert list(sorter.through(found)) == found
    sorter.take_unreadable(write(tmp_path / "in/bad.jpg", "bad"))
    sorter.take_unreadable(str(tmp_path / "in/gone.jpg"))
    assert contents(tmp_path / "out") == {
        "ant/a.jpg": "a.jpg",
        "bee/c.jpg": "b/c.jpg",
        "_refused/d.jpg": "d.jpg",
        "_unreadable/bad.jpg": "bad",
    }
    assert len(contents(tmp_path / "in")) == 4
    assert sorter.told() == "_refused 1, _unreadable 1, ant 1, bee 1"


def test_nothing_is_overwritten_and_a_repeated_call_adds_nothing(tmp_path: Path) -> None:
    photos = [write(tmp_path / "in" / name / "1.jpg", name) for name in ("x", "y", "z")]
    write(tmp_path / "out/ant/1.jpg", "the user's own")
    found = [predicted(each, "ant") for each in (*photos, photos[0])]
    list(Sorter(tmp_path / "out", ("ant",)).through(found[:2]))  # and then it is interrupted
    list(Sorter(tmp_path / "out", ("ant",)).through(found))
    first = contents(tmp_path / "out")
    assert first["ant/1.jpg"] == "the user's own"
    assert sorted(first.values()) == ["the user's own", "x", "y", "z"]
    assert all(Path(name).suffix == ".jpg" for name in first)
    list(Sorter(tmp_path / "out", ("ant",)).through(found[::-1]))
    assert contents(tmp_path / "out") == first


def test_mistakes_alone_with_the_class_from_the_folder(tmp_path: Path) -> None:
    names = {"n01": "ant"}
    found = [
        predicted(write(tmp_path / "in/n01/deep/1.jpg", "1"), "bee"),
        predicted(write(tmp_path / "in/ant/2.jpg", "2"), "ant"),
        predicted(write(tmp_path / "in/bee/3.jpg", "3"), "ant"),
        predicted(write(tmp_path / "in/4.jpg", "4"), "ant"),
    ]
    sorter = Sorter(tmp_path / "out", ("ant", "bee"), "mistake", names)
    list(sorter.through(found))
    assert contents(tmp_path / "out") == {"ant as bee/1.jpg": "1", "bee as ant/3.jpg": "3"}
    assert sorter.told() == (
        "ant as bee 1, bee as ant 1; 1 predicted rightly; 1 in no folder that is named as a class"
    )


def test_several_labels_are_several_copies(tmp_path: Path) -> None:
    path = write(tmp_path / "1.jpg", "1")
    found = [predicted(path, "ant", labels=("ant", "bee")), predicted(path, "ant", labels=())]
    list(Sorter(tmp_path / "out", ("ant", "bee")).through(found))
    assert set(contents(tmp_path / "out")) == {"ant/1.jpg", "bee/1.jpg", "_none/1.jpg"}


def test_names_of_classes_become_safe_folders() -> None:
    hostile = (
        *("../../etc", "/etc", "a/b", "a:b", "CON", "nul.txt", "", " ", ".", "..", "new\nline"),
        *("<img src=x onerror=alert(1)>", "=cmd()", "개나리", "Ant", "ant", "_refused", "-rf"),
        *("x" * 300, "\u202eabc", "end.", "\ud800"),
    )
    found = safe_names(hostile)
    assert list(found) == list(hostile)
    assert len({each.casefold() for each in found.values()}) == len(hostile)
    assert found["개나리"] == "개나리"
    assert found["=cmd()"] == "=cmd()"
    for each in found.values():
        assert each == Path(each).name
        assert not set(each) & set('/\\:*?"<>|\n\u202e\ud800')
        assert len(each.encode()) <= 110
        assert not each.startswith((".", "-"))
        assert not each.endswith((".", " "))
        assert each.split(".")[0].lower() not in ("con", "nul", "_refused", "_unreadable")


def test_copies_among_the_photos_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for target in ("in", "in/sorted"):
        with pytest.raises(UsageError, match=r"Expected copy_to=.* outside of '.*in'"):
            refuse_inside(tmp_path / target, [str(tmp_path / "in")])
    refuse_inside(tmp_path / "input", [tmp_path / "in", tmp_path / "in/1.jpg"])
    write(tmp_path / "file", "")
    with pytest.raises(UsageError, match="It is a file"):
        Sorter(tmp_path / "file", ("ant",))


def test_copies_into_the_folders_of_the_photos_are_refused(tmp_path: Path) -> None:
    for name in ("data/ant/1.jpg", "data/bee/2.jpg", "data/new/3.jpg", "data/ant as bee/4.jpg"):
        write(tmp_path / name, name)
    by_label = Sorter(tmp_path / "data", ("Ant", "bee"))
    by_mistake = Sorter(tmp_path / "data", ("ant", "bee"), "mistake")
    for sorter, names in ((by_label, ("ant", "bee/2.jpg")), (by_mistake, ("ant as bee",))):
        for name in names:
            with pytest.raises(UsageError, match="would be among the photos that are read"):
                sorter.refuse_among([tmp_path / "data/new", tmp_path / "data" / name])
    by_label.refuse_among([tmp_path / "data/new", tmp_path / "data/ant as bee"])
    by_mistake.refuse_among([tmp_path / "data/ant", tmp_path / "data/new/3.jpg"])


def test_long_names_and_links_that_lead_nowhere_are_no_obstacle(tmp_path: Path) -> None:
    long = "é" * 125 + ".jpg"  # 254 bytes
    photos = [write(tmp_path / "in" / each / long, each) for each in "xyz"]
    (tmp_path / "out/ant").mkdir(parents=True)
    (tmp_path / "out/ant/1.jpg").symlink_to(tmp_path / "gone.jpg")
    photos.append(write(tmp_path / "in/1.jpg", "1"))
    for _ in range(2):
        list(Sorter(tmp_path / "out", ("ant",)).through(predicted(each, "ant") for each in photos))
    assert sorted(contents(tmp_path / "out").values()) == ["1", "x", "y", "z"]
    assert (tmp_path / "out/ant/1.jpg").is_symlink()
    assert not (tmp_path / "gone.jpg").exists()
