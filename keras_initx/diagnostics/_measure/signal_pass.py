"""What a report sees while the model runs: the signal, layer by layer."""

import weakref
from typing import Any

import keras
from keras import layers

from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.tensors import first_tensor, shown
from keras_initx._model.trace import LayerCall, Observer
from keras_initx.diagnostics._measure.activation_bounds import (
    LAYERS,
    activation_of,
    flat_parts,
)
from keras_initx.diagnostics._measure.kernels import Kernel, kernels_of
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.statistics import (
    Statistics,
    are_alike,
    mean_cosine,
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
    """Lets layers that only add noise hand on what they get."""

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        if isinstance(call.layer, _NOISE) and call.args:
            return call.args[0]
        return tensor


class SignalPass(QuietObserver):
    """Makes one row for each layer, from its first call.

    A container gets a row only if its output is not that of a layer within it: a block
    that adds its input, for example. A tensor that several layers hand on is measured
    once.

    Attributes:
        rows: list of LayerRow. In the order in which the layers were done.
        kernels: list of Kernel. In the same order.
        mixes_samples: bool. Whether what a sample gives depends on the others.
    """

    def __init__(self, samples: int) -> None:
        self.rows: list[LayerRow] = []
        self.kernels: list[Kernel] = []
        self.mixes_samples = False
        self._samples = samples
        self._started: dict[int, LayerRow] = {}
        self._finished: set[int] = set()
        self._own_kernels: dict[int, list[Kernel]] = {}
        self._containers: set[int] = set()
        # The layers that are the activation of another one, and that one.
        self._owners: dict[int, int] = {}
        self._measured: dict[int, tuple[weakref.ref[Any], Statistics]] = {}
        self._outputs: dict[int, weakref.ref[Any]] = {}
        self._made: dict[int, weakref.ref[Any]] = {}

    def row_of(self, layer: layers.Layer) -> LayerRow | None:
        """The row of a layer, if it has one."""
        return self._started[id(layer)] if id(layer) in self._finished else None

    def note_outputs(self, outputs: Any) -> None:
        """Marks the rows of the layers that made the outputs of the model."""
        leaves = keras.tree.flatten(outputs)
        for row in self.rows:
            reference = self._made.get(id(row))
            tensor = None if reference is None else reference()
            if tensor is not None:
                row.is_output = any(leaf is tensor for leaf in leaves)

    # What the trace tells

    def enter(self, call: LayerCall) -> None:
        layer = call.layer
        if call.number > 1:
            self._started[id(layer)].calls = call.number
            return
        self.mixes_samples |= isinstance(layer, layers.BatchNormalization)
        self._containers.update(map(id, call.parents))
        activation = getattr(layer, "activation", None)
        if isinstance(activation, layers.Layer):
            self._owners[id(activation)] = id(layer)
        own = self._own_kernels[id(layer)] = kernels_of(layer)
        row = LayerRow(_path(call), type(layer).__name__)
        row.activation = activation_of(layer)
        row.kernels = [kernel.row for kernel in own]
        inputs = first_tensor(call.args)
        if own and own[0].row.has_equal_inputs and inputs is not None:
            row.has_equal_inputs = are_alike(inputs)
        self._started[id(layer)] = row

    def pre_activation(self, call: LayerCall, tensor: Any) -> Any:
        tensor = super().pre_activation(call, tensor)
        is_activation = isinstance(call.layer, LAYERS)
        measured = first_tensor(call.args if is_activation else tensor)
        is_repeated = isinstance(call.layer, layers.TimeDistributed)
        is_shown = call.number == 1 and self._is_shown(call) and not is_repeated
        if is_shown and measured is not None:
            row, found = self._started[id(call.layer)], self._measure(call, measured)
            row.pre_activation_mean, row.pre_activation_std = found.mean, found.std
        return tensor

    def leave(self, call: LayerCall, output: Any) -> Any:
        layer = call.layer
        if call.number > 1 or not self._is_shown(call):
            return output
        measured, own = first_tensor(output), self._own_kernels[id(layer)]
        if isinstance(layer, layers.TimeDistributed):
            self._note(measured)
            return output
        is_new = measured is not None and not self._has_row(measured)
        if (
            own
            or is_new
            or (measured is not None and id(layer) not in self._containers)
        ):
            self._finish(call, measured)
        return output

    def unseen(self, layer: layers.Layer) -> None:
        if id(layer) not in self._started:
            path = layer.path or layer.name
            row = LayerRow(path, type(layer).__name__, note=_COMPILED)
            self._started[id(layer)] = row
            self.rows.append(row)

    # What is made of it

    def _is_shown(self, call: LayerCall) -> bool:
        """Whether a layer may have a row; the others repeat what is there."""
        owner = self._owners.get(id(call.layer))
        return not (call.parents and owner == id(call.parents[-1]))

    def _finish(self, call: LayerCall, tensor: Any) -> None:
        """The row of a layer that has run."""
        row = self._started[id(call.layer)]
        if tensor is not None:
            found = self._measure(call, tensor)
            row.mean, row.std, row.dead = found.mean, found.std, found.dead
            row.units, row.is_constant = found.units, found.is_constant
            row.dtype = keras.backend.standardize_dtype(tensor.dtype)
            row.cosine = mean_cosine(tensor, self._samples)
            if (limits := flat_parts(row.activation)) is not None:
                visible = shown(tensor, call.mask, set(found.channels))
                row.saturated = share_outside(visible, *limits)
            self._note(tensor)
            self._made[id(row)] = weakref.ref(tensor)
        self.rows.append(row)
        self.kernels += self._own_kernels[id(call.layer)]
        self._finished.add(id(call.layer))

    def _note(self, tensor: Any) -> None:
        """Remembers that a row describes this tensor."""
        if tensor is not None:
            self._outputs[id(tensor)] = weakref.ref(tensor)

    def _has_row(self, tensor: Any) -> bool:
        reference = self._outputs.get(id(tensor))
        return reference is not None and reference() is tensor

    def _measure(self, call: LayerCall, tensor: Any) -> Statistics:
        """The statistics of a tensor, which are taken once."""
        reference, known = self._measured.get(id(tensor), (None, None))
        if reference is not None and known is not None and reference() is tensor:
            return known
        channels = self._channels(call, tensor)
        found = statistics(shown(tensor, call.mask, set(channels)), channels)
        self._measured[id(tensor)] = (weakref.ref(tensor), found)
        return found

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
            reference, known = self._measured.get(id(inputs), (None, None))
            is_same = reference is not None and reference() is inputs
            if is_same and known is not None and len(inputs.shape) == rank:
                axes = known.channels
        return tuple(sorted({axis % rank for axis in axes} - {0}))


def _path(call: LayerCall) -> str:
    """A layer without weights may have no path."""
    layer, parents = call.layer, call.parents[1:]
    if layer.path:
        return layer.path
    prefix = (parents[-1].path or parents[-1].name,) if parents else ()
    return "/".join((*prefix, layer.name))
