from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from transfer.data.audit.clean import audit
from transfer.data.split import SplitOptions, assign_splits
from transfer.errors import DataError
from transfer.images.folder import ImageFolder


def made(counts: dict[str, int], splits: str = "") -> tuple[ImageFolder, dict[str, str]]:
    """Return a folder that exists only in memory, and a digest per image."""
    classes = tuple(sorted(counts))
    rows = [(f"{c}/{i}.jpg", n) for n, c in enumerate(classes) for i in range(counts[c])]
    paths, labels = zip(*rows, strict=True)
    folder = ImageFolder(Path(__file__), classes, paths, labels, (splits,) * len(rows))
    return folder, {path: hashlib.sha256(path.encode()).hexdigest() for path in paths}


def sides(folder: ImageFolder, digests: dict[str, str], **knobs) -> dict[str, str]:
    """Return the split of each image by its path."""
    groups, known = knobs.pop("groups", digests), knobs.pop("known", None)
    split = assign_splits(folder, digests, groups, SplitOptions(**knobs), known)
    return dict(zip(split.paths, split.splits, strict=True))


@pytest.mark.case("D37")
def test_no_seed_leaves_a_rare_class_out():
    folder, digests = made({"common": 95, "rare": 5})
    shares = []
    for seed in range(200):
        found = sides(folder, digests, seed=seed, test=0.1)
        assert {path[0] + side for path, side in found.items() if path[0] == "r"} == {
            "rtrain",
            "rval",
            "rtest",
        }
        shares.append(Counter(found.values())["val"] / 100)
    assert 0.19 < np.mean(shares) < 0.22
    assert 0.08 <= min(shares) < max(shares) <= 0.35


def test_another_seed_gives_another_choice():
    folder, digests = made({"a": 50, "b": 50})
    splits = {tuple(sides(folder, digests, seed=seed).values()) for seed in range(5)}
    assert len(splits) == 5


def test_the_share_of_a_large_class_is_met():
    folder, digests = made({"a": 4000, "b": 4000})
    counts = Counter(sides(folder, digests, val=0.2, test=0.1).values())
    assert counts["val"] / 8000 == pytest.approx(0.2, abs=0.015)
    assert counts["test"] / 8000 == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize("seed", range(20))
def test_images_added_later_leave_the_others_where_they_are(seed):
    folder, digests = made({"a": 60, "b": 80, "c": 100})
    first, more = folder.keep([i % 3 > 0 for i in range(240)]), folder
    before, after = (sides(each, digests, test=0.1, seed=seed) for each in (first, more))
    assert {path: after[path] for path in before} == before
    assert len(after) == 240


@pytest.mark.parametrize("seed", range(20))
def test_a_test_side_added_later_leaves_val_as_it_is(seed):
    folder, digests = made({"a": 60, "b": 60})
    before, after = (sides(folder, digests, test=share, seed=seed) for share in (0.0, 0.2))
    assert [p for p, s in before.items() if s == "val"] == [
        p for p, s in after.items() if s == "val"
    ]
    assert "test" in after.values()


@pytest.mark.case("D25")
def test_one_image_per_class():
    folder, digests = made({"a": 1, "b": 4})
    with pytest.raises(DataError, match=r"Class 'a' has 1 different image.*at least 2 to hold one"):
        sides(folder, digests)
    folder, digests = made({"a": 2, "b": 2})
    with pytest.raises(DataError, match=r"at least 3 to hold one out for val and test"):
        sides(folder, digests, test=0.1)
    for val in (0.01, 0.99):
        counts = assign_splits(folder, digests, digests, SplitOptions(val=val)).counts()
        assert counts == {"train": {"a": 1, "b": 1}, "val": {"a": 1, "b": 1}}


@pytest.mark.case("D36")
@pytest.mark.parametrize("seed", range(10))
def test_copies_and_groups_stay_on_one_side(seed):
    folder, digests = made({"a": 20, "b": 20, "c": 3})
    digests |= {f"a/{i + 1}.jpg": digests[f"a/{i}.jpg"] for i in range(0, 10, 2)}
    digests["b/0.jpg"] = digests["c/0.jpg"] = digests["a/0.jpg"]
    groups = digests | {f"b/{i}.jpg": f"burst {i // 4}" for i in range(4, 20)}
    found = sides(folder, digests, groups=groups, val=0.3, seed=seed)
    for keys in (digests, groups):
        assert len({(keys[path], side) for path, side in found.items()}) == len(set(keys.values()))
    assert len({path[0] + side for path, side in found.items()}) == 6


