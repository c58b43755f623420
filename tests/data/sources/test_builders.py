from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from toys import place

import transfer
from transfer.data.sources.builders import load_builder
from transfer.data.sources.kinds import Options, find
from transfer.data.sources.prepare import prepared_dir
from transfer.errors import DataError, TransferError, UsageError
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading

ROOT = Path(__file__).resolve().parents[3] / "datasets"
HEAD = """
import numpy as np
import tensorflow_datasets as tfds

class Builder(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("{version}")
    {more}

    def _info(self):
        features = tfds.features.FeaturesDict({features})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {{name: self._generate_examples(name) for name in {splits!r}}}

    def _generate_examples(self, split):
        for i in range(4):
            image = np.full((6, 5, 3), 60 * i, np.uint8)
            yield i, {example}
"""
PLAIN = {
    "version": "1.0.0",
    "more": "",
    "features": '{"label": tfds.features.ClassLabel(names=["a/c", "b"]),'
    ' "image": tfds.features.Image()}',
    "splits": ["train", "validation", "unlabelled"],
    "example": '{"label": i % 2, "image": image}',
}


@pytest.fixture(autouse=True)
def own_tfds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))


@pytest.fixture
def make_builder(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str, **values: object) -> Path:
        folder = tmp_path / "builders" / name
        folder.mkdir(parents=True)
        text = textwrap.dedent(HEAD).format(**(PLAIN | values))
        (folder / f"{name}_dataset_builder.py").write_text(text)
        return folder

    return make


@pytest.mark.parametrize(
    ("name", "counts"),
    [("dogs_prepared", {"train": 20, "test": 10}), ("handwriting_shapes", {"": 9})],
)
def test_the_builders_of_this_repository(tmp_path: Path, name: str, counts: dict[str, int]) -> None:
    before = sorted(ROOT.rglob("*"))
    source = ROOT / name
    index = transfer.prepare(source, tmp_path / "out", manual_dir=source / "dummy_data")
    found = {split: sum(each.values()) for split, each in index.counts().items()}
    assert found == counts
    transfer.prepare(source / "dummy_data" / f"{name}.tar.gz", tmp_path / "plain")
    for path in index.paths:  # the same files under the same names, byte by byte
        assert (tmp_path / "plain" / path).read_bytes() == index.file(path).read_bytes()
    assert sorted(ROOT.rglob("*")) == before  # not even bytecode


