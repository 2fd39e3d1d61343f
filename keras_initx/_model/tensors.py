"""Which tensors are measured, which part of them, and how NumPy reads them."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import view


def is_float_tensor(value: Any) -> bool:
    """Whether this is one tensor of floats, and not an empty one."""
    if not ops.is_tensor(value) or 0 in value.shape:
        return False
    return keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype))


def first_tensor(values: Any) -> Any:
    """The first tensor of floats among these that has an axis, or None."""
    for leaf in keras.tree.flatten(values):
        if is_float_tensor(leaf) and len(leaf.shape) > 0:
            return leaf
    return None


def as_array(tensor: Any) -> np.ndarray:
    """The tensor in NumPy, to read, without a copy where it can be."""
    array = tensor if isinstance(tensor, np.ndarray) else view(tensor)
    return array if isinstance(array, np.ndarray) else ops.convert_to_numpy(array)


def shown(tensor: Any, mask: Any, kept: set[int]) -> Any:
    """The part of a tensor that its mask does not hide, of the same rank.

    Args:
        tensor: A tensor.
        mask: The Keras mask of its first axes, or None.
        kept: set of int. The axes that stay; a mask of these has no effect.
    """
    if mask is None:
        return tensor
    depth = len(mask.shape)
    fits = tuple(mask.shape) == tuple(tensor.shape[:depth])
    if not fits or any(axis < depth for axis in kept):
        return tensor
    visible = ops.convert_to_numpy(tensor)[ops.convert_to_numpy(mask)]
    return (
        visible.reshape((1,) * (depth - 1) + visible.shape) if len(visible) else tensor
    )
