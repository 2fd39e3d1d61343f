"""Haar-random (semi-)orthogonal matrices: the one place that makes them.

A matrix with orthonormal columns is Haar-random when its law does not change under
multiplication by any fixed orthogonal matrix. The Q of a Gaussian matrix A = Q R is,
once the diagonal of R is made positive: the factorization is then unique, so that it
commutes with the multiplication. Without that step the law depends on the library's
sign convention, and the determinant is fixed (Mezzadri 2007).
"""

from typing import Any

from keras import ops

from keras_initx import _random


def haar(shape: tuple[int, ...], dtype: str, seed: Any) -> Any:
    """Haar-random matrices of shape `(*batch, rows, columns)`.

    Columns are orthonormal where `rows >= columns`, rows are where `rows <= columns`.
    """
    *batch, rows, columns = shape
    tall = (*batch, max(rows, columns), min(rows, columns))
    q, r = ops.qr(_random.normal(tall, dtype, seed))
    diagonal = ops.diagonal(r, axis1=-2, axis2=-1)
    # `sign` would give 0, and with it a zero column, where the diagonal is exactly 0.
    signs = ops.where(diagonal < 0, -ops.ones_like(diagonal), ops.ones_like(diagonal))
    q = q * ops.expand_dims(signs, -2)
    return q if rows >= columns else ops.swapaxes(q, -1, -2)
