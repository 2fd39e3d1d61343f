"""The mean and the variance of an activation, in one pass over its memory.

On the host, pieces that fit into the cache are summed and squared there. The sums of
the pieces are added in float64. No copy of the activation is made. If a mean is large
beside its deviation, it is done again with all numbers shifted by one of them: the
variance is then no difference of large numbers.
"""

import itertools
import math
from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend import view
from keras_initx._backend.arithmetic import squares_fit

# So many numbers, in float32, fit into the second-level cache.
_PIECE = 2**17
# Rows of so many are summed at full speed.
_WIDTH = 2**10
# A squared mean so many times the variance takes two bits of it.
_FAR = 4


def mean_and_variance(
    tensor: Any, kept: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
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
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    rows, is_kept = _by_memory(array, order, kept)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = _moments_of_rows(rows, is_kept, "float32", is_shifted=False)
        if np.any(mean**2 > _FAR * variance):
            mean, variance = _moments_of_rows(rows, is_kept, "float32", is_shifted=True)
        if not squares_fit(np.mean(variance + mean**2)):
            mean, variance = _moments_of_rows(rows, is_kept, "float64", is_shifted=True)
        sizes = [array.shape[axis] if axis in kept else 1 for axis in order]
        mean, variance = _pooled(mean, variance, math.prod(sizes))
    back = [order.index(axis) for axis in range(array.ndim)]
    return mean.reshape(sizes).transpose(back), variance.reshape(sizes).transpose(back)


def _by_memory(
    array: np.ndarray, order: list[int], kept: tuple[int, ...]
) -> tuple[np.ndarray, list[bool]]:
    """The array with its axes in the order of memory, and which of them are kept.

    Neighbours that share that fate become one axis. Short rows of units are taken
    several at a time, each with moments of its own: sums run along whole rows.
    """
    rows, is_kept = array.transpose(order), [axis in kept for axis in order]
    if not rows.flags.c_contiguous:
        return rows, is_kept
    runs = [
        (is_one_kept, math.prod(array.shape[axis] for axis in run))
        for is_one_kept, run in itertools.groupby(order, kept.__contains__)
    ]
    is_kept = [is_one_kept for is_one_kept, _ in runs] or [False]
    rows = rows.reshape([size for _, size in runs] or [1])
    if is_kept != [False, True]:
        return rows, is_kept
    count, units = rows.shape
    most = max(1, _WIDTH // units).bit_length() - 1
    return rows.reshape(-1, math.gcd(count, 2**most), units), [False, True, True]


def _pooled(
    mean: np.ndarray, variance: np.ndarray, units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Those of all rows, from those of the rows that were taken at a time."""
    mean, variance = mean.reshape(-1, units), variance.reshape(-1, units)
    pooled = mean.mean(axis=0)
    return pooled, (variance + (mean - pooled) ** 2).mean(axis=0)


def _moments_of_rows(
    rows: np.ndarray, is_kept: list[bool], dtype: str, is_shifted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance over the axes that are not kept, which get size 1."""
    axes = list(range(rows.ndim))
    kept = [axis for axis in axes if is_kept[axis]]
    others = tuple(axis for axis in axes if not is_kept[axis])
    first = rows[tuple(slice(None) if one else slice(1) for one in is_kept)]
    shift = first.astype(dtype) if is_shifted else np.zeros((1,) * rows.ndim, dtype)
    total, squares = np.zeros(first.shape), np.zeros(first.shape)
    step = max(1, _PIECE // max(1, rows[:1].size))
    room = np.empty((step, *rows.shape[1:]), dtype) if is_shifted else None
    for start in range(0, len(rows), step):
        piece = rows[start : start + step]
        place = slice(start, start + step) if is_kept[0] else slice(None)
        if room is None:
            piece = piece.astype(dtype, copy=False)
        else:
            # Into memory that is in the cache already.
            shifted = room[: len(piece)]
            piece = np.subtract(piece, shift[place], out=shifted, casting="same_kind")
        sums = np.add.reduce(piece, axis=others, keepdims=True)
        total[place] += sums
        squares[place] += np.einsum(piece, axes, piece, axes, kept).reshape(sums.shape)
    count = rows.size // total.size
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    return mean + shift, variance