def test_few_large_groups_do_not_empty_train():
    folder, digests = made({"a": 11, "b": 4})
    digests |= {f"a/{i}.jpg": "copy" for i in range(10)}
    for seed in range(20):
        found = sides(folder, digests, seed=seed)
        assert [found[f"a/{i}.jpg"] for i in range(11)] == ["train"] * 10 + ["val"]
    folder, digests = made({"a": 50, "b": 50})
    patients = {path: f"{path[0]}{int(path[2:-4]) % 5}" for path in digests}
    for seed in range(50):
        counts = Counter(sides(folder, digests, groups=patients, seed=seed).values())
        assert 20 <= counts["val"] <= 40


def test_a_group_of_two_classes_is_counted_in_both():
    folder, digests = made({"a": 10, "b": 10})
    scenes = {path: path.partition("/")[2] for path in digests}
    for seed in range(20):
        found = sides(folder, digests, groups=scenes, seed=seed)
        assert all(found[f"a/{i}.jpg"] == found[f"b/{i}.jpg"] for i in range(10))
        assert 1 <= Counter(found.values())["val"] / 2 <= 4


@pytest.mark.case("D36")
def test_copies_across_given_folders_leave_the_training_side(said):
    folder, digests = made({"a": 6, "b": 6})
    folder = folder.with_splits(["train", "train", "train", "val", "val", "test"] * 2)
    digests["a/0.jpg"] = digests["a/3.jpg"]
    digests["a/4.jpg"] = digests["a/5.jpg"]
    found = sides(folder, digests)
    assert set(folder.paths) - set(found) == {"a/0.jpg", "a/4.jpg"}
    assert "Left 1 image(s) out of train" in said()
    assert "Left 1 image(s) out of val" in said()
    digests |= {f"a/{i}.jpg": digests["a/3.jpg"] for i in range(3)}
    with pytest.raises(DataError, match="Class 'a' has no image left in train"):
        sides(folder, digests)


def test_near_duplicates_across_given_folders_leave_it_with_dedupe(said):
    folder, digests = made({"a": 6, "b": 6})
    folder = folder.with_splits(["train", "train", "train", "val", "val", "test"] * 2)
    groups = digests | {"a/0.jpg": "g", "a/3.jpg": "g", "b/4.jpg": "h", "b/5.jpg": "h"}
    assert set(sides(folder, digests, groups=groups)) == set(folder.paths)
    assert said() == ""
    found = sides(folder, digests, groups=groups, dedupe=True)
    assert set(folder.paths) - set(found) == {"a/0.jpg", "b/4.jpg"}
    assert "Left 1 image(s) out of train: near duplicates are also in val or test" in said()


@pytest.mark.case("D29")
def test_given_splits_are_kept(said):
    folder, digests = made({"a": 6, "b": 6})
    given = ["train", "train", "train", "train", "val", "test"] * 2
    folder = folder.with_splits(given)
    assert list(sides(folder, digests).values()) == given
    assert list(sides(folder, digests, test=0.5).values()) == given
    assert "test=0.5 is not used: the data have a test/ folder" in said()
    given = ["train"] * 5 + ["test"] + ["train"] * 5 + ["test"]
    found = sides(folder.with_splits(given), digests)
    assert [path for path, side in found.items() if side == "test"] == ["a/5.jpg", "b/5.jpg"]
    assert {path[0] for path, side in found.items() if side == "val"} == {"a", "b"}
    given = ["train"] * 4 + ["val"] * 2 + ["train"] * 4 + ["val"] * 2
    found = sides(folder.with_splits(given), digests, test=0.2)
    assert Counter(found.values())["val"] == 4
    assert {path[0] for path, side in found.items() if side == "test"} == {"a", "b"}


