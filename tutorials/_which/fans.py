"""Layers in which Keras's own initializers count other fans than the layer has."""

import dataclasses

import keras
from _which.data import DIGITS
from _which.row import Row
from keras.layers import Conv2D, Dense, GlobalAveragePooling2D, ReLU, SeparableConv2D


def separable(depth=10, filters=16, **arguments):
    """Depthwise convolutions, each with one of single pixels."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, padding="same")(inputs)
    for _ in range(depth):
        x = SeparableConv2D(filters, 3, padding="same", **arguments)(x)
        x = ReLU()(x)
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling2D()(x)))


def grouped(depth=10, filters=16, **arguments):
    """Convolutions in four groups."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, padding="same")(inputs)
    for _ in range(depth):
        x = Conv2D(filters, 3, padding="same", groups=4, **arguments)(x)
        x = ReLU()(x)
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling2D()(x)))


RIGHT = 'keras_initx.reinitialize(model, {"*kernel": "he_normal"})'
ROWS = [
    Row(
        name="depthwise",
        network="Plain separable convolutions, 10 layers",
        activation="ReLU",
        build=separable,
        task=dataclasses.replace(DIGITS, epochs=3),
        lines=(
            RIGHT,
            'depthwise_initializer="he_normal", pointwise_initializer="he_normal"',
        ),
        tutorial="write_your_own",
        not_when="After a normalization the fans do not matter.",
        small={"depth": 1},
    ),
    Row(
        name="grouped",
        network="Plain convolutions in 4 groups, 10 layers",
        activation="ReLU",
        build=grouped,
        task=dataclasses.replace(DIGITS, epochs=3),
        lines=(
            RIGHT,
            "kernel_initializer=keras_initx.OrthogonalDelta(2**0.5, groups=4)",
            "keras_initx.looks_linear(model)",
        ),
        tutorial="write_your_own",
        not_when="After a normalization the fans do not matter.",
        small={"depth": 1},
    ),
]
