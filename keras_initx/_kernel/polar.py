"""The nearest matrices with orthonormal columns: the polar factors.

The nearest one, in the Frobenius norm, to X = U S V.T is U V.T = X (X.T X)^(-1/2). The
iterations of Newton and Schulz move each singular value s to 1. They are the first
terms of that root, and need products of matrices only:

    X <- X - X E / 2                 s^2 - 1 becomes 3/4 (s^2 - 1)^2, or less
    X <- X - X (E / 2 - 3/8 E^2)     s^2 - 1 becomes 5/8 (s^2 - 1)^3, or less

with E = X.T X - I. They converge for s^2 up to 3, and up to 7/3. The second takes three
products instead of two. It comes first: after a step of training it is mostly enough
alone, or together with one of the other kind. A large matrix is divided by a bound of
its norm, so any start is safe. (Higham 2008, "Functions of matrices", section 8.3.)
"""

from typing import Any

import keras
import numpy as np
from keras import ops

_LARGEST_SQUARE = 2.25
# A small s grows by 3/2 in each step: this is enough for 1e-7.
_STEPS = 45


def polar(x: Any) -> Any:
    """The polar factors of tensors `(*batch, rows, columns)` with rows >= columns.

    A direction that a matrix does not have at all, such as that of a row of zeros, is
    not made up.
    """
    tolerance = 64 * float(np.finfo(keras.backend.standardize_dtype(x.dtype)).eps)
    x, error = _first_step(x)
    x, _ = ops.while_loop(
        lambda x, error: error > tolerance,
        lambda x, error: _step(x),
        (x, error),
        maximum_iterations=_STEPS,
    )
    return x


def _first_step(x: Any) -> tuple[Any, Any]:
    """X scaled and after the second iteration, and a bound of the norm of its E."""
    gram = _gram(x)
    # The largest sum of a row bounds the largest eigenvalue.
    bound = ops.max(ops.sum(ops.abs(gram), axis=-1), axis=-1)[..., None, None]
    scale = _LARGEST_SQUARE / ops.maximum(bound, _LARGEST_SQUARE)
    x, e = ops.sqrt(scale) * x, _less_identity(scale * gram)
    square = e @ e
    x = x - x @ (e / 2 - 0.375 * square)
    return x, 0.625 * _largest_norm(square) ** 1.5


def _step(x: Any) -> tuple[Any, Any]:
    """X after the first iteration, and a bound of the norm of its E."""
    e = _less_identity(_gram(x))
    return x - x @ e / 2, 0.75 * _largest_norm(e) ** 2


def _gram(x: Any) -> Any:
    # On PyTorch, `ops.matmul` makes float32 of float64.
    return ops.swapaxes(x, -1, -2) @ x


def _less_identity(gram: Any) -> Any:
    return gram - ops.eye(gram.shape[-1], dtype=gram.dtype)


def _largest_norm(matrices: Any) -> Any:
    """The largest Frobenius norm."""
    return ops.sqrt(ops.max(ops.sum(matrices * matrices, axis=(-2, -1))))
