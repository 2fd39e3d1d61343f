"""Small transformers that read the patches of an image."""

import functools

import keras
from keras import ops

from _panels.networks.plain import digits
from _panels.task import Task, by_depth, classifier

WIDTH, HEADS = 32, 2


def tokens(inputs):
    """16 patches of 2 x 2 pixels, with their positions."""
    x = keras.layers.Conv2D(WIDTH, 2, strides=2, name="patches")(inputs)
    x = keras.layers.Reshape((16, WIDTH))(x)
    return Positions(name="positions")(x)


class Positions(keras.layers.Layer):
    """Adds a trainable vector to each token."""

    def build(self, shape):
        self.table = self.add_weight(shape[1:], initializer="random_normal")

    def call(self, x):
        return x + self.table


def separate(x, place):
    """Keras's attention."""
    attention = keras.layers.MultiHeadAttention(
        HEADS, WIDTH // HEADS, name=f"attention_{place}"
    )
    return attention(x, x)


def fused(x, place):
    """Attention of one head whose query, key and value are one kernel."""
    joined = keras.layers.Dense(3 * WIDTH, name=f"query_key_value_{place}")(x)
    query, key, value = ops.split(joined, 3, axis=-1)
    scores = ops.matmul(query, ops.transpose(key, (0, 2, 1))) / WIDTH**0.5
    mixed = ops.matmul(ops.softmax(scores), value)
    return keras.layers.Dense(WIDTH, name=f"projection_{place}")(mixed)


def block(x, place, is_normalized, attend):
    """Attention and a feed-forward part, each in a residual branch."""
    before = keras.layers.LayerNormalization if is_normalized else keras.layers.Identity
    x = x + attend(before()(x), place)
    h = keras.layers.Dense(2 * WIDTH, "relu", name=f"feed_{place}")(before()(x))
    return x + keras.layers.Dense(WIDTH, name=f"forward_{place}")(h)


@functools.cache
def transformer(layers=8, is_normalized=False, is_fused=False):
    """An encoder, and the mean over the tokens."""
    inputs = keras.Input((8, 8, 1))
    x = tokens(inputs)
    for place in range(1, layers + 1):
        x = block(x, place, is_normalized, fused if is_fused else separate)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(inputs, keras.layers.Dense(10, name="head")(x))
    normalization = "pre-normalized" if is_normalized else "without normalization"
    return Task(
        f"transformer of {layers} layers, {normalization}, digits",
        classifier(network, keras.optimizers.Adam()),
        digits(),
        [1e-3, 3e-3] if is_normalized else [3e-4, 1e-3, 3e-3],
        epochs=3,
        watch=by_depth("*feed*"),
    )
