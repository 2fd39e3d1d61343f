"""What a variable is in its layer, for rules that hold for whole models."""

from typing import Any

import keras

from keras_initx._model.model_variables import ModelVariable

_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
)
_TABLES = ("embeddings", "class_token", "cls_token", "pos_embed")
_ATTENTIONS = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


def role(each: ModelVariable) -> str:
    """`"kernel"`, `"table"` (of embeddings), `"bias"`, `"gamma"`, `"beta"` or `""`."""
    name = each.variable.name
    if isinstance(each.layer, keras.layers.Embedding) or name.endswith(_TABLES):
        return "table"
    if is_normalization(each.layer):
        return {"gamma": "gamma", "scale": "gamma", "beta": "beta"}.get(name, "")
    if each.axes is not None and not name.startswith("lora_"):
        return "kernel"
    return "bias" if name == "bias" else ""


def by_role(
    variables: list[ModelVariable], initializers: dict[str, Any]
) -> dict[int, Any]:
    """An initializer for each variable whose role is among these."""
    return {
        id(each.variable): initializers[role(each)]
        for each in variables
        if role(each) in initializers
    }


def is_normalization(layer: keras.layers.Layer) -> bool:
    """Whether a layer normalizes and then scales by gamma."""
    return isinstance(layer, _NORMALIZATIONS)


def is_convolution(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a convolution of any kind."""
    return isinstance(layer, _CONVOLUTIONS)


def is_in_attention(each: ModelVariable) -> bool:
    """Whether a variable belongs to Keras's attention layers."""
    return bool(each.parents) and isinstance(each.parents[-1], _ATTENTIONS)


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
