"""Haar-random (semi-)orthogonal matrices: the one place that makes them.

A matrix with orthonormal columns is Haar-random when its law does not change under
multiplication by any fixed orthogonal matrix. The Q of a Gaussian matrix A = Q R is, if
the diagonal of R is positive (Mezzadri 2007). Nothing has to be factorized, though:
that Q is a product of Householder reflections whose vectors are independent and
Gaussian, of n, n - 1, ... entries (Stewart 1980):

    Q = H_1 H_2 ... H_k [I; 0] D        H_j = I - 2 v_j v_j.T / (v_j.T v_j)

The v_j are the columns of the lower trapezoid of a Gaussian matrix, after the norm of
each, with the sign of its first entry, was added to that entry. D holds the opposites
of the signs. Without D the law is not Haar, and the determinant is fixed.

A block V of reflections is applied at once (Joffrain et al. 2006):

    H_a ... H_b = I - V T V.T           T^-1 = striu(V.T V) + diag(V.T V) / 2

so that all the work is matrix products: 2 n k^2 - 2/3 k^3 operations, half of what it
takes to factorize and to form Q. The result is orthogonal whatever the v_j are:
rounding does not grow with the condition of the Gaussian matrix.
"""

from typing import Any

import numpy as np

from keras_initx._kernel.arrays import (
    add_to_diagonal,
    enlarge,
    inverse_of_upper,
    namespace,
    subtract_product,
)
from keras_initx._kernel.random import normal


def haar(shape: tuple[int, ...], dtype: str, seed: Any, gain: float = 1.0) -> Any:
    """`gain` times Haar-random matrices of shape `(*batch, rows, columns)`.

    Columns are orthonormal where `rows >= columns`, rows are where `rows <= columns`.
    The result is an array of either kind: see `arrays`.
    """
    *batch, rows, columns = shape
    tall = (*batch, max(rows, columns), min(rows, columns))
    q = _reflect(normal(tall, dtype, seed), gain)
    return q if rows >= columns else namespace(q).swapaxes(q, -1, -2)


def _reflect(gaussian: Any, gain: float) -> Any:
    """`gain` times the Q of Gaussian matrices, `(*batch, n, k)` with n >= k; in place.

    Q grows from its lower right corner, block by block, into the room of the vectors
    that were applied already.
    """
    xp, columns, block = namespace(gaussian), gaussian.shape[-1], _block(gaussian)
    q = gaussian[..., columns:, columns:]
    for start in reversed(range(0, columns, block)):
        v, signs = _vectors(gaussian[..., start:, start : start + block])
        v_transposed, size = xp.swapaxes(v, -1, -2), v.shape[-1]
        gram = xp.matmul(v_transposed, v)
        half = xp.diagonal(gram, axis1=-2, axis2=-1) / 2
        t = inverse_of_upper(add_to_diagonal(xp.triu(gram), -half))
        # V.T [D 0; 0 Q], by blocks.
        d = -gain * signs
        left = v_transposed[..., :size] * d[..., None, :]
        right = xp.matmul(v_transposed[..., size:], q)
        projections = xp.matmul(t, xp.concatenate([left, right], axis=-1))
        q = add_to_diagonal(enlarge(q, gaussian[..., start:, start:]), d)
        q = subtract_product(q, v, projections)
    return q


def _vectors(gaussian: Any) -> tuple[Any, Any]:
    """The vectors v_j of a block, and the signs of their first entries."""
    xp = namespace(gaussian)
    size = gaussian.shape[-1]
    top, bottom = gaussian[..., :size, :], gaussian[..., size:, :]
    v = xp.concatenate([xp.tril(top), bottom], axis=-2)
    norms = xp.sqrt(xp.einsum("...ij,...ij->...j", v, v))
    one = xp.ones_like(norms)
    signs = xp.where(xp.diagonal(v, axis1=-2, axis2=-1) < 0, -one, one)
    # A vector of zeros would be no reflection: the first unit vector takes its place.
    return add_to_diagonal(v, xp.where(norms == 0, one, signs * norms)), signs


def _block(gaussian: Any) -> int:
    """The number of reflections in a block.

    More of them make products faster, but the vectors of a block have products among
    themselves too. A traced program is as long as it has blocks.
    """
    columns = gaussian.shape[-1]
    if namespace(gaussian) is not np:
        return 256
    return 64 if columns <= 128 else 128
