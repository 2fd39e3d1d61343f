"""Recurrent networks that have to remember."""

import functools

import keras
import numpy as np

from _panels.task import Signal, Task, classifier, compiled

TRAIN, TEST, CLASSES = 1500, 250, 8
RATES = [1e-3, 3e-3, 1e-2]


def remembering(steps):
    """One of eight symbols in the first step, noise in all; which one was it?"""
    random = np.random.default_rng(0)
    y = random.integers(0, CLASSES, TRAIN + TEST)
    x = np.zeros((TRAIN + TEST, steps, CLASSES + 1), "float32")
    x[:, 0, :CLASSES] = np.eye(CLASSES)[y]
    x[:, :, CLASSES] = random.normal(size=(TRAIN + TEST, steps))
    return x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]


def adding(steps):
    """Numbers and marks; the target is the sum of the two marked numbers."""
    random = np.random.default_rng(0)
    count = TRAIN + TEST
    numbers, marks = random.random((count, steps)), np.zeros((count, steps))
    rows = np.arange(count)
    marks[rows, random.integers(0, steps // 2, count)] = 1
    marks[rows, random.integers(steps // 2, steps, count)] = 1
    x = np.stack([numbers, marks], axis=-1).astype("float32")
    y = (numbers * marks).sum(axis=1, keepdims=True).astype("float32")
    return x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:]


class Offsets(keras.layers.Layer):
    """Adds a number to each entry of a batch, so that training shows its gradient."""

    def build(self, shape):
        self.offsets = self.add_weight(shape, initializer="zeros")

    def call(self, x):
        return x + self.offsets


def by_step(network, x, y):
    """The deviation of the state at each step, and the gradient at the input of it."""
    inputs = keras.Input(batch_shape=x.shape)
    offsets = Offsets()
    states = network.get_layer("memory")(offsets(inputs))
    outputs = network.get_layer("head")(states[:, -1])
    probe = keras.Model(inputs, [outputs, states])
    deviation = np.std(probe.predict(x, len(x), verbose=0)[1], axis=(0, 2))
    weights = network.get_weights()
    # One step of gradient descent at the rate 1 shows the gradient on any backend.
    probe = keras.Model(inputs, outputs)
    probe.compile(keras.optimizers.SGD(1.0), network.loss)
    probe.train_on_batch(x, y)
    network.set_weights(weights)
    gradient = keras.ops.convert_to_numpy(offsets.offsets)
    norms = np.sqrt(np.sum(np.square(gradient, dtype="float64"), axis=(0, 2)))
    return Signal(list(range(1, x.shape[1] + 1)), deviation.tolist(), norms.tolist())


def build(memory, shape, outputs):
    """The recurrent layer, and a dense one after its last step."""
    inputs = keras.Input(shape)
    x = memory(inputs)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="head")(x[:, -1]))


def optimizer():
    """Recurrent networks need clipped gradients."""
    return keras.optimizers.Adam(clipnorm=1.0)


@functools.cache
def remember(kind, steps, is_constrained=False, units=32, epochs=5):
    """`"lstm"` or `"simple"` of tanh."""
    constraint = {"recurrent_constraint": "orthonormal"} if is_constrained else {}
    layer = keras.layers.LSTM if kind == "lstm" else keras.layers.SimpleRNN
    memory = layer(units, return_sequences=True, name="memory", **constraint)
    data = remembering(steps)
    network = build(memory, data[0].shape[1:], CLASSES)
    return Task(
        f"{layer.__name__} of {units} units, a symbol {steps} steps ago",
        classifier(network, optimizer()),
        data,
        RATES,
        epochs,
        watch=by_step,
        along="step",
    )


@functools.cache
def add(steps, units=32):
    """A recurrent network of ReLU, as that of Le, Jaitly and Hinton."""
    memory = keras.layers.SimpleRNN(
        units, activation="relu", return_sequences=True, name="memory"
    )
    network = build(memory, (steps, 2), 1)
    return Task(
        f"SimpleRNN of {units} ReLU units, adding two of {steps} numbers",
        compiled(network, optimizer(), "mse"),
        adding(steps),
        RATES,
        epochs=8,
        score="test loss",
        watch=by_step,
        along="step",
    )
