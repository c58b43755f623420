from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.data.audit.clean import clean
from transfer.data.groups import group_images
from transfer.data.split import SplitOptions, split_dataset
from transfer.errors import UsageError
from transfer.images.folder import ImageFolder

PAGES = 4


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """Two classes of six TIFF files of four pages of noise, and a PNG beside each."""
    rng = np.random.default_rng(0)
    root = tmp_path / "stacks"
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for number in range(6):
            noise = rng.integers(0, 256, (PAGES + 1, 40, 50, 3), dtype=np.uint8)
            first, *others, single = map(Image.fromarray, noise)
            path = root / name / f"{number}.tif"
            first.save(path, save_all=True, append_images=others)
            single.save(path.with_suffix(".png"))
    return root


@pytest.mark.case("F03")
@pytest.mark.parametrize("packed", [False, True])
def test_all_pages_become_images(
    stacks: Path, tmp_path: Path, packed: bool, said: Callable[[], str]
) -> None:
    source = shutil.make_archive(str(tmp_path / "packed"), "zip", stacks) if packed else stacks
    folder = transfer.prepare(source, tmp_path / "out", pages="all")
    assert folder.counts() == {"": {"cat": 30, "dog": 30}}
    names = sorted(path.name for path in (tmp_path / "out/cat").iterdir())
    assert names[:5] == ["0.page-1.tif", "0.page-2.tif", "0.page-3.tif", "0.page-4.tif", "0.png"]
    assert "48 pages of 12 TIFF file(s) are images of their own." in said()
    with Image.open(stacks / "cat/0.tif") as stack:
        stack.seek(2)
        wanted = np.asarray(stack)
    found = np.asarray(Image.open(tmp_path / "out/cat/0.page-3.tif"))
    assert (found == wanted).all()
    assert len(list((stacks / "cat").iterdir())) == 12


@pytest.mark.case("F03")
def test_the_first_page_and_a_note_are_the_default(stacks: Path, tmp_path: Path) -> None:
    folder = transfer.prepare(stacks, tmp_path / "out")
    assert len(folder) == 24
    copies = [path.read_bytes() for path in sorted((tmp_path / "out").rglob("*.tif"))]
    assert copies == [path.read_bytes() for path in sorted(stacks.rglob("*.tif"))]
    [note] = [each for each in transfer.check(tmp_path / "out").findings if each.kind == "pages"]
    assert len(note.items) == 12
    assert "transfer.prepare(DATA, DEST, pages='all')" in note.advice


@pytest.mark.case("F03")
def test_pages_of_one_file_are_never_on_both_sides(
    stacks: Path, tmp_path: Path, said: Callable[[], str]
) -> None:
    usable, audit = clean(transfer.prepare(stacks, tmp_path / "out", pages="all"))
    sides: dict[str, set[str]] = {}
    for seed in range(5):
        dataset = split_dataset(usable, audit, SplitOptions(val=0.4, seed=seed))
        for path, split in zip(dataset.paths, dataset.images.splits, strict=True):
            if ".page-" in path:
                sides.setdefault(f"{seed} {path.partition('.')[0]}", set()).add(split)
    assert len(sides) == 5 * 12
    assert all(len(splits) == 1 for splits in sides.values())
    assert set().union(*sides.values()) == {"train", "val"}
    assert "48 images are pages of 12 files; those of one stay together." in said()


def test_pages_join_the_groups_that_are_asked_for() -> None:
    paths = ("a/x.page-1.tif", "a/x.page-2.tif", "a/y.tif", "b/x.page-1.tif")
    folder = ImageFolder(Path("/"), ("a", "b"), paths, (0, 0, 0, 1), 4 * ("",))
    digests = {path: str(number) for number, path in enumerate(paths)}
    plain = group_images(folder, digests, digests)
    assert [plain[path] for path in paths] == ["0", "0", "2", "3"]
    named = group_images(folder, digests, digests, r"page-2|y")
    assert [named[path] for path in paths] == ["page-2", "page-2", "y", "3"]


@pytest.mark.case("F03")
def test_what_cannot_be_taken_apart_is_kept(
    stacks: Path, tmp_path: Path, said: Callable[[], str]
) -> None:
    whole = (stacks / "cat/0.tif").read_bytes()
    (stacks / "cat/0.tif").write_bytes(whole[: len(whole) // 2])
    (stacks / "cat/1.page-1.tif").write_bytes((stacks / "cat/0.png").read_bytes())
    transfer.prepare(stacks, tmp_path / "out", pages="all")
    assert (tmp_path / "out/cat/0.tif").read_bytes() == whole[: len(whole) // 2]
    assert not list((tmp_path / "out/cat").glob("0.page*"))
    assert "The pages of 'cat/0.tif' cannot be taken apart: it is cut off." in said()
    names = {path.name for path in (tmp_path / "out/cat").glob("1*")}
    pages = {f"1.page-{n}.tif" for n in (1, 2, 3, 4)} | {"1-2.page-1.tif"}
    assert names == pages | {"1.png"}


def test_other_words_for_pages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pages='al'\. Did you mean 'all'\?"):
        transfer.prepare("sample:shapes", tmp_path / "out", pages="al")


def test_pages_and_several_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pages='all' has no meaning with task='multi-label'"):
        transfer.prepare(stacked_table(tmp_path), tmp_path / "out", pages="all", task="multi-label")


def stacked_table(root: Path) -> Path:
    for number in range(2):
        Image.effect_noise((40, 40), 50).save(root / f"{number}.png")
    (root / "labels.csv").write_text("path,labels\n0.png,a|b\n1.png,a\n")
    return root / "labels.csv"
