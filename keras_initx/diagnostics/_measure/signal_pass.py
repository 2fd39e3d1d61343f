"""What a report sees while the model runs: the signal, layer by layer."""

import dataclasses
import weakref
from typing import Any

import keras
from keras import layers

from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.layer_tree import label
from keras_initx._model.recurrent import gate_names, steps_of
from keras_initx._model.tensors import first_tensor, is_float_tensor, shown
from keras_initx._model.trace import LayerCall, Observer
from keras_initx.diagnostics._measure.activation_bounds import (
    LAYERS,
    activation_of,
    flat_parts,
)
from keras_initx.diagnostics._measure.kernels import Kernel, kernels_of
from keras_initx.diagnostics._measure.merges import INPUT, Flow
from keras_initx.diagnostics._measure.over_time import ends, over_time
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.small_factors import small_factor
from keras_initx.diagnostics._measure.statistics import (
    Statistics,
    are_alike,
    cosine_and_spread,
    share_outside,
    statistics,
)

_NOISE = (
    layers.Dropout,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.AlphaDropout,
)
_NORMALIZATIONS = (layers.BatchNormalization, layers.GroupNormalization)
_COMPILED = "runs within a compiled function, where it cannot be seen"


class QuietObserver(Observer):
    """Makes layers that only add noise return what they get."""

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        if isinstance(call.layer, _NOISE) and call.args:
            return call.args[0]
        return tensor


@dataclasses.dataclass
class _LayerState:
    """What the pass knows of one layer.

    Attributes:
        row: LayerRow. Shown once the layer is finished.
        kernels: list of Kernel. The layer's own.
        is_finished: bool. Whether its row describes an output.
        is_container: bool. Whether another layer ran within it.
        activation: keras.layers.Layer or None. The layer that is its activation.
        ends: Where the samples have their first and last steps, or None. Only for a
            recurrent layer.
    """

    row: LayerRow
    kernels: list[Kernel] = dataclasses.field(default_factory=list)
    is_finished: bool = False
    is_container: bool = False
    activation: layers.Layer | None = None
    ends: tuple[Any, Any] | None = None


@dataclasses.dataclass
class _TensorState:
    """What the pass knows of one tensor.

    Attributes:
        reference: To the tensor: another one may get its id later.
        statistics: Statistics or None. What was measured of it.
        row: LayerRow or None. The row of the layer that made it.
        has_row: bool. Whether a row describes it.
    """

    reference: weakref.ref[Any]
    statistics: Statistics | None = None
    row: LayerRow | None = None
    has_row: bool = False


