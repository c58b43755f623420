"""The builder on dummy data, by the test case of TensorFlow Datasets."""

from __future__ import annotations

import tensorflow_datasets as tfds

from . import handwriting_shapes_dataset_builder


class HandwritingShapesTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = handwriting_shapes_dataset_builder.Builder
    SPLITS = {"train": 9}  # noqa: RUF012


if __name__ == "__main__":
    tfds.testing.test_main()
