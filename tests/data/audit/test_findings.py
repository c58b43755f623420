from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image, ImageCms

from transfer.data.audit.clean import audit
from transfer.data.audit.findings import SEVERITIES, Finding, find
from transfer.data.audit.fixes import fixes
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading


@pytest.fixture
def found(tmp_path, photo):
    """Write photos (a number each) or bytes by path; return kind -> Finding."""

    def write(files: dict[str, object]) -> dict[str, Finding]:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif content is not None:
                image = photo(content) if isinstance(content, int) else content
                image.save(path)
        folder = ImageFolder.index(tmp_path, Reading(allow_empty=True), allow_single=True)
        findings = find(folder, audit(folder))
        write.fixes = fixes(findings, dict(zip(folder.paths, folder.splits, strict=True)))
        return {finding.kind: finding for finding in findings}

    return write


TWO = {"a/1.jpg": 1, "a/2.jpg": 2, "b/1.jpg": 3, "b/2.jpg": 4}


def test_nothing_is_found_in_good_photos(found):
    assert found(TWO) == {}
    assert found.fixes == []


@pytest.mark.case("D01")
@pytest.mark.case("D02")
def test_unusable(found):
    finding = found({**TWO, "a/x.jpg": b"", "b/y.jpg": b"<html>"})["unusable"]
    assert finding.severity == "problem"
    assert finding.title == "2 images cannot be used"
    assert finding.items[0] == ("a/x.jpg", "is empty")
    assert "found HTML" in finding.items[1][1]
    assert found.fixes[0] == ("a/x.jpg", "is empty", "replace or remove it")


@pytest.mark.case("D11")
@pytest.mark.case("D12")
def test_oddities_of_pictures(found, photo, encoded):
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = found(
        {
            **TWO,
            "a/turned.jpg": encoded(photo(5), exif=exif),
            "a/other.jpg": encoded(photo(6), "PNG"),
            "a/moves.gif": encoded(photo(7), "GIF", save_all=True, append_images=[photo(8)]),
            "a/white.png": Image.new("RGB", (90, 90), "white"),
            "b/tiny.png": photo(9).resize((40, 20)),
            "b/long.png": photo(10).resize((600, 60)),
        }
    )
    items = {kind: finding.items for kind, finding in kinds.items()}
    assert items.pop("colours") == (("RGB", "9"), ("palette", "1"))
    assert items == {
        "exif": (("a/turned.jpg",),),
        "extension": (("a/other.jpg", "PNG: .png"),),
        "animated": (("a/moves.gif",),),
        "blank": (("a/white.png",),),
        "tiny": (("b/tiny.png", "40 x 20 pixels"),),
        "elongated": (("b/long.png", "600 x 60 pixels"),),
    }
    assert ("a/other.jpg", "is a PNG file", "rename it to other.png") in found.fixes
    assert {path for path, _, _ in found.fixes} == {
        "a/other.jpg",
        "a/white.png",
        "b/tiny.png",
        "b/long.png",
    }


@pytest.mark.case("D18")
def test_huge(found):
    large = Image.effect_noise((100, 100), 60).resize((9000, 6000))
    assert found({**TWO, "a/large.jpg": large})["huge"].items == (
        ("a/large.jpg", "9000 x 6000 pixels"),
    )


@pytest.mark.case("D06")
@pytest.mark.case("D07")
@pytest.mark.case("D08")
@pytest.mark.case("D09")
def test_colours(found, photo, encoded):
    deep = Image.effect_noise((60, 60), 60).convert("I;16")
    finding = found(
        {
            **TWO,
            "a/gray.png": photo(5).convert("L"),
            "a/print.jpg": photo(6).convert("CMYK"),
            "a/palette.png": photo(7).convert("P"),
            "a/clear.png": photo(8).convert("RGBA"),
            "a/deep.png": deep,
        }
    )["colours"]
    assert finding.items == (
        ("16-bit gray", "1"),
        ("CMYK", "1"),
        ("RGB", "4"),
        ("RGB with transparency", "1"),
        ("gray", "1"),
        ("palette", "1"),
    )


@pytest.mark.case("D23")
@pytest.mark.case("D24")
@pytest.mark.case("D25")
@pytest.mark.case("D39")
def test_classes(found, tmp_path):
    (tmp_path / "void").mkdir()
    kinds = found({**TWO, "bad/1.jpg": b"", "B/1.jpg": 5})
    assert kinds["empty-class"].items == (("void",),)
    assert kinds["lost-class"].items == (("bad",),)
    assert kinds["single-class"].items == (("B",),)
    assert kinds["confusable-classes"].items == (("B", "b"),)
    assert kinds["empty-class"].severity == kinds["lost-class"].severity == "error"
    assert kinds["single-class"].severity == "warning"


@pytest.mark.case("D24")
def test_one_class(found):
    assert found({"a/1.jpg": 1, "a/2.jpg": 2})["one-class"].severity == "error"


@pytest.mark.case("D37")
def test_imbalance(found):
    finding = found({**{f"a/{n}.jpg": n for n in range(7)}, "b/1.jpg": 8, "b/2.jpg": 9})
    assert finding["imbalance"].title == "classes are uneven: 2 to 7 images"
    assert finding["imbalance"].items == (("b", "2"), ("a", "7"))


