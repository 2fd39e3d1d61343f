"""Layers that upsample: digits of 8 x 8 pixels from 4 x 4."""

import keras
import numpy as np
from _which.data import digits
from _which.row import Row, Task
from keras import ops
from keras.layers import AveragePooling2D, Conv2D, Conv2DTranspose


def halves():
    """Each digit at half its size, and as it was."""
    x_train, _, x_test, _ = digits()
    small = AveragePooling2D(2)
    return (
        *(
            part
            for x in (x_train, x_test)
            for part in (np.array(ops.convert_to_numpy(small(x))), x)
        ),
    )


def sub_pixel(filters=16, **arguments):
    """Two convolutions, then four channels that become 2 x 2 pixels."""
    inputs = keras.Input((4, 4, 1))
    x = Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    x = Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = Conv2D(4, 3, padding="same", **arguments)(x)
    return keras.Model(inputs, ops.depth_to_space(x, 2))


def transposed(filters=16, **arguments):
    """Two convolutions, a transposed one, and one of a single pixel."""
    inputs = keras.Input((4, 4, 1))
    x = Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    x = Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = Conv2DTranspose(filters, 4, 2, padding="same", **arguments)(x)
    return keras.Model(inputs, Conv2D(1, 1)(x))


def checkerboard(model, data):
    """How far the four phases of the pixels are apart, over all pixels' deviation.

    For images that are smooth there is none of this: 0.
    """
    image = np.array(ops.convert_to_numpy(model(data[2])))[:, 2:-2, 2:-2]
    size, fine = image.std(), image[:, ::2, ::2] - image[:, 1::2, ::2]
    other = image[:, 1::2, ::2] - image[:, 1::2, 1::2]
    return float(np.sqrt((fine**2 + other**2).mean() / 2) / max(size, 1e-12))


IMAGES = Task(
    "digits from half their size",
    halves,
    "mse",
    "squared error on the test images",
    "error",
    (),
    epochs=2,
)
ROWS = [
    Row(
        name="upsampling-sub-pixel",
        network="Upsampling by `depth_to_space`",
        activation="ReLU",
        build=sub_pixel,
        task=IMAGES,
        lines=('kernel_initializer="icnr"',),
        tutorial="write_your_own",
        not_when="It removes the checkerboard of the first images, not the error.",
        small={"filters": 4},
        extra=checkerboard,
        extra_name="checkerboard at the start",
    ),
    Row(
        name="upsampling-transposed",
        network="Upsampling by `Conv2DTranspose`",
        activation="ReLU",
        build=transposed,
        task=IMAGES,
        lines=(
            'kernel_initializer="bilinear"',
            "kernel_initializer=keras_initx.FanScaled("
            "input_axes=[-1], output_axes=[-2])",
        ),
        tutorial="write_your_own",
        not_when='`"bilinear"` starts with the smaller checkerboard: see the note.',
        small={"filters": 4},
        extra=checkerboard,
        extra_name="checkerboard at the start",
    ),
]
