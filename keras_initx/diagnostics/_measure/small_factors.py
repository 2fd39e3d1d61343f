"""Factors that start at zero or near it, as at the end of residual branches."""

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._keras import own_trainable_variables
from keras_initx._model.tensors import as_array

# A `LayerScale` starts at 0.1, 1e-5 or 1e-6, by the depth of the network.
_SMALL = 0.1
# Weights by which nothing is multiplied.
_ADDED = ("bias", "beta", "offset", "shift", "token", "position", "embed", "cls")


def small_factor(layer: keras.layers.Layer) -> float | None:
    """The largest of the numbers by which a layer multiplies, if all are small.

    None for a layer that has none, or a large one. A kernel counts if it is zero.
    """
    if isinstance(layer, (keras.layers.PReLU, keras.layers.Embedding)):
        return None
    found = [
        size
        for variable in own_trainable_variables(layer)
        if (size := _size(variable)) is not None
    ]
    return min(found, default=None)


def _size(variable: keras.Variable) -> float | None:
    is_float = keras.backend.is_float_dtype(variable.dtype)
    is_added = any(word in variable.name.lower() for word in _ADDED)
    if is_added or not is_float or 0 in variable.shape or not variable.trainable:
        return None
    value = as_array(stored(variable))
    if sum(size > 1 for size in variable.shape) > 1:
        # One entry that is not zero is enough, and most kernels have no zeros.
        return None if value.flat[0] != 0 or value.any() else 0.0
    largest = float(np.abs(value).max())
    return largest if largest <= _SMALL else None
