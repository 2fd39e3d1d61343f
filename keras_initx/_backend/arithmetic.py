"""Arithmetic that does not overflow, and keeps its precision in a short dtype."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

# Between these two, float32 holds a sum of squares.
_SMALL, _LARGE = 1e-30, 1e30


def scaled_copy(tensor: Any, factors: np.ndarray, offset: np.ndarray) -> Any:
    """`factors * tensor + offset`, computed in float32 or better."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    wide = "float64" if dtype == "float64" else "float32"
    result = ops.multiply(ops.cast(tensor, wide), factors.astype(wide))
    if np.any(offset != 0):
        result = ops.add(result, offset.astype(wide))
    return ops.cast(result, dtype)


def scale(
    array: np.ndarray, factors: np.ndarray, offset: np.ndarray, into: np.ndarray
) -> np.ndarray:
    """`factors * array + offset`, written into an array, which may be the same."""
    np.multiply(array, factors.astype(array.dtype), out=into)
    if np.any(offset != 0):
        np.add(into, offset.astype(array.dtype), out=into)
    return into


def squares_fit(squares: Any) -> bool:
    """Whether float32 holds such sums of squares: none overflows or vanishes."""
    return bool(np.all((squares > _SMALL) & (squares < _LARGE)))


def norm(array: np.ndarray) -> float:
    """The Euclidean norm, right even if the squares overflow or vanish."""
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = np.ravel(array).astype("float32", copy=False)
        square = float(numbers @ numbers)
        if not squares_fit(square):
            numbers = np.ravel(array).astype("float64")
            square = float(numbers @ numbers)
    return math.sqrt(square)
