"""The training loop of the official transfer-learning tutorial, as its readers type it.

    python scripts/benchmarks/tutorial.py DATA WEIGHTS

DATA holds train/ and val/; WEIGHTS is a file with MobileNetV2's weights without the top. Prints
JSON: seconds in fit and validation accuracy after 10 frozen epochs, and after 10 more from layer
100 up. Source: https://www.tensorflow.org/tutorials/images/transfer_learning
"""

from __future__ import annotations

import json
import sys
import time

import keras
import tensorflow as tf

data, weights = sys.argv[1:]
train_dataset, validation_dataset = (
    keras.utils.image_dataset_from_directory(
        f"{data}/{split}", shuffle=True, batch_size=32, image_size=(224, 224)
    )
    for split in ("train", "val")
)
class_names = train_dataset.class_names
train_dataset = train_dataset.prefetch(buffer_size=tf.data.AUTOTUNE)
validation_dataset = validation_dataset.prefetch(buffer_size=tf.data.AUTOTUNE)

data_augmentation = keras.Sequential(
    [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.2)]
)
base_model = keras.applications.MobileNetV2((224, 224, 3), include_top=False, weights=None)
base_model.load_weights(weights)
base_model.trainable = False

inputs = keras.Input(shape=(224, 224, 3))
x = data_augmentation(inputs)
x = keras.applications.mobilenet_v2.preprocess_input(x)
x = base_model(x, training=False)
x = keras.layers.GlobalAveragePooling2D()(x)
x = keras.layers.Dropout(0.2)(x)
outputs = keras.layers.Dense(len(class_names), activation="softmax")(x)
model = keras.Model(inputs, outputs)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.0001),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
started = time.perf_counter()
history = model.fit(train_dataset, epochs=10, validation_data=validation_dataset, verbose=0)
frozen = time.perf_counter() - started
frozen_accuracy = history.history["val_accuracy"][-1]

base_model.trainable = True
for layer in base_model.layers[:100]:
    layer.trainable = False
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(),
    optimizer=keras.optimizers.RMSprop(learning_rate=0.00001),
    metrics=["accuracy"],
)
history = model.fit(
    train_dataset,
    epochs=20,
    initial_epoch=10,
    validation_data=validation_dataset,
    verbose=0,
)
print(
    json.dumps(
        {
            "frozen_seconds": frozen,
            "frozen_accuracy": frozen_accuracy,
            "seconds": time.perf_counter() - started,
            "accuracy": history.history["val_accuracy"][-1],
        }
    )
)
