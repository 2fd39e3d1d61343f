"""NumPy where values exist, `keras.ops` where they do not.

A kernel that is drawn eagerly is computed in NumPy, on each backend: no program is
compiled for a new shape, and blocks of a matrix change in place. One that is drawn
while a program is traced is computed in `keras.ops`. Most functions have the same names
in both, so that one piece of code serves for both; the others stand here. Some change a
NumPy array in place, and say so: use what they return.
"""

from typing import Any

import numpy as np
from keras import ops

# The temporary product of an update has so many rows, to stay in the cache.
_ROWS = 512


def namespace(array: Any) -> Any:
    """The module whose functions take this array: `numpy` or `keras.ops`."""
    return np if isinstance(array, np.ndarray) else ops


def cast(array: Any, dtype: str) -> Any:
    """The array with another dtype."""
    return array.astype(dtype) if namespace(array) is np else ops.cast(array, dtype)


def scatter(rows: Any, columns: Any, values: Any, shape: tuple[int, int]) -> Any:
    """Zeros of `shape`, with `values` at the pairwise different `(rows, columns)`."""
    if namespace(values) is np:
        matrix = np.zeros(shape, values.dtype)
        matrix[rows, columns] = values
        return matrix
    indices = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(columns, (-1,))], axis=1)
    zeros = ops.zeros(shape, dtype=values.dtype)
    return ops.scatter_update(zeros, indices, ops.reshape(values, (-1,)))


def add_to_diagonal(matrix: Any, values: Any, start: int = 0) -> Any:
    """`matrix` with `values` added to its diagonal, from `start` on; in place."""
    if namespace(matrix) is np:
        diagonal = np.arange(start, start + values.shape[-1])
        matrix[..., diagonal, diagonal] += values
        return matrix
    missing = [(0, 0)] * (len(values.shape) - 1)
    rows, columns = matrix.shape[-2:]
    values = ops.pad(values, [*missing, (start, columns - start - values.shape[-1])])
    return matrix + ops.eye(rows, columns, dtype=matrix.dtype) * values[..., None, :]


def subtract_product(matrix: Any, left: Any, right: Any, start: int = 0) -> Any:
    """`matrix` with `left @ right` subtracted below and right of `start`; in place."""
    if namespace(matrix) is np:
        for row in range(0, left.shape[-2], _ROWS):
            part = matrix[..., start + row : start + row + _ROWS, start:]
            part -= left[..., row : row + _ROWS, :] @ right
        return matrix
    part = matrix[..., start:, start:] - ops.matmul(left, right)
    corner = [0] * (len(matrix.shape) - 2) + [start, start]
    return ops.slice_update(matrix, corner, part)


def inverse_of_upper(matrix: Any) -> Any:
    """The inverse of an upper triangular matrix."""
    if namespace(matrix) is np:
        return np.linalg.inv(matrix)
    identity = ops.broadcast_to(
        ops.eye(matrix.shape[-1], dtype=matrix.dtype), matrix.shape
    )
    return ops.solve_triangular(matrix, identity)
