"""The data as the kernels get it that no other kernel comes before."""

from typing import Any

from keras import layers

from keras_initx._model.observer import LayerCall
from keras_initx._model.tensors import flat, is_tensor
from keras_initx.diagnostics._measure.data_path import DataPath
from keras_initx.diagnostics._measure.features import Features, features_of
from keras_initx.diagnostics._measure.recorder import LayerState, Recorder


class FirstKernels(Recorder):
    """Measures the features of what such a kernel gets."""

    def __init__(self) -> None:
        self._path = DataPath()

    def enter(self, call: LayerCall, state: LayerState) -> None:
        if call.number > 1:
            return
        if not call.parents:
            self._path.start((call.args, call.kwargs))
        if state.row.fan_in is not None:
            state.row.features = _features_at(call, self._path)

    def ran(self, call: LayerCall, state: LayerState, output: Any) -> None:
        if not state.is_container:
            self._path.pass_on(call, output, bool(state.kernels))


def _features_at(call: LayerCall, path: DataPath) -> Features | None:
    """The features of the data that a layer with a kernel gets; None for no data."""
    tensors = [leaf for leaf in flat(call.args) if is_tensor(leaf)]
    if not tensors or len(tensors[0].shape) < 1:
        return None
    origin = path.origin(tensors[0])
    if origin is None:
        return None
    spatial = getattr(call.layer, "rank", 0)
    features = features_of(tensors[0], _axes(call.layer), spatial)
    if features is not None:
        features.leaves, features.is_raw = origin.leaves, origin.is_raw
    return features


def _axes(layer: layers.Layer) -> tuple[int, ...]:
    """The axes of its inputs that a kernel sums over at each position."""
    if isinstance(layer, layers.EinsumDense):
        operands, output = layer.equation.replace(" ", "").split("->")
        inputs, labels = operands.split(",")
        # An ellipsis stands first or last: the axes are counted from the other end.
        start = 0 if inputs.endswith("...") else -len(inputs.replace("...", ""))
        inputs = inputs.replace("...", "")
        summed = [label for label in inputs if label in labels and label not in output]
        return tuple(start + inputs.index(label) for label in summed)
    rank = getattr(layer, "rank", 0)
    is_first = rank and getattr(layer, "data_format", "") == "channels_first"
    return (-1 - rank,) if is_first else (-1,)
