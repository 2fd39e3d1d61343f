"""Networks that are an image: coordinates in, brightness out."""

import functools

import keras
import numpy as np
from _which.row import Row, Task
from keras.layers import Dense

OMEGA = 30.0


@functools.cache
def image(side=48):
    """Half of the pixels of an image for training, the others for the test."""
    axis = np.linspace(-1, 1, side)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    radius = np.sqrt(x**2 + y**2)
    value = np.sin(20 * radius**2) * (radius < 0.9) + np.sign(np.sin(9 * x + 4 * y)) / 2
    places = np.stack([x, y], axis=-1).reshape(-1, 2).astype("float32")
    value = value.reshape(-1, 1).astype("float32")
    order = np.random.default_rng(0).permutation(side * side)
    seen, unseen = order[: side * side // 2], order[side * side // 2 :]
    return places[seen], value[seen], places[unseen], value[unseen]


def sine(x):
    """The activation of SIREN."""
    return keras.ops.sin(OMEGA * x)


def gaussian(x):
    """A bump of the width 0.1."""
    return keras.ops.exp(-50.0 * keras.ops.square(x))


def network(activation, depth=3, width=64, **arguments):
    """Coordinates to brightness."""
    layers = [
        Dense(width, activation, name="first" if place == 0 else None, **arguments)
        for place in range(depth)
    ]
    return keras.Sequential([keras.Input((2,)), *layers, Dense(1, **arguments)])


IMAGE = Task(
    "an image of 48 x 48 pixels, of which every second is seen",
    image,
    "mse",
    "squared error on the other pixels",
    "error",
    (),
    rates=(3e-4, 1e-3, 3e-3),
    epochs=60,
    batch_size=192,
)
ROWS = [
    Row(
        name="siren",
        network="Implicit network of sines (SIREN)",
        activation="sin(30 x)",
        build=network,
        task=IMAGE,
        lines=(
            'keras_initx.reinitialize(model, {"first/kernel": '
            'keras_initx.Siren(first=True), "*/kernel": "siren"})',
            'kernel_initializer="siren"',
        ),
        tutorial="write_your_own",
        not_when="`omega` has to fit the image. The first layer of the paper, "
        "`Siren(first=True)`, begins with faster waves: see the note.",
        size={"activation": sine},
        small={"depth": 2, "width": 8},
    ),
    Row(
        name="implicit-gaussian",
        network="Implicit network of Gaussian bumps",
        activation="exp(-50 x²)",
        build=network,
        task=IMAGE,
        lines=(
            "keras_initx.lsuv(model, x, target_std=0.2)",
            'kernel_initializer="he_normal"',
        ),
        tutorial="lsuv",
        not_when="Its kernels have the right scale by chance. "
        "`target_std` sets it for other widths of the bumps.",
        size={"activation": gaussian},
        small={"depth": 2, "width": 8},
    ),
]
