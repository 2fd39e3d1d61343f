"""The variance of each branch of a stream, measured in one pass."""

from typing import Any

import keras

from keras_initx._model.branches.find import Residuals
from keras_initx._model.mean_and_variance import mean_and_variance
from keras_initx._model.observer import LayerCall, Observer
from keras_initx._model.tensors import first_tensor, shown
from keras_initx._model.trace import trace
from keras_initx.schemes._depth.streams import Stream


def branch_variances(
    model: keras.layers.Layer, batch: Any, found: Residuals, stream: Stream
) -> list[float]:
    """The variances of what enters a stream, and of what each branch adds to it.

    They are taken over samples, positions and units, of the output of the last layer
    with weights before the addition. What enters without such a layer counts as 1.
    """
    nodes = found.graph.nodes
    start = nodes[stream.branches[0].inputs].layer
    layers = []
    for branch in stream.branches:
        end = nodes[branch.end].layer
        layers.append(branch.layers[-1].layer if end is None else end)
    measure = _Measure(layers if start is None else [start, *layers])
    trace(model, batch, measure)
    first = 1.0 if start is None else measure.variances[id(start)].pop(0)
    return [first, *(measure.variances[id(layer)].pop(0) for layer in layers)]


class _Measure(Observer):
    """The variances of the outputs of some layers, one for each call."""

    def __init__(self, layers: list[keras.layers.Layer]) -> None:
        self.variances: dict[int, list[float]] = {id(layer): [] for layer in layers}

    def leave(self, call: LayerCall, output: Any) -> Any:
        tensor = first_tensor(output)
        if id(call.layer) in self.variances and tensor is not None:
            _, variance = mean_and_variance(shown(tensor, call.mask, set()), ())
            self.variances[id(call.layer)].append(float(variance.mean()))
        return output
