from __future__ import annotations

import re

import pytest

from transfer.images.layout.filenames import is_mask, propose_regex, source_of


@pytest.mark.case("L06")
@pytest.mark.parametrize(
    "shape",
    ["{}.{}.jpg", "{}_{}.jpg", "{}{}.jpg", "x/{}-00{}.png", "{}_{}_full.jpg", "{} ({}).jpg"],
)
@pytest.mark.parametrize("classes", [("cat", "dog"), ("great_dane", "pug"), ("장미", "백합")])
def test_a_class_in_the_names(shape: str, classes: tuple[str, str]) -> None:
    paths = [shape.format(name, number) for name in classes for number in range(4)]
    pattern = propose_regex(paths)
    assert pattern is not None
    assert {re.search(pattern, path)[1] for path in paths} == set(classes)


@pytest.mark.parametrize(
    "paths",
    [
        [f"IMG_{number}.jpg" for number in range(9)],
        [f"{number}.jpg" for number in range(9)],
        [f"DSC{number}.jpg" for number in range(5)] + [f"IMG{number}.jpg" for number in range(5)],
        [f"{name}.jpg" for name in ["anna", "ben", "carl", "dora", "eve"]],
    ],
)
def test_no_class_in_the_names(paths: list[str]) -> None:
    assert propose_regex(paths) is None


@pytest.mark.parametrize(
    ("path", "source", "form"),
    [
        ("a/daisy_jpg.rf.0a1b2c3d.jpg", "daisy", "NAME_jpg.rf.HASH"),
        ("x_aug3.png", "x", "NAME_aug3"),
        ("x-augmented-12.png", "x", "NAME_aug3"),
        ("x_rot90.png", "x", "NAME_rot90"),
        ("IMG_1234 (2).jpg", "IMG_1234", "NAME (2)"),
        ("x - Copy (3).jpg", "x", "NAME - Copy"),
        ("Copy of x.jpg", "x", "Copy of NAME"),
        ("IMG_1234.jpg", "IMG_1234", ""),
        ("august.jpg", "august", ""),
    ],
)
def test_sources(path: str, source: str, form: str) -> None:
    assert source_of(path) == (source, form)


def test_masks() -> None:
    stems = {"x", "x_mask", "mask", "y_seg"}
    assert is_mask("a/x_mask.png", stems)
    assert is_mask("a/x-thumb.png", stems)
    assert not is_mask("a/mask.png", stems)
    assert not is_mask("a/y_seg.png", stems)  # whose photo is not there
