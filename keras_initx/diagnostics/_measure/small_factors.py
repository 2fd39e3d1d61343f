"""Factors that start at zero or near it, as at the end of residual branches."""

from typing import Any

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._keras import own_trainable_variables
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import as_array, first_tensor
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.tensor_states import TensorStates

# A `LayerScale` starts at 0.1, 1e-5 or 1e-6, by the depth of the network.
_SMALL = 0.1
# Weights by which nothing is multiplied.
_ADDED = ("bias", "beta", "offset", "shift", "token", "position", "embed", "cls")


class SmallFactors(Recorder):
    """Notes in the rows so far that a small factor follows, and where one gets zeros.

    Args:
        rows: list of LayerRow. Those of the pass, to which later ones are added.
        tensors: TensorStates.
    """

    def __init__(self, rows: list[LayerRow], tensors: TensorStates) -> None:
        self._rows = rows
        self._tensors = tensors

    def ran(self, call: LayerCall, state: LayerState, output: Any) -> None:
        norms = {id(kernel.variable): kernel.row.norm for kernel in state.kernels}
        factor = small_factor(call.layer, norms)
        if factor is None:
            return
        for row in self._rows:
            row.held_back = min(row.held_back, factor)
        state.row.factor = factor
        inputs = first_tensor(call.args)
        known = None if inputs is None else self._tensors.of(inputs)
        if factor == 0 and known is not None and known.row is not None:
            found = known.statistics
            state.row.is_stuck = found is not None and found.dead == 1


def small_factor(layer: keras.layers.Layer, norms: dict[int, float]) -> float | None:
    """The largest of the numbers by which a layer multiplies, if all are small.

    None for a layer that has none, or a large one. A kernel counts if it is zero.

    Args:
        layer: keras.layers.Layer.
        norms: dict. Those of its kernels that are known, by the variables' identities.
    """
    if isinstance(layer, (keras.layers.PReLU, keras.layers.Embedding)):
        return None
    found = [
        size
        for variable in own_trainable_variables(layer)
        if (size := _size(variable, norms)) is not None
    ]
    return min(found, default=None)


def _size(variable: keras.Variable, norms: dict[int, float]) -> float | None:
    is_float = keras.backend.is_float_dtype(variable.dtype)
    is_added = any(word in variable.name.lower() for word in _ADDED)
    if is_added or not is_float or 0 in variable.shape or not variable.trainable:
        return None
    is_matrix = sum(size > 1 for size in variable.shape) > 1
    if is_matrix and id(variable) in norms:
        return None if norms[id(variable)] else 0.0
    value = as_array(stored(variable))
    if is_matrix:
        # One entry that is not zero is enough, and most kernels have no zeros.
        return None if value.flat[0] != 0 or value.any() else 0.0
    largest = float(np.abs(value).max())
    return largest if largest <= _SMALL else None
