from __future__ import annotations

import dataclasses
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest

from transfer.errors import DataError
from transfer.images import pipeline
from transfer.images.decode import decode
from transfer.images.folder import ImageFolder
from transfer.images.pipeline import (
    ImageOptions,
    balanced_order,
    image_batches,
    naming_bad_files,
    repetitions,
    unwrap,
)

OPTIONS = {"size": 24, "resize": "stretch", "batch_size": 4}


@pytest.fixture
def folder(tree) -> ImageFolder:
    return ImageFolder.index(tree({"a": 5, "b": 6}))


def batches(folder, *, order="listed", epochs=range(1), weights=None, labels=True, **options):
    options = ImageOptions(**options)
    return image_batches(
        folder, options, order=order, epochs=epochs, weights=weights, labels=labels
    )


def everything(dataset) -> list[np.ndarray]:
    """Return the batches of a dataset of tuples, joined."""
    return [np.concatenate(column) for column in zip(*dataset.as_numpy_iterator(), strict=True)]


def test_batches_are_the_decoded_files(folder):
    dataset = batches(folder, **OPTIONS)
    assert dataset.cardinality().numpy() == 3
    assert [spec.shape.as_list() for spec in dataset.element_spec] == [[None, 24, 24, 3], [None]]
    images, labels = everything(dataset)
    assert images.dtype == np.float32
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, folder.labels)
    expected = [decode(folder.file(path), 24) for path in folder.paths]
    np.testing.assert_array_equal(images, expected)


def test_weights_and_images_alone(folder):
    weights = np.linspace(0, 1, len(folder))
    dataset = batches(folder, **OPTIONS, weights=weights, order="shuffled", seed=1)
    _, labels, given = everything(dataset)
    order = np.argsort(given)
    np.testing.assert_array_equal(labels[order], folder.labels)
    np.testing.assert_allclose(given[order], weights, atol=1e-6)
    alone = batches(folder, **OPTIONS, labels=False)
    assert alone.element_spec.shape.as_list() == [None, 24, 24, 3]


def test_epochs_follow_on_each_other(folder):
    options = {**OPTIONS, "augment": "light", "order": "shuffled", "seed": 3}
    chained = batches(folder, **options, epochs=range(2, 4))
    assert chained.cardinality().numpy() == 6
    assert [len(labels) for _, labels in chained] == [4, 4, 3, 4, 4, 3]
    images, _ = everything(chained)
    for number, epoch in enumerate((2, 3)):
        single, _ = everything(batches(folder, **options, epochs=range(epoch, epoch + 1)))
        np.testing.assert_array_equal(images[11 * number : 11 * (number + 1)], single)
    assert not np.array_equal(images[:11], images[11:])
    np.testing.assert_array_equal(everything(chained)[0], images)  # and again the same


@pytest.mark.case("D40")
def test_augmentation_does_not_depend_on_order_place_or_batch(folder):
    options = {**OPTIONS, "augment": "medium", "seed": 1}
    plain, _ = everything(batches(folder, **options))
    keep = [i % 2 == 0 for i in range(len(folder))]
    some, _ = everything(batches(folder.keep(keep), **{**options, "batch_size": 3}))
    np.testing.assert_array_equal(some, plain[keep])


def test_shuffle_gives_every_image_once(folder):
    weights = np.arange(len(folder))
    orders = []
    for epoch in range(3):
        dataset = batches(
            folder, **OPTIONS, weights=weights, order="shuffled", epochs=range(epoch, epoch + 1)
        )
        orders.append(tuple(everything(dataset)[2].astype(int)))
    assert all(sorted(order) == list(range(11)) for order in orders)
    assert len(set(orders)) == 3


@pytest.mark.case("D42")
@pytest.mark.parametrize("augment", ["none", "light"])
def test_file_deleted_since_the_scan_is_named(folder, augment):
    folder.file("b/2.jpg").unlink()
    with pytest.raises(DataError, match=r"b/2\.jpg' is missing"), naming_bad_files():
        list(batches(folder, **OPTIONS, augment=augment))


