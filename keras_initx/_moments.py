"""The mean and the variance of an activation, in one pass over its memory.

On the host, pieces that fit into the cache are shifted, summed and squared there. The
sums of the pieces are added in float64. No copy of the activation is made.
"""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend import view

# So many numbers, in float32, fit into the second-level cache.
_PIECE = 2**16
# Within these, float32 holds the squares.
_SMALL, _LARGE = 1e-30, 1e30


def moments(tensor: Any, kept: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over all axes but the `kept` ones.

    Args:
        tensor: A tensor or NumPy array of a floating-point dtype, which is not empty.
        kept: tuple of int. The axes that stay, counted from 0, in ascending order.

    Returns:
        Two float64 arrays of the tensor's rank, of size 1 along the other axes.
    """
    array = tensor if isinstance(tensor, np.ndarray) else view(tensor)
    if not isinstance(array, np.ndarray):
        others = [axis for axis in range(len(tensor.shape)) if axis not in kept]
        both = ops.moments(ops.cast(tensor, "float32"), others, keepdims=True)
        mean, variance = (ops.convert_to_numpy(part).astype("float64") for part in both)
        return mean, variance
    shape = tuple(n if axis in kept else 1 for axis, n in enumerate(array.shape))
    rows = np.moveaxis(array, kept, range(-len(kept), 0))
    width = math.prod(shape)
    if rows.flags.c_contiguous or len(kept) == rows.ndim:
        rows = rows.reshape(-1, width)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = _moments_of_rows(rows, width, "float32")
        if not _SMALL < np.mean(variance + mean**2) < _LARGE:
            mean, variance = _moments_of_rows(rows, width, "float64")
    return mean.reshape(shape), variance.reshape(shape)


def _moments_of_rows(
    rows: np.ndarray, width: int, dtype: str
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over all axes but the last ones, which have `width` entries."""
    step = max(1, _PIECE // max(1, math.prod(rows.shape[1:])))
    # A shift near the mean: the variance is then no difference of large numbers.
    shift = rows[:1].reshape(-1, width)[0].astype(dtype)
    total, squares = np.zeros(width), np.zeros(width)
    room = np.empty((step * (rows[:1].size // width), width), dtype)
    ones = np.ones(len(room), dtype)
    for start in range(0, len(rows), step):
        values = rows[start : start + step].reshape(-1, width)
        piece = room[: len(values)]
        np.subtract(values, shift, out=piece, casting="same_kind")
        total += ones[: len(piece)] @ piece
        piece *= piece
        squares += ones[: len(piece)] @ piece
    mean = total * width / rows.size
    variance = np.maximum(squares * width / rows.size - mean**2, 0)
    return mean + shift, variance
