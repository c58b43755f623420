"""The builder on dummy data, by the test case of TensorFlow Datasets."""

from __future__ import annotations

import tensorflow_datasets as tfds

from . import dogs_prepared_dataset_builder


class DogsPreparedTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = dogs_prepared_dataset_builder.Builder
    SPLITS = {"train": 20, "test": 10}  # noqa: RUF012


if __name__ == "__main__":
    tfds.testing.test_main()
