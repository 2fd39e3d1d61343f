"""Faults that grow with the depth, and of the first step."""

import keras
from diagnostics.exam.material import (
    FEATURES,
    LABELS,
    TABLE,
    Case,
    Fault,
    classifier,
    compiled,
    dense,
    output,
)
from keras import layers


def nine_sigmoids(activation="sigmoid", kernel="glorot_uniform"):
    return classifier(*[dense(f"d{n}", 32, activation, kernel) for n in range(9)])


def post_normalized_sums(blocks=40):
    """Branches and normalizations in turn, the normalization after the sum."""
    start = keras.Input((FEATURES,))
    hidden = dense("stem", 32, None)(start)
    for n in range(blocks):
        branch = dense(f"b{n}", 32, None)(dense(f"a{n}", 32)(hidden))
        hidden = layers.LayerNormalization(name=f"n{n}")(hidden + branch)
    return Case(compiled(keras.Model(start, output()(hidden))), TABLE, LABELS)


def rate_of_20(rate=20.0):
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    return classifier(dense("a"), optimizer=optimizer)


def rate_of_1e_8(rate=1e-8):
    return classifier(dense("a"), optimizer=keras.optimizers.SGD(rate, momentum=0.9))


def decay_of_half(decay=5.0):
    optimizer = keras.optimizers.SGD(0.1, weight_decay=decay)
    return classifier(dense("a"), optimizer=optimizer)


FAULTS = [
    Fault(
        nine_sigmoids,
        "collapsed_inputs, vanishing_gradient",
        "*",
        {"activation": "relu", "kernel": "he_normal"},
    ),
    Fault(
        post_normalized_sums,
        "large_update, collapsed_inputs, vanishing_gradient, exploding_gradient",
        "*",
        {"blocks": 2},
    ),
    Fault(rate_of_20, "large_update", "*", {"rate": 0.05}),
    Fault(rate_of_1e_8, "small_update", "*", {"rate": 0.05}),
    Fault(decay_of_half, "strong_weight_decay", "*", {"decay": 1e-4}),
]
