"""Over how many numbers a normalization takes its mean and deviation."""

import math
from typing import Any

from keras import layers

_BY_AXIS = (
    layers.LayerNormalization,
    layers.RMSNormalization,
    layers.UnitNormalization,
)


def numbers_of(layer: layers.Layer, shape: Any, is_training: bool) -> int | None:
    """How many numbers a normalization makes equal in scale; None for another layer.

    Args:
        layer: keras.layers.Layer.
        shape: That of its input.
        is_training: bool. Whether a `BatchNormalization` uses the batch.
    """
    rank = len(shape)
    if isinstance(layer, layers.BatchNormalization):
        if not is_training or not layer.trainable:
            return None
        kept = _axes(layer.axis, rank)
        return math.prod(n for axis, n in enumerate(shape) if axis not in kept)
    if isinstance(layer, layers.GroupNormalization):
        (channel,) = _axes(layer.axis, rank)
        groups = layer.groups if layer.groups > 0 else shape[channel]
        return math.prod(shape[1:]) // min(groups, shape[channel])
    if isinstance(layer, _BY_AXIS):
        return math.prod(shape[axis] for axis in _axes(layer.axis, rank))
    return None


def _axes(axis: Any, rank: int) -> set[int]:
    several = axis if isinstance(axis, list | tuple) else [axis]
    return {each % rank for each in several}
