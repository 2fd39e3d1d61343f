"""A residual network without normalization, with the numbers that Fixup adds."""

import functools

import keras

from _panels.networks.plain import digits
from _panels.task import Task, by_depth, classifier
from keras_initx.layers import Scale, Shift

WIDTH = 32
# The paper trains the factors and offsets at a tenth of the learning rate.
SLOWER = 0.1


def branch(x, place):
    """Two dense layers; the first one is twice as wide."""
    h = Shift(gradient_scale=SLOWER)(x)
    h = keras.layers.Dense(2 * WIDTH, use_bias=False, name=f"first_{place}")(h)
    h = keras.layers.ReLU()(Shift(gradient_scale=SLOWER)(h))
    h = Shift(gradient_scale=SLOWER)(h)
    h = keras.layers.Dense(WIDTH, use_bias=False, name=f"last_{place}")(h)
    return Shift(gradient_scale=SLOWER)(Scale(gradient_scale=SLOWER)(h))


@functools.cache
def residual(blocks=20):
    """Stem, branches, head."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Dense(WIDTH, name="stem")(keras.layers.Flatten()(inputs))
    for place in range(1, blocks + 1):
        x = x + branch(x, place)
    outputs = keras.layers.Dense(10, name="head")(x)
    return Task(
        f"{blocks} residual blocks without normalization, digits",
        classifier(keras.Model(inputs, outputs)),
        digits(),
        [1e-4, 1e-3, 1e-2, 1e-1],
        epochs=4,
        watch=by_depth("*first*"),
    )
