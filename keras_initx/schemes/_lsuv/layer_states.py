"""What LSUV knows about each layer: whether it is scaled, or why not."""

import dataclasses
from typing import Any

import keras

from keras_initx._model.layer_kernel import LayerKernel, layer_kernel
from keras_initx._model.left_alone import why_left_alone
from keras_initx._model.recurrent import gate_names, recurrent_kernels
from keras_initx._model.selection import Selection
from keras_initx.schemes._lsuv.lsuv_report import LayerRow
from keras_initx.schemes._lsuv.trial import Trial

_LEFT_ALONE = {
    keras.layers.Embedding: "an embedding: no sum over inputs",
    keras.layers.RNN: "recurrent, with a cell that is not known",
}


@dataclasses.dataclass
class LayerState:
    """What is known about one layer with weights.

    Attributes:
        row: LayerRow.
        described: LayerKernel or None. None for a layer that is left alone.
        trial: Trial or None. Only for a layer whose output may be any function of its
            kernel.
        is_done: bool. Whether the layer is corrected, or was given up.
    """

    row: LayerRow
    described: LayerKernel | None = None
    trial: Trial | None = None
    is_done: bool = False


class LayerStates:
    """The states of all layers that were seen, in the order of their first calls."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._states: dict[int, LayerState] = {}

    @property
    def rows(self) -> list[LayerRow]:
        """The rows of all layers."""
        return [state.row for state in self._states.values()]

    def of(self, layer: keras.layers.Layer) -> LayerState | None:
        """The state of a layer, if it was added and has weights."""
        return self._states.get(id(layer))

    def add(
        self, layer: keras.layers.Layer, parents: tuple[Any, ...]
    ) -> LayerState | None:
        """Adds a layer, if it has weights, and decides whether it is scaled.

        Args:
            layer: keras.layers.Layer.
            parents: tuple of keras.layers.Layer. The layers that it is within, the
                outermost first.
        """
        described = recurrent_kernels(layer) or layer_kernel(layer)
        kinds = [kind for kind in _LEFT_ALONE if isinstance(layer, kind)]
        if described is None and not kinds:
            return None
        state = LayerState(LayerRow(layer.path, type(layer).__name__))
        if described is None or (kinds and not gate_names(layer)):
            state.row.note = _LEFT_ALONE[kinds[0]]
        else:
            state.row.note = self._why_not(layer, parents, described.kernel)
            state.described = None if state.row.note else described
        self._states[id(layer)] = state
        return state

    def _why_not(
        self, layer: keras.layers.Layer, parents: tuple[Any, ...], kernel: Any
    ) -> str:
        """Why a layer is left alone; empty if it is not."""
        if not self._selection(layer, parents):
            return "not selected"
        reason = why_left_alone(layer, kernel, parents)
        if reason:
            return reason
        for other in self._states.values():
            if other.described is not None and other.described.kernel is kernel:
                return f"tied: its kernel belongs to {other.row.path} too"
        return ""
