"""Random numbers of any shape, of which JAX compiles few programs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_initx._kernel.random import normal, uniform

# Fewer are not worth a program of their own.
_LEAST = 1024


def normal_numbers(shape: tuple[int, ...], seed: Any) -> np.ndarray:
    """Independent draws from N(0, 1), of dtype float64."""
    return _drawn(lambda size: normal((size,), "float32", seed), shape)


def uniform_numbers(shape: tuple[int, ...], seed: Any) -> np.ndarray:
    """Independent draws from U[0, 1), of dtype float64."""
    return _drawn(lambda size: uniform((size,), seed), shape)


def _drawn(draw: Callable[[int], Any], shape: tuple[int, ...]) -> np.ndarray:
    """The first of as many numbers as the next power of 2 says."""
    count = math.prod(shape)
    size = max(_LEAST, 1 << max(count - 1, 0).bit_length())
    return np.asarray(draw(size)[:count], "float64").reshape(shape)
