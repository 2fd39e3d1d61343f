"""Tasks with few samples: of a rare class, and of classes that are like known ones."""

import functools

import keras
import numpy as np

from _panels.networks.plain import RATES, digits
from _panels.task import Task, classifier, compiled

RARE, RARE_SHARE = 8, 0.02


def with_rare_class():
    """Is it an eight? Few are."""
    x_train, y_train, x_test, y_test = digits()

    def part(x, y, count):
        rare = np.flatnonzero(y == RARE)[: round(RARE_SHARE * count)]
        others = np.flatnonzero(y != RARE)[: count - len(rare)]
        chosen = np.sort(np.concatenate([rare, others]))
        return x[chosen], (y[chosen] == RARE).astype("float32")[:, None]

    return *part(x_train, y_train, 1350), *part(x_test, y_test, 200)


@functools.cache
def imbalanced():
    """A probability of the rare class."""
    network = dense_network(1)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return Task(
        f"3 dense layers of 32 ReLU units, {RARE_SHARE:.0%} of the digits are eights",
        compiled(network, keras.optimizers.SGD(momentum=0.9), loss),
        with_rare_class(),
        [1e-3, 3e-3, 1e-2],
        epochs=4,
        score="test loss",
    )


def dense_network(outputs, width=32):
    """Three hidden layers of ReLU."""
    hidden = [
        keras.layers.Dense(width, "relu", name=f"hidden_{place}") for place in (1, 2, 3)
    ]
    head = keras.layers.Dense(outputs, name="head")
    return keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), *hidden, head]
    )


def only(first, last, train, test):
    """The digits of some classes, counted from 0."""
    x_train, y_train, x_test, y_test = digits()

    def part(x, y, count):
        chosen = np.flatnonzero((first <= y) & (y <= last))[:count]
        return x[chosen], y[chosen] - first

    return *part(x_train, y_train, train), *part(x_test, y_test, test)


@functools.cache
def source():
    """A network that knows the digits from 0 to 5."""
    keras.utils.set_random_seed(0)
    network = classifier(dense_network(6))
    network.optimizer.learning_rate = 0.01
    x, y, *_ = only(0, 5, 850, 100)
    network.fit(x, y, 50, 6, verbose=0)
    return network


@functools.cache
def transfer():
    """The digits from 6 to 9, of which there are 50, by a network twice as wide."""
    return Task(
        "3 dense layers of 64 ReLU units, 50 digits from 6 to 9",
        classifier(dense_network(4, width=64)),
        only(6, 9, 50, 100),
        RATES,
        epochs=12,
    )
