"""What a pass knows of each tensor, so that none is measured twice."""

import dataclasses
import math
import weakref
from typing import Any

from keras import layers

from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import first_tensor, shown
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.statistics import Statistics, statistics

_NORMALIZATIONS = (layers.BatchNormalization, layers.GroupNormalization)


@dataclasses.dataclass
class TensorState:
    """What is known of one tensor.

    Attributes:
        reference: To the tensor: another one may get its id later.
        statistics: Statistics or None. What was measured of it.
        rms: float or None. The root mean square of what a layer got.
        row: LayerRow or None. The row of the layer that made it.
        has_row: bool. Whether a row describes it.
    """

    reference: weakref.ref[Any]
    statistics: Statistics | None = None
    rms: float | None = None
    row: LayerRow | None = None
    has_row: bool = False


class TensorStates:
    """The tensors of a pass, by their identities."""

    def __init__(self) -> None:
        self._states: dict[int, TensorState] = {}

    def of(self, tensor: Any) -> TensorState:
        """What is known of a tensor."""
        state = self._states.get(id(tensor))
        if state is None or state.reference() is not tensor:
            state = self._states[id(tensor)] = TensorState(weakref.ref(tensor))
        return state

    def row_of(self, tensor: Any) -> LayerRow | None:
        """The row of the layer that made a tensor, if it has one."""
        state = self._states.get(id(tensor))
        is_known = state is not None and state.reference() is tensor
        return state.row if state is not None and is_known else None

    def measure(self, call: LayerCall, tensor: Any) -> Statistics:
        """The statistics of a tensor that a call gets or makes."""
        state = self.of(tensor)
        if state.statistics is None:
            channels = self._channels(call, tensor)
            visible = shown(tensor, call.mask, set(channels))
            state.statistics = statistics(visible, channels)
        return state.statistics

    def rms(self, call: LayerCall, tensor: Any) -> float:
        """The root mean square of what a layer gets."""
        state = self.of(tensor)
        if state.rms is None:
            known = state.statistics
            if known is None:
                known = statistics(shown(tensor, call.mask, set()), ())
            state.rms = math.hypot(known.mean, known.std)
        return state.rms

    def _channels(self, call: LayerCall, tensor: Any) -> tuple[int, ...]:
        """The axes that number the units: the layer's own, or those of its input."""
        layer, rank = call.layer, len(tensor.shape)
        described = layer_kernel(layer)
        axes: tuple[int, ...] = (-1,)
        if described is not None and described.is_known:
            axes = described.channels
        elif isinstance(layer, _NORMALIZATIONS):
            axes = (layer.axis,)
        elif getattr(layer, "data_format", None) == "channels_first" and rank > 2:
            axes = (1,)
        else:
            inputs = first_tensor(call.args)
            known = None if inputs is None else self.of(inputs).statistics
            if known is not None and len(inputs.shape) == rank:
                axes = known.channels
        return tuple(sorted({axis % rank for axis in axes} - {0}))
