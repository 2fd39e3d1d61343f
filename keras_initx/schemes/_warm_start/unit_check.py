"""Whether units that continue the same one really give the same output."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._kernel.random import normal
from keras_initx._model.example_batch import example_batches
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.trace import trace
from keras_initx.schemes._warm_start.unit_flow import UnitFlow

_TOLERANCE = 1e-3


def unequal_copies(model: keras.layers.Layer, flow: UnitFlow) -> str:
    """The path of a layer whose copied units differ; empty if there is none.

    The layer before it does something with its units that is not known. A model that
    does not say what its inputs are is not tried.
    """
    observer = _Copies(flow)
    for batch in example_batches(model):
        try:
            trace(model, keras.tree.map_structure(_drawn, batch), observer)
        except Exception:
            # A size that the model leaves open may be too small for it.
            continue
        return observer.found
    return ""


class _Copies(Observer):
    """Compares the units of each layer's output."""

    def __init__(self, flow: UnitFlow) -> None:
        self._flow = flow
        self.found = ""

    def leave(self, call: LayerCall, output: Any) -> Any:
        units = self._flow.outputs.get(id(call.layer))
        if units is None or self.found or not ops.is_tensor(output):
            return output
        spaces, axis = self._flow.spaces, self._flow.axis
        if not any(s.new > s.old and not s.reason for s in spaces.of(units)):
            return output
        if any(s.reason for s in spaces.of(units)):
            return output
        array = ops.convert_to_numpy(ops.cast(output, "float32"))
        if array.ndim < 2 or array.shape[axis] != spaces.size(units):
            return output
        array = np.moveaxis(array, axis, -1)
        indices = spaces.indices(units)
        # The first unit that continues each of the source.
        _, first, inverse = np.unique(indices, return_index=True, return_inverse=True)
        error = np.abs(array - array[..., first[inverse.reshape(-1)]]).max(initial=0)
        if error > _TOLERANCE * max(np.abs(array).max(initial=0), 1e-30):
            self.found = call.layer.path
        return output


def _drawn(zeros: np.ndarray) -> np.ndarray:
    """Random numbers instead of zeros; integers stay."""
    if zeros.dtype.kind != "f":
        return zeros
    return np.asarray(normal(zeros.shape, "float32", 0)).astype(zeros.dtype)
