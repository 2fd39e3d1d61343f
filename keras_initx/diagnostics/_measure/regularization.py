"""What regularizers do to kernels and outputs, beside the loss of the data."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import stored
from keras_initx._backend.arithmetic import norm
from keras_initx._backend.gradients import pullback
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.kernels import Kernel

_PENALTIES = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


def add_regularization(kernels: list[Kernel]) -> None:
    """Fills in the norm of the gradient of each kernel's own regularizer."""
    for kernel in kernels:
        regularizer = getattr(kernel.variable, "regularizer", None)
        if regularizer is not None and kernel.variable.trainable:
            kernel.row.regularization = norm(_gradient(kernel.variable, regularizer))


def activity_loss(layer: keras.layers.Layer, output: Any) -> float:
    """What the regularizer of a layer's outputs adds to the loss, as Keras does."""
    found = layer.activity_regularizer(output)
    if output.shape:
        found = found / output.shape[0]
    return float(as_array(ops.cast(found, "float32")))


def _gradient(variable: keras.Variable, regularizer: keras.Regularizer) -> np.ndarray:
    if type(regularizer) in _PENALTIES:
        value = as_array(stored(variable)).astype("float32")
        absolute = float(ops.convert_to_numpy(getattr(regularizer, "l1", 0.0)))
        square = float(ops.convert_to_numpy(getattr(regularizer, "l2", 0.0)))
        gradient: np.ndarray = absolute * np.sign(value) + 2 * square * value
        return gradient
    _, product = pullback(
        lambda value: ops.cast(regularizer(value), "float32"), [variable.value]
    )
    (found,) = product(np.ones((), "float32"))
    return as_array(found)
