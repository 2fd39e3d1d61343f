"""Residual networks of convolutions, with and without normalization."""

import dataclasses

import keras
from _which.data import DIGITS
from _which.row import Control, Row
from keras.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    ReLU,
)

from keras_initx.layers import Scale, Shift


def normalized(blocks=8, filters=16, **arguments):
    """A residual network whose branches begin with batch normalization."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, 2, padding="same", **arguments)(inputs)
    for _ in range(blocks):
        h = ReLU()(BatchNormalization(momentum=0.9)(x))
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        h = ReLU()(BatchNormalization(momentum=0.9)(h))
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        x = x + h
    x = ReLU()(BatchNormalization(momentum=0.9)(x))
    return keras.Model(inputs, Dense(10)(GlobalAveragePooling2D()(x)))


def unnormalized(blocks=10, filters=16, **arguments):
    """A residual network of scales and shifts, and no normalization."""
    inputs = keras.Input((8, 8, 1))
    x = Conv2D(filters, 3, 2, padding="same", activation="relu", **arguments)(inputs)
    for _ in range(blocks):
        h = Shift(gradient_scale=0.1)(x)
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        h = ReLU()(Shift(gradient_scale=0.1)(h))
        h = Shift(gradient_scale=0.1)(h)
        h = Conv2D(filters, 3, padding="same", use_bias=False, **arguments)(h)
        x = x + Shift(gradient_scale=0.1)(Scale(gradient_scale=0.1)(h))
    return keras.Model(inputs, Dense(10)(Flatten()(ReLU()(x))))


def momentum():
    """The optimizer of the paper."""
    return keras.optimizers.SGD(momentum=0.9)


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
        not_when="Normalization sets the scale, whatever the kernels are.",
        small={"blocks": 1},
    ),
    Row(
        name="resnet-unnormalized",
        network="Residual network without normalization, 20 convolutions",
        activation="ReLU",
        build=unnormalized,
        task=dataclasses.replace(
            DIGITS, epochs=3, optimizer=momentum, rates=(3e-3, 1e-2, 3e-2)
        ),
        lines=("keras_initx.fixup(model)", 'kernel_initializer="he_normal"'),
        tutorial="fixup",
        not_when="The row is for SGD, as the paper is. With Adam Keras's default gets "
        "{default}, and the line {line}.",
        small={"blocks": 1},
        control=Control("Adam", {}, dataclasses.replace(DIGITS, epochs=3)),
    ),
]
