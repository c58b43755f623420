from __future__ import annotations

from pathlib import Path

from transfer.data.leaks import drop_shared, find_leaks, tell_leaks
from transfer.images.folder import ImageFolder

PATHS = ("test/a/1", "test/a/2", "train/a/3", "train/a/4", "val/a/5", "val/a/6", "val/a/7")


def made(groups: str) -> tuple[ImageFolder, dict[str, str]]:
    splits = tuple(path.partition("/")[0] for path in PATHS)
    folder = ImageFolder(Path("/data"), ("a",), PATHS, (0,) * 7, splits)
    return folder, dict(zip(PATHS, groups, strict=True))


def test_what_earlier_sides_have_seen_is_a_leak(said):
    folder, groups = made("xyyzzxw")  # test, test, train, train, val, val, val
    leaks = find_leaks(folder, groups)
    assert leaks == {"test/a/1": "val/a/6", "test/a/2": "train/a/3", "val/a/5": "train/a/4"}
    tell_leaks(folder, leaks)
    assert "1 val image(s) are near duplicates" in said()
    assert "2 test image(s) are near duplicates" in said()
    assert "'test/a/1' of 'val/a/6'" in said()
    assert "dedupe=True" in said()


def test_without_what_is_shared_there_is_no_leak(said):
    folder, groups = made("xyyzwxw")
    kept = drop_shared(folder, groups, "near duplicates")
    assert set(PATHS) - set(kept.paths) == {"train/a/3", "val/a/6"}
    assert find_leaks(kept, groups) == {}
    before = said()
    tell_leaks(kept, {})
    assert said() == before
