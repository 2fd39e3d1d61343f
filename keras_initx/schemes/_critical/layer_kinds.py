"""The layers without a kernel, by what they do with a signal."""

import keras

from keras_initx._keras import direct_sublayers, is_of_keras
from keras_initx._model.branches.paths import is_normalization
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx.schemes._critical.applied import Applied

_RANKS = ("1D", "2D", "3D")
POOLING = tuple(
    getattr(keras.layers, f"{which}{kind}Pooling{rank}")
    for which in ("", "Global")
    for kind in ("Average", "Max")
    for rank in _RANKS
)
# Layers that hand on what they get, at other places.
HANDING_ON = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    *(getattr(keras.layers, f"ZeroPadding{rank}") for rank in _RANKS),
    *(getattr(keras.layers, f"Cropping{rank}") for rank in _RANKS),
    *(getattr(keras.layers, f"UpSampling{rank}") for rank in _RANKS),
)


def is_activation(layer: keras.layers.Layer) -> bool:
    """Whether a layer of somebody's own, or a `Rescaling`, is an activation."""
    if is_of_keras(layer) and not isinstance(layer, keras.layers.Rescaling):
        return False
    if direct_sublayers(layer) or layer_kernel(layer) or is_normalization(layer):
        return False
    try:
        Applied((layer,)).moments(1.0)
    except ValueError:
        return False
    return True
