"""What a verdict says of a layer: its path, and how a program names it."""

import dataclasses
from collections.abc import Iterable

import keras
import numpy as np

from keras_initx._model.layer_tree import label
from keras_initx._model.sublayers import OPAQUE, sublayers
from keras_initx.diagnostics._measure.layer_code import code_in


@dataclasses.dataclass(frozen=True)
class LayerNote:
    """A layer that a verdict is about.

    Attributes:
        path: str.
        type: str. The name of its class.
        place: str. Python code that gives it, such as `'model.get_layer("head")'`;
            empty where that is not known.
        weights: int. How many numbers it has; 0 if it was never built.
    """

    path: str
    type: str
    place: str
    weights: int


def note(model: keras.layers.Layer, layer: keras.layers.Layer) -> LayerNote:
    """What a verdict says of a layer."""
    return LayerNote(
        label(layer), type(layer).__name__, code_in(model, layer), count(layer.weights)
    )


def count(variables: Iterable[keras.Variable]) -> int:
    """How many numbers these have."""
    return sum(int(np.prod(variable.shape)) for variable in variables)


def with_cells(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer; the cells of a recurrent one too, which nobody sees run."""
    return sublayers(layer, with_cells=True) if isinstance(layer, OPAQUE) else [layer]
