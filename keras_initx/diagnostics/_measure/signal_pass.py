"""What a report sees while the model runs: the signal, layer by layer."""

from typing import Any

import keras
from keras import layers

from keras_initx._model.layer_tree import label
from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import first_tensor, shown
from keras_initx.diagnostics._measure.activation_bounds import (
    LAYERS,
    activation_of,
    flat_parts,
)
from keras_initx.diagnostics._measure.attention_watch import AttentionWatch
from keras_initx.diagnostics._measure.embeddings import EmbeddingWatch
from keras_initx.diagnostics._measure.first_kernels import FirstKernels
from keras_initx.diagnostics._measure.flow import Flow
from keras_initx.diagnostics._measure.kernels import Kernel, bias_rms, kernels_of
from keras_initx.diagnostics._measure.layer_facts import LayerFacts
from keras_initx.diagnostics._measure.output_rows import OutputRows
from keras_initx.diagnostics._measure.path_of_call import path_of
from keras_initx.diagnostics._measure.quiet_observer import QuietObserver
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.small_factors import SmallFactors
from keras_initx.diagnostics._measure.statistics import (
    are_alike,
    cosine_and_spread,
    share_outside,
)
from keras_initx.diagnostics._measure.tensor_states import TensorStates

_COMPILED = "runs within a compiled function, where it cannot be seen"


class SignalPass(QuietObserver):
    """Makes one row for each layer, from its first call.

    A container gets a row only if its output is not that of a layer within it: a block
    that adds its input, for example. A tensor that several layers return is measured
    once. What is noted beside the signal is the work of recorders.

    Attributes:
        rows: list of LayerRow. In the order in which the layers were done.
        kernels: list of Kernel. In the same order.
        mixes_samples: bool. Whether the output of a sample depends on the others.
        ran: dict. The layers that ran, by their identities.
        flow: Flow. Which layer reads which, and what is merged.
        attention: AttentionWatch. It sees nothing unless it is held.
        embeddings: EmbeddingWatch.
    """

    def __init__(self, samples: int) -> None:
        self.rows: list[LayerRow] = []
        self.kernels: list[Kernel] = []
        self.mixes_samples = False
        self.ran: dict[int, layers.Layer] = {}
        self._samples = samples
        self._layers: dict[int, LayerState] = {}
        self._tensors = TensorStates()
        self.flow = Flow()
        self.attention = AttentionWatch()
        self.embeddings = EmbeddingWatch()
        self._recorders: tuple[Recorder, ...] = (
            self.attention,
            self.embeddings,
            FirstKernels(),
            self.flow,
            SmallFactors(self.rows, self._tensors),
            OutputRows(self._tensors),
            LayerFacts(),
        )

    def row_of(self, layer: layers.Layer) -> LayerRow | None:
        """The row of a layer, if it has one."""
        state = self._layers.get(id(layer))
        return state.row if state is not None and state.is_finished else None

    def ends_of(self, layer: layers.Layer) -> tuple[Any, Any] | None:
        """Where a recurrent layer's samples have their first and last steps."""
        state = self._layers.get(id(layer))
        return None if state is None else state.ends

    def path_of(self, tensor: Any) -> str | None:
        """The path of the row that made a tensor, if one did."""
        row = self._tensors.row_of(tensor)
        return None if row is None else row.path

    def end(self, outputs: Any) -> None:
        """Notes what the model has put out."""
        for recorder in self._recorders:
            recorder.end(outputs, self.rows)

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        if call.number == 1:
            self._layers[id(call.layer)] = self._begin(call)
        state = self._layers[id(call.layer)]
        state.row.calls = call.number
        for recorder in self._recorders:
            recorder.enter(call, state)

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        tensor = super().pre_activation(call, tensor)
        is_activation = isinstance(call.layer, LAYERS)
        measured = first_tensor(call.args if is_activation else tensor)
        is_repeated = isinstance(call.layer, layers.TimeDistributed)
        if self._is_shown(call) and not is_repeated and measured is not None:
            row = self._layers[id(call.layer)].row
            found = self._tensors.measure(call, measured)
            row.pre_activation_mean, row.pre_activation_std = found.mean, found.std
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        for recorder in self._recorders:
            recorder.leave(call, output)
        if self._is_shown(call):
            state = self._layers[id(call.layer)]
            for recorder in self._recorders:
                recorder.ran(call, state, output)
            self._show(call, state, first_tensor(output))
        return output

    def unseen(self, layer: layers.Layer) -> None:
        self.ran[id(layer)] = layer
        if id(layer) not in self._layers:
            row = LayerRow(label(layer), type(layer).__name__, note=_COMPILED)
            self._layers[id(layer)] = LayerState(row)
            self.rows.append(row)

    # What is made of it

    def _is_shown(self, call: LayerCall) -> bool:
        """Whether a call may make a row: a first one, of no layer's activation."""
        parent = self._layers.get(id(call.parents[-1])) if call.parents else None
        is_activation = parent is not None and parent.activation is call.layer
        return call.number == 1 and not is_activation

    def _begin(self, call: LayerCall) -> LayerState:
        """What is known of a layer before it runs."""
        layer, inputs = call.layer, first_tensor(call.args)
        self.ran[id(layer)] = layer
        self.mixes_samples |= isinstance(layer, layers.BatchNormalization)
        for parent in call.parents:
            self._layers[id(parent)].is_container = True
        state = LayerState(
            LayerRow(path_of(call), type(layer).__name__), kernels_of(layer)
        )
        row = state.row
        row.activation, row.bias_rms = activation_of(layer), bias_rms(layer)
        row.kernels = [kernel.row for kernel in state.kernels]
        if inputs is not None:
            if row.kernel is not None and row.kernel.has_equal_inputs:
                row.has_equal_inputs = are_alike(inputs)
            row.input_rms = self._tensors.rms(call, inputs)
        activation = getattr(layer, "activation", None)
        if isinstance(activation, layers.Layer):
            state.activation = activation
        return state

    def _show(self, call: LayerCall, state: LayerState, tensor: Any) -> None:
        """Adds the row of a layer that has run, unless another one tells the same."""
        if isinstance(call.layer, layers.TimeDistributed):
            # It repeats the row of its layer.
            if tensor is not None:
                self._tensors.of(tensor).has_row = True
            return
        is_new = tensor is not None and (
            not state.is_container or not self._tensors.of(tensor).has_row
        )
        if not (state.kernels or is_new):
            return
        if tensor is not None:
            self._describe(call, state.row, tensor)
        for recorder in self._recorders:
            recorder.finish(call, state, tensor)
        self.rows.append(state.row)
        self.kernels += state.kernels
        state.is_finished = True

    def _describe(self, call: LayerCall, row: LayerRow, tensor: Any) -> None:
        """Fills in a row what its layer puts out."""
        found = self._tensors.measure(call, tensor)
        row.mean, row.std, row.dead = found.mean, found.std, found.dead
        row.units, row.is_constant = found.units, found.is_constant
        row.dtype = keras.backend.standardize_dtype(tensor.dtype)
        row.cosine, row.spread = cosine_and_spread(tensor, self._samples)
        if (limits := flat_parts(row.activation)) is not None:
            visible = shown(tensor, call.mask, set(found.channels))
            row.saturated = share_outside(visible, *limits)
        made = self._tensors.of(tensor)
        made.has_row, made.row = True, row
