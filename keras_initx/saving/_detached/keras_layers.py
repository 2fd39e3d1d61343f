"""Layers of ours as small models of Keras's own layers."""

from typing import Any

import keras
from keras import layers

from keras_initx.layers import CReLU


def keras_crelu(layer: CReLU, input_shape: Any) -> keras.Model | None:
    """Two rectifiers side by side; None with groups or for an unknown shape."""
    if input_shape is None or layer.groups != 1:
        return None
    axis = layer.axis
    if axis is None:
        axis = -1 if layer.data_format == "channels_last" else 1
    rank = len(input_shape)
    dtype = layer.dtype_policy
    # The layer has no weights, and so may see inputs of any size.
    sizes = (None,) * (rank - 1)
    inputs = keras.Input(sizes, dtype=layer.compute_dtype, name="inputs")
    negative = layers.Rescaling(-1.0, dtype=dtype, name="negative")(inputs)
    halves = [
        layers.Activation("relu", dtype=dtype, name="positive_part")(inputs),
        layers.Activation("relu", dtype=dtype, name="negative_part")(negative),
    ]
    outputs = layers.Concatenate(axis=axis % rank, dtype=dtype, name="halves")(halves)
    return keras.Model(inputs, outputs, name=layer.name)
