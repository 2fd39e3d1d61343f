"""Memory that a framework takes over from NumPy without a copy."""

import math

import numpy as np

# Where an array has to begin: at a multiple of so many bytes.
ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this shape that begins where it should, of unknown values."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
