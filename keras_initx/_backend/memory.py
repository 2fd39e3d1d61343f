"""Memory that a framework takes over from NumPy without a copy."""

import math
from collections.abc import Callable

import numpy as np

# An array has to begin at a multiple of this many bytes.
ALIGNMENT = 64

# So many columns are copied at a time.
_STRIP = 16


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array that begins at such an address. Its values are not set."""
    return _array(np.empty, shape, dtype)


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array of zeros, which takes no memory before it is written to."""
    return _array(np.zeros, shape, dtype)


def handed_over(array: np.ndarray) -> np.ndarray:
    """The array, or a copy, in the memory and the order that a framework takes over."""
    if array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0:
        return array
    elsewhere = aligned(array.shape, array.dtype)
    columns = array.shape[-1] if array.ndim else 0
    if columns and array.strides[-1] > array.itemsize:
        # A matrix that is transposed: a strip of it stays in the cache.
        for start in range(0, columns, _STRIP):
            strip = (..., slice(start, start + _STRIP))
            elsewhere[strip] = array[strip]
    else:
        elsewhere[...] = array
    return elsewhere


class _Memory:
    """What NumPy takes an array from; it keeps the owner of the memory alive."""

    def __init__(self, array: np.ndarray) -> None:
        self._owner = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {
            **array.__array_interface__,
            "data": (address, False),
        }


def writable(array: np.ndarray) -> np.ndarray:
    """An array on the same memory that may be written to; nobody else may use it."""
    return np.asarray(_Memory(array)).view(array.dtype)


def _array(
    allocate: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    memory = allocate(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
