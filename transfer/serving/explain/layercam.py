"""LayerCAM: which places of any feature map raise the logit of a class, by gradients.

P.-T. Jiang, C.-B. Zhang, Q. Hou, M.-M. Cheng, Y. Wei, "LayerCAM: Exploring Hierarchical Class
Activation Maps for Localization", IEEE Transactions on Image Processing 30, 2021, equation 5.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from transfer.serving.explain.parts import Parts
from transfer.system.quiet import refuse_after_fork


def layercam(parts: Parts, layer: str) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return a function from one image and the index of a class to a map (h, w), 0 or more.

    The map is the sum over the channels of the activation times its gradient where that is
    positive: what would raise the logit if there were more of it.

    Args:
        parts: The classifier.
        layer: One of `Parts.map_layers`.
    """
    import tensorflow as tf

    inside = parts.base.get_layer(layer).output
    base = keras.Model(parts.base.input, [inside, parts.base.output])
    last = parts.predictions

    def explain(image: np.ndarray, number: int) -> np.ndarray:
        refuse_after_fork()
        scaled = parts.scale(tf.convert_to_tensor(image[None], tf.float32), training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(scaled)
            activations, features = base(scaled, training=False)
            vectors = tf.cast(parts.above(features, training=False), tf.float32)
            logit = tf.linalg.matvec(vectors, last.kernel[:, number]) + last.bias[number]
        gradients = tape.gradient(logit, activations)
        if gradients is None:  # nothing above the layer depends on it
            return np.zeros(activations.shape[1:3], np.float32)
        weighted = tf.nn.relu(tf.nn.relu(gradients) * activations)
        total = tf.reduce_sum(tf.cast(weighted, tf.float32), axis=-1)[0]
        return np.asarray(total, np.float32)

    return explain
