"""What a verdict says of a layer: its path, and how a program names it."""

import dataclasses
from collections.abc import Iterable

import keras
import numpy as np

from keras_initx._keras import named_sublayers
from keras_initx._model.layer_tree import label
from keras_initx._model.sublayers import OPAQUE, sublayers


@dataclasses.dataclass(frozen=True)
class LayerNote:
    """A layer that a verdict is about.

    Attributes:
        path: str.
        type: str. The name of its class.
        place: str. Python's name of it, such as `"model.head"`; empty where that is
            not known.
        weights: int. How many numbers it has; 0 if it was never built.
    """

    path: str
    type: str
    place: str
    weights: int


def note(model: keras.layers.Layer, layer: keras.layers.Layer) -> LayerNote:
    """What a verdict says of a layer."""
    return LayerNote(
        label(layer), type(layer).__name__, _place(model, layer), count(layer.weights)
    )


def count(variables: Iterable[keras.Variable]) -> int:
    """How many numbers these have."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def with_cells(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer; the cells of a recurrent one too, which nobody sees run."""
    return sublayers(layer, with_cells=True) if isinstance(layer, OPAQUE) else [layer]


def _place(model: keras.layers.Layer, layer: keras.layers.Layer) -> str:
    """How a program names a layer of the model; empty if that is not known."""
    for name, child in _named(model):
        if child is layer:
            return f"model.{name}"
        for inner, below in _named(child):
            if below is layer:
                return f"model.{name}.{inner}"
    if isinstance(model, keras.Model) and any(each is layer for each in model.layers):
        return f"model.get_layer({layer.name!r})"
    return ""


def _named(layer: keras.layers.Layer) -> list[tuple[str, keras.layers.Layer]]:
    return [
        (name, child)
        for name, child in named_sublayers(layer).items()
        if name.isidentifier() and not name.startswith("_")
    ]