@pytest.mark.parametrize("name", ["dogs_prepared", "handwriting_shapes"])
def test_tfds_build(tmp_path: Path, name: str) -> None:
    """What `tfds build` runs; the command itself needs Apache Beam to start."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.scripts.cli import build, cli_utils

    line = ["tfds", str(ROOT / name), "--manual_dir", str(ROOT / name / "dummy_data")]
    arguments = cli_utils.make_flags_parser(build.Args, "")([*line, "--data_dir", str(tmp_path)])
    arguments.execute()
    builder = tfds.builder_from_directory(tmp_path / name / "1.0.0")
    assert builder.info.splits["train"].num_examples == {"d": 20, "h": 9}[name[0]]
    assert "circle" in builder.info.features["label"].names or name[0] == "d"


def test_where_files_fetched_by_hand_belong(
    tmp_path: Path, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ROOT / "handwriting_shapes"
    manual = tmp_path / "tfds" / "downloads" / "manual"
    with pytest.raises(
        DataError,
        match=rf"make_archive\.py.*Put them into '{manual}'.*manual_dir= of transfer.prepare",
    ):
        place(source)
    manual.mkdir(parents=True)
    (manual / "other.zip").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"cannot be built: .*handwriting_shapes\.tar\.gz is missing"
    ):
        place(source)
    assert list(prepared_dir().iterdir()) == []
    shutil.copy(source / "dummy_data" / "handwriting_shapes.tar.gz", manual)
    folder, name = place(source)
    assert name == "handwriting_shapes"
    assert len(ImageFolder.index(folder)) == 9
    assert place(source)[0] == folder
    assert "already prepared" in said()


def test_splits_and_class_names(make_builder: Callable[..., Path], said: Callable[[], str]) -> None:
    folder, _ = place(make_builder("plain"))
    index = ImageFolder.index(folder)
    assert index.counts() == {"train": {"a-c": 2, "b": 2}, "val": {"a-c": 2, "b": 2}}
    assert index.paths[0] == "train/a-c/000000.png"
    assert "Left out of plain: unlabelled." in said()


def test_labels_that_are_not_published(
    make_builder: Callable[..., Path], said: Callable[[], str]
) -> None:
    example = '{"label": -1 if split == "test" and i else i % 2, "image": image}'
    folder, _ = place(make_builder("hidden", splits=["train", "test"], example=example))
    assert len(ImageFolder.index(folder, Reading(allow_empty=True))) == 5
    assert "Left out 3 images of test: their labels are not published." in said()


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({"features": '{"image": tfds.features.Image()}'}, DataError, "no image with a class"),
        ({"splits": ["one", "two"]}, DataError, "none of train, validation and test"),
        ({"more": "1 / 0"}, DataError, "fails: division by zero"),
        ({"example": "1 / 0"}, TransferError, "cannot be built: .*division by zero"),
    ],
)
def test_builders_that_cannot_be_used(
    make_builder: Callable[..., Path], values: dict[str, object], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        place(make_builder("broken", **values))
    assert list(prepared_dir().iterdir()) == []


def test_a_host_that_cannot_be_reached(
    make_builder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.getproxies", dict)
    folder = make_builder("far")
    (folder / "checksums.tsv").write_text(f"https://nowhere.invalid/x.zip\t1\t{'0' * 64}\tx.zip\n")
    (folder / "__init__.py").touch()
    with pytest.raises(TransferError, match=r"has to be downloaded from nowhere\.invalid, which"):
        place(folder)


def test_the_catalog(make_builder: Callable[..., Path], tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    with pytest.raises(UsageError, match=r"no data set 'mnits'\. Did you mean 'mnist'"):
        place("tfds:mnits")
    with pytest.raises(UsageError, match="tfds:mnist: "):
        place("tfds:mnist:nothing")
    with pytest.raises(DataError, match="no image with a class label"):
        place("tfds:imdb_reviews")
    # data in the place of MNIST is read as MNIST, without a network
    version = str(tfds.builder_cls("mnist").VERSION)
    features = '{"image": tfds.features.Image(shape=(28, 28, 1)),'
    features += ' "label": tfds.features.ClassLabel(num_classes=10)}'
    example = '{"label": i, "image": np.full((28, 28, 1), i, np.uint8)}'
    script = make_builder(
        "mnist", version=version, features=features, splits=["train", "test"], example=example
    )
    load_builder(script)(data_dir=tmp_path / "tfds").download_and_prepare()
    folder, name = place("tfds:mnist")
    assert name == "mnist"
    assert len(ImageFolder.index(folder, Reading(allow_empty=True)).select("test")) == 4
    shutil.rmtree(tmp_path / "tfds")
    assert place("tfds:mnist")[0] == folder


def test_datasets_of_hugging_face_are_not_shadowed() -> None:
    assert not list(ROOT.rglob("__init__.py"))


def test_a_folder_of_images_beside_a_script_is_no_builder(tmp_path: Path) -> None:
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "other_dataset_builder.py").write_text("1 / 0")
    assert place(tmp_path / "dogs")[0] == tmp_path / "dogs"


def test_class_folders_beside_a_script_of_that_name(
    make_folder: Callable[..., Path], said: Callable[[], str]
) -> None:
    folder = make_folder("dogs", per_class=1)
    (folder / "dogs_dataset_builder.py").write_text("1 / 0")
    assert place(folder)[0] == folder
    assert "dogs_dataset_builder.py is not run" in said()


def test_what_a_builder_depends_on(make_builder: Callable[..., Path], tmp_path: Path) -> None:
    options = Options(manual_dir=tmp_path / "manual")
    manual = "MANUAL_DOWNLOAD_INSTRUCTIONS = ''"
    folders = make_builder("alone"), make_builder("fetched", more=manual)
    before = [find(folder, options).about for folder in folders]
    (tmp_path / "manual").mkdir()
    (tmp_path / "manual" / "x.zip").touch()
    for folder in (tmp_path / "manual", *folders):
        (folder / "gone.py").symlink_to("nowhere")
    alone, fetched = (find(folder, options).about for folder in folders)
    assert alone == before[0]
    assert fetched != before[1]
    deeper = tmp_path / "manual" / "dogs" / "husky"
    deeper.mkdir(parents=True)
    for file in (deeper / "1.jpg", folders[1] / "labels.txt"):
        known = find(folders[1], options).about
        file.write_text("old")
        added = find(folders[1], options).about
        file.write_text("newer")
        assert len({str(each) for each in (known, added, find(folders[1], options).about)}) == 3
