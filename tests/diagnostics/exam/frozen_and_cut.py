"""What is frozen, unused or cut off."""

import keras
import numpy as np
from diagnostics.exam.material import (
    LABELS,
    TABLE,
    VALUES,
    Case,
    Fault,
    chain,
    classifier,
    compiled,
    dense,
    output,
)
from keras import layers, ops


def all_frozen(trainable=False):
    found = classifier(dense("a"), dense("b"))
    for layer in found.model.layers:
        layer.trainable = trainable
    return Case(compiled(found.model), found.x, found.y)


def random_reservoir(trainable=False):
    return classifier(dense("a", trainable=trainable), dense("b", trainable=trainable))


def signs(function=ops.sign):
    return classifier(dense("a", 32, "tanh"), layers.Lambda(function, name="sign"))


class Forgotten(keras.Model):
    """It has a layer that `call` does not use."""

    def __init__(self, is_used):
        super().__init__()
        self.is_used = is_used
        self.first, self.second = dense("first"), dense("second")
        self.last = output()

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, 32))
        self.last.build((None, 32))

    def call(self, inputs):
        hidden = self.first(inputs)
        return self.last(self.second(hidden) if self.is_used else hidden)


def forgotten_layer(is_used=False):
    return Case(compiled(Forgotten(is_used)), TABLE, LABELS)


def tiny_loss_in_float16(factor=1e-8):
    steps = (dense("a", dtype="mixed_float16"), output(1, dtype="mixed_float16"))

    def loss(y_true, y_pred):
        return factor * ops.square(ops.cast(y_pred, "float32") - y_true)

    model = chain(*steps)
    model.compile(keras.optimizers.Adam(1e-3), loss, auto_scale_loss=False)
    return Case(model, TABLE, VALUES)


def root_of_zero(epsilon=0.0):
    """The length of a vector that is zero for one sample."""
    x = TABLE.copy()
    x[5] = 0

    def length(hidden):
        squares = ops.sum(ops.square(hidden), axis=-1, keepdims=True)
        return ops.sqrt(squares + epsilon)

    steps = dense("a", 32, None), layers.Lambda(length, name="length")
    return Case(compiled(chain(*steps), "mse"), x, np.abs(VALUES))


FAULTS = [
    Fault(all_frozen, "nothing_trains", "*", {"trainable": True}),
    Fault(random_reservoir, "frozen_layers", "a, b", {"trainable": True}),
    Fault(signs, "no_gradient", "a, sign", {"function": ops.tanh}),
    Fault(forgotten_layer, "unused_layers", "forgotten/second", {"is_used": True}),
    Fault(tiny_loss_in_float16, "float16_underflow", "*", {"factor": 1.0}),
    Fault(root_of_zero, "non_finite_gradient", "*", {"epsilon": 1e-6}),
]
