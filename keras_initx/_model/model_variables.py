"""The variables of a model, each with what an initializer has to know of it."""

import dataclasses
from collections import Counter

import keras

from keras_initx._keras import embeddings_variable
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import embedding_axes, layer_kernel
from keras_initx._model.layer_tree import (
    Place,
    layer_tree,
    own_variables,
    without_number,
)
from keras_initx._model.recurrent import cell_kernels


@dataclasses.dataclass(frozen=True)
class ModelVariable:
    """A variable and its place in a model.

    Attributes:
        variable: keras.Variable.
        layer: keras.layers.Layer. The one that made it.
        parents: tuple of keras.layers.Layer. What the layer is within, the outermost
            first.
        path: str. Its place in the model, with the name of the variable.
        axes: KernelAxes or None. What its axes mean, if it is a kernel.
        blocks: int. How many kernels stand side by side in it.
    """

    variable: keras.Variable
    layer: keras.layers.Layer
    parents: tuple[keras.layers.Layer, ...]
    path: str
    axes: KernelAxes | None = None
    blocks: int = 1


def model_variables(model: keras.layers.Layer) -> list[ModelVariable]:
    """The variables of a model, each once, in the order of their layers."""
    found: dict[int, ModelVariable] = {}
    for place in layer_tree(model):
        for each in _of_layer(place):
            found.setdefault(id(each.variable), each)
    return list(found.values())


def _of_layer(place: Place) -> list[ModelVariable]:
    kernels, names, found = _kernels(place.layer), Counter[str](), []
    for variable in own_variables(place.layer):
        name = without_number(variable.name, "Variable")
        names[name] += 1
        if names[name] > 1:
            name = f"{name}_{names[name] - 1}"
        path = f"{place.path}/{name}" if place.path else name
        facts = kernels.get(id(variable), ())
        found.append(ModelVariable(variable, place.layer, place.parents, path, *facts))
    return found


def _kernels(layer: keras.layers.Layer) -> dict[int, tuple[KernelAxes, int]]:
    """The axes and the blocks of the kernels of a layer, by their identities."""
    if not layer.built or layer.quantization_mode is not None:
        return {}
    if isinstance(layer, keras.layers.Embedding):
        table = embeddings_variable(layer)
        return {id(table): (embedding_axes(layer), 1)}
    described = cell_kernels(layer) or layer_kernel(layer)
    if described is None:
        return {}
    return {id(kernel): (axes, described.blocks) for kernel, axes in described.kernels}
