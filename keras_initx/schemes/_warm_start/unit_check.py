"""Whether units that continue the same one really give the same output."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._model.example_batch import example_batches
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.trace import trace
from keras_initx.schemes._warm_start.draws import normal_numbers
from keras_initx.schemes._warm_start.unit_flow import UnitFlow
from keras_initx.schemes._warm_start.unit_spaces import Units

_TOLERANCE = 1e-3
_SHORT, _SHORT_TOLERANCE = ("float16", "bfloat16"), 0.1


def unequal_copies(model: keras.layers.Layer, flow: UnitFlow, new: set[int]) -> str:
    """The path of a layer whose copied units differ; empty if there is none.

    The layer before it does something with its units that is not known. A model that
    does not say what its inputs are is not tried.

    Args:
        model: keras.layers.Layer.
        flow: UnitFlow. Of the model.
        new: set of int. The identities of variables whose layers do not count.
    """
    observer = _Copies(flow, new)
    for batch in example_batches(model):
        try:
            trace(model, keras.tree.map_structure(_drawn, batch), observer)
        except Exception:
            # A size that the model leaves open may be too small for it.
            continue
        return observer.found
    return ""


class _Copies(Observer):
    """Compares the units that enter and leave each layer."""

    def __init__(self, flow: UnitFlow, new: set[int]) -> None:
        self._flow, self._new = flow, new
        self.found = ""

    def enter(self, call: LayerCall) -> None:
        units = self._flow.layers.get(id(call.layer))
        if units is not None and call.args:
            self._compare(call, units.inputs, call.args[0])

    def leave(self, call: LayerCall, output: Any) -> Any:
        units = self._flow.layers.get(id(call.layer))
        if units is not None:
            self._compare(call, units.outputs, output)
        return output

    def _compare(self, call: LayerCall, units: Units | None, tensor: Any) -> None:
        """Notes the layer if units of the tensor that continue the same one differ."""
        spaces, axis = self._flow.spaces, self._flow.axis
        is_new = any(id(variable) in self._new for variable in call.layer.weights)
        if self.found or is_new or not units or not ops.is_tensor(tensor):
            return
        found = spaces.of(units)
        has_copies = any(space.new > space.old for space in found)
        if not has_copies or any(space.reason for space in found):
            return
        is_short = keras.backend.standardize_dtype(tensor.dtype) in _SHORT
        array = ops.convert_to_numpy(ops.cast(tensor, "float32"))
        if array.ndim < 2 or array.shape[axis] != spaces.size(units):
            return
        array = np.moveaxis(array, axis, -1)
        # The first unit that continues each of the source.
        _, first, inverse = np.unique(
            spaces.indices(units), return_index=True, return_inverse=True
        )
        error = np.abs(array - array[..., first[inverse.reshape(-1)]]).max(initial=0)
        tolerance = _SHORT_TOLERANCE if is_short else _TOLERANCE
        if error > tolerance * np.abs(array).max(initial=0):
            self.found = call.layer.path


def _drawn(zeros: np.ndarray) -> np.ndarray:
    """Random numbers instead of zeros; integers stay."""
    if zeros.dtype.kind != "f":
        return zeros
    return normal_numbers(zeros.shape, 0).astype(zeros.dtype)