@pytest.mark.case("D40")
def test_other_place_names_and_order_give_the_same_split(tree):
    root = tree({"a": 10, "b": 12})
    other = root.parent / "elsewhere"
    for label in ("a", "b"):
        (other / label).mkdir(parents=True)
        for i, file in enumerate(sorted((root / label).iterdir(), reverse=True)):
            shutil.copy(file, other / label / f"{i:03d}.jpg")
    held = []
    for place in (root, other):
        folder = ImageFolder.index(place)
        digests = audit(folder).sha256
        split = assign_splits(folder, digests, digests, SplitOptions(val=0.3, seed=3))
        rows = zip(split.paths, split.splits, strict=True)
        held.append({(digests[path], side) for path, side in rows})
    assert held[0] == held[1]
    assert {side for _, side in held[0]} == {"train", "val"}


def test_without_training_images():
    folder, digests = made({"a": 4, "b": 4}, splits="test")
    with pytest.raises(DataError, match=r"expected a train/ folder.*Received: test/ alone"):
        sides(folder, digests)


def test_a_class_of_others_images_is_named():
    paths = ("a/1", "a/2", "b/3", "b/4", "c/1", "c/3")
    folder = ImageFolder(Path("/data"), tuple("abc"), paths, (0, 0, 1, 1, 2, 2), ("",) * 6)
    digests = {path: path[-1] for path in paths}
    faults = []
    for seed in range(20):  # by some, neither 1 nor 3 is held out, by some both
        try:
            sides(folder, digests, seed=seed)
        except DataError as error:
            faults.append(str(error))
    assert 0 < len(faults) < 20
    assert all("'c' shares its images with other classes" in fault for fault in faults)


class TestKnownSplits:
    """Splits of an earlier run."""

    def test_are_kept_and_new_images_get_theirs_by_the_rule(self):
        folder, digests = made({"a": 60, "b": 60})
        known = sides(folder.keep([i % 2 == 0 for i in range(120)]), digests, seed=1)
        found = sides(folder, digests, known=known, seed=7)
        assert {path: found[path] for path in known} == known
        fresh = sides(folder, digests, seed=7)
        assert all(found[path] == fresh[path] for path in found.keys() - known.keys())
        assert found != fresh

    def test_are_followed_by_the_images_of_their_groups(self):
        folder, digests = made({"a": 40, "b": 4})
        known = {"b/0.jpg": "val", "b/1.jpg": "train", "a/0.jpg": "val", "a/1.jpg": "train"}
        groups = digests | {f"a/{i}.jpg": f"g{i % 2}" for i in range(20)}
        found = sides(folder, digests, known=known, groups=groups)
        assert {found[f"a/{i}.jpg"] for i in range(0, 20, 2)} == {"val"}
        assert {found[f"a/{i}.jpg"] for i in range(1, 20, 2)} == {"train"}
        groups["a/1.jpg"] = "g0"  # a group that is on both sides already grows in train
        assert {
            sides(folder, digests, known=known, groups=groups)[f"a/{i}.jpg"]
            for i in range(2, 20, 2)
        } == {"train"}

    def test_win_over_folders(self):
        folder, digests = made({"a": 4, "b": 4})
        folder = folder.with_splits(["train", "train", "val", "val"] * 2)
        known = {"a/0.jpg": "val", "a/2.jpg": "train"}
        found = sides(folder, digests, known=known)
        assert [found[f"a/{i}.jpg"] for i in range(4)] == ["val", "train", "train", "val"]

    def test_must_hold_something_out(self, said):
        folder, digests = made({"a": 4, "b": 4})
        with pytest.raises(DataError, match="holds none of these images out"):
            sides(folder, digests, known={"a/0.jpg": "train"})
        known = {"a/0.jpg": "val", "b/0.jpg": "val"}
        assert "test" not in sides(folder, digests, known=known, test=0.2).values()
        assert "the split file has no test images" in said()

    def test_a_class_that_they_keep_in_train_is_named(self):
        folder, digests = made({"a": 2, "b": 2})
        known = {"a/0.jpg": "val", "a/1.jpg": "train", "b/0.jpg": "train", "b/1.jpg": "train"}
        with pytest.raises(DataError, match="leaves class 'b' without an image for val"):
            sides(folder, digests, known=known)
