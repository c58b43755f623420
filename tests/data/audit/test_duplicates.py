from __future__ import annotations

import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageOps

from transfer.data.audit.duplicates import fingerprint, groups_of, near_duplicates


def mark(image: Image.Image) -> bytes:
    gray = image.convert("L").resize((128, 128), Image.Resampling.BILINEAR).convert("F")
    return fingerprint(np.asarray(gray.resize((32, 32), Image.Resampling.BOX)))


def noise(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (count, 256)).astype(np.int8)


def as_bytes(rows: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in rows]


def test_different_photos_are_not_alike(photo):
    marks = [mark(photo(seed)) for seed in range(40)]
    assert {len(each) for each in marks} == {256}
    assert near_duplicates(marks) == list(range(40))


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: image.resize((216, 162)),
        lambda image: image.resize((90, 120)),
        ImageOps.mirror,
        lambda image: image.point(lambda value: value // 2 + 40),
        lambda image: ImageOps.expand(image, 4, "white"),
    ],
    ids=["smaller", "squeezed", "mirrored", "dull", "framed"],
)
def test_changed_photo_is_found(photo, edit):
    marks = [mark(photo(seed)) for seed in range(9)] + [mark(edit(photo(4)))]
    assert near_duplicates(marks) == [*range(9), 4]


def test_equal_frames_do_not_make_photos_alike(photo):
    framed = [ImageOps.expand(photo(seed), 16, "white") for seed in range(20)]
    assert near_duplicates([mark(image) for image in framed]) == list(range(20))


def test_plain_pictures_have_no_fingerprint():
    assert mark(Image.new("RGB", (64, 64), "teal")) == b""
    assert mark(Image.linear_gradient("L").point(lambda value: value // 64)) == b""
    assert near_duplicates([b"", b"", b""]) == [0, 1, 2]


def test_drawings_have_to_agree_more_than_photos(picture):
    """Pictures of 5 x 7 blots: few numbers describe them."""
    first = picture(70, 50, 1)
    other = Image.blend(first, picture(70, 50, 2), 0.25)
    assert near_duplicates([mark(first), mark(other)]) == [0, 1]
    assert near_duplicates([mark(first), mark(first.resize((63, 45)))]) == [0, 0]


def test_series_does_not_become_one_group():
    """Each row is near the next one, and the last is unlike the first."""
    ends = noise(2).astype(np.float64)
    turns = np.linspace(0, np.pi / 2, 12)[:, None]
    rows = np.cos(turns) * ends[0] + np.sin(turns) * ends[1]
    leaders = near_duplicates(as_bytes((rows / 1.5).astype(np.int8)))
    assert leaders[:3] == [0, 0, 0]
    assert leaders[-1] != 0
    assert 2 <= len(set(leaders)) <= 6


def test_too_many_alike_are_left_alone(said):
    """A fixed camera: all alike, but for one pair that is identical to the bit."""
    rows = np.clip(noise(1) * 0.9 + noise(40, 1) * 0.02, -127, 127).astype(np.int8)
    rows[30] = rows[7]
    assert near_duplicates(as_bytes(rows)) == list(range(40))
    assert "40 images look so much alike" in said()


def test_closer_bounds_keep_what_is_closer(said):
    base = noise(1) * 0.8
    rows = np.clip(base + noise(30, 1) * 0.25, -127, 127).astype(np.int8)
    rows[30 // 2] = rows[3]
    leaders = near_duplicates(as_bytes(rows))
    assert leaders == [3 if row == 15 else row for row in range(30)]
    assert said() == ""


def test_groups_are_named_by_their_smallest_digest(photo):
    prints = {"x": mark(photo(1)), "y": mark(photo(2)), "z": mark(ImageOps.mirror(photo(1)))}
    sha256 = {"x": "b", "y": "c", "z": "a", "copy": "c"}
    prints["copy"] = prints["y"]
    assert groups_of(sha256, prints) == {"x": "a", "y": "c", "z": "a", "copy": "c"}


def test_groups_do_not_depend_on_the_order_of_the_files(photo):
    images = {f"{seed}": mark(photo(seed % 5).resize((200 - seed, 150))) for seed in range(15)}
    sha256 = {name: f"{int(name) * 7 % 15:02d}" for name in images}
    back = dict(reversed(sha256.items()))
    assert groups_of(sha256, images) == groups_of(back, images)
    assert set(Counter(groups_of(sha256, images).values()).values()) == {3}


def test_many_pictures_are_compared_in_bounded_time_and_memory():
    rows = noise(6000)
    rows[3000:] = np.clip(rows[:3000].astype(np.int16) + 3, -127, 127)
    tracemalloc.start()
    started = time.process_time()
    leaders = near_duplicates(as_bytes(rows))
    assert time.process_time() - started < 15
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()
    assert leaders == [*range(3000), *range(3000)]
