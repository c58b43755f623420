"""Predict a folder without this package: load_model, a dataset, model.predict.

python scripts/benchmarks/plain_predict.py MODEL DATA
"""

from __future__ import annotations

import sys

import keras

model = keras.models.load_model(sys.argv[1], compile=False)
dataset = keras.utils.image_dataset_from_directory(
    sys.argv[2], labels=None, shuffle=False, batch_size=32, image_size=model.input_shape[1:3]
)
for path, row in zip(dataset.file_paths, model.predict(dataset, verbose=0), strict=True):
    print(path, *row, sep=",")
