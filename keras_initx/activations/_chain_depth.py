"""How many nonlinear layers a model has, one after the other."""

from typing import Any

import keras

from keras_initx import _validate
from keras_initx._keras import direct_sublayers
from keras_initx._model.activation_layers import ACTIVATION_LAYERS


def chain_depth(owner: str, model: keras.Model) -> int:
    """The number of layers with an activation between the input and the last layer.

    The activation of the last layer belongs to the loss. Raises an error if the layers
    do not follow one after the other.
    """
    try:
        *layers, _ = _layers_of(model)
        depth = sum(_is_nonlinear(layer) for layer in layers)
    except ValueError as failure:
        raise _error(owner, f"a model {failure}") from None
    if depth == 0:
        raise _error(owner, "a model without activations before its last layer")
    return depth


def _error(owner: str, received: str) -> ValueError:
    return _validate.error(
        owner,
        "a model whose layers follow one after the other, some with an activation",
        received,
        "Pass as `depth` the number of nonlinear layers on the longest path, or a "
        "function.",
    )


def _layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers in their order, those of inner models too."""
    if isinstance(model, keras.Sequential):
        layers = model.layers
    else:
        layers = _path_of(model)
    found = []
    for layer in layers:
        if isinstance(layer, keras.Model):
            found += _layers_of(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append(layer)
    return found


def _path_of(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a Functional model from its input to its output."""
    inputs, outputs = (getattr(model, side, []) for side in ("inputs", "outputs"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError("that is not a graph with one input and one output")
    (start,), (tensor,) = inputs, outputs
    path: list[keras.layers.Layer] = []
    makers = {id(_only(each, "output")): each for each in model.operations}
    while tensor is not start:
        maker = makers.get(id(tensor))
        if maker is None:
            raise ValueError("that uses a layer several times")
        if not isinstance(maker, keras.layers.Layer):
            raise ValueError(f"with the operation {maker.name!r}")
        path.append(maker)
        tensor = _only(maker, "input")
    return path[::-1]


def _only(layer: Any, side: str) -> Any:
    """The one input or output of a layer."""
    tensor = getattr(layer, side)
    if isinstance(tensor, list | tuple | dict):
        raise ValueError(f"where several paths meet or part in {layer.name!r}")
    return tensor


def _is_nonlinear(layer: keras.layers.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    if any(each is not activation for each in direct_sublayers(layer)):
        raise ValueError(f"with {layer.name!r}, which has layers inside")
    if isinstance(layer, ACTIVATION_LAYERS):
        return True
    return activation not in (None, keras.activations.linear)
