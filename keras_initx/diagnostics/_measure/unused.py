"""Layers that would train, and do not run, or run for nothing."""

from typing import Any

import keras

from keras_initx._keras import direct_sublayers, own_trainable_variables
from keras_initx._model.dataflow import dataflow
from keras_initx._model.graph import Dataflow
from keras_initx._model.layer_tree import label
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx.diagnostics._measure.layer_notes import with_cells
from keras_initx.diagnostics._measure.signal_pass import SignalPass

_DRAWS = ("kernel_initializer", "embeddings_initializer", "gamma_initializer")


def unused(
    model: keras.layers.Layer, ran: dict[int, keras.layers.Layer]
) -> list[keras.layers.Layer]:
    """The outermost layers that train and did not run.

    A model with a training step or a loss of its own may use them there.
    """
    for method in ("train_step", "compute_loss"):
        own = getattr(type(model), method, None)
        if own is not getattr(keras.Model, method) and own is not None:
            return []
    used = {
        id(v)
        for layer in ran.values()
        for part in with_cells(layer)
        for v in own_trainable_variables(part)
    }
    found: list[keras.layers.Layer] = []
    waiting = direct_sublayers(model) if id(model) in ran else []
    seen = set()
    while waiting:
        layer = waiting.pop(0)
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if id(layer) in ran:
            waiting += [] if isinstance(layer, OPAQUE) else direct_sublayers(layer)
        elif _is_idle(layer, used):
            found.append(layer)
        elif not _trained(layer):
            continue
        else:
            # A model of layers of this one, such as an encoder, has run in parts.
            waiting += direct_sublayers(layer)
    return found


def _is_idle(layer: keras.layers.Layer, used: set[int]) -> bool:
    """Whether nothing of a layer that would train takes part."""
    if not layer.trainable:
        return False
    if not layer.built and not layer.weights:
        return any(
            getattr(part, name, None) is not None
            for part in sublayers(layer)
            for name in _DRAWS
        )
    trained = _trained(layer)
    return bool(trained) and not any(id(v) in used for v in trained)


def _trained(layer: keras.layers.Layer) -> list[keras.Variable]:
    return [
        v
        for part in sublayers(layer, with_cells=True)
        for v in own_trainable_variables(part)
        if v.trainable
    ]


def dropped(
    model: keras.layers.Layer, batch: Any, watch: SignalPass
) -> list[keras.layers.Layer]:
    """The layers that ran for nothing; it needs the gradient.

    Only layers without a gradient whose output no layer takes are looked at, in the
    operations of the model. Where these cannot be recorded, nothing is said.
    """
    paths = {
        row.path
        for row in watch.rows
        if row.output_gradient == 0
        and row.gradient is not None
        and row.calls == 1
        and not (
            row.is_output or row.is_one_of_several or watch.flow.readers.get(row.path)
        )
    }
    if not paths:
        return []
    try:
        graph = dataflow(model, batch)
    except Exception:
        return []
    used = _leading_to_outputs(graph)
    places = {id(node.layer): place for place, node in enumerate(graph.nodes)}
    return [
        layer
        for layer in watch.ran.values()
        if label(layer) in paths and places.get(id(layer), -1) not in {-1, *used}
    ]


def _leading_to_outputs(graph: Dataflow) -> set[int]:
    """The nodes that lead to an output."""
    found: set[int] = set()
    waiting = list(graph.outputs)
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += graph.nodes[place].sources
    return found
