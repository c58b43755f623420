from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import transfer
from transfer.api.prediction import iterate_predictions
from transfer.api.run import Run
from transfer.errors import DataError, RunError, UsageError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on noise, with classes whose sorted order differs from their numbers."""
    from transfer.networks.backbones import register_backbone

    def network(input_shape: tuple[int, int, int]):  # type: ignore[no-untyped-def]
        import keras

        init = keras.initializers.GlorotUniform(1)
        image = keras.Input(input_shape)
        x = keras.layers.Conv2D(8, 5, 2, activation="relu", kernel_initializer=init)(image)
        return keras.Model(image, keras.layers.Conv2D(8, 3, kernel_initializer=init)(x))

    register_backbone("toy-predict", network, image_size=32, min_size=16, overwrite=True)
    root = tmp_path_factory.mktemp("predict")
    rng = np.random.default_rng(0)
    for name, rgb in {"10": (200, 40, 40), "9": (40, 200, 40), "Z": (40, 40, 200)}.items():
        (root / "data" / name).mkdir(parents=True)
        for i in range(8):
            picture = rng.normal(rgb, 30, (60, 50, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(picture).save(root / "data" / name / f"{i}.jpg", quality=90)
    return transfer.finetune(
        root / "data", output=root / "run", backbone="toy-predict", unfreeze="none", views=0
    )


def rows(predictions: list[transfer.serving.predictor.Prediction]) -> np.ndarray:
    return np.array([list(each.probabilities.values()) for each in predictions])


def test_uploads(run: Run) -> None:
    """Bytes and open files are what a form sends."""
    evaluated = run.predictions()
    files = [Path(run.info.data) / path for path in evaluated.paths]
    opened = [file.open("rb") for file in files]
    uploads = [io.BytesIO(file.read_bytes()) for file in files]
    for sources in ([file.read_bytes() for file in files], uploads, opened):
        found = run.predict(sources)
        np.testing.assert_allclose(rows(found), evaluated.probabilities, atol=1e-6, rtol=0)
        assert [each.path for each in found] == [f"#{i}" for i in range(len(files))]
    for one in (files[0].read_bytes(), uploads[0], opened[0]):  # read again from their start
        assert rows(run.predict(one)).tolist() == rows(run.predict(files[0])).tolist()
    for each in opened:
        assert not each.closed
        each.close()


def test_a_damaged_upload_is_told_from_the_others(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    good = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(good, "PNG")
    sources = [good.getvalue(), b"", io.BytesIO(b"no image"), good.getvalue()[:80]]
    with pytest.raises(DataError, match=r"^#1: the data is empty"):
        run.predict(sources)
    assert [each.path for each in run.predict(sources, on_bad="skip")] == ["#0"]
    assert "Left out: #2: the data is not an image" in caplog.text
    assert "Left out: #3: the data is cut off" in caplog.text


@pytest.mark.parametrize(
    ("pictures", "received"),
    [
        (None, r"None \(NoneType\)"),
        (5, r"5 \(int\)"),
        ([None], r"None \(NoneType\)"),
        ({"rex.jpg": 1}.items(), r"\('rex.jpg', 1\) \(tuple\)"),
        (np.array(["a.jpg", "b.jpg"]), "an array of <U5"),
        (np.array([Path("a.jpg")]), "an array of object"),
        (io.StringIO("text"), "a file open in text mode"),
    ],
)
def test_what_is_no_picture(run: Run, pictures: Any, received: str) -> None:
    taken = "Expected an image as a path, bytes, a file open in binary mode, a Pillow image, or an"
    with pytest.raises(UsageError, match=rf"{taken} array of numbers .*Received: {received}"):
        run.predict(pictures)


@pytest.mark.case("M02")
def test_path_image_and_array_give_what_evaluate_gave(run: Run) -> None:
    evaluated = run.predictions()
    files = [Path(run.info.data) / path for path in evaluated.paths]
    images = [Image.open(file) for file in files]
    arrays = [np.asarray(image) for image in images]
    for sources in (files, [str(file) for file in files], images, arrays, np.stack(arrays)):
        np.testing.assert_allclose(
            rows(run.predict(sources)), evaluated.probabilities, atol=1e-6, rtol=0
        )
    one_by_one = [run.predict(file)[0] for file in files]
    np.testing.assert_allclose(rows(one_by_one), evaluated.probabilities, atol=1e-6, rtol=0)


@pytest.mark.case("M04")
def test_the_callers_array_is_left_alone(run: Run) -> None:
    array = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    before = array.copy()
    run.predict(array)
    run.predict(array.astype(np.float32))
    np.testing.assert_array_equal(array, before)


@pytest.mark.case("D38")
def test_labels_follow_the_stored_order_of_classes(run: Run) -> None:
    assert run.classes == ("10", "9", "Z")
    folder = Path(run.info.data)
    for prediction in run.predict(folder):
        assert prediction.label == Path(prediction.path).parent.name
        assert prediction.confidence == prediction.probabilities[prediction.label]
        assert prediction.top(2)[0] == (prediction.label, prediction.confidence)


def test_folders_are_searched_and_results_keyed_by_path(run: Run, tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 40), (200, 40, 40))
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("z.png", "a/y.PNG", "a/b/x.webp"):
        picture.save(tmp_path / name)
    (tmp_path / "._z.png").write_bytes(b"AppleDouble")
    found = run.predict([tmp_path / "z.png", tmp_path / "a"])
    names = [str(Path(each.path).relative_to(tmp_path)) for each in found]
    assert names == ["z.png", "a/y.PNG", "a/b/x.webp"]


def test_unreadable_pictures(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"<html>")
    Image.new("RGB", (40, 40)).save(tmp_path / "good.jpg")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        run.predict(tmp_path)
    assert [Path(p.path).name for p in run.predict(tmp_path, on_bad="skip")] == ["good.jpg"]
    assert "bad.jpg" in caplog.text
    with pytest.raises(DataError, match=r"nowhere\.jpg"):
        run.predict("nowhere.jpg")
    with pytest.raises(UsageError, match="skip or fail"):
        run.predict(tmp_path, on_bad="ignore")


def test_a_folder_without_pictures_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No images in"):
        run.predict(tmp_path)
    assert run.predict([]) == []


def test_more_pictures_than_are_decoded_ahead(run: Run, make_folder: Callable[..., Path]) -> None:
    files = sorted(make_folder(per_class=40).rglob("*.png"))
    assert [each.path for each in run.predict(files)] == [str(file) for file in files]


def test_a_run_of_an_own_backbone_needs_no_registry(
    run: Run, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transfer.networks import backbones

    monkeypatch.delitem(backbones._REGISTRY, "toy-predict")
    assert len(Run(run.path).predict(make_folder(per_class=1))) == 3


def test_classes_of_another_run(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "other")
    (tmp_path / "other" / "classes.json").write_text('["a", "b"]')
    with pytest.raises(RunError, match=r"the 3 classes of model\.keras in .* Received: 2"):
        Run(tmp_path / "other").predict([])


@pytest.mark.case("D13")
def test_unsupported_kinds_in_folders_are_said(
    run: Run, make_folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = make_folder(per_class=1)
    (folder / "red" / "1.nef").write_bytes(b"x")
    assert len(run.predict(folder)) == 3
    assert "Left out 1 file(s)" in caplog.text
    assert "unsupported raw camera file" in caplog.text


def test_a_bad_folder_does_not_end_the_stream(
    run: Run, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from transfer.images.scan import Scanner

    folder, entries = make_folder(per_class=1), Scanner.entries
    (tmp_path / "nothing").mkdir()

    def locked_green(scanner: Scanner, name: str) -> tuple[list[str], list[str], list[str]]:
        if name == "green":
            raise DataError("Cannot list the folder 'green'")
        return entries(scanner, name)

    monkeypatch.setattr(Scanner, "entries", locked_green)
    bad: list[DataError] = []
    found = iterate_predictions(run, [tmp_path / "nothing", folder], bad.append)
    names = [str(Path(each.path).relative_to(folder)) for each in found]
    assert names == ["blue/0.png", "red/0.png"]
    assert [str(error)[:11] for error in bad] == ["No images i", "Cannot list"]
    with pytest.raises(DataError, match="Cannot list"):
        run.predict(folder)
