"""Faults of recurrent layers."""

import keras
import numpy as np
from diagnostics.exam.material import (
    SAMPLES,
    SERIES,
    Fault,
    classifier,
    normal,
    numbers,
)
from keras import layers, ops

LONG = numbers(SAMPLES, 40, 4, seed=5)


def gru_bias(value):
    """The update gate is the first of three."""

    def made(shape, dtype=None):
        bias = np.zeros(shape)
        bias[..., : shape[-1] // 3] = value
        return ops.convert_to_tensor(bias.astype("float32"))

    return made


def long_gru(bias=12.0):
    """The update gate lets nothing in."""
    return classifier(layers.GRU(16, name="a", bias_initializer=gru_bias(bias)), x=LONG)


def forgetful(deviation=0.01):
    recurrent = layers.SimpleRNN(32, name="a", recurrent_initializer=normal(deviation))
    return classifier(recurrent, x=LONG)


def growing(factor=1.6):
    recurrent = layers.SimpleRNN(
        16,
        None,
        name="a",
        recurrent_initializer=keras.initializers.Identity(factor),
    )
    return classifier(recurrent, x=LONG)


def hard_gates(deviation=8.0):
    recurrent = layers.LSTM(16, name="a", kernel_initializer=normal(deviation))
    return classifier(recurrent, x=SERIES)


FAULTS = [
    Fault(long_gru, "gates_shut", "a", {"bias": 2.0}),
    Fault(forgetful, "forgets", "a", {"deviation": 1 / np.sqrt(32)}),
    Fault(growing, "explodes_over_time", "a", {"factor": 1.0}),
    Fault(hard_gates, "saturated_gates", "a", {"deviation": 0.3}),
]
