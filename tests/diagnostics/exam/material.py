"""What the networks of the exam are made of: toy data, and short names."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

SAMPLES, FEATURES, CLASSES, STEPS, WORDS = 64, 16, 4, 12, 40


class Case(NamedTuple):
    """What a user hands to `signal_report`."""

    model: Any
    x: Any
    y: Any = None
    loss: Any = None


class Fault(NamedTuple):
    """What a network must be told, and the arguments that repair it.

    The defaults of the function make the fault, and those of the repair follow what
    the verdict advises. Where several kinds or layers are right, a comma stands between
    them; `-` is no layer, and `*` is any.
    """

    build: Callable[..., Case]
    kinds: str
    layers: str
    repair: dict[str, Any]


# The paths that most verdicts name.
IN, OUT = "input", "output"


def numbers(*shape, seed=0):
    """Standard normal numbers, the same in every run."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def integers(low, high, *shape, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype("int32")


TABLE = numbers(SAMPLES, FEATURES)
VALUES = (TABLE[:, :1] + np.sin(TABLE[:, 1:2])) / 1.2
LABELS = integers(0, CLASSES, SAMPLES, seed=1)
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
BITS = (VALUES > 0).astype("float32")
IMAGES = np.random.default_rng(2).uniform(size=(SAMPLES, 8, 8, 3)).astype("float32")
SERIES = numbers(SAMPLES, STEPS, 4, seed=3)
TOKENS = integers(1, WORDS, SAMPLES, STEPS, seed=4)


def normal(deviation):
    return keras.initializers.RandomNormal(stddev=deviation)


def constant(value):
    return keras.initializers.Constant(value)


def dense(name, units=32, activation="relu", kernel="he_normal", **arguments):
    return layers.Dense(
        units, activation, name=name, kernel_initializer=kernel, **arguments
    )


def output(units=CLASSES, activation=None, **arguments):
    return layers.Dense(units, activation, name="output", **arguments)


def chain(*steps, inputs=(FEATURES,), dtype=None):
    """A model of these layers, each after the one before."""
    start = hidden = keras.Input(inputs, dtype=dtype)
    for step in steps:
        hidden = step(hidden)
    return keras.Model(start, hidden)


def compiled(model, loss="logits", optimizer=None):
    """The model as a user compiles it. `"logits"` is the cross-entropy of logits."""
    if loss == "logits":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss)
    return model


def classifier(*steps, x=TABLE, y=LABELS, optimizer=None, dtype=None):
    """These layers and an output of logits, compiled."""
    model = chain(*steps, output(), inputs=x.shape[1:], dtype=dtype)
    return Case(compiled(model, optimizer=optimizer), x, y)


def regression(x=TABLE, y=VALUES, *, activation=None, loss="mse", optimizer=None):
    """One hidden layer, and an output for each target."""
    outputs = output(1 if y.ndim == 1 else y.shape[-1], activation)
    return Case(compiled(chain(dense("a"), outputs), loss, optimizer), x, y)
