"""NumPy where values exist, `keras.ops` where they do not.

A kernel that is drawn eagerly is computed in NumPy, on each backend. So no program is
compiled for a new shape, and blocks of a matrix can change in place. A kernel that is
drawn while a program is traced is computed in `keras.ops`. Most functions have the same
name in both modules, so one piece of code serves both. This file holds the others. Some
of them change a NumPy array in place, and say so: use what they return.
"""

from typing import Any

import numpy as np
from keras import ops

from keras_initx._backend import has_values, view

# The temporary product of an update has this many rows, so that it stays in the cache.
_ROWS = 256
# NumPy does not use that a matrix is triangular. Above this size, halves are faster.
_LEAF = 32


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
        matrix = np.zeros(shape, values.dtype)
        matrix[rows, columns] = values
        return matrix
    indices = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(columns, (-1,))], axis=1)
    zeros = ops.zeros(shape, dtype=values.dtype)
    return ops.scatter_update(zeros, indices, ops.reshape(values, (-1,)))


def add_to_diagonal(matrix: Any, values: Any) -> Any:
    """`matrix` with `values` added to the first entries of its diagonal; in place."""
    size = values.shape[-1]
    if namespace(matrix) is np:
        diagonal = np.einsum("...ii->...i", matrix[..., :size, :size])
        diagonal += values
        return matrix
    rows, columns = matrix.shape[-2:]
    zeros = [(0, 0)] * (len(values.shape) - 1)
    values = ops.pad(values, [*zeros, (0, columns - size)])
    return matrix + ops.eye(rows, columns, dtype=matrix.dtype) * values[..., None, :]


def enlarge(matrix: Any, room: Any) -> Any:
    """`matrix` with zeros before its rows and columns; it gets as large as `room`.

    A NumPy `matrix` is the lower right part of `room`, and stays where it is.
    """
    rows, columns = (
        large - small
        for large, small in zip(room.shape[-2:], matrix.shape[-2:], strict=True)
    )
    if namespace(matrix) is np:
        room[..., :rows, :] = 0
        room[..., rows:, :columns] = 0
        return room
    return ops.pad(
        matrix, [(0, 0)] * (len(matrix.shape) - 2) + [(rows, 0), (columns, 0)]
    )


def subtract_product(matrix: Any, left: Any, right: Any) -> Any:
    """`matrix - left @ right`; in place."""
    if namespace(matrix) is not np:
        return matrix - ops.matmul(left, right)
    memory = np.empty_like(matrix[..., :_ROWS, :])
    for row in range(0, left.shape[-2], _ROWS):
        part = matrix[..., row : row + _ROWS, :]
        product = memory[..., : part.shape[-2], :]
        part -= np.matmul(left[..., row : row + _ROWS, :], right, out=product)
    return matrix


def inverse_of_upper(matrix: Any) -> Any:
    """The inverse of an upper triangular matrix."""
    size = matrix.shape[-1]
    if namespace(matrix) is not np:
        identity = ops.eye(size, dtype=matrix.dtype)
        return ops.solve_triangular(matrix, ops.broadcast_to(identity, matrix.shape))
    if size <= _LEAF:
        return np.linalg.inv(matrix)
    half = size // 2
    upper, right, lower = (
        inverse_of_upper(matrix[..., :half, :half]),
        matrix[..., :half, half:],
        inverse_of_upper(matrix[..., half:, half:]),
    )
    inverse = np.zeros_like(matrix)
    inverse[..., :half, :half] = upper
    inverse[..., half:, half:] = lower
    inverse[..., :half, half:] = -upper @ (right @ lower)
    return inverse


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
