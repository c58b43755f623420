"""Layouts in which well-known sets and annotation tools leave their photos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from layouts import Instance, check_reading, files, png, put, tree

from transfer.errors import DataError
from transfer.images.folder import ImageFolder
from transfer.system.progress import silenced

TWO = {"": {"cat": 2, "dog": 2}}
SIDES = {"train": {"cat": 2, "dog": 2}, "test": {"cat": 1, "dog": 1}}
NAMES = ("images/a1.png", "images/a2.png", "images/b1.png", "images/b2.png")
LABELS = ("cat", "cat", "dog", "dog")
PAIRS = list(zip(NAMES, LABELS, strict=True))
Make = Callable[[Path], Path]


def with_texts(make: Make, texts: Mapping[str, object], given: str = "") -> Make:
    """Return a maker that also writes texts, or other values as JSON; DATA is the folder."""

    def write(root: Path) -> Path:
        make(root)
        for name, text in texts.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(
                text if isinstance(text, str) else json.dumps(text), encoding="utf-8"
            )
        return root / given if given else root

    return write


def lines(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def lists() -> Iterator[Instance]:
    sides = {
        "meta/train.txt": lines("cat/0", "cat/1", "dog/0", "dog/1"),
        "meta/test.txt": lines("cat/2", "dog/2"),
    }
    for wrap in ("", "food-101/", "archive/food-101/food-101/"):
        photos = tree({f"{wrap}images/cat": 3, f"{wrap}images/dog": 3})
        texts = {f"{wrap}{name}": text for name, text in sides.items()}
        yield Instance("L12", f"lists in {wrap}", with_texts(photos, texts), SIDES, ("lists",))

    clips = {f"frames/{c}/v_{c}_{n}": 2 for c in ("cat", "dog") for n in (1, 2)}
    texts = {
        "splits/trainlist01.txt": lines("cat/v_cat_1.avi 1", "dog/v_dog_1.avi 2"),
        "splits/testlist01.txt": lines("cat/v_cat_2.avi", "dog/v_dog_2.avi"),
        "splits/trainlist02.txt": lines("cat/v_cat_2.avi 1", "dog/v_dog_2.avi 2"),
        "splits/testlist02.txt": lines("cat/v_cat_1.avi", "dog/v_dog_1.avi"),
    }
    frames = {"train": {"cat": 2, "dog": 2}, "test": {"cat": 2, "dog": 2}}
    yield Instance(
        "L12",
        "frames of videos",
        with_texts(tree(clips), texts),
        frames,
        ("testlist01.txt", "the first of 2"),
    )

    photos = tree({"cat": 3, "dog": 3})
    rows = {
        "train.lst": lines(
            "0\t0\tcat/0.png", "1\t0\tcat/1.png", "2\t1\tdog/0.png", "3\t1\tdog/1.png"
        ),
        "test.lst": lines("4\t0\tcat/2.png", "5\t1\tdog/2.png"),
    }
    yield Instance("L12", "paths at the end", with_texts(photos, rows), SIDES)

    photos = files(
        *(f"train/{c}/{n}.png" for c in ("cat", "dog") for n in (0, 1)), "val/v1.png", "val/v2.png"
    )
    texts = {
        "meta/train.txt": lines("cat/0.png 0", "cat/1.png 0", "dog/0.png 1", "dog/1.png 1"),
        "meta/val.txt": lines("v1.png 1", "v2.png 0"),
    }
    named = {"train": {"cat": 2, "dog": 2}, "val": {"cat": 1, "dog": 1}}
    yield Instance("L12", "numbers that folders name", with_texts(photos, texts), named)
    running = {
        "lists/train.txt": lines("cat/0 1", "cat/1 2", "dog/0 3", "dog/1 4"),
        "lists/val.txt": lines("v1 1", "v2 2"),
    }
    counts = {"train": {"cat": 2, "dog": 2}}
    yield Instance(
        "L12", "running numbers", with_texts(photos, running), counts, ("Left out val/",)
    )

    photos = files(*(f"images/{n}.png" for n in "abcdef"))
    said = {
        "labels.csv": lines(
            "image,label",
            "a.png,cat",
            "b.png,cat",
            "c.png,dog",
            "d.png,dog",
            "e.png,cat",
            "f.png,dog",
        ),
        "train_list.txt": lines(*(f"{n}.png" for n in "abcd")),
        "test_list.txt": lines("e.png", "f.png"),
    }
    yield Instance(
        "L12", "classes in a table", with_texts(photos, said), SIDES, ("labels.csv", "lists")
    )


def tables() -> Iterator[Instance]:
    photos = files("cam0/x1.png", "cam0/x2.png", "cam1/x1.png", "cam1/x2.png")
    rows = lines(
        "File,RelativePath,Species",
        "x1.png,cam0,cat",
        "x2.png,cam0,cat",
        "x1.png,cam1,dog",
        "x2.png,cam1,dog",
    )
    yield Instance(
        "L07",
        "names of numbered folders",
        with_texts(photos, {"t.csv": rows}),
        TWO,
        ("RelativePath",),
    )
    mixed = lines(
        "File,RelativePath,Species",
        "x1.png,cam0,cat",
        "x2.png,cam0,dog",
        "x1.png,cam1,cat",
        "x2.png,cam1,dog",
    )
    yield Instance(
        "L07",
        "other classes than folders",
        with_texts(photos, {"t.csv": mixed}),
        None,
        ("differ", "--layout classes"),
    )
    yield Instance("L07", "a column of folders", with_texts(photos, {"t.csv": mixed}, "t.csv"), TWO)

    folders = tree({"one": 2, "two": 2})
    doubt = lines(
        "file path,side,finding site",
        "one/0.png,L,x",
        "one/1.png,R,y",
        "two/0.png,L,y",
        "two/1.png,R,x",
    )
    yield Instance(
        "L07",
        "columns in doubt",
        with_texts(folders, {"t.csv": doubt}),
        None,
        ("side, finding site", "--layout classes", "--label-column side"),
    )
    sure = lines(
        "file path,side,where", "one/0.png,L,a", "one/1.png,R,a", "two/0.png,L,b", "two/1.png,R,b"
    )
    yield Instance(
        "L07",
        "a column that agrees",
        with_texts(folders, {"t.csv": sure}),
        {"": {"one": 2, "two": 2}},
    )

    photos = files(*NAMES)
    train = lines("id,class", "a1,cat", "a2,cat", "b1,dog", "b2,dog")
    guess = lines("id,class", "a1,dog", "a2,dog", "b1,dog", "b2,dog")
    for name in ("sample_submission.csv", "sampleSubmission.csv", "submission_format.csv"):
        made = with_texts(photos, {"train.csv": train, name: guess})
        yield Instance("L07", name, made, TWO, ("train.csv",))
    constant = lines("file,class,genus", *(f"{name},Aves,{label}" for name, label in PAIRS))
    yield Instance(
        "L07", "a constant class", with_texts(photos, {"t.csv": constant}), TWO, ("genus",)
    )
    empty = lines("file,diagnosis,sort", *(f"{name},,{label}" for name, label in PAIRS))
    yield Instance(
        "L07",
        "an empty class",
        with_texts(photos, {"t.csv": empty}, "t.csv"),
        None,
        ("is empty", "--label-column"),
    )
    far = {
        "tables/all/t.csv": lines("file,class", *(f"{Path(n).name},{label}" for n, label in PAIRS))
    }
    yield Instance(
        "L07", "a table in a folder of its own", with_texts(photos, far), TWO, ("t.csv",)
    )
    pixels = lines("emotion,pixels,Usage", "0,70 80 90,Training", "1,1 2 3,PublicTest")
    yield Instance(
        "L07",
        "pixels",
        with_texts(files(), {"fer.csv": pixels}),
        None,
        ("pixels", "save each image"),
    )
    yield Instance(
        "L07",
        "pixels in a table",
        with_texts(files(), {"fer.csv": pixels}, "fer.csv"),
        None,
        ("pixels", "Pillow"),
    )
    tags = lines(
        "file,tags",
        *(
            f"{n},{t}"
            for n, t in zip(NAMES, ("haze road", "clear road", "clear", "haze sea"), strict=True)
        ),
    )
    yield Instance(
        "L07",
        "tags with spaces",
        with_texts(photos, {"t.csv": tags}),
        None,
        ("'haze road'", "--task multi-label"),
    )


def exports() -> Iterator[Instance]:
    base = [Path(name).name for name in NAMES]
    numbers = list(enumerate(zip(base, LABELS, strict=True)))
    kinds: dict[str, Any] = {
        "COCO": {
            "images": [{"id": n, "file_name": name} for n, (name, _) in numbers],
            "annotations": [
                {"image_id": n, "category_id": LABELS.index(c)} for n, (_, c) in numbers
            ],
            "categories": [{"id": LABELS.index(c), "name": c} for c in ("cat", "dog")],
        },
        "Datumaro": {
            "categories": {"label": {"labels": [{"name": "cat"}, {"name": "dog"}]}},
            "items": [
                {"id": name[:-4], "annotations": [{"label_id": n // 2}]} for n, (name, _) in numbers
            ],
        },
        "FiftyOne": {
            "classes": ["cat", "dog"],
            "labels": {name[:-4]: n // 2 for n, (name, _) in numbers},
        },
        "Label Studio": [
            {
                "data": {"image": f"/data/upload/1/{name}"},
                "annotations": [{"result": [{"value": {"choices": [c]}}]}],
            }
            for name, c in zip(base, LABELS, strict=True)
        ],
        "VIA": {
            name: {"filename": name, "regions": [], "file_attributes": {"class": c}}
            for name, c in zip(base, LABELS, strict=True)
        },
        "Create ML": [
            {"image": name, "annotations": [{"label": c, "coordinates": {}}]}
            for name, c in zip(base, LABELS, strict=True)
        ],
    }
    for tool, value in kinds.items():
        made = with_texts(files(*NAMES), {"annotations/all.json": value})
        yield Instance("L09", tool, made, TWO, (f"of {tool}",))
    several = {
        "COCO": kinds["COCO"]
        | {"annotations": [{"image_id": 0, "category_id": n} for n in (0, 2)]},
        "Create ML": [{"image": "a1.png", "annotations": [{"label": "cat"}, {"label": "dog"}]}],
    }
    for tool, value in several.items():
        made = with_texts(files(*NAMES), {"annotations/all.json": value})
        yield Instance(
            "L09", f"{tool}, several", made, None, (f"export of {tool}", "cut these out")
        )
    plain = {
        "lists of splits": {
            s: [[n, LABELS.index(c), c] for n, c in PAIRS[k::2]]
            for k, s in enumerate(("train", "test"))
        },
        "lists of classes": {c: [n for n, label in PAIRS if label == c] for c in ("cat", "dog")},
    }
    half = {"train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}}
    for (name, value), counts in zip(plain.items(), (half, TWO), strict=True):
        yield Instance("L09", name, with_texts(files(*NAMES), {"x.json": value}), counts)
    manifest = lines(
        *(
            json.dumps({"source-ref": f"s3://b/{n}", "x": 0, "x-metadata": {"class-name": c}})
            for n, c in PAIRS
        )
    )
    yield Instance(
        "L09", "SageMaker", with_texts(files(*NAMES), {"o.manifest": manifest}), TWO, ("SageMaker",)
    )
    sides = ("training", "testing", "training", "testing")
    info = {
        "files": [
            {"path": n, "category": s, "label": {"label": c}}
            for (n, c), s in zip(PAIRS, sides, strict=True)
        ]
    }
    yield Instance("L09", "Edge Impulse", with_texts(files(*NAMES), {"info.labels": info}), half)
    image = '<image name="{}"><tag label="{}"/></image>'
    cvat = f"<annotations>{''.join(image.format(n, c) for n, c in PAIRS)}</annotations>"
    yield Instance(
        "L09", "CVAT", with_texts(files(*NAMES), {"annotations.xml": cvat}), TWO, ("of CVAT",)
    )
    bomb = f'<!DOCTYPE x [<!ENTITY a "b">]>{cvat}'
    yield Instance(
        "L09",
        "CVAT with entities",
        with_texts(files(*NAMES), {"annotations.xml": bomb}),
        None,
        ("no classes",),
    )


def sidecars() -> Iterator[Instance]:
    voc = "<annotation>{}</annotation>"
    thing = "<object><name>{}</name></object>"
    kinds = {
        "labelme": (
            ".json",
            lambda names: {"shapes": [{"label": name} for name in names], "flags": {}},
        ),
        "Pascal VOC": (".xml", lambda names: voc.format("".join(map(thing.format, names)))),
        "YOLO": (
            ".txt",
            lambda names: lines(*(f"{LABELS.index(name) // 2} 0.5 0.5 0.1 0.1" for name in names)),
        ),
    }
    for tool, (suffix, write) in kinds.items():
        for where in ("images", "labels"):
            texts = {f"{where}/{Path(n).stem}{suffix}": write([c, c]) for n, c in PAIRS}
            texts["data.yaml"] = "names: ['cat', 'dog']\n"
            made = with_texts(files(*NAMES), texts)
            yield Instance("L09", f"{tool} in {where}", made, TWO, (tool, "one class in each"))
        texts = {f"images/{Path(n).stem}{suffix}": write(["cat", "dog"]) for n, _ in PAIRS}
        texts["data.yaml"] = "names:\n  0: cat\n  1: dog\n"
        words = (tool, "for detection", "'cat' and 'dog'", "one image for each box")
        yield Instance("L09", f"{tool}, several", with_texts(files(*NAMES), texts), None, words)
    photos = files(*(f"{s}/images/{n}.png" for s in ("train", "valid") for n in (1, 2)))
    texts = {
        f"{s}/labels/{n}.txt": f"{n - 1} 0.5 0.5 0.1 0.1\n"
        for s in ("train", "valid")
        for n in (1, 2)
    }
    texts["data.yaml"] = "names:\n- cat\n- dog\n"
    one = {"train": {"cat": 1, "dog": 1}, "val": {"cat": 1, "dog": 1}}
    yield Instance("L09", "YOLO in splits", with_texts(photos, texts), one)
    for names in (
        "\n  1: dog\n  0: cat\nnc: 2",
        " {1: dog, 0: 'cat'}",
        "\n  10: cow\n  1: dog\n  0: cat",
    ):
        own = texts | {"data.yaml": f"path: .\nnames:{names}\n"}
        yield Instance("L09", f"YOLO names {names!r}", with_texts(photos, own), one)


def twice(inner: str, outer: Mapping[str, int], inside: Mapping[str, int]) -> Make:
    """Return a maker of folders of pictures of which those of the same path are the same."""

    def make(root: Path) -> Path:
        pictures: dict[str, bytes] = {}
        for start, counts in (("", outer), (f"{inner}/", inside)):
            for name, number in counts.items():
                for n in range(number):
                    path = root / f"{start}{name}/{n}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(pictures.setdefault(f"{name}/{n}", png()))
        return root

    return make


def folders() -> Iterator[Instance]:
    two = {"cat": 2, "dog": 2}
    yield Instance("L03", "twice", twice("set", two, two), TWO, ("Left out set/", "same names"))
    yield Instance(
        "L03", "twice, part", twice("set", two, {"cat": 1, "dog": 2}), TWO, ("Left out set/",)
    )
    more = {"": {"bird": 2, "cat": 2, "dog": 2}}
    yield Instance(
        "L03", "more within", twice("set", two, two | {"bird": 2}), more, ("Left out cat/, dog/",)
    )
    other = tree({"cat": 2, "dog": 2, "set/cat": 3, "set/dog": 3})
    yield Instance(
        "L03", "others within", other, None, ("set/ alone", "as DATA", "--layout classes")
    )
    patients = twice(
        "all", {"p1/cat": 2, "p1/dog": 2, "p2/cat": 2, "p2/dog": 2}, {"p1/cat": 2, "p1/dog": 2}
    )
    yield Instance(
        "L03", "twice, by patient", patients, {"": {"cat": 4, "dog": 4}}, (), {"class_level": 2}
    )

    for names in (["100APPLE", "101APPLE"], ["100CANON", "101_0203", "CANONMSC"], ["102ND750"]):
        made = tree({f"DCIM/{name}": 3 for name in names})
        words = (
            ("--layout classes",) if len(names) == 1 else ("named by a camera", "--layout classes")
        )
        yield Instance("L05", f"camera {names}", made, None, words)
    dates = tree({"2024-05-01": 3, "2024-05-02": 3})
    yield Instance("L05", "dates", dates, None, ("named by dates", "--layout classes"))
    yield Instance(
        "L05",
        "dates, answered",
        dates,
        {"": {"2024-05-01": 3, "2024-05-02": 3}},
        (),
        {"layout": "classes"},
    )
    patients = tree({"train/patient01": 3, "train/patient02": 3})
    yield Instance("L05", "patients", patients, None, ("named by patients", "a table"))
    alone = tree({"dataset/cat": 3, "dataset/dog": 3, "docs": 2})
    yield Instance("L03", "docs beside", alone, None, ("dataset/ alone, cat 3, dog 3", "as DATA"))
    sizes = tree(
        {
            "small/cat": 3,
            "small/dog": 3,
            "big/big/train/cat": 3,
            "big/big/test/cat": 2,
            "big/big/train/dog": 3,
            "big/big/test/dog": 2,
        }
    )
    yield Instance("L03", "splits beside", sizes, None, ("big/ alone, train: cat 3", "as DATA"))
    within = tree({"train/cat": 3, "train/dog": 3, "train/val/cat": 1, "train/val/dog": 1})
    words = ("train/val/ lies among the classes", "move it beside")
    yield Instance("L01", "a split within a split", within, None, words)
    for name in ("default", "obj_train_data", "images"):
        yield Instance("L06", f"{name} alone", tree({name: 3}), None, ("no classes",))
    inside = tree({"train/images": 3, "valid/images": 2})
    yield Instance("L06", "images in splits", inside, None, ("no classes",))
    levels = tree({"b/bar": 2, "b/bakery": 2, "a/abbey": 2, "a/arch": 2})
    yield Instance(
        "L05",
        "names of two levels",
        levels,
        {"": {"a": 4, "b": 4}},
        ("--class-level 2 (abbey, arch",),
    )
    deep = tree({"x/y/z": 2, "u/v/w": 2})
    yield Instance("L05", "three levels", deep, {"": {"u": 2, "x": 2}}, ("--class-level 3 (w, z)",))

    marks = tree(
        {"train/src/TS_cat": 3, "train/src/TS_dog": 3, "val/src/VS_cat": 2, "val/src/VS_dog": 2}
    )
    shown = {"train": {"cat": 3, "dog": 3}, "val": {"cat": 2, "dog": 2}}
    yield Instance("L01", "marks of splits", marks, shown, ("train/TS_cat",))
    words = tree({"train/train_cat": 3, "train/train_dog": 3, "val/val_cat": 2, "val/val_dog": 2})
    yield Instance("L01", "words of splits", words, shown, ("train/train_cat",))
    kinds = tree({"train/red_cat": 3, "train/red_dog": 3, "val/tan_cat": 2, "val/tan_dog": 2})
    yield Instance("L01", "no marks of splits", kinds, None, ("differ in their classes",))
    for ours, theirs in (
        ("Cat", "cat"),
        ("red_fox", "red fox"),
        ("dog", "dogs"),
        ("daisy", "dasiy"),
    ):
        made = tree({f"train/{ours}": 2, "train/owl": 2, f"val/{theirs}": 2, "val/owl": 2})
        words = (f"{min(ours, theirs)} and {max(ours, theirs)}", "rename one")
        yield Instance("L01", f"{ours} and {theirs}", made, None, words)


KINDS = (lists, tables, exports, sidecars, folders)
INSTANCES = [instance for kind in KINDS for instance in kind()]


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param(each, marks=pytest.mark.case(each.case), id=f"{each.case}-{each.name}")
        for each in INSTANCES
    ],
)
def test_read_right_or_refused_with_the_way_out(instance: Instance, tmp_path: Path) -> None:
    check_reading(instance, tmp_path / "x")


@pytest.mark.parametrize(("one", "other"), [("class_1", "class_2"), ("cat", "dog"), ("ab", "abs")])
def test_other_names_are_no_slips(one: str, other: str, tmp_path: Path) -> None:
    tree({f"train/{one}": 2, "train/owl": 2, f"val/{other}": 2, "val/owl": 2})(tmp_path)
    with pytest.raises(DataError, match="differ in their classes") as error, silenced():
        ImageFolder.index(tmp_path)
    assert "rename one" not in str(error.value)


DATA_FILES: Sequence[tuple[str, bytes, str]] = [
    ("imagelabels.mat", b"MATLAB 5.0", "scipy.io.loadmat"),
    ("x.npz", b"PK\3\4", "numpy.load"),
    ("x.h5", b"\x89HDF", "h5py"),
    ("ld_train00.tfrec", b"\x10\0", "tf.data.TFRecordDataset"),
    ("set-train.tfrecord-00000-of-00001", b"\x10\0", "tfds:NAME"),
    ("cifar-10-batches-py/data_batch_1", b"\x80\x02}", "keras:cifar10"),
    ("cifar-100-python/train", b"\x80\x02}", "keras:cifar100"),
    ("train-images-idx3-ubyte.gz", b"\x1f\x8b", "keras:mnist"),
    ("train.pkl", b"\x80\x04]", "can run code"),
    ("training.pt", b"PK\3\4", "PyTorch"),
    ("data-00000-of-00001.arrow", b"\xff\xff", "to_parquet"),
    ("data.mdb", b"\0", "LMDB"),
    ("cat/1.pdf", b"%PDF", "pdftoppm"),
]


@pytest.mark.parametrize(("name", "data", "words"), DATA_FILES)
@pytest.mark.parametrize("photos", [False, True])
def test_data_files_are_named_with_the_way_out(
    name: str, data: bytes, words: str, photos: bool, tmp_path: Path
) -> None:
    if photos:
        put(tmp_path, [f"jpg/image_{n}.png" for n in range(3)])
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with pytest.raises(DataError) as error, silenced():
        ImageFolder.index(tmp_path)
    assert words in str(error.value)
    assert name in str(error.value)


def test_hidden_class_folders_are_told(tmp_path: Path) -> None:
    tree({".net": 3, "java": 3, "python": 3, ".ipynb_checkpoints": 2, ".git": 1})(tmp_path)
    with silenced():
        index = ImageFolder.index(tmp_path)
    assert index.classes == ("java", "python")
    left = index.unexpected()
    assert [path for path, _ in left] == [".net/0.png", ".net/1.png", ".net/2.png"]
    assert all("rename it if it is a class" in reason for _, reason in left)
