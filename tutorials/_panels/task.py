"""A network, its data, and how it is trained and looked at."""

import dataclasses
from collections.abc import Callable
from fnmatch import fnmatch

import _common
import keras
import numpy as np

import keras_initx

# Samples on which the signal and the gradient are measured.
LOOK_AT = 100


@dataclasses.dataclass(frozen=True)
class Signal:
    """What the signal and the gradient do from layer to layer, or from step to step."""

    # The layers or steps, from 1.
    at: list[float]
    deviation: list[float]
    gradient: list[float]


@dataclasses.dataclass(frozen=True)
class Task:
    """A compiled network with what it learns.

    Attributes:
        title: str. The network in words.
        network: keras.Model.
        data: tuple. `(x_train, y_train, x_test, y_test)`.
        rates: list of float. The grid of learning rates.
        epochs: int.
        score: str. What `fit` calls `val_`, in words.
        watch: function of the network, inputs and targets, which gives a `Signal`.
        along: str. What the signal runs along: layers or steps.
    """

    title: str
    network: keras.Model
    data: tuple
    rates: list[float]
    epochs: int
    score: str = "test accuracy"
    watch: Callable = None
    along: str = "layer"

    def signal(self):
        """The signal and the gradient at the present weights."""
        x, y = self.data[0][:LOOK_AT], self.data[1][:LOOK_AT]
        return (self.watch or by_depth("*"))(self.network, x, y)


def by_depth(pattern):
    """Watches the layers whose path matches: their pre-activation, and its gradient."""

    def watch(network, x, y):
        rows = [
            row
            for row in keras_initx.signal_report(network, x, y)
            if row.kernels and fnmatch(row.path, pattern)
        ]
        gradients = [row.output_gradient for row in rows]
        return Signal(
            list(range(1, len(rows) + 1)),
            [row.pre_activation_std for row in rows],
            [np.nan if gradient is None else gradient for gradient in gradients],
        )

    return watch


def classifier(network, optimizer=None):
    """Compiles the network for integer classes and logits."""
    if optimizer is None:
        _common.compile_network(network)
        return network
    return compiled(
        network,
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )


def compiled(network, optimizer, loss, metrics=()):
    """Compiles the network, and makes the variables of its optimizer."""
    network.compile(optimizer, loss, metrics=list(metrics))
    network.optimizer.build(network.trainable_variables)
    return network
