"""Outputs for classes of which some are rare."""

import dataclasses

import keras
import numpy as np
from _which.data import DIGITS, digits
from _which.row import Control, Row
from keras.layers import Dense, Flatten


def rare():
    """Digits of which each class has 0.6 times as many as the one before."""
    x_train, y_train, x_test, y_test = digits()

    def thinned(x, y, count):
        most = np.bincount(y).min()
        kept = [
            np.flatnonzero(y == label)[: max(1, round(most * 0.6**label))]
            for label in range(10)
        ]
        kept = np.random.default_rng(0).permutation(np.concatenate(kept))
        return x[kept[:count]], y[kept[:count]]

    return *thinned(x_train, y_train, 350), *thinned(x_test, y_test, 50)


def network(**arguments):
    """Two dense layers; the arguments are those of the last one."""
    return keras.Sequential(
        [keras.Input((8, 8, 1)), Flatten(), Dense(32, "relu"), Dense(10, **arguments)]
    )


ONE = dataclasses.replace(
    DIGITS,
    what="digits of which most classes are rare",
    data=rare,
    unit="loss",
    metrics=(),
)
ROWS = [
    Row(
        name="imbalanced-head",
        network="Output layer, most classes rare",
        activation="softmax",
        build=network,
        task=dataclasses.replace(ONE, epochs=1, score="test loss after 7 steps"),
        lines=("bias_initializer=keras_initx.PriorBias.from_labels(y)",),
        tutorial="diagnose",
        not_when="After 20 epochs Keras's default gets a {default}, and "
        "the line a {line}.",
        control=Control(
            "20 epochs",
            {},
            dataclasses.replace(ONE, epochs=20, score="test loss"),
        ),
    )
]