@pytest.mark.case("D13")
@pytest.mark.case("D27")
def test_files_that_are_not_looked_at(found):
    kinds = found({**TWO, "loose.jpg": 5, "a/x.nef": b"II", "b/notes.txt": b""})
    assert kinds["skipped"].items == (("b/notes.txt", "not an image"),)
    assert kinds["left-out"].items == (
        ("a/x.nef", "unsupported raw camera file"),
        ("loose.jpg", "loose file at the top"),
    )
    assert [fix for fix in found.fixes if fix[1].startswith("left out")] == [
        ("a/x.nef", "left out: unsupported raw camera file", "convert it to JPEG or PNG"),
        (
            "loose.jpg",
            "left out: loose file at the top",
            "move it into the folder of its class, or out of the data",
        ),
    ]
    assert (kinds["skipped"].severity, kinds["left-out"].severity) == ("note", "warning")


@pytest.fixture
def splits():
    return {f"{split}/{name}/{n}.jpg": n + 10 * len(split) + 50 * ord(name)
            for split in ("train", "val") for name in "ab" for n in (1, 2)}  # fmt: skip


@pytest.mark.case("D35")
def test_copies(found, splits, encoded, photo):
    data = encoded(photo(1))
    kinds = found(
        {**splits, "train/a/x.jpg": data, "train/a/y.jpg": data, "train/b/x.jpg": data,
         "val/a/1.jpg": encoded(photo(2)), "train/a/2.jpg": encoded(photo(2)),
         "val/b/7.jpg": encoded(photo(3)), "val/b/8.jpg": encoded(photo(3))}
    )  # fmt: skip
    assert kinds["copies-across-classes"].severity == "problem"
    assert kinds["copies-across-classes"].items == (
        ("train/a/x.jpg", "train/a/y.jpg", "train/b/x.jpg"),
    )
    assert kinds["copies-across-splits"].items == (("train/a/2.jpg", "val/a/1.jpg"),)
    assert kinds["copies-in-one-class"].items == (("val/b/7.jpg", "val/b/8.jpg"),)
    assert not [kind for kind in kinds if kind.startswith("near")]
    suggestions = {path: suggestion for path, _, suggestion in found.fixes}
    assert suggestions == {
        "train/a/x.jpg": "keep it only in the right class",
        "train/a/y.jpg": "keep it only in the right class",
        "train/b/x.jpg": "keep it only in the right class",
        "train/a/2.jpg": "remove it from train",
        "val/b/8.jpg": "remove it",
    }


@pytest.mark.case("D36")
def test_near_duplicates(found, splits, photo):
    kinds = found(
        {**splits, "train/a/x.jpg": photo(1), "val/b/x.jpg": photo(1).resize((200, 150)),
         "train/b/y.jpg": photo(2), "train/b/z.png": photo(2)}
    )  # fmt: skip
    assert kinds["near-across-classes"].items == (("train/a/x.jpg", "val/b/x.jpg"),)
    assert kinds["near-across-splits"].items == (("train/a/x.jpg", "val/b/x.jpg"),)
    assert kinds["near-in-one-class"].items == (("train/b/y.jpg", "train/b/z.png"),)
    assert ("train/a/x.jpg", "near duplicate of val/b/x.jpg", "remove it from train") in (
        found.fixes
    )


def test_worst_comes_first_and_all_is_json(found):
    kinds = found({**TWO, "a/x.jpg": b"", "c/1.jpg": b"", "a/moves.txt": b""})
    order = [list(SEVERITIES).index(finding.severity) for finding in kinds.values()]
    assert order == sorted(order)
    assert len(set(order)) == 3
    for finding in kinds.values():
        assert json.loads(json.dumps(finding.to_dict()))["kind"] == finding.kind


@pytest.mark.case("F02")
@pytest.mark.case("F03")
@pytest.mark.case("F08")
def test_depth_pages_and_profiles(found, photo, encoded):
    gray = np.asarray(photo(5).convert("L"))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    pages = encoded(photo(6), "TIFF", save_all=True, append_images=[photo(7)])
    kinds = found(
        {
            **TWO,
            "a/dark.png": Image.fromarray(gray.astype(np.uint16)),  # 8-bit values in 16 bits
            "b/camera.png": Image.fromarray(gray.astype(np.uint16) * 16),
            "a/pages.tif": pages,
            "b/lab.jpg": encoded(photo(8), icc_profile=lab),
            "b/flat.png": Image.new("I;16", (64, 64), 7),
        }
    )
    assert kinds["depth"].items == (("a/dark.png",), ("b/camera.png",), ("b/flat.png",))
    assert kinds["depth"].advice == "By the training images, 0 to 4095 becomes 0 to 255."
    assert kinds["pages"].items == (("a/pages.tif",),)
    assert kinds["bad-profile"].items == (("b/lab.jpg",),)
    assert kinds["blank"].items == (("b/flat.png",),)
    assert ("16-bit gray", "3") in kinds["colours"].items
