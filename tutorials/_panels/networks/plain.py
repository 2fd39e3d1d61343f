"""Plain networks on scikit-learn's digits: one layer after the other."""

import functools

import _common
import keras

import keras_initx
from _panels.task import Task, by_depth, classifier

RATES = [3e-3, 1e-2, 3e-2]
SLOW_RATES = [1e-4, 1e-3, 1e-2]


@functools.cache
def digits():
    """The data of all of these."""
    return _common.load_data()


def chain(layers):
    """A compiled network of these layers, with ten logits."""
    return classifier(keras.Sequential([keras.Input((8, 8, 1)), *layers]))


@functools.cache
def dense(activation, depth, width, rates=tuple(RATES), epochs=5):
    """Dense layers of one activation."""
    hidden = [
        keras.layers.Dense(width, activation, name=f"hidden_{place}")
        for place in range(1, depth + 1)
    ]
    network = chain(
        [keras.layers.Flatten(), *hidden, keras.layers.Dense(10, name="head")]
    )
    name = {"relu": "ReLU", "gelu": "GELU", None: "linear"}.get(activation, activation)
    title = f"{depth} dense layers of {width} {name} units, digits"
    return Task(title, network, digits(), list(rates), epochs, watch=by_depth("*hid*"))


@functools.cache
def convolutions(activation, depth, channels=16, rates=tuple(RATES)):
    """A convolution that makes the image 4 x 4, then equal ones of 3 x 3 taps."""
    stem = keras.layers.Conv2D(channels, 2, strides=2, activation=activation)
    hidden = [
        keras.layers.Conv2D(
            channels, 3, padding="same", activation=activation, name=f"hidden_{place}"
        )
        for place in range(1, depth + 1)
    ]
    head = [keras.layers.Flatten(), keras.layers.Dense(10, name="head")]
    name = "ReLU" if activation == "relu" else activation
    return Task(
        f"{depth} {name} convolutions of {channels} channels, digits",
        chain([stem, *hidden, *head]),
        digits(),
        list(rates),
        epochs=3,
        watch=by_depth("*hid*"),
    )


@functools.cache
def depthwise(depth, channels):
    """Depthwise and pointwise convolutions in turn, as in MobileNet."""
    layers = [keras.layers.Conv2D(channels, 1, activation="relu", name="stem")]
    for place in range(1, depth + 1):
        layers += [
            keras.layers.DepthwiseConv2D(
                3, padding="same", activation="relu", name=f"depthwise_{place}"
            ),
            keras.layers.Conv2D(
                channels, 1, activation="relu", name=f"pointwise_{place}"
            ),
        ]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)]
    return Task(
        f"{depth} pairs of depthwise and pointwise convolutions, digits",
        chain(layers),
        digits(),
        [1e-2, 3e-2],
        epochs=3,
        watch=by_depth("*wise*"),
    )


@functools.cache
def concatenated(depth, width):
    """Dense layers after concatenated ReLU."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(width, name="hidden_1")]
    for place in range(2, depth + 1):
        layers += [
            keras_initx.layers.CReLU(),
            keras.layers.Dense(width, name=f"hidden_{place}"),
        ]
    layers += [keras_initx.layers.CReLU(), keras.layers.Dense(10, name="head")]
    return Task(
        f"{depth} dense layers of {width} units after CReLU, digits",
        chain(layers),
        digits(),
        SLOW_RATES,
        epochs=5,
        watch=by_depth("*hid*"),
    )
