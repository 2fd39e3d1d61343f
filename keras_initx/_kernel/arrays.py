"""NumPy where values exist, `keras.ops` where they do not.

A kernel that is drawn eagerly is computed in NumPy, on each backend. So no program is
compiled for a new shape, and blocks of a matrix can change in place. A kernel that is
drawn while a program is traced is computed in `keras.ops`. Most functions have the same
name in both modules, so one piece of code serves both. This file holds the others. Some
of them change a NumPy array in place, and say so: use what they return.
"""

import functools
from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend import has_values, view
from keras_initx._backend.memory import aligned_zeros

# The temporary product of an update has this many rows, so that it stays in the cache.
_ROWS = 256
# Above this size, to invert a triangular matrix in halves is faster.
_LEAF = 16


def namespace(array: Any) -> Any:
    """The module whose functions take this array: `numpy` or `keras.ops`."""
    return np if isinstance(array, np.ndarray) else ops


def in_reach(tensor: Any) -> Any:
    """A tensor of float32 or float64 as a NumPy array to read, if that can be."""
    return view(tensor) if has_values(tensor) else tensor


def cast(array: Any, dtype: str) -> Any:
    """The array with another dtype."""
    return array.astype(dtype) if namespace(array) is np else ops.cast(array, dtype)


def scatter(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> Any:
    """Zeros of `shape` with `values` at different positions `(rows, columns)`."""
    if namespace(values) is np:
        matrix = aligned_zeros(shape, values.dtype)
        matrix[rows, columns] = values
        return matrix
    indices = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(columns, (-1,))], axis=1)
    zeros = ops.zeros(shape, dtype=values.dtype)
    return ops.scatter_update(zeros, indices, ops.reshape(values, (-1,)))


@functools.lru_cache(maxsize=64)
def lower_triangle(size: int) -> np.ndarray:
    """Ones on and below the diagonal, zeros above it."""
    return np.tri(size, dtype="float32")


@functools.lru_cache(maxsize=64)
def _upper(size: int) -> np.ndarray:
    """Ones above the diagonal, halves on it, zeros below it."""
    return lower_triangle(size).T - np.eye(size, dtype="float32") / 2


def lower_trapezoid(matrix: Any) -> Any:
    """A copy of a tall `matrix`, with zeros above the diagonal."""
    size = matrix.shape[-1]
    if namespace(matrix) is np:
        result = matrix.copy()
        result[..., :size, :] *= lower_triangle(size)
        return result
    top, bottom = matrix[..., :size, :], matrix[..., size:, :]
    return ops.concatenate([ops.tril(top), bottom], axis=-2)


def upper_with_half_diagonal(matrix: Any) -> Any:
    """The upper triangle of a square `matrix`, its diagonal divided by 2; in place."""
    size = matrix.shape[-1]
    if namespace(matrix) is np:
        matrix *= _upper(size)
        return matrix
    return add_to_diagonal(ops.triu(matrix), -diagonal(matrix) / 2)


def diagonal(matrix: Any) -> Any:
    """The diagonal of a matrix; in NumPy a view, which can be written to."""
    if namespace(matrix) is np:
        size = min(matrix.shape[-2:])
        return np.einsum("...ii->...i", matrix[..., :size, :size])
    return ops.diagonal(matrix, axis1=-2, axis2=-1)


def add_to_diagonal(matrix: Any, values: Any) -> Any:
    """`matrix` with `values` added to the first entries of its diagonal; in place."""
    size = values.shape[-1]
    if namespace(matrix) is np:
        entries = diagonal(matrix[..., :size, :size])
        entries += values
        return matrix
    rows, columns = matrix.shape[-2:]
    zeros = [(0, 0)] * (len(values.shape) - 1)
    values = ops.pad(values, [*zeros, (0, columns - size)])
    return matrix + ops.eye(rows, columns, dtype=matrix.dtype) * values[..., None, :]


def enlarge(matrix: Any, d: Any, left: Any, right: Any, room: Any) -> Any:
    """The matrix [D 0; 0 M] + `left` @ `right`, of the shape of `room`.

    D has the diagonal `d`. A NumPy M is the lower right part of `room`, which gets the
    result.
    """
    size = d.shape[-1]
    if namespace(matrix) is not np:
        zeros = [(0, 0)] * (len(matrix.shape) - 2)
        rows = left.shape[-2] - matrix.shape[-2]
        matrix = ops.pad(matrix, [*zeros, (rows, 0), (size, 0)])
        return add_to_diagonal(matrix, d) + ops.matmul(left, right)
    np.matmul(left, right[..., :size], out=room[..., :size])
    add_to_diagonal(room, d)
    if not matrix.size:
        return room
    right = right[..., size:]
    np.matmul(left[..., :size, :], right, out=room[..., :size, size:])
    memory = np.empty_like(matrix[..., :_ROWS, :])
    for row in range(0, matrix.shape[-2], _ROWS):
        part = matrix[..., row : row + _ROWS, :]
        product = memory[..., : part.shape[-2], :]
        rows = slice(size + row, size + row + _ROWS)
        part += np.matmul(left[..., rows, :], right, out=product)
    return room


def inverse_of_upper(matrix: Any) -> Any:
    """The inverse of an upper triangular matrix; in place, if it is contiguous."""
    size, count = matrix.shape[-1], 1
    if namespace(matrix) is not np:
        identity = ops.eye(size, dtype=matrix.dtype)
        return ops.solve_triangular(matrix, ops.broadcast_to(identity, matrix.shape))
    # NumPy does not use that a matrix is triangular: it inverts small blocks.
    while size > _LEAF and size % 2 == 0:
        size, count = size // 2, 2 * count
    tiles = matrix.reshape(*matrix.shape[:-2], count, size, count, size)
    leaves = np.einsum("...isit->...ist", tiles)
    leaves[...] = np.linalg.inv(leaves)
    while count > 1:
        count //= 2
        tiles = matrix.reshape(*matrix.shape[:-2], count, 2, size, count, 2, size)
        pairs = np.einsum("...iasibt->...abist", tiles)
        right = pairs[..., 0, 1, :, :, :]
        product = pairs[..., 0, 0, :, :, :] @ right @ pairs[..., 1, 1, :, :, :]
        np.negative(product, out=right)
        size *= 2
    return matrix


def convolve(left: Any, right: Any, length: int) -> Any:
    """The product of matrix polynomials, whose coefficients stand along axis -3.

    It has `length` coefficients, and must not need more.
    """
    if namespace(left) is np:
        spectra = (np.fft.rfft(factor, length, axis=-3) for factor in (left, right))
        return np.fft.irfft(np.matmul(*spectra), length, axis=-3)
    (a, b), (c, d) = (_spectrum(factor, length) for factor in (left, right))
    real = ops.matmul(a, c) - ops.matmul(b, d)
    imaginary = ops.matmul(a, d) + ops.matmul(b, c)
    # `ops.irfft` transforms the last axis.
    parts = (ops.moveaxis(real, -3, -1), ops.moveaxis(imaginary, -3, -1))
    return ops.moveaxis(ops.irfft(parts, length), -1, -3)


def _spectrum(polynomial: Any, length: int) -> tuple[Any, Any]:
    """The real and the imaginary part of its values at roots of 1."""
    parts = ops.rfft(ops.moveaxis(polynomial, -3, -1), length)
    return tuple(ops.moveaxis(part, -1, -3) for part in parts)
