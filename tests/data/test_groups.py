from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from transfer.data.groups import check_group_by, group_images
from transfer.data.split import SplitOptions, assign_splits
from transfer.errors import DataError, UsageError
from transfer.images.folder import ImageFolder

PATHS = ("a/p1_1.jpg", "a/p1_2.jpg", "a/p2_1.jpg", "b/p1_9.jpg", "b/other.jpg")


def made(paths: tuple[str, ...] = PATHS) -> tuple[ImageFolder, dict[str, str]]:
    labels = tuple(int(path.startswith("b")) for path in paths)
    folder = ImageFolder(Path("/data"), ("a", "b"), paths, labels, ("",) * len(paths))
    return folder, {path: hashlib.sha256(path.encode()).hexdigest() for path in paths}


def grouped(group_by: str = "none", near: dict[str, str] | None = None) -> set[frozenset[str]]:
    folder, digests = made()
    keys = group_images(folder, digests, digests | (near or {}), group_by)
    assert list(keys) == list(folder.paths)
    return {frozenset(p for p in keys if keys[p] == key) for key in keys.values()}


def sets(*groups: str) -> set[frozenset[str]]:
    """Return groups written as the numbers of their paths."""
    return {frozenset(PATHS[int(number)] for number in group) for group in groups}


def test_near_duplicates_and_copies_are_groups():
    assert grouped() == sets("0", "1", "2", "3", "4")
    assert grouped(near={PATHS[0]: "x", PATHS[4]: "x"}) == sets("04", "1", "2", "3")
    folder, digests = made()
    digests[PATHS[2]] = digests[PATHS[1]]
    keys = group_images(
        folder, digests, dict.fromkeys(PATHS[:2], "x") | dict.fromkeys(PATHS[2:], "y")
    )
    assert len(set(keys.values())) == 1  # 0 = 1 by x, 1 = 2 by their bytes, 2 = 3 = 4 by y


@pytest.mark.parametrize("group_by", [r"(p\d+)_", r"p\d+(?=_)", "TABLE.csv:patient"])
def test_named_groups_and_near_duplicates_unite(group_by, said, tmp_path):
    (tmp_path / "TABLE.csv").write_text(
        "patient,path\n1,a/p1_1.jpg\n1,./a/p1_2.jpg\n2,a\\p2_1.jpg\n1,b/p1_9.jpg\n3,b/gone.jpg\n"
    )
    group_by = group_by.replace("TABLE", str(tmp_path / "TABLE"))
    assert grouped(group_by) == sets("013", "2", "4")
    assert "Grouped 4 images into 2 by" in said()
    assert "; 1 without a name, each its own group" in said()
    assert ("1 rows of" in said()) == ("TABLE" in group_by)
    assert grouped(group_by, {PATHS[2]: "x", PATHS[4]: "x"}) == sets("013", "24")
    assert grouped(group_by, {PATHS[3]: "x", PATHS[4]: "x"}) == sets("0134", "2")


def test_a_name_keeps_its_side_when_images_join_it():
    for number in range(50):
        paths = tuple(f"{c}/{i % 5}_{number}_{i}.jpg" for c in "ab" for i in range(40))
        folder, digests = made(paths)
        both = []
        for part in (folder.keep([i % 2 == 0 for i in range(80)]), folder):
            keys = group_images(part, digests, digests, r"./\d+_")
            split = assign_splits(part, digests, keys, SplitOptions(seed=number))
            both.append(dict(zip(split.paths, split.splits, strict=True)))
        moved = [path for path in both[0] if both[0][path] != both[1][path]]
        assert moved == []


def test_near_duplicates_keep_their_side_unless_the_newcomer_is_the_least():
    folder, digests = made()
    low, high = sorted(PATHS[:2], key=digests.__getitem__)
    near = digests | {low: "x", high: "x"}
    first = group_images(folder.keep([path != high for path in PATHS]), digests, near)
    assert first[low] == group_images(folder, digests, near)[low] == digests[low]


@pytest.mark.parametrize(
    ("group_by", "error", "words"),
    [
        ("(p", UsageError, "Expected group_by= as source, folder, a regular expression.*'(p'"),
        ("patient(\\d+)", DataError, "none of the 5 images a group.*'a/p1_1.jpg'"),
        ("(q)?", DataError, "none of the 5 images a group"),
        ("gone.csv:patient", DataError, "Cannot read 'gone.csv': No such file"),
        ("t.csv:patent", DataError, "'t.csv' has no column 'patent'. Did you mean 'patient'?"),
    ],
)
def test_a_bad_group_is_named(group_by, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("path,patient\n")
    with pytest.raises(error) as raised:
        grouped(group_by)
    assert re.search(words.replace("(", r"\("), str(raised.value))


def test_a_table_beside_its_images_is_matched_by_their_bytes(tmp_path):
    (tmp_path / "raw").mkdir()
    for number, path in enumerate(PATHS):
        (tmp_path / "raw" / f"{number}.jpg").write_bytes(path.encode())
    rows = "raw/0.jpg,x\nraw/1.jpg,y\nraw/2.jpg,x\nraw/1.jpg,z\nraw/4.jpg,z\nraw/3.jpg,\nraw,q\n"
    (tmp_path / "t.csv").write_text("path,patient\n" + rows)
    assert grouped(f"{tmp_path}/t.csv:patient") == sets("02", "14", "3")


def test_a_regular_expression_is_checked_before_the_data():
    check_group_by("none")
    check_group_by("gone.csv:x")
    with pytest.raises(UsageError, match="unterminated"):
        check_group_by("[a")
