"""Faults of the numbers in the kernels."""

import keras
import numpy as np
from diagnostics.exam.material import (
    FEATURES,
    IMAGES,
    LABELS,
    SAMPLES,
    TABLE,
    Case,
    Fault,
    classifier,
    compiled,
    dense,
    normal,
    numbers,
    output,
)
from keras import layers


def separable_he(deviation=None):
    """Keras counts the channels in, and a depthwise kernel has one."""

    def kernel():
        return "he_normal" if deviation is None else normal(deviation)

    steps = [
        layers.SeparableConv2D(
            64, 3, padding="same", name=f"s{n}", depthwise_initializer=kernel()
        )
        for n in range(3)
    ]
    first = layers.Conv2D(64, 1, name="first")
    return classifier(first, *steps, layers.GlobalMaxPooling2D(), x=IMAGES)


def variance_for_deviation(power=1.0):
    hidden = [dense(f"d{n}", 64, kernel=normal((2 / 64) ** power)) for n in range(10)]
    x = numbers(SAMPLES, 64)
    return classifier(*hidden, x=x)


def five_hundredths(deviation=0.05):
    hidden = [dense(f"d{n}", kernel=normal(deviation)) for n in range(8)]
    return classifier(*hidden, x=numbers(SAMPLES, 32))


def uniform_of_one(limit=1.0):
    hidden = [
        dense(f"d{n}", kernel=keras.initializers.RandomUniform(-limit, limit))
        for n in range(12)
    ]
    return classifier(*hidden, x=numbers(SAMPLES, 32))


def ones_in_a_convolution(kernel="ones"):
    steps = layers.Conv2D(16, 3, activation="relu", name="a", kernel_initializer=kernel)
    return classifier(steps, layers.Flatten(), x=IMAGES)


def equal_members(seeds=(7, 7, 7)):
    """An ensemble whose members start from one seed."""
    start = keras.Input((FEATURES,))
    members = [
        dense(f"m{n}", 16, kernel=keras.initializers.HeNormal(seed))(start)
        for n, seed in enumerate(seeds)
    ]
    together = layers.Average()(members)
    return Case(compiled(keras.Model(start, output()(together))), TABLE, LABELS)


def selu_and_he(kernel="he_uniform"):
    hidden = [dense(f"d{n}", 32, "selu", kernel) for n in range(6)]
    return classifier(*hidden)


FAULTS = [
    Fault(separable_he, "wrong_fans", "s0", {"deviation": 1 / 3}),
    Fault(variance_for_deviation, "variance_as_deviation", "d0", {"power": 0.5}),
    Fault(five_hundredths, "vanishing_signal", "d0", {"deviation": 0.25}),
    Fault(uniform_of_one, "exploding_signal", "d0", {"limit": np.sqrt(6 / 32)}),
    Fault(ones_in_a_convolution, "symmetric_units", "a", {"kernel": "he_normal"}),
    Fault(equal_members, "duplicate_kernels", "m1", {"seeds": (1, 2, 3)}),
    Fault(
        selu_and_he,
        "selu_without_lecun_normal",
        "d0, d1",
        {"kernel": "lecun_normal"},
    ),
]
