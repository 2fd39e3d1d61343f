"""What training changes, what it does not, and which layers take no part."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from keras_initx._backend import stored
from keras_initx._keras import (
    direct_sublayers,
    named_sublayers,
    own_trainable_variables,
)
from keras_initx._model.dataflow import dataflow
from keras_initx._model.graph import Dataflow
from keras_initx._model.layer_tree import label
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx._model.tensors import as_array
from keras_initx.diagnostics._measure.fresh_weights import is_fresh
from keras_initx.diagnostics._measure.signal_pass import SignalPass

_DRAWS = ("kernel_initializer", "embeddings_initializer", "gamma_initializer")


@dataclasses.dataclass(frozen=True)
class LayerNote:
    """A layer that a verdict is about.

    Attributes:
        path: str.
        type: str. The name of its class.
        place: str. Python's name of it, such as `"model.head"`; empty where it is not
            an attribute of an attribute of the model.
        weights: int. How many numbers it has; 0 if it was never built.
    """

    path: str
    type: str
    place: str
    weights: int


@dataclasses.dataclass
class Trainability:
    """What trains.

    Attributes:
        weights: int. The numbers that are made to be trained.
        trainable: int. Those of them that training changes.
        frozen: list of LayerNote. Layers that do not train, though their weights are as
            they were drawn and layers after them train.
        unused: list of LayerNote. Layers that train, and that did not run.
        dropped: list of LayerNote. Layers that ran, and of whose output nothing reaches
            an output of the model.
    """

    weights: int = 0
    trainable: int = 0
    frozen: list[LayerNote] = dataclasses.field(default_factory=list)
    unused: list[LayerNote] = dataclasses.field(default_factory=list)
    dropped: list[LayerNote] = dataclasses.field(default_factory=list)


def trainability(
    model: keras.layers.Layer, ran: dict[int, keras.layers.Layer]
) -> Trainability:
    """What trains in a model.

    Args:
        model: keras.layers.Layer.
        ran: dict. The layers that ran, by their identities, in their order.
    """
    leaves = [leaf for layer in sublayers(model) for leaf in _parts(layer)]
    variables = {id(v): v for leaf in leaves for v in own_trainable_variables(leaf)}
    trainable = [v for v in variables.values() if v.trainable]
    return Trainability(
        weights=_count(variables.values()),
        trainable=_count(trainable),
        frozen=[note(model, each) for each in _frozen(list(ran.values()))],
        unused=[note(model, each) for each in _unused(model, ran)],
    )


def note(model: keras.layers.Layer, layer: keras.layers.Layer) -> LayerNote:
    """What a verdict says of a layer."""
    return LayerNote(
        label(layer), type(layer).__name__, _place(model, layer), _count(layer.weights)
    )


def _parts(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer; the cells of a recurrent one too, which nobody sees run."""
    return sublayers(layer, with_cells=True) if isinstance(layer, OPAQUE) else [layer]


def _count(variables: Iterable[keras.Variable]) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def add_dropped(
    found: Trainability,
    model: keras.layers.Layer,
    batch: Any,
    watch: SignalPass,
) -> None:
    """Fills in what ran for nothing, after the gradient is known.

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
        return
    try:
        graph = dataflow(model, batch)
    except Exception:
        return
    used = _leading_to_outputs(graph)
    places = {id(node.layer): place for place, node in enumerate(graph.nodes)}
    found.dropped = [
        note(model, layer)
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


# Frozen


def _frozen(ran: list[keras.layers.Layer]) -> list[keras.layers.Layer]:
    """The frozen layers with fresh weights, of each run of them that others follow.

    Frozen layers at the end judge what comes before, as a discriminator does. One
    frozen layer at the start is a fixed random map by design, except an embedding. A
    copy of a layer that trains is a target.
    """
    leaves = [
        leaf for layer in ran for leaf in _parts(layer) if own_trainable_variables(leaf)
    ]
    found: list[keras.layers.Layer] = []
    run: list[keras.layers.Layer] = []
    for place, leaf in enumerate(leaves):
        if not any(v.trainable for v in own_trainable_variables(leaf)):
            run.append(leaf)
            continue
        is_first = len(run) == place
        if run and not _is_by_design(run, is_first, leaves) and is_fresh(run):
            found += run
        run = []
    return found


def _is_by_design(
    run: list[keras.layers.Layer], is_first: bool, leaves: list[keras.layers.Layer]
) -> bool:
    """Whether these layers are meant to keep random weights."""
    with_kernel = [leaf for leaf in run if _matrices(leaf)]
    is_one = len(with_kernel) == 1 and not isinstance(
        with_kernel[0], keras.layers.Embedding
    )
    if not with_kernel or (is_one and is_first):
        return True
    return all(_is_copy(leaf, leaves) for leaf in with_kernel)


def _is_copy(leaf: keras.layers.Layer, leaves: list[keras.layers.Layer]) -> bool:
    """Whether a layer that trains has the same kernel, bit for bit."""
    kernel = _matrices(leaf)[0]
    return any(
        other.trainable
        and tuple(other.shape) == tuple(kernel.shape)
        and np.array_equal(as_array(stored(other)), as_array(stored(kernel)))
        for each in leaves
        for other in _matrices(each)
    )


def _matrices(layer: keras.layers.Layer) -> list[keras.Variable]:
    return [v for v in own_trainable_variables(layer) if len(v.shape) > 1]


# Unused


def _unused(
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
        for part in _parts(layer)
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


# Python's name of a layer


def _place(model: keras.layers.Layer, layer: keras.layers.Layer) -> str:
    """How a program names a layer of the model; empty if that is not known."""
    for name, child in _named(model):
        if child is layer:
            return f"model.{name}"
        for inner, below in _named(child):
            if below is layer:
                return f"model.{name}.{inner}"
    return ""


def _named(layer: keras.layers.Layer) -> list[tuple[str, keras.layers.Layer]]:
    return [
        (name, child)
        for name, child in named_sublayers(layer).items()
        if name.isidentifier() and not name.startswith("_")
    ]
