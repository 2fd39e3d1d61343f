"""Which tensors are measured, which part of them, and how NumPy reads them."""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_initx._backend import view

# The classes of tensors that were met.
_TENSORS: set[type] = set()


def is_tensor(value: Any) -> bool:
    """As `keras.ops.is_tensor`, which takes longer."""
    kind = type(value)
    if kind in _TENSORS:
        return True
    if not ops.is_tensor(value):
        return False
    _TENSORS.add(kind)
    return True


def is_float_tensor(value: Any) -> bool:
    """Whether this is one tensor of floats, and not an empty one."""
    return is_tensor(value) and _is_float(value.dtype) and 0 not in value.shape


@functools.cache
def _is_float(dtype: Any) -> bool:
    return bool(keras.backend.is_float_dtype(keras.backend.standardize_dtype(dtype)))


def flat(values: Any) -> list[Any]:
    """As `keras.tree.flatten`, which takes longer for a few tensors."""
    kind = type(values)
    if values is None or kind is bool or kind in _TENSORS:
        return [values]
    if kind is tuple or kind is list:
        return [leaf for value in values for leaf in flat(value)]
    if kind is dict and len(values) < 2:
        return [leaf for value in values.values() for leaf in flat(value)]
    return list(keras.tree.flatten(values))


def first_tensor(values: Any) -> Any:
    """The first tensor of floats among these that has an axis, or None."""
    for leaf in flat(values):
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
