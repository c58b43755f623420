"""Layouts of labelled photos: each is read right, or refused with the way out; none is misread."""

from __future__ import annotations

import json
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from layouts import (
    Instance,
    check_reading,
    excel,
    files,
    folders,
    parquet,
    png,
    shards,
    splits,
    table,
    tree,
    zips,
)

TWO = {"": {"cat": 2, "dog": 2}}
THREE = {s: {"cat": n, "dog": n} for s, n in (("train", 3), ("val", 2), ("test", 1))}
TRAIN_TEST = {"train": {"cat": 3, "dog": 3}, "test": {"cat": 2, "dog": 2}}
TRAIN_VAL = {"train": {"cat": 3, "dog": 3}, "val": {"cat": 2, "dog": 2}}
NAMES = ("images/a1.png", "images/a2.png", "images/b1.png", "images/b2.png")
LABELS = ("cat", "cat", "dog", "dog")
PAIRS = list(zip(NAMES, LABELS, strict=True))


def split_words() -> Iterator[Instance]:
    three = ["train val test", "Train Val Test", "TRAIN VAL TEST", "training validation testing"]
    three += ["Training Validation Testing", "train dev test", "train valid test"]
    three += ["train_set val_set test_set", "train-images val-images test-images"]
    three += ["train2017 val2017 test2017", "01_train 02_val 03_test", "trainset valset testset"]
    three += ["images_train images_val images_test", "flowers_train flowers_valid flowers_test"]
    three += ["TrainingData ValidationData TestData", "TrainSet DevSet TestSet"]
    three += ["1-train 2-validation 3-test", "train_data valid_data test_data"]
    three += ["dogs_Training_v2 dogs_Validation_v2 dogs_Test_v2", "train.1 val.1 test.1"]
    for words in three:
        yield Instance("L01", words, splits(words.split()), THREE)
    two = ["training_set test_set", "seg_train seg_test", "Training Testing", "train holdout"]
    two += ["train_images test_images", "trainval test", "training test", "Train_Data Test_Data"]
    two += ["intel_train intel_test", "TRAIN2020 TEST2020", "train_val test"]
    for words in two:
        yield Instance("L01", words, splits(words.split()), TRAIN_TEST)
    for words in ("train eval", "train validation", "train dev", "training_set validation_set"):
        yield Instance("L01", words, splits(words.split()), TRAIN_VAL)
    for inside in ("images/", "train/"):
        yield Instance("L01", f"inside {inside}", splits(["train", "test"], inside), TRAIN_TEST)
    yield Instance(
        "L01", "each in itself",
        tree({f"{s}/{s}/{c}": n for s, n in (("seg_train", 3), ("seg_test", 2))
              for c in ("cat", "dog")} | {"seg_pred/seg_pred": 4}),
        TRAIN_TEST, ("Left out seg_pred/",),
    )  # fmt: skip
    yield Instance("L01", "wrapped", splits(["train", "test"], outside="set/v1/"), TRAIN_TEST)
    yield Instance(
        "L01", "wrapped in a name with test",
        splits(["train", "test"], outside="my_test_images/"), TRAIN_TEST,
    )  # fmt: skip


def split_questions() -> Iterator[Instance]:
    both = ("--layout classes", "--class-level 2")
    for name, tops in (("sites", "north south"), ("folds", "fold1 fold2"), ("parts", "a b c")):
        yield Instance("L01", name, splits(tops.split()), None, both)
    yield Instance("L01", "train and unseen", splits(["train", "unseen"]), None, both)
    yield Instance(
        "L01", "domains with images/ inside",
        tree({f"{d}/images/{c}": 2 for d in ("amazon", "dslr") for c in ("cat", "dog")}),
        None, ("--class-level 3", "--layout classes"),
    )  # fmt: skip
    yield Instance(
        "L01", "level 2 of sites", splits(["north", "south"]),
        {"": {"cat": 5, "dog": 5}}, ("whatever they lie in",), {"class_level": 2},
    )  # fmt: skip
    yield Instance(
        "L01", "level 2 of splits", splits(["train", "test"]), TRAIN_TEST, (), {"class_level": 2}
    )
    yield Instance(
        "L01", "sites as classes", splits(["north", "south"]),
        {"": {"north": 6, "south": 4}}, (), {"layout": "classes"},
    )  # fmt: skip
    flat = tree({"training": 4, "testing": 3})
    yield Instance("L01", "flat splits", flat, None, ("--layout classes",))
    yield Instance(
        "L01", "flat splits as classes", flat,
        {"": {"testing": 3, "training": 4}}, (), {"layout": "classes"},
    )  # fmt: skip
    yield Instance("L01", "test beside classes", folders(cat=3, dog=3, test=3), None,
                   ("--layout classes", "test/"))  # fmt: skip
    yield Instance("L01", "trains", folders(train=3, car=3), {"": {"car": 3, "train": 3}})
    yield Instance("L01", "stations and tubes", tree({"train_station": 3, "test_tube": 3}), None,
                   ("--layout classes",))  # fmt: skip
    yield Instance("L01", "two of one split", splits(["train", "training", "test"]), None,
                   ("all mean the train split",))  # fmt: skip
    yield Instance(
        "L01", "classes called train and test, asked for",
        tree({"train/diesel": 2, "train/steam": 2, "test/tube": 2}),
        {"": {"test": 2, "train": 4}}, (), {"layout": "classes"},
    )  # fmt: skip
    yield Instance("L01", "classes differ", tree({"train/cat": 2, "train/dog": 2, "val/cat": 2,
                                                  "val/cow": 2}), None,
                   ("differ in their classes", "--allow-empty"))  # fmt: skip


