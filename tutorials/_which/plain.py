"""Plain deep networks: no normalization, no shortcuts."""

import dataclasses

from _which.data import DEEP
from _which.row import Control, Row
from keras import Input, Sequential
from keras.layers import Conv2D, Dense, Flatten, GlobalAveragePooling2D

SHALLOW = "In 3 layers Keras's default gets {default}, and the line {line}."


def dense(activation, depth=50, width=48, **arguments):
    """A plain dense network."""
    model = Sequential([Input((8, 8, 1)), Flatten()])
    for _ in range(depth):
        model.add(Dense(width, activation, **arguments))
    model.add(Dense(10))
    return model


def convolutions(activation, depth=24, filters=8, **arguments):
    """A plain convolutional network."""
    model = Sequential([Input((8, 8, 1))])
    for _ in range(depth):
        model.add(
            Conv2D(filters, 3, padding="same", activation=activation, **arguments)
        )
    model.add(GlobalAveragePooling2D())
    model.add(Dense(10))
    return model


def row(kind, activation, lines, tutorial):
    """A row of this file."""
    is_dense = kind == "dense"
    name = "Plain dense, 50 layers" if is_dense else "Plain convolutions, 24 layers"
    label = {"tanh": "tanh", "relu": "ReLU", "gelu": "GELU", "selu": "SELU"}[activation]
    # Convolutions of eight filters learn slowly, from any start.
    slow = dataclasses.replace(DEEP, epochs=10)
    longer = dataclasses.replace(DEEP, epochs=8, rates=(3e-3, 1e-2))
    size = {"activation": activation, "depth": 3}
    return Row(
        name=f"plain-{kind}-{activation}",
        network=name,
        activation=label,
        build=dense if is_dense else convolutions,
        task=DEEP if is_dense else slow,
        lines=lines,
        tutorial=tutorial,
        not_when=SHALLOW,
        size={"activation": activation},
        small={"depth": 3},
        control=Control("3 layers", size, DEEP if is_dense else longer),
    )


ROWS = [
    row(
        "dense",
        "tanh",
        (
            'kernel_initializer="haar_orthogonal"',
            'kernel_initializer="random_walk"',
            "keras_initx.critical(model, x)",
            "keras_initx.lsuv(model, x)",
        ),
        "deep_linear",
    ),
    row(
        "dense",
        "relu",
        (
            "keras_initx.looks_linear(model)",
            'kernel_initializer="he_normal"',
            "keras_initx.lsuv(model, x)",
        ),
        "shattered_gradients",
    ),
    row(
        "dense",
        "gelu",
        (
            "keras_initx.looks_linear(model)",
            'kernel_initializer="he_normal"',
            "keras_initx.critical(model, x)",
            "keras_initx.lsuv(model, x)",
        ),
        "shattered_gradients",
    ),
    row(
        "dense",
        "selu",
        (
            'kernel_initializer=keras_initx.HaarOrthogonal(gain="selu")',
            'kernel_initializer="lecun_normal"',
            "keras_initx.critical(model, x)",
            "keras_initx.lsuv(model, x)",
        ),
        "deep_linear",
    ),
    row(
        "cnn",
        "tanh",
        (
            'kernel_initializer="orthogonal_delta"',
            "kernel_initializer=keras_initx.OrthogonalDelta(gain=1.1)",
            "keras_initx.critical(model, x)",
            "keras_initx.lsuv(model, x)",
        ),
        "delta_orthogonal",
    ),
    row(
        "cnn",
        "relu",
        (
            "keras_initx.looks_linear(model)",
            'kernel_initializer="he_normal"',
            'keras_initx.looks_linear(model, base="orthogonal_delta")',
            "keras_initx.lsuv(model, x)",
        ),
        "shattered_gradients",
    ),
    row(
        "cnn",
        "gelu",
        (
            "keras_initx.looks_linear(model)",
            'kernel_initializer="he_normal"',
            "keras_initx.critical(model, x)",
            "keras_initx.lsuv(model, x)",
        ),
        "delta_orthogonal",
    ),
]
