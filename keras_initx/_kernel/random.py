"""Random numbers: the one place where the package draws any.

They are Keras's own, or NumPy's where `portable_seeds` holds. Numbers that are drawn
eagerly are a NumPy array. Those that are drawn while a program is traced are a tensor:
see `arrays`.
"""

import math
from typing import Any

import numpy as np

from keras_initx import _backend
from keras_initx._kernel.arrays import namespace
from keras_initx._kernel.portable import generator, is_portable_seeds_enabled

# Portable normal numbers are drawn in float64, this many at a time.
_CHUNK = 2**20


def normal(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from N(0, 1)."""
    if not is_portable_seeds_enabled():
        return _backend.draw("normal", shape, seed, dtype=dtype)
    philox = generator(seed)
    numbers = np.empty(math.prod(shape), dtype)
    for start in range(0, numbers.size, _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        chunk[:] = philox.standard_normal(chunk.size)
    return numbers.reshape(shape)


def truncated_normal(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Independent draws from N(0, 1) between -2 and 2."""
    if not is_portable_seeds_enabled():
        numbers = _backend.draw("truncated_normal", shape, seed, dtype=dtype)
        # On PyTorch Keras leaves one in 200,000 outside: it draws four times at most.
        return namespace(numbers).clip(numbers, -2, 2)
    philox = generator(seed)
    numbers = philox.standard_normal(math.prod(shape))
    outside = np.flatnonzero(np.abs(numbers) > 2)
    while outside.size:
        numbers[outside] = philox.standard_normal(outside.size)
        outside = outside[np.abs(numbers[outside]) > 2]
    return numbers.astype(dtype).reshape(shape)


def uniform(shape: tuple[int, ...], seed: Any, dtype: Any = "float32") -> Any:
    """Independent draws from U[0, 1)."""
    if not is_portable_seeds_enabled():
        return _backend.draw("uniform", shape, seed, dtype=dtype)
    return generator(seed).random(shape, dtype=dtype)


def integers(shape: tuple[int, ...], seed: Any) -> Any:
    """Independent draws, uniform on the integers from 0 to 2^31 - 2, of dtype int32."""
    limits = {"minval": 0, "maxval": 2**31 - 1}
    if not is_portable_seeds_enabled():
        return _backend.draw("randint", shape, seed, dtype="int32", **limits)
    return generator(seed).integers(0, 2**31 - 1, shape, dtype="int32")
