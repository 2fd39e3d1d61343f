"""Residual networks of convolutions, with and without normalization."""

import dataclasses

import keras
from _which.data import DIGITS
from _which.row import Control, Row
from keras.layers import BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, ReLU

from keras_initx.layers import Scale, Shift


def normalized(blocks=8, filters=16, **arguments):
    """A residual network with batch normalization, its second version."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, 2, padding="same", **arguments)(inputs)
    for _ in range(blocks):
        h = ReLU()(BatchNormalization()(x))
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        h = ReLU()(BatchNormalization()(h))
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        x = x + h
    x = ReLU()(BatchNormalization()(x))
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling2D()(x)))


def unnormalized(blocks=12, filters=16, **arguments):
    """A residual network of scales and shifts, and no normalization."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, 2, padding="same", activation="relu", **arguments)(inputs)
    for _ in range(blocks):
        h = Shift()(x)
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        h = Shift()(ReLU()(Shift()(h)))
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        x = x + Shift()(Scale()(h))
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling2D()(ReLU()(x))))


ROWS = [
    Row(
        name="resnet-normalized",
        network="Residual network with `BatchNormalization`, 16 convolutions",
        activation="ReLU",
        build=normalized,
        task=dataclasses.replace(DIGITS, epochs=3),
        lines=(
            'kernel_initializer="he_normal"',
            'kernel_initializer="orthogonal_delta"',
        ),
        tutorial="fixup",
        not_when="",
        small={"blocks": 1},
    ),
    Row(
        name="resnet-unnormalized",
        network="Residual network without normalization, 24 convolutions",
        activation="ReLU",
        build=unnormalized,
        task=dataclasses.replace(DIGITS, epochs=3, rates=(3e-4, 1e-3, 3e-3)),
        lines=(
            "keras_initx.fixup(model)",
            'kernel_initializer="he_normal"',
            'keras_initx.depth_scale(model, "skip_init")',
        ),
        tutorial="fixup",
        not_when="With 2 blocks Keras's default gets {default}, and the line {line}.",
        small={"blocks": 1},
        control=Control("2 blocks", {"blocks": 2}),
    ),
]
