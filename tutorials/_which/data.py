"""What the networks of the page learn."""

import dataclasses
import functools

import _common
import keras
import numpy as np
from _which.row import Task


@functools.cache
def digits():
    """1500 and 250 handwritten digits."""
    return _common.load_data()


def rows_of_digits():
    """The same, as eight steps or words of eight numbers."""
    x_train, y_train, x_test, y_test = digits()
    return x_train[..., 0], y_train, x_test[..., 0], y_test


def classes():
    """The loss of logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def adding(length, count=1500):
    """The sum of two marked numbers among `length`, new ones for the test."""

    def sample(generator, number):
        numbers = generator.random((number, length))
        marks = np.zeros((number, length))
        each = np.arange(number)
        marks[each, generator.integers(0, length // 2, number)] = 1
        marks[each, generator.integers(length // 2, length, number)] = 1
        x = np.stack([numbers, marks], axis=-1).astype("float32")
        return x, (numbers * marks).sum(axis=1, keepdims=True).astype("float32")

    def data():
        generator = np.random.default_rng(0)
        return (*sample(generator, count), *sample(generator, 250))

    return data


DIGITS = Task("scikit-learn's digits", digits, classes)
# Deep networks without normalization want smaller steps.
DEEP = dataclasses.replace(DIGITS, rates=(1e-4, 3e-4, 1e-3))
ROWS = Task("scikit-learn's digits, row by row", rows_of_digits, classes)