@pytest.mark.case("D42")
def test_file_deleted_before_fit_is_named(folder):
    import keras

    model = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Flatten()])
    model.add(keras.layers.Dense(2))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    folder.file("a/4.jpg").unlink()
    with pytest.raises(DataError, match=r"a/4\.jpg' is missing"), naming_bad_files():
        model.fit(batches(folder, **OPTIONS), shuffle=False, verbose=0)


def test_other_errors_stay_what_they_are():
    assert unwrap(ValueError("x")) is None
    with pytest.raises(ZeroDivisionError), naming_bad_files():
        _ = 1 / 0


def test_empty_folder(folder):
    with pytest.raises(DataError, match="No images to read"):
        batches(dataclasses.replace(folder, paths=(), labels=(), splits=()), **OPTIONS)


def test_real_photos(shared):
    folder = ImageFolder.index(shared / "data" / "flowers").select("val")
    some = folder.keep([i % 40 == 0 for i in range(len(folder))])
    images, labels = everything(
        batches(some, size=96, resize="crop", batch_size=8, augment="strong", order="shuffled")
    )
    assert images.shape == (len(some), 96, 96, 3)
    assert sorted(labels) == sorted(some.labels)
    assert 20 < images.mean() < 235


def test_balanced_orders():
    labels = [0] * 90 + [1] * 7 + [3] * 4
    epochs = [balanced_order(labels, 5, epoch) for epoch in range(6)]
    for order in epochs:
        assert len(order) == 101
        counts = np.bincount(np.array(labels)[order], minlength=4)
        assert sorted(counts[[0, 1, 3]]) == [33, 34, 34]
        images = np.bincount(order, minlength=101)
        assert images[:90].max() == 1
        assert set(images[90:97]) <= {4, 5}
        assert set(images[97:]) <= {8, 9}
    assert np.array_equal(balanced_order(labels, 5, 3), epochs[3])
    assert len(set(np.concatenate(epochs)) & set(range(90))) > 75  # other ones in each epoch


def test_repetitions():
    np.testing.assert_array_equal(repetitions(np.array([3, 1, 3, 3, 0, 1])), [0, 0, 1, 2, 0, 1])


def test_oversampled_images_come_often_and_each_time_another_way(folder):
    folder = folder.keep([i in (0, 5, 6, 7, 8, 9, 10) for i in range(len(folder))])
    options = {**OPTIONS, "augment": "flip,shift=0.3", "order": "balanced", "seed": 1}
    images, labels = everything(batches(folder, **options))
    assert sorted(np.bincount(labels)) == [3, 4]
    rare = images[labels == 0]
    assert len(rare) >= 3
    assert len({image.tobytes() for image in rare}) == len(rare)


def test_failures_are_searched_while_other_threads_add_to_them(tmp_path):
    names = tuple(f"a/{number}.jpg" for number in range(64))
    gone = ImageFolder(tmp_path, ("a",), names, (0,) * 64, ("",) * 64)
    done = threading.Event()

    def read() -> None:
        row = 0
        while not done.is_set():
            with suppress(DataError):
                pipeline._decode(gone, row % 64, ImageOptions(8))
            row += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=read) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(2000):
            assert pipeline.unwrap(RuntimeError("something else")) is None
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)


def test_the_epochs_of_a_range_follow_on_each_other(tree):
    folder = ImageFolder.index(tree({"a": 3, "b": 3}))
    options = pipeline.ImageOptions(8, batch_size=4, augment="flip", seed=1)
    both = list(pipeline.image_batches(folder, options, order="shuffled", epochs=range(1, 3)))
    assert [len(images) for images, _ in both] == [4, 2, 4, 2]
    later = pipeline.image_batches(folder, options, order="shuffled", epochs=range(2, 3))
    for (images, labels), (again, same) in zip(both[2:], later, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, same)
    with pytest.raises(ValueError, match=r"listed, shuffled, balanced\. Received: 'random'"):
        pipeline.image_batches(folder, options, order="random")
