"""Networks that come from elsewhere: from PyTorch, or from other digits."""

import dataclasses
import functools

import _common
import keras
from _which.data import DIGITS, digits
from _which.row import Control, Row
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D


def lenet(depth=2, filters=16, classes=10, **arguments):
    """Convolutions, pooling and two dense layers."""
    inputs = x = keras.Input((8, 8, 1))
    for _ in range(depth):
        x = Conv2D(filters, 3, padding="same", activation="relu", **arguments)(x)
    x = Flatten()(MaxPooling2D(2)(x))
    x = Dense(32, "relu", **arguments)(x)
    return keras.Model(inputs, Dense(classes, name=f"head_{classes}")(x))


def half(first):
    """The digits of five classes, numbered from 0."""
    x_train, y_train, x_test, y_test = digits()
    seen, unseen = ((y >= first) & (y < first + 5) for y in (y_train, y_test))
    return x_train[seen], y_train[seen] - first, x_test[unseen], y_test[unseen] - first


def few():
    """Fifty digits from 5 to 9, and 100 for the test."""
    x_train, y_train, x_test, y_test = half(5)
    return x_train[:50], y_train[:50], x_test[:100], y_test[:100]


@functools.cache
def source(filters=32):
    """A network that has learned all digits from 0 to 4."""
    keras.utils.set_random_seed(0)
    network = lenet(filters=filters, classes=5)
    network.compile("adam", DIGITS.loss())
    x, y = half(0)[:2]
    network.fit(x, y, _common.BATCH_SIZE, 10, verbose=0)
    return network


FEW = dataclasses.replace(
    DIGITS,
    what="fifty digits from 5 to 9",
    data=few,
    rates=(3e-4, 1e-3, 3e-3),
    epochs=20,
    batch_size=10,
)
ROWS = [
    Row(
        name="port-from-pytorch",
        network="Port of a small network from PyTorch",
        activation="ReLU",
        build=lenet,
        task=dataclasses.replace(DIGITS, epochs=2),
        lines=('keras_initx.reinitialize(model, like="torch")',),
        tutorial="start_from_another_network",
        not_when="In 12 convolutions Keras's default gets {default}, and the line "
        "{line}.",
        small={"filters": 4},
        control=Control("12 convolutions", {"depth": 12}),
    ),
    Row(
        name="small-data",
        network="Fifty samples, a network trained on other classes",
        activation="ReLU",
        build=lenet,
        task=FEW,
        lines=("keras_initx.warm_start(model, source)",),
        tutorial="start_from_another_network",
        not_when="With all 750 samples Keras's default gets {default}, and the line "
        "{line}.",
        size={"filters": 16, "classes": 5},
        control=Control(
            "all samples",
            {"filters": 16, "classes": 5},
            dataclasses.replace(
                FEW,
                data=lambda: tuple(
                    p[:700] if len(p) > 700 else p[:100] for p in half(5)
                ),
                epochs=4,
                batch_size=50,
            ),
        ),
        names=lambda: {"source": source()},
    ),
]