class SignalPass(QuietObserver):
    """Makes one row for each layer, from its first call.

    A container gets a row only if its output is not that of a layer within it: a block
    that adds its input, for example. A tensor that several layers return is measured
    once.

    Attributes:
        rows: list of LayerRow. In the order in which the layers were done.
        kernels: list of Kernel. In the same order.
        mixes_samples: bool. Whether the output of a sample depends on the others.
        flow: Flow. Which layer reads which, and what is merged.
        ran: dict. The layers that ran, by their identities.
    """

    def __init__(self, samples: int) -> None:
        self.rows: list[LayerRow] = []
        self.kernels: list[Kernel] = []
        self.mixes_samples = False
        self.flow = Flow()
        self.ran: dict[int, layers.Layer] = {}
        self._samples = samples
        self._layers: dict[int, _LayerState] = {}
        self._tensors: dict[int, _TensorState] = {}

    def row_of(self, layer: layers.Layer) -> LayerRow | None:
        """The row of a layer, if it has one."""
        state = self._layers.get(id(layer))
        return state.row if state is not None and state.is_finished else None

    def ends_of(self, layer: layers.Layer) -> tuple[Any, Any] | None:
        """Where a recurrent layer's samples have their first and last steps."""
        state = self._layers.get(id(layer))
        return None if state is None else state.ends

    def note_outputs(self, outputs: Any) -> None:
        """Marks the rows of the layers that made the outputs of the model."""
        for leaf in keras.tree.flatten(outputs):
            state = self._tensors.get(id(leaf))
            if state is not None and state.row is not None:
                state.row.is_output = state.reference() is leaf

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        layer = call.layer
        if call.number > 1:
            self._layers[id(layer)].row.calls = call.number
            return
        self.mixes_samples |= isinstance(layer, layers.BatchNormalization)
        self.ran[id(layer)] = layer
        self._note_reading(call)
        for parent in call.parents:
            self._layers[id(parent)].is_container = True
        own = kernels_of(layer)
        row = LayerRow(_path(call), type(layer).__name__)
        row.activation = activation_of(layer)
        row.kernels = [kernel.row for kernel in own]
        inputs = first_tensor(call.args)
        if own and own[0].row.has_equal_inputs and inputs is not None:
            row.has_equal_inputs = are_alike(inputs)
        state = self._layers[id(layer)] = _LayerState(row, own)
        activation = getattr(layer, "activation", None)
        if isinstance(activation, layers.Layer):
            state.activation = activation

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        tensor = super().pre_activation(call, tensor)
        is_activation = isinstance(call.layer, LAYERS)
        measured = first_tensor(call.args if is_activation else tensor)
        is_repeated = isinstance(call.layer, layers.TimeDistributed)
        is_shown = call.number == 1 and self._is_shown(call) and not is_repeated
        if is_shown and measured is not None:
            row = self._layers[id(call.layer)].row
            found = self._measure(call, measured)
            row.pre_activation_mean, row.pre_activation_std = found.mean, found.std
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        if call.number > 1 or not self._is_shown(call):
            return output
        self._note_factor(call)
        if call.parents:
            self._note_several(output)
        state, measured = self._layers[id(call.layer)], first_tensor(output)
        if isinstance(call.layer, layers.TimeDistributed):
            # It repeats the row of its layer.
            if measured is not None:
                self._tensor(measured).has_row = True
            return output
        is_new = measured is not None and (
            not state.is_container or not self._tensor(measured).has_row
        )
        if state.kernels or is_new:
            self._finish(call, state, measured)
        return output

    def unseen(self, layer: layers.Layer) -> None:
        self.ran[id(layer)] = layer
        if id(layer) not in self._layers:
            row = LayerRow(label(layer), type(layer).__name__, note=_COMPILED)
            self._layers[id(layer)] = _LayerState(row)
            self.rows.append(row)

    # What is made of it

    def _is_shown(self, call: LayerCall) -> bool:
        """Whether a layer may have a row; the activation of another one has none."""
        parent = self._layers.get(id(call.parents[-1])) if call.parents else None
        return parent is None or parent.activation is not call.layer

    def _finish(self, call: LayerCall, state: _LayerState, tensor: Any) -> None:
        """Fills in the row of a layer that has run, and shows it."""
        row = state.row
        if gate_names(call.layer):
            steps = steps_of(call)
            row.over_time = over_time(call.layer, steps)
            state.ends = ends(call.layer, steps)
        if tensor is not None:
            found = self._measure(call, tensor)
            row.mean, row.std, row.dead = found.mean, found.std, found.dead
            row.units, row.is_constant = found.units, found.is_constant
            row.dtype = keras.backend.standardize_dtype(tensor.dtype)
            row.cosine, row.spread = cosine_and_spread(tensor, self._samples)
            if (limits := flat_parts(row.activation)) is not None:
                visible = shown(tensor, call.mask, set(found.channels))
                row.saturated = share_outside(visible, *limits)
            made = self._tensor(tensor)
            made.has_row, made.row = True, row
            self.flow.made(tensor, row.path, state.is_container)
        self.rows.append(row)
        self.kernels += state.kernels
        state.is_finished = True

    def _note_reading(self, call: LayerCall) -> None:
        """Tells the flow what a layer gets; the model itself gets the inputs."""
        if call.parents:
            self.flow.read(call.layer, _path(call), (call.args, call.kwargs))
            return
        for leaf in keras.tree.flatten((call.args, call.kwargs)):
            if is_float_tensor(leaf):
                self.flow.made(leaf, INPUT)

    def _note_factor(self, call: LayerCall) -> None:
        """Notes in the rows so far that a small factor follows."""
        factor = small_factor(call.layer)
        if factor is None:
            return
        for row in self.rows:
            row.held_back = min(row.held_back, factor)
        own, inputs = self._layers[id(call.layer)].row, first_tensor(call.args)
        own.factor = factor
        known = None if inputs is None else self._tensor(inputs)
        if factor == 0 and known is not None and known.row is not None:
            own.is_stuck = known.statistics is not None and known.statistics.dead == 1

    def _note_several(self, output: Any) -> None:
        """Marks the rows of the layers that made the outputs of a part of the model."""
        leaves = [leaf for leaf in keras.tree.flatten(output) if is_float_tensor(leaf)]
        for leaf in leaves if len(leaves) > 1 else ():
            if (row := self._tensor(leaf).row) is not None:
                row.is_one_of_several = True

    def _tensor(self, tensor: Any) -> _TensorState:
        """What is known of a tensor."""
        state = self._tensors.get(id(tensor))
        if state is None or state.reference() is not tensor:
            state = self._tensors[id(tensor)] = _TensorState(weakref.ref(tensor))
        return state

    def _measure(self, call: LayerCall, tensor: Any) -> Statistics:
        """The statistics of a tensor, which are taken once."""
        state = self._tensor(tensor)
        if state.statistics is None:
            channels = self._channels(call, tensor)
            visible = shown(tensor, call.mask, set(channels))
            state.statistics = statistics(visible, channels)
        return state.statistics

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
            known = None if inputs is None else self._tensor(inputs).statistics
            if known is not None and len(inputs.shape) == rank:
                axes = known.channels
        return tuple(sorted({axis % rank for axis in axes} - {0}))


def _path(call: LayerCall) -> str:
    """The layer's path; a layer without weights may have none."""
    layer, parents = call.layer, call.parents[1:]
    if layer.path:
        return layer.path
    prefix = (label(parents[-1]),) if parents else ()
    return "/".join((*prefix, layer.name))
