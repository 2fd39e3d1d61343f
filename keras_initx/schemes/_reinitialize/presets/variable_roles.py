"""What a variable is in its layer, for rules that hold for whole models."""

from collections.abc import Callable
from typing import Any

import keras

from keras_initx._model.attention_layers import ATTENTIONS
from keras_initx._model.convolutions import CONVOLUTIONS
from keras_initx._model.model_variables import ModelVariable

_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
)
_TABLES = ("embeddings", "class_token", "cls_token", "pos_embed")


def role(each: ModelVariable) -> str:
    """`"kernel"`, `"table"` (of embeddings), `"bias"`, `"gamma"`, `"beta"` or `""`."""
    name = each.variable.name
    if isinstance(each.layer, keras.layers.Embedding) or name.endswith(_TABLES):
        return "table"
    if is_keras_normalization(each.layer):
        return {"gamma": "gamma", "scale": "gamma", "beta": "beta"}.get(name, "")
    if each.axes is not None and not name.startswith("lora_"):
        return "kernel"
    return "bias" if name == "bias" else ""


def by_role(
    variables: list[ModelVariable], initializers: dict[str, Any]
) -> dict[int, Any]:
    """An initializer for each variable whose role is among these."""
    return by_variable(variables, lambda each: initializers.get(role(each)))


def by_variable(
    variables: list[ModelVariable], choose: Callable[[ModelVariable], Any]
) -> dict[int, Any]:
    """What `choose` returns for each variable, by their identities, if not None."""
    chosen = ((id(each.variable), choose(each)) for each in variables)
    return {key: found for key, found in chosen if found is not None}


def is_keras_normalization(layer: keras.layers.Layer) -> bool:
    """Whether this is a normalization of Keras, so that its gamma starts at one."""
    return isinstance(layer, _NORMALIZATIONS)


def is_convolution(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a convolution of any kind."""
    return isinstance(layer, CONVOLUTIONS)


def is_in_attention(each: ModelVariable) -> bool:
    """Whether a variable belongs to Keras's attention layers."""
    return bool(each.parents) and isinstance(each.parents[-1], ATTENTIONS)


def inputs_of(each: ModelVariable) -> int:
    """The fan-in of a kernel as other libraries count it: without strides."""
    if each.axes is None:
        return 0
    return each.axes.count(each.axes.spatial + each.axes.input)


def kernels_by_layer(variables: list[ModelVariable]) -> dict[int, list[ModelVariable]]:
    """The kernels of each layer, by the identity of the layer, in their order."""
    found: dict[int, list[ModelVariable]] = {}
    for each in variables:
        if role(each) == "kernel":
            found.setdefault(id(each.layer), []).append(each)
    return found