def levels_around_splits() -> Iterator[Instance]:
    ends = ("train/cat", "train/dog", "val/cat", "val/dog")
    for name, tops in (("folds", "fold0 fold1"), ("views", "front side")):
        made = tree({f"{top}/{end}": 2 for top in tops.split() for end in ends})
        yield Instance("L04", f"splits in {name}", made, None,
                       ("--class-level 3", "--layout splits"))  # fmt: skip
    yield Instance("L04", "splits in folds, answered", made,
                   {"train": {"cat": 4, "dog": 4}, "val": {"cat": 4, "dog": 4}}, (),
                   {"class_level": 3})  # fmt: skip
    sides = {f"{side}/{name}": 2 for side in ("train", "validatie", "test") for name in ("a", "b")}
    yield Instance("L01", "a split in another word", tree(sides), None,
                   ("validatie/", "rename it", "--layout splits"))  # fmt: skip
    korean = {f"{side}/{name}": 2 for side in ("학습", "시험") for name in ("장미", "튤립")}
    counts = {"장미": 2, "튤립": 2}
    yield Instance("L01", "Korean", tree(korean), {"train": counts, "test": counts})


def partly_labelled() -> Iterator[Instance]:
    train = {"train/cat": 3, "train/dog": 3}
    only = {"train": {"cat": 3, "dog": 3}}
    said = ("Left out",)
    for name, more in (("test", {"test": 4}), ("test/images", {"test/images": 4}),
                       ("test/unknown", {"test/unknown": 4}), ("test1", {"test1": 5}),
                       ("testing", {"testing": 5}), ("val flat", {"val": 3})):  # fmt: skip
        yield Instance("L02", name, tree(train | more), only, said)
    val = {"val/cat": 2, "val/dog": 2}
    yield Instance("L02", "val, flat test", tree(train | val | {"test": 4}), TRAIN_VAL, said)
    yield Instance("L02", "extra folder", tree(train | val | {"extra": 4}), TRAIN_VAL, said)
    yield Instance("L02", "unlabeled beside train", tree(train | {"unlabeled": 4}), None,
                   ("--layout splits", "--layout classes"))  # fmt: skip
    yield Instance("L02", "unlabeled, answered", tree(train | {"unlabeled": 4}), only, said,
                   {"layout": "splits"})  # fmt: skip


def wrapped() -> Iterator[Instance]:
    for name, inside in (("one", "flowers"), ("two", "set/flowers"), ("three", "a/b/c"),
                         ("photos", "photos"), ("images", "images")):  # fmt: skip
        make = tree({f"{inside}/cat": 2, f"{inside}/dog": 2}, "README.md", f"{inside}/LICENSE.txt")
        yield Instance("L03", name, make, TWO)
    docs = tree({"photos/cat": 2, "photos/dog": 2}, "docs/paper.pdf", "code/x.py", "licence")
    yield Instance("L03", "documents beside", docs, TWO)
    docs = tree({"cat": 2, "dog": 2}, "docs/paper.pdf", "notes/x.txt")
    yield Instance("L03", "documents beside classes", docs, TWO)
    empty = tree({"cat": 2, "dog": 2, "cow": 0})
    yield Instance("L03", "an empty class", empty, None, ("cow", "holds no image"))

    def odd(root: Path) -> Path:
        made = tree({"cat": 2, "dog": 2}, "cow/1.svg")(root)
        (root / "cow" / "1.svg").write_text("<svg/>")  # content counts, not the suffix
        return made

    yield Instance("L03", "a class that cannot be read", odd, None, ("cow", "holds no image"))
    film = tree({"cat": 2, "dog": 2}, "cow/1.mp4")
    yield Instance("L03", "a class of films", film, TWO, ("no images: cow/",))


def divided_classes() -> Iterator[Instance]:
    for words in ("train val test", "Training Validation Testing", "train2 val2 test2"):
        sizes = zip(words.split(), (3, 2, 1), strict=True)
        counts = {f"{c}/{word}": n for word, n in sizes for c in ("cat", "dog")}
        yield Instance("L04", words, tree(counts), THREE)
    counts = {f"{c}/{word}": n for word, n in (("train", 3), ("test", 2)) for c in ("cat", "dog")}
    yield Instance("L04", "wrapped", tree({f"set/{k}": n for k, n in counts.items()}), TRAIN_TEST)
    yield Instance("L04", "some only", tree(counts | {"cow": 4}), None,
                   ("--layout classes", "Only some"))  # fmt: skip
    yield Instance("L04", "as classes", tree(counts), {"": {"cat": 5, "dog": 5}}, (),
                   {"layout": "classes"})  # fmt: skip


def nested() -> Iterator[Instance]:
    said = ("--group-by folder", "--class-level 2")
    same = {f"{c}/patient{n}": 2 for c in ("cat", "dog") for n in (1, 2)}
    yield Instance("L05", "patients", tree(same), {"": {"cat": 4, "dog": 4}}, said)
    own = {"cat/p1": 2, "cat/p2": 2, "dog/p3": 2, "dog/p4": 2}
    yield Instance("L05", "patients of their own", tree(own), {"": {"cat": 4, "dog": 4}}, said)
    numbers = {f"{c}/{n:03d}": 1 for c in ("cat", "dog") for n in range(4)}
    yield Instance("L05", "numbers", tree(numbers), {"": {"cat": 4, "dog": 4}}, said)
    kinds = {"animal/cat": 2, "animal/dog": 2, "vehicle/car": 2, "vehicle/bus": 2}
    yield Instance("L05", "kinds", tree(kinds), {"": {"animal": 4, "vehicle": 4}}, said)
    four = {"": dict.fromkeys(("bus", "car", "cat", "dog"), 2)}
    yield Instance("L05", "kinds, level 2", tree(kinds), four, (), {"class_level": 2})
    train = {f"{s}/{k}": n for s in ("train", "test") for k, n in kinds.items()}
    counts = {s: {"animal": 4, "vehicle": 4} for s in ("train", "test")}
    yield Instance("L05", "kinds in splits", tree(train), counts, ("--class-level 3",))
    counts = dict.fromkeys(("train", "test"), four[""])
    yield Instance("L05", "kinds in splits, level 3", tree(train), counts, (), {"class_level": 3})
    yield Instance("L05", "images inside", tree({"cat/images": 2, "dog/images": 2}), TWO)
    yield Instance("L05", "too deep a level", tree(kinds), None, ("--class-level",),
                   {"class_level": 5})  # fmt: skip


