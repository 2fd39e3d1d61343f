"""Memory that a framework takes over from NumPy without a copy."""

import ctypes
import math
from collections.abc import Callable

import numpy as np

# An array has to begin at a multiple of this many bytes.
ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array that begins at such an address. Its values are not set."""
    return _array(np.empty, shape, dtype)


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array of zeros, which takes no memory before it is written to."""
    return _array(np.zeros, shape, dtype)


def writable(array: np.ndarray) -> np.ndarray:
    """The same memory, to write to. The array has to live as long as the result.

    For the view of a tensor that nobody else uses, and never will.
    """
    memory = (ctypes.c_byte * array.nbytes).from_address(array.ctypes.data)
    return np.ctypeslib.as_array(memory).view(array.dtype).reshape(array.shape)


def _array(
    allocate: Callable[..., np.ndarray], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray:
    size = math.prod(shape) * dtype.itemsize
    memory = allocate(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
