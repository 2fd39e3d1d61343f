"""Networks whose outputs are images."""

import functools

import keras
import numpy as np
from sklearn.datasets import load_sample_image

from _panels.networks.plain import digits
from _panels.task import Task, by_depth, compiled

SIZE = 32
RATES = [1e-3, 3e-3, 1e-2]


def photograph():
    """The grey values of a photograph, with mean 0, and their coordinates."""
    grey = load_sample_image("china.jpg").mean(axis=2)[:416, :416]
    side = len(grey) // SIZE
    grey = grey.reshape(SIZE, side, SIZE, side).mean(axis=(1, 3))
    line = np.linspace(-1, 1, SIZE)
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    values = (grey - grey.mean()) / grey.std()
    return places.reshape(-1, 2).astype("float32"), values.reshape(-1, 1)


def sine(x):
    """The activation of a SIREN."""
    return keras.ops.sin(30.0 * x)


@functools.cache
def implicit(depth=4, width=64):
    """Sines that learn a photograph: from coordinates to grey values."""
    places, values = photograph()
    hidden = [
        keras.layers.Dense(width, sine, name=f"hidden_{place}")
        for place in range(1, depth + 1)
    ]
    network = keras.Sequential(
        [keras.Input((2,)), *hidden, keras.layers.Dense(1, name="head")]
    )
    # An epoch is ten times the photograph.
    data = (np.tile(places, (3, 1)), np.tile(values, (3, 1)), places, values)
    return Task(
        f"{depth} dense layers of {width} sines, photograph of {SIZE} x {SIZE} pixels",
        compiled(network, keras.optimizers.Adam(), "mse"),
        data,
        [1e-4, 1e-3, 1e-2],
        epochs=6,
        score="loss",
        watch=by_depth("*hid*"),
    )


def small_and_large():
    """Digits of 4 x 4 pixels, and what they are the means of."""
    x_train, _, x_test, _ = digits()

    def small(x):
        return x.reshape(-1, 4, 2, 4, 2, 1).mean(axis=(2, 4))

    return small(x_train), x_train, small(x_test), x_test


@functools.cache
def sub_pixels(channels=16):
    """Convolutions, and an operation that makes four pixels of four channels."""
    inputs = keras.Input((4, 4, 1))
    x = inputs
    for place in (1, 2):
        x = keras.layers.Conv2D(
            channels, 3, padding="same", activation="relu", name=f"hidden_{place}"
        )(x)
    x = keras.layers.Conv2D(4, 3, padding="same", name="up")(x)
    network = keras.Model(inputs, keras.ops.depth_to_space(x, 2))
    return upsampling("sub-pixel convolution, digits from 4 x 4 to 8 x 8", network)


@functools.cache
def transposed(channels=16):
    """A transposed convolution, and a residual branch that mends what it makes."""
    inputs = keras.Input((4, 4, 1))
    up = keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same", name="up")
    x = up(inputs)
    h = keras.layers.Conv2D(
        channels, 3, padding="same", activation="relu", name="first"
    )(x)
    h = keras.layers.Conv2D(1, 3, padding="same", name="last")(h)
    network = keras.Model(inputs, x + h)
    return upsampling("transposed convolution, digits from 4 x 4 to 8 x 8", network)


def upsampling(title, network):
    """The task of both."""
    return Task(
        title,
        compiled(network, keras.optimizers.Adam(), "mse"),
        small_and_large(),
        RATES,
        epochs=5,
        score="test loss",
    )