def in_file_names() -> Iterator[Instance]:
    counts = {"": {"cat": 3, "dog": 3}}
    for shape in ("{}.{}.png", "{}_{}.png", "{}{}.png", "{}-{}.png", "{} {}.png", "{}_00{}.png",
                  "{} ({}).png", "{}_{}_full.png"):  # fmt: skip
        names = [shape.format(c, n) for c in ("cat", "dog") for n in range(3)]
        yield Instance("L06", shape, files(*names), None, ("--label-regex", "cat 3, dog 3"))
        for within in ("images", "data/images", "cats_and_dogs"):
            inside = files(*(f"{within}/{name}" for name in names))
            if within != "data/images":
                yield Instance("L06", f"{within} {shape}", inside, None,
                               ("--label-regex", "cat 3, dog 3"))  # fmt: skip
    names = [f"{c}.{n}.png" for c in ("cat", "dog") for n in range(3)]
    read = {"label_regex": r"([^/]+)\.\d+\.png$"}
    yield Instance("L06", "asked", files(*names), counts, ("by a regular expression",), read)
    both = [f"train/{n}" for n in names] + [f"test/{n}" for n in names]
    yield Instance("L06", "in splits", files(*both), None, ("--label-regex", "cat 6, dog 6"))
    yield Instance("L06", "in splits, asked", files(*both),
                   {"train": counts[""], "test": counts[""]}, (), read)  # fmt: skip
    yield Instance("L06", "some do not match", files(*names, "x.png"), counts,
                   ("Left out 1 image(s)",), read)  # fmt: skip
    yield Instance("L06", "none matches", files(*names), None, ("finds no class",),
                   {"label_regex": r"(\d{9})"})  # fmt: skip
    yield Instance("L06", "no class in the names", files(*(f"IMG_{n}.png" for n in range(9))),
                   None, ("DATA/cats/1.jpg",))  # fmt: skip
    pets = [f"images/{c}_{n}.png" for c in ("Abyssinian", "pug") for n in range(3)]
    masks = [name.replace("images", "annotations/trimaps") for name in pets]
    yield Instance("L06", "pets with masks", files(*pets, *masks), None,
                   ("--label-regex", "Abyssinian 3, pug 3"))  # fmt: skip
    yield Instance("L06", "flat without a regex", folders(cat=2, dog=2), None, ("--label-regex",),
                   {"layout": "flat"})  # fmt: skip


