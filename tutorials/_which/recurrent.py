"""Recurrent networks, by how long they have to remember."""

import keras
import numpy as np
from _which.data import classes
from _which.row import Control, Row, Task
from keras.layers import GRU, LSTM, Dense, SimpleRNN


def recall(length, count=1000):
    """Which of four symbols stood at the beginning? The other steps are noise."""

    def sample(generator, number):
        y = generator.integers(0, 4, number)
        x = np.zeros((number, length, 5), "float32")
        x[:, 0, :4] = np.eye(4)[y]
        x[:, 1:, 4] = generator.normal(size=(number, length - 1))
        return x, y

    def data():
        generator = np.random.default_rng(0)
        return (*sample(generator, count), *sample(generator, 250))

    return data


def network(layer, length, units=32, **arguments):
    """One recurrent layer, and one dense layer after its last state."""
    if isinstance(layer, type):
        layer = layer(units, **arguments)
    return keras.Sequential([keras.Input((length, 5)), layer, Dense(4)])


def task(length):
    """The memory of `length` steps."""
    what = f"the symbol that stood {length} steps ago, among noise"
    rates = (1e-3, 3e-3, 1e-2)
    return Task(what, recall(length), classes, rates=rates, epochs=6)


def row(layer, length, lines, not_when, control=10, name="", **rest):
    """A row of this file, with a short memory as control."""
    short = None
    if control:
        size = {"layer": layer, "length": control}
        short = Control(f"{control} steps", size, task(control))
    label = name or layer.__name__
    horizon = "short" if length <= 10 else "long"
    return Row(
        name=f"{label.lower().replace(' ', '-')}-{horizon}",
        network=f"{label}, memory of {length} steps",
        build=network,
        task=task(length),
        lines=lines,
        tutorial="recurrent",
        not_when=not_when,
        size={"layer": layer, "length": length},
        small={"units": 8},
        control=short,
        **rest,
    )


SHORT = "Over 10 steps Keras's default gets {default}, and the line {line}."
CHRONO = "bias_initializer=keras_initx.ChronoBias(60), unit_forget_bias=False"
IRNN = (
    'activation="relu", recurrent_initializer="gate_identity", '
    "kernel_initializer=keras.initializers.RandomNormal(stddev=0.001)"
)
GATES = "sigmoid and tanh"
ROWS = [
    row(
        LSTM,
        10,
        (
            'recurrent_initializer="gate_orthogonal"',
            "bias_initializer=keras_initx.ChronoBias(10), unit_forget_bias=False",
        ),
        "Keras's default remembers ten steps.",
        control=None,
        activation=GATES,
    ),
    row(
        LSTM,
        60,
        (
            CHRONO,
            'recurrent_initializer="gate_orthogonal"',
        ),
        SHORT,
        activation=GATES,
    ),
    row(
        GRU,
        60,
        (
            'bias_initializer=keras_initx.ChronoBias(60, layer="gru")',
            'recurrent_initializer="gate_orthogonal"',
        ),
        SHORT,
        activation=GATES,
    ),
    row(
        SimpleRNN,
        60,
        (
            IRNN,
            'recurrent_initializer="gate_orthogonal"',
        ),
        SHORT,
        activation="tanh",
    ),
    row(
        SimpleRNN,
        60,
        ("keras.layers.RNN(keras_initx.layers.UnitaryRNNCell(32))",),
        SHORT,
        name="Unitary cell",
        activation="modReLU",
    ),
]
