"""Memory that a framework takes over from NumPy without a copy."""

import math

import numpy as np

# An array has to begin at a multiple of this many bytes.
ALIGNMENT = 64


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A new array that begins at such an address. Its values are not set."""
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, "uint8")
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)