def beside_photos() -> Iterator[Instance]:
    classes = ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    for name, extra in (
        ("@eaDir", ["cat/@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "@eaDir/x.png"]),
        ("x_mask", ["cat/1_mask.png", "cat/1_mask_1.png", "dog/2_mask.png"]),
        ("x_segmentation", ["cat/1_segmentation.png", "dog/1_seg.png"]),
        ("thumbs", ["cat/thumbs/1.png", "dog/thumbs/2.png"]),
        ("x-thumb", ["cat/1-thumb.png", "dog/1-thumb.png"]),
    ):
        yield Instance("L06", name, files(*classes, *extra), TWO)
    covid = [f"{c}/{part}/{n}.png" for c in ("cat", "dog") for part in ("images", "masks")
             for n in (1, 2)]  # fmt: skip
    yield Instance("L06", "masks in classes", files(*covid), TWO)
    whole = [f"images/{name}" for name in classes] + [f"masks/{name}" for name in classes]
    yield Instance("L06", "masks of classes", files(*whole), TWO)


def tables() -> Iterator[Instance]:
    columns = [
        "path label",
        "file_name label",
        "filename class",
        "image_path category",
        "Image Class",
    ]
    columns += ["FILE Label", "image target", "filepath species", "img breed", "photo choice"]
    columns += ["Image_ID diagnosis", "image_name dx", "img_path class_name", "Filename Labels"]
    columns += ["image variety", "path y", "File Path|Label", "images type", "thing other"]
    for names in columns:
        head = names.split("|") if "|" in names else names.split()
        yield Instance("L07", names, table("labels.csv", [head, *PAIRS], NAMES), TWO)
    head = ["path", "label"]
    for name, mark in (("semicolon", ";"), ("tab", "\t"), ("bar", "|")):
        yield Instance("L07", name, table("a.csv", [head, *PAIRS], NAMES, separator=mark), TWO)
    for code in ("utf-8-sig", "utf-16", "utf-16-le"):
        made = table("a.csv", [head, *PAIRS], NAMES, encoding=code)
        words = () if code != "utf-16-le" else ("a.csv",)
        yield Instance("L07", code, made, TWO if code != "utf-16-le" else None, words)
    stems = [(Path(name).stem, label) for name, label in PAIRS]
    yield Instance("L07", "ids", table("labels.csv", [["id", "breed"], *stems], NAMES), TWO)
    yield Instance(
        "L07", "ids, folder", table("labels.csv", [["id", "breed"], *stems], NAMES, True), TWO
    )
    bare = [(Path(name).name, label) for name, label in PAIRS]
    yield Instance("L07", "folder beside", table("a.csv", [head, *bare], NAMES), TWO)
    yield Instance("L07", "no header", table("a.csv", PAIRS, NAMES), TWO, ("no header",))
    yield Instance("L07", "no header, bare", table("a.csv", bare, NAMES), TWO, ("no header",))
    yield Instance("L07", "no header, text", table("list.txt", PAIRS, NAMES, separator=" "), TWO)
    back = [(name.replace("/", "\\"), label) for name, label in PAIRS]
    yield Instance("L07", "backslashes", table("a.csv", [head, *back], NAMES), TWO)
    far = [(f"/home/me/set/{name}", label) for name, label in PAIRS]
    yield Instance("L07", "paths of another machine", table("a.csv", [head, *far], NAMES), TWO)
    win = [(f"C:\\set\\{name}".replace("/", "\\"), label) for name, label in PAIRS]
    yield Instance("L07", "paths of Windows", table("a.csv", [head, *win], NAMES), TWO)
    yield Instance("L07", "Excel", excel([head, *PAIRS], NAMES), TWO)
    yield Instance("L07", "in the folder", table("labels.csv", [head, *PAIRS], NAMES, True), TWO)
    numbered = [(name, n // 2, label) for n, (name, label) in enumerate(PAIRS)]
    numbered = [["path", "label", "class_name"], *numbered]
    yield Instance("L07", "number and name", table("a.csv", numbered, NAMES), TWO)
    two = [(name, label, n % 2) for n, (name, label) in enumerate(PAIRS)]
    made = table("a.csv", [["path", "label", "category"], *two], NAMES)
    yield Instance("L07", "two labels", made, None, ("--label-column", "label, category"))
    yield Instance("L07", "two labels, answered", made, {"": {"0": 2, "1": 2}}, (),
                   {"label_column": "category"})  # fmt: skip
    yield Instance("L07", "a column that is not there", table("a.csv", [head, *PAIRS], NAMES), None,
                   ("has no column 'lable'", "label"), {"label_column": "lable"})  # fmt: skip
    yield Instance("L07", "which column", table("a.csv", [["path", "p", "q"], *two], NAMES), None,
                   ("--label-column",))  # fmt: skip
    seconds = ("", "", "bird", "bird")
    rows = [(*pair, second) for pair, second in zip(PAIRS, seconds, strict=True)]
    made = table("a.csv", [("file", "label1", "label_2"), *rows], NAMES)
    yield Instance("L07", "numbered labels", made, None,
                   ("label1, label_2", "several labels", "--label-column label1"))  # fmt: skip
    yield Instance("L07", "numbered labels, answered", made, TWO, (), {"label_column": "label1"})
    made = table("a.csv", [("file", "label1", "label2"), *((*pair, "") for pair in PAIRS)], NAMES)
    yield Instance("L07", "numbered labels, one empty", made, TWO)
    for second in (("dog", "", "", ""), ("bird", "bird", "cow", "")):
        rows = [("UNASSIGNED", f"gs://b/{name}", label, more)
                for (name, label), more in zip(PAIRS, second, strict=True)]  # fmt: skip
        yield Instance("L07", f"no header, labels in two columns: {second}",
                       table("a.csv", rows, NAMES), None,
                       ("several columns of labels: 3, 4", "--label-column 3"))  # fmt: skip
    sides = [("path", "y1", "y2", "type", "type2"),
             *((name, n, -n % 3, each, each) for n, (name, each) in enumerate(PAIRS))]  # fmt: skip
    yield Instance("L07", "numbers that are no labels", table("a.csv", sides, NAMES), TWO)
    levels = [("path", "level1", "level2", "label"),
              *((name, n % 2, n, label) for n, (name, label) in enumerate(PAIRS))]  # fmt: skip
    yield Instance("L07", "a label beside levels", table("a.csv", levels, NAMES), TWO)
    bare = [("path", "label", "label2"), *((*pair, n % 2) for n, pair in enumerate(PAIRS))]
    yield Instance("L07", "label and label2", table("a.csv", bare, NAMES), None,
                   ("label, label2", "several labels"))  # fmt: skip
    boxes = [("UNASSIGNED", *pair, 0.5, n) for n, pair in enumerate(PAIRS)]
    yield Instance("L07", "no header, numbers beside", table("a.csv", boxes, NAMES), TWO)
    for text in ("cat|dog", "cat;dog", '"cat,dog"'):
        rows = [head, *PAIRS, ("images/a3.png", text)]
        yield Instance("L07", f"several: {text}", table("a.csv", rows, [*NAMES, "images/a3.png"]),
                       None, ("several labels", "line 6"))  # fmt: skip
    same = ("train/1.png", "train/2.png", "test/1.png", "test/2.png")
    ids = [("id", "label"), ("1", "cat"), ("2", "dog")]
    yield Instance("L07", "train.csv and photos of two splits", table("train.csv", ids, same),
                   {"": {"cat": 1, "dog": 1}})  # fmt: skip
    yield Instance("L07", "ids of two photos", table("labels.csv", ids, same), None,
                   ("may be", "line 2"))  # fmt: skip


def label_cells() -> Iterator[Instance]:
    def of(*cells: str, head: str = "notes") -> Callable[[Path], Path]:
        names = [f"{n}.png" for n in range(len(cells))]
        rows = [("file", head), *zip(names, (_quoted(each) for each in cells), strict=True)]
        return table("a.csv", rows, names)

    forms = ("['{}']", '["{}"]', '{{"id": 0, "name": "{}"}}', "{{'displayName': '{}'}}")
    forms += (
        '{{"type": "{}"}}',
        '{{"animal": "{}"}}',
        '[{{"label": "{}"}}]',
        '{{"labels": ["{}"]}}',
    )
    for form in forms:
        cells = [form.format(each) for each in LABELS]
        yield Instance("L07", f"one: {form}", of(*cells), TWO)
    several = (
        "['cat', 'dog']",
        "['cat' 'dog']",
        "[cat, dog]",
        '[{"name": "cat"}, {"name": "dog"}]',
    )
    for text in several:
        yield Instance("L07", f"several: {text}", of("['cat']", "['cat']", text, text), None,
                       ("line 4", "'notes'", "several labels"))  # fmt: skip
    for text in ("{'bbox': [[1, 2, 3, 4]], 'categories': [0]}", "[{'bbox': [1, 2, 3, 4]}]"):
        yield Instance("L07", f"boxes: {text}", of("cat", "cat", text, text), None,
                       ("line 4", "'notes'", "detection"))  # fmt: skip
    for text in ("{'cat': True}", "{'type': 'photo', 'class': 'cat'}", "[0, 1, 0]", "[None]"):
        yield Instance("L07", f"neither: {text}", of("cat", "cat", text, text), None,
                       ("line 4", "'notes'"))  # fmt: skip
    yield Instance("L07", "brackets", of("[a]", "[a]", "{b}", "{b}"), {"": {"[a]": 2, "{b}": 2}})
    records = [{"imageGcsUri": f"gs://b/{name}", "classificationAnnotation": {"displayName": label}}
               for name, label in PAIRS]  # fmt: skip
    lines = [[json.dumps(record)] for record in records]
    yield Instance("L07", "nested in JSON", table("data.jsonl", lines, NAMES), TWO)


def words_in_cells() -> Iterator[Instance]:
    def of(head: str, values: str) -> Callable[[Path], Path]:
        labels = 2 * values.split("/")
        names = [f"{n}.png" for n in range(len(labels))]
        cells = [_quoted(each) for each in labels]
        return table("a.csv", [("file", head), *zip(names, cells, strict=True)], names)

    planet = "haze primary/clear agriculture primary water/clear primary"
    several = [("tags", planet), ("labels", "scab rust/scab/rust/healthy"), ("target", "16 0/5 1")]
    several += [("label", "cat dog/dog bird/bird cat"), ("keywords", "cat dog/dog cat")]
    several += [("tags", "cat, dog/cat, bird/dog, bird"), ("label", "a|b/c|b")]
    for head, values in several:
        yield Instance("L07", f"{head}: {values}", of(head, values), None, ("several labels",))
    names = ["golden retriever/labrador retriever/new york", "hot dog/dog/pizza"]
    names += [
        "fresh apple/rotten apple/fresh pear/rotten pear",
        "Apple Red/Apple Red 1/Apple Red 2",
    ]
    names += ["African elephant/African forest elephant/Asian elephant", "tench, Tinca tinca/cat"]
    for values in names:
        counts = {"": dict.fromkeys(values.split("/"), 2)}
        yield Instance("L07", f"names: {values}", of("label", values), counts)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def split_columns() -> Iterator[Instance]:
    counts = {"train": {"cat": 1, "dog": 1}, "test": {"cat": 1, "dog": 1}}
    order = ("train", "test", "train", "test")

    def with_split(name: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
        rows = [(*pair, value) for pair, value in zip(PAIRS, values, strict=True)]
        return [("path", "label", name), *rows]

    for name in (
        "split",
        "subset",
        "set",
        "Usage",
        "partition",
        "data set",
        "phase",
        "fold",
        "group",
    ):
        yield Instance(
            "L07", f"column {name}", table("a.csv", with_split(name, order), NAMES), counts
        )
    words = ("Training", "PrivateTest", "Training", "PrivateTest")
    yield Instance("L07", "words", table("a.csv", with_split("Usage", words), NAMES), counts)
    places = [f"{n}.png" for n in range(6)]
    usage = ("Training", "Training", "PublicTest", "PublicTest", "PrivateTest", "PrivateTest")
    six = [("image", "emotion", "Usage"), *zip(places, 3 * ("cat", "dog"), usage, strict=True)]
    yield Instance("L07", "public and private test", table("a.csv", six, places),
                   dict.fromkeys(("train", "val", "test"), counts["test"]),
                   ("val (PublicTest)", "test (PrivateTest)"))  # fmt: skip
    flags = {"train": {"cat": 1, "dog": 1}, "val": {"cat": 1, "dog": 1}}
    for yes, no in ((1, 0), ("True", "False")):
        rows = with_split("is_valid", (no, yes, no, yes))
        yield Instance("L07", f"is_valid {yes}", table("a.csv", rows, NAMES), flags)
    rows = with_split("is_train", (1, 0, 1, 0))
    yield Instance("L07", "is_train", table("a.csv", rows, NAMES),
                   {"train": flags["train"], "test": flags["val"]}, ("no means test",))  # fmt: skip
    rows = with_split("fold", (0, 1, 2, 3))
    yield Instance("L07", "folds", table("a.csv", rows, NAMES), None, ("--split-column none",))
    yield Instance("L07", "folds, ignored", table("a.csv", rows, NAMES), TWO, (),
                   {"split_column": "none"})  # fmt: skip
    rows = with_split("where", order)
    yield Instance("L07", "named by the user", table("a.csv", rows, NAMES), counts, (),
                   {"split_column": "where"})  # fmt: skip


def one_hot() -> Iterator[Instance]:
    head = ["filename", " cat", " dog"]
    rows = [(name, int(label == "cat"), int(label == "dog")) for name, label in PAIRS]
    yield Instance("L08", "one table", table("_classes.csv", [head, *rows], NAMES), TWO)
    yield Instance("L08", "floats", table("a.csv", [["image", "cat", "dog"],
                   *((n, float(a), float(b)) for n, a, b in rows)], NAMES), TWO)  # fmt: skip
    yield Instance("L08", "in the folder", table("_classes.csv", [head, *rows], NAMES, True), TWO)
    more = [head, *rows, ("images/a3.png", 1, 1)]
    yield Instance("L08", "two in a row", table("a.csv", more, [*NAMES, "images/a3.png"]), None,
                   ("several labels", "line 6"))  # fmt: skip
    none = [head, *rows, ("images/a3.png", 0, 0)]
    yield Instance("L08", "none in a row", table("a.csv", none, [*NAMES, "images/a3.png"]), None,
                   ("no class has a 1", "line 6"))  # fmt: skip

    always = [head, *((name, 1, n % 2) for n, name in enumerate(NAMES))]
    yield Instance("L08", "always one", table("a.csv", always, NAMES), None,
                   ("several labels", "line 3", "cat, dog", "--label-column"))  # fmt: skip
    both = [("file", "pet", "cat", "dog"), *((name, 1, *bits) for name, *bits in rows)]
    yield Instance("L08", "one for all", table("a.csv", both, NAMES), None,
                   ("several labels", "pet, cat"))  # fmt: skip
    never = [head, *((name, 0, n % 2) for n, name in enumerate(NAMES))]
    yield Instance("L08", "never one", table("a.csv", never, NAMES), None,
                   ("no class has a 1", "line 2", "--label-column"))  # fmt: skip
    longer = [head, *((name, f"{a}.00", f"{b}.000") for name, a, b in rows)]
    yield Instance("L08", "longer floats", table("a.csv", longer, NAMES), TWO)
    flaw = [("file", "crack"), *((name, n % 2) for n, name in enumerate(NAMES))]
    yield Instance("L08", "one column", table("a.csv", flaw, NAMES), {"": {"0": 2, "1": 2}})

    def each(root: Path) -> Path:
        for split in ("train", "valid", "test"):
            names = [f"{split}/{split}{n}.png" for n in range(4)]
            lines = [(Path(n).name, k % 2, 1 - k % 2) for k, n in enumerate(names)]
            table(f"{split}/_classes.csv", [head, *lines], names)(root)
        return root

    yield Instance(
        "L08", "one for each split", each, dict.fromkeys(("train", "val", "test"), TWO[""])
    )


def metadata() -> Iterator[Instance]:
    names = [Path(name).name for name in NAMES]
    rows = list(zip(names, LABELS, strict=True))
    lines = [["{" + f'"file_name": "{name}", "label": "{label}"' + "}"] for name, label in rows]
    for whole in (False, True):
        yield Instance("L09", f"csv {whole}", table("metadata.csv", [["file_name", "label"], *rows],
                                                    names, whole), TWO)  # fmt: skip
        yield Instance("L09", f"jsonl {whole}", table("metadata.jsonl", lines, names, whole), TWO)
    pairs = [[", ".join(f'"{name}": "{label}"' for name, label in rows)]]
    yield Instance(
        "L09", "json of pairs", table("labels.json", [["{" + pairs[0][0] + "}"]], names), TWO
    )
    listed = "[" + ", ".join(line[0] for line in lines) + "]"
    yield Instance("L09", "json of records", table("labels.json", [[listed]], names), TWO)

    def each(root: Path) -> Path:
        for split in ("train", "test"):
            own = [f"{split}/{split}-{name}" for name in names]
            lines = [(Path(n).name, label) for n, label in zip(own, LABELS, strict=True)]
            table(f"{split}/metadata.csv", [["file_name", "label"], *lines], own)(root)
        return root

    yield Instance("L09", "one for each split", each, dict.fromkeys(("train", "test"), TWO[""]))
    yield Instance("L09", "captions", table("metadata.csv", [["file_name", "text"],
                   *((n, f"a photo {n}") for n in names)], names, True), None,
                   ("metadata.csv", "--label-column"))  # fmt: skip

    def typed(root: Path) -> Path:
        import pyarrow
        import pyarrow.parquet

        files(*names)(root)
        columns = pyarrow.table({"file_name": names, "label": list(LABELS)})
        pyarrow.parquet.write_table(columns, root / "metadata.parquet")
        return root

    yield Instance("L09", "parquet", typed, TWO)


def packed() -> Iterator[Instance]:
    three = {"": {"cat": 3, "dog": 3}}
    yield Instance("L10", "names", parquet(["a.parquet"], classes=("cat", "dog")), three)
    yield Instance("L10", "text", parquet(["a.parquet"]), three)
    yield Instance("L10", "bytes alone", parquet(["a.parquet"], bare=True), three)
    yield Instance("L10", "fine_label", parquet(["a.parquet"], "fine_label", ("cat", "dog")), three)
    pair = ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"]
    yield Instance("L10", "splits", parquet(pair, classes=("cat", "dog")),
                   {"train": three[""], "test": three[""]})  # fmt: skip
    yield Instance("L10", "parts", parquet(["train-0.parquet", "train-1.parquet"]),
                   {"": {"cat": 6, "dog": 6}})  # fmt: skip
    yield Instance("L10", "no class", parquet(["a.parquet"], "width"), None, ("--label-column",))
    one = ["a.tar"]
    yield Instance("L11", "cls", shards(one, "cls", "{}", "a.tar"), TWO)
    yield Instance("L11", "json", shards(one, "json", '{"label": "{}"}', "a.tar"), TWO)
    yield Instance("L11", "class_name", shards(one, "json", '{"class_name": "{}"}', "a.tar"), TWO)
    yield Instance("L11", "captions", shards(one, "json", '{"caption": "a {}"}', "a.tar"), None,
                   ("has no class", ".json"))  # fmt: skip
    parts = ["train-000000.tar", "train-000001.tar"]
    twice = {"": {"cat": 4, "dog": 4}}
    yield Instance("L11", "folder", shards(parts, "cls", "{}"), twice)
    yield Instance("L11", "braces", shards(parts, "cls", "{}", "train-{000000..000001}.tar"), twice)
    yield Instance("L11", "missing", shards(one, "cls", "{}", "b-{00..03}.tar"), None, ("missing",))
    pair = ["train-0.tar", "val-0.tar"]
    yield Instance(
        "L11", "splits", shards(pair, "cls", "{}"), dict.fromkeys(("train", "val"), TWO[""])
    )


def lists() -> Iterator[Instance]:
    photos = [f"images/{c}/{n}.png" for c in ("cat", "dog") for n in range(5)]

    def with_lists(where: str, shape: str) -> Callable[[Path], Path]:
        def make(root: Path) -> Path:
            files(*photos)(root)
            for split, chosen in (("train", (0, 1, 2)), ("test", (3, 4))):
                rows = [
                    [shape.format(c=c, n=n, k=int(c == "dog"))]
                    for c in ("cat", "dog")
                    for n in chosen
                ]
                table(where.format(split), rows, [])(root)
            return root

        return make

    for where in ("meta/{}.txt", "{}.txt", "{}_list.txt", "splits/{}.txt"):
        for shape in ("{c}/{n}", "{c}/{n}.png", "images/{c}/{n}.png", "{c}/{n}.png {k}"):
            yield Instance("L12", f"{where} {shape}", with_lists(where, shape), TRAIN_TEST)

    def pets(root: Path) -> Path:
        names = [f"{c}_{n}" for c in ("Abyssinian", "pug") for n in range(4)]
        files(*(f"images/{n}.png" for n in names))(root)
        files(*(f"annotations/trimaps/{n}.png" for n in names))(root)
        for name, chosen in (("trainval", (0, 1)), ("test", (2, 3))):
            rows = [
                [f"{c}_{n} {k} 1 1"] for k, c in enumerate(("Abyssinian", "pug")) for n in chosen
            ]
            table(f"annotations/{name}.txt", [["#Image CLASS-ID"], *rows], [])(root)
        return root

    yield Instance("L12", "pets", pets, {s: {"Abyssinian": 2, "pug": 2} for s in ("train", "test")})

    def birds(root: Path) -> Path:
        files(*photos)(root)
        names = [photo.removeprefix("images/") for photo in photos]
        table("images.txt", [[f"{n + 1} {name}"] for n, name in enumerate(names)], [])(root)
        table("train_test_split.txt", [[f"{n + 1} {int(n % 5 < 3)}"] for n in range(10)], [])(root)
        return root

    yield Instance("L12", "birds", birds, TRAIN_TEST)


def class_names() -> Iterator[Instance]:
    for name, text in (("names.txt", "cat\ndog\n"), ("names.csv", "0,cat\n1,dog\n"),
                       ("names.json", '["cat", "dog"]'), ("map.json", '{"0": "cat", "1": "dog"}'),
                       ("index.json", '{"0": ["n1", "cat"], "1": ["n2", "dog"]}')):  # fmt: skip

        def make(root: Path, name: str = name, text: str = text) -> Path:
            (root / name).write_text(text)
            return tree({"0": 2, "1": 2})(root / "photos")

        yield Instance("L13", name, make, TWO, ("named by",), {"class_names": name})

    def synsets(root: Path) -> Path:
        (root / "words.txt").write_text("n02123045 tabby, cat\nn02084071 dog\nn01440764 tench\n")
        return tree({"n02123045": 2, "n02084071": 2})(root / "photos")

    yield Instance("L13", "synsets", synsets, {"": {"dog": 2, "tabby, cat": 2}}, (),
                   {"class_names": "words.txt"})  # fmt: skip
    yield Instance("L13", "no such file", synsets, None, ("Cannot read the class names",),
                   {"class_names": "other.txt"})  # fmt: skip
    yield Instance("L13", "from one", lambda root: (
        (root / "n.txt").write_text("cat\ndog\n"), tree({"1": 2, "2": 2})(root / "photos"))[1],
        TWO, (), {"class_names": "n.txt"})  # fmt: skip


def downloaded() -> Iterator[Instance]:
    """Layouts that mix several of these, as sets are downloaded."""
    contest = [f"train/{c}.{n}.png" for c in ("cat", "dog") for n in range(3)]
    contest += [f"test1/{n}.png" for n in range(5)]
    yield Instance("L06", "contest", files(*contest), None, ("--label-regex", "cat 3, dog 3"))
    yield Instance("L06", "contest, asked", files(*contest), {"train": {"cat": 3, "dog": 3}},
                   ("Left out 5 image(s)",), {"label_regex": r"([a-z]+)\.\d+\.png$"})  # fmt: skip
    fruits = {f"{s}/{c}": n for s, n in (("Training", 3), ("Test", 2)) for c in ("cat", "dog")}
    fruits |= {"test-multiple_fruits": 4}
    yield Instance("L02", "two test folders, one flat", tree(fruits, "papers/x.pdf"), TRAIN_TEST,
                   ("Left out test-multiple_fruits/",))  # fmt: skip
    parts = ["set_part_1/a1.png", "set_part_1/b1.png", "set_part_2/a2.png", "set_part_2/b2.png"]
    rows = [(Path(name).stem, "cat" if "a" in Path(name).stem else "dog") for name in parts]
    rows = [("image_id", "dx"), *rows]
    yield Instance("L07", "parts and a table", table("meta.csv", rows, parts, True), TWO)
    yield Instance("L01", "parts alone", files(*parts), None, ("--layout classes", "parts"))
    photos = [f"{c}/{n}.png" for c in ("cat", "dog") for n in range(2)]
    other = [("path", "label"), *((name, Path(name).stem) for name in photos)]
    made = table("a.csv", other, photos, True)
    yield Instance("L07", "a table that differs from the folders", made, None,
                   ("--layout classes", "give the table as DATA", "0 2, 1 2"))  # fmt: skip
    yield Instance("L07", "the folders, asked", made, TWO, ("Not read: a.csv",),
                   {"layout": "classes"})  # fmt: skip
    same = [("path", "label"), *((name, Path(name).parent) for name in photos)]
    yield Instance("L07", "a table that agrees", table("a.csv", same, photos, True), TWO)

    def land(root: Path) -> Path:
        files(*(f"land/{c}/{c}{n}.png" for c in ("cat", "dog") for n in range(5)))(root)
        for split, chosen in (("train", (0, 1, 2)), ("test", (3, 4))):
            pairs = [(k, c, n) for k, c in enumerate(("cat", "dog")) for n in chosen]
            lines = [(f"{c}/{c}{n}.png", k, c) for k, c, n in pairs]
            head = ("Filename", "Label", "ClassName")
            table(f"land/{split}.csv", [head, *lines], [])(root)
        return root / "land"

    yield Instance("L07", "tables of splits beside class folders", land, TRAIN_TEST)
    boxes = [f"images/{s}/{n}.png" for s in ("train", "val") for n in range(30)]
    texts = [name.replace("images", "labels").replace("png", "txt") for name in boxes]

    def detection(root: Path) -> Path:
        return tree({}, *texts)(files(*boxes)(root))

    yield Instance("L12", "boxes", detection, None, ("DATA/cats/1.jpg",))
    colours = tree({f"{k}/{c}": 2 for k in ("color", "gray", "segmented") for c in ("cat", "dog")})
    yield Instance("L01", "colours", colours, None, ("--class-level 2", "--layout classes"))
    again = tree({f"{top}{s}/{c}": n for top in ("", "set/") for s, n in (("train", 3), ("test", 2))
                  for c in ("cat", "dog")})  # fmt: skip
    yield Instance("L01", "the same set again within", again, TRAIN_TEST, ("Left out set/",))
    twice = tree({"cat/cat": 2, "dog/dog": 2})
    yield Instance("L05", "unpacked twice", twice, TWO, ("--class-level 2",))
    codes = {"train/n01443537/images": 3, "train/n01629819/images": 3, "val/images": 4}
    codes = tree(codes | {"test/images": 4}, "words.txt", "train/n01443537/n01443537_boxes.txt")
    yield Instance("L13", "codes", codes, {"train": {"n01443537": 3, "n01629819": 3}},
                   ("--class-names", "Left out val/"))  # fmt: skip


def names() -> Iterator[Instance]:
    for name in (
        "BACKGROUND_Google",
        "other",
        "negative",
        "unknown",
        "none",
        "Background",
        "Others",
    ):
        counts = {"": {name: 2, "cat": 2, "dog": 2}}
        yield Instance("L14", name, tree({"cat": 2, "dog": 2, name: 2}), counts, ("negatives",))
    for name in ("New folder (2)", "Copy of cat", "dog - Copy", "untitled folder"):
        counts = {"": {name: 2, "cat": 2, "dog": 2}}
        yield Instance("L14", name, tree({"cat": 2, "dog": 2, name: 2}), counts, ("slips",))
    yield Instance("L14", "space", tree({"cat ": 2, "dog": 2}), {"": {"cat ": 2, "dog": 2}},
                   ("spaces at an end",))  # fmt: skip
    rose = "장미"
    yield Instance("L14", "decomposed", tree({unicodedata.normalize("NFD", rose): 2, "dog": 2}),
                   {"": {rose: 2, "dog": 2}})  # fmt: skip


def archives() -> Iterator[Instance]:
    pictures = ("1.png", "2.png")
    yield Instance(
        "L15", "samples", zips({f"{c}-samples.zip": pictures for c in ("cat", "dog")}), TWO
    )
    yield Instance("L15", "plain", zips({f"{c}.zip": pictures for c in ("cat", "dog")}), TWO)
    inside = {f"set_{c}.zip": [f"{c}/{p}" for p in pictures] for c in ("cat", "dog")}
    yield Instance("L15", "wrapped", zips(inside), TWO)
    both = {
        f"{s}.zip": [f"{c}/{p}" for c in ("cat", "dog") for p in pictures]
        for s in ("train", "test")
    }
    yield Instance("L15", "splits", zips(both), dict.fromkeys(("train", "test"), TWO[""]))
    one = {"pets.zip": [f"pets/{c}/{p}" for c in ("cat", "dog") for p in pictures]}
    yield Instance("L15", "one in a folder", zips(one), TWO)
    yield Instance("L15", "one", zips(one, whole=False), TWO)
    flat = {
        f"{s}.zip": [f"{c}.{n}.png" for c in ("cat", "dog") for n in range(3)]
        for s in ("train", "test")
    }
    yield Instance("L15", "flat splits", zips(flat), None, ("--label-regex",))

    def with_table(root: Path) -> Path:
        data = table("set/labels.csv", [("id", "label"), ("a1", "cat"), ("b1", "dog")], [])(root)
        with zipfile.ZipFile(root / "set.zip", "w") as archive:
            archive.write(data, "set/labels.csv")
            for name in ("a1", "b1"):
                archive.writestr(f"set/images/{name}.png", png())
        return root / "set.zip"

    yield Instance("L15", "a table inside", with_table, {"": {"cat": 1, "dog": 1}})
    rar = tree({}, "cat.rar", "dog.rar")
    yield Instance("L15", "rar", rar, None, ("unrar x",))
    yield Instance("L15", "nothing", tree({}, "readme.txt"), None, ("No usable image",))
    beside = tree({"images": 4}, "labels.h5", "train.csv")
    yield Instance("L15", "a table that is none", beside, None, ("train.csv",))


KINDS = (split_words, split_questions, partly_labelled, wrapped, divided_classes, nested)
KINDS += (levels_around_splits,)
KINDS += (in_file_names, beside_photos, tables, split_columns, one_hot, metadata, packed, lists)
KINDS += (label_cells, words_in_cells, class_names, downloaded, names, archives)
INSTANCES = [instance for kind in KINDS for instance in kind()]


def test_there_are_many() -> None:
    assert len(INSTANCES) >= 150


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param(each, marks=pytest.mark.case(each.case), id=f"{each.case}-{each.name}")
        for each in INSTANCES
    ],
)
def test_read_right_or_refused_with_the_way_out(instance: Instance, tmp_path: Path) -> None:
    check_reading(instance, tmp_path / "x")
