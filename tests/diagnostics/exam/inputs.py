"""Faults of the inputs."""

import numpy as np
from diagnostics.exam.material import (
    IN,
    SAMPLES,
    SERIES,
    STEPS,
    TABLE,
    Fault,
    classifier,
    dense,
    integers,
    numbers,
)
from keras import layers, ops


def sound(scale=1.0):
    """16-bit samples of sound."""
    waves = scale * np.round(5000 * numbers(SAMPLES, 64, 1))
    convolution = layers.Conv1D(16, 9, activation="relu", name="a")
    return classifier(convolution, layers.GlobalMaxPooling1D(), x=waves)


def pressure(adapted=False):
    """Pascal: what differs is a hundredth of what does not."""
    x = 101_325 + 800 * TABLE
    normalization = layers.Normalization()
    normalization.adapt(x)
    return classifier(*([normalization] if adapted else []), dense("a"), x=x)


def population(divisor=1.0):
    """The inhabitants of a town beside fifteen rates."""
    x = TABLE.copy()
    x[:, 3] = np.exp(11 + x[:, 3]) / divisor
    return classifier(dense("a"), x=x)


def missing_as_minus_99999(missing=-99_999.0):
    x = TABLE.copy()
    x[::9, 5] = missing
    return classifier(dense("a"), x=x)


def words_into_convolution(embedding=False):
    convolution = layers.Conv1D(16, 3, activation="relu", name="a")
    if embedding:
        steps = layers.Embedding(5000, 16), convolution
        x = integers(0, 5000, SAMPLES, STEPS)
        return classifier(*steps, layers.GlobalMaxPooling1D(), x=x, dtype="int32")
    x = integers(0, 5000, SAMPLES, STEPS, 1).astype("float32")
    return classifier(convolution, layers.GlobalMaxPooling1D(), x=x)


def silent_recordings(loudness=0.0):
    x = -80 * np.ones((SAMPLES, STEPS, 4), "float32") if loudness == 0 else SERIES
    return classifier(layers.LSTM(16, name="a"), x=x)


def division_by_the_sum(epsilon=0.0):
    """Counts become shares, and a sample without counts becomes NaN."""
    counts = np.abs(TABLE)
    counts[3] = 0

    def share(x):
        return x / (ops.sum(x, axis=-1, keepdims=True) + epsilon)

    return classifier(layers.Lambda(share, name="share"), dense("a"), x=counts)


FAULTS = [
    Fault(sound, "unscaled_inputs", IN, {"scale": 1 / 5000}),
    Fault(pressure, "uncentered_inputs, unscaled_inputs", IN, {"adapted": True}),
    Fault(population, "dominant_feature", IN, {"divisor": 1e5}),
    Fault(missing_as_minus_99999, "dominant_feature", IN, {"missing": 0.0}),
    Fault(words_into_convolution, "ids_as_numbers", IN, {"embedding": True}),
    Fault(silent_recordings, "constant_inputs", IN, {"loudness": 1.0}),
    Fault(division_by_the_sum, "non_finite_signal", "share", {"epsilon": 1e-6}),
]
