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
    doubled = axis % len(input_shape)
    # The layer has no weights, and so may see other sizes too.
    shape = [size if at == doubled else None for at, size in enumerate(input_shape)]
    dtype = layer.dtype_policy
    inputs = keras.Input(shape[1:], dtype=layer.compute_dtype, name="inputs")
    negative = layers.Rescaling(-1.0, dtype=dtype, name="negative")(inputs)
    halves = [
        layers.Activation("relu", dtype=dtype, name="positive_part")(inputs),
        layers.Activation("relu", dtype=dtype, name="negative_part")(negative),
    ]
    outputs = layers.Concatenate(axis=doubled, dtype=dtype, name="halves")(halves)
    return keras.Model(inputs, outputs, name=layer.name)
