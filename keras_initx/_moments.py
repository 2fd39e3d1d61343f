"""The mean and the variance of an activation, in one pass over its memory.

On the host, pieces that fit into the cache are summed and squared there. The sums of
the pieces are added in float64. No copy of the activation is made. If a mean is large
beside its deviation, it is done again with all numbers shifted by one of them: the
variance is then no difference of large numbers.
"""

import math
from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend import view

# So many numbers, in float32, fit into the second-level cache.
_PIECE = 2**16
# A squared mean so many times the variance takes two bits of it.
_FAR = 4
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
        mean, variance = _moments_of_rows(rows, width, "float32", is_shifted=False)
        if np.any(mean**2 > _FAR * variance):
            mean, variance = _moments_of_rows(rows, width, "float32", is_shifted=True)
        if not _SMALL < np.mean(variance + mean**2) < _LARGE:
            mean, variance = _moments_of_rows(rows, width, "float64", is_shifted=True)
    return mean.reshape(shape), variance.reshape(shape)


def _moments_of_rows(
    rows: np.ndarray, width: int, dtype: str, is_shifted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over all axes but the last ones, which have `width` entries."""
    step = max(1, _PIECE // max(1, math.prod(rows.shape[1:])))
    shift = np.zeros(width, dtype)
    if is_shifted:
        shift = rows[:1].reshape(-1, width)[0].astype(dtype)
    total, squares = np.zeros(width), np.zeros(width)
    count = step * (rows[:1].size // width)
    ones = np.ones(count, dtype)
    room = np.empty((count, width), dtype) if is_shifted else None
    for start in range(0, len(rows), step):
        piece = rows[start : start + step].reshape(-1, width)
        if room is None:
            piece = piece.astype(dtype, copy=False)
        else:
            # Into memory that is in the cache already.
            shifted = room[: len(piece)]
            piece = np.subtract(piece, shift, out=shifted, casting="same_kind")
        total += ones[: len(piece)] @ piece
        squares += np.einsum("ij,ij->j", piece, piece)
    mean = total * width / rows.size
    variance = np.maximum(squares * width / rows.size - mean**2, 0)
    return mean + shift, variance
