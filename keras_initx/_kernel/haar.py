"""Haar-random (semi-)orthogonal matrices: the one place that makes them.

A matrix with orthonormal columns is Haar-random if a multiplication by any fixed
orthogonal matrix does not change its law. The Q of a Gaussian matrix A = Q R is
Haar-random if the diagonal of R is positive (Mezzadri 2007). But nothing has to be
factorized. That Q is a product of Householder reflections. Their vectors are Gaussian
and independent, with n, n - 1, ... entries (Stewart 1980):

    Q = H_1 H_2 ... H_k [I; 0] D        H_j = I - 2 v_j v_j.T / (v_j.T v_j)

To get v_j, take column j of the lower trapezoid of a Gaussian matrix, and add the norm
of the column to its first entry, with the sign of that entry. D is diagonal and holds
the opposite signs. Without D the law is not that of Haar, and the determinant is fixed.

A block V of reflections is applied at once (Joffrain et al. 2006):

    H_a ... H_b = I - V T V.T           T^-1 = striu(V.T V) + diag(V.T V) / 2

So all the work is in matrix products. It takes 2 n k^2 - 2/3 k^3 operations, half of
what it takes to factorize the matrix and to form Q. The result is orthogonal for any
v_j: rounding errors do not grow with the condition of the Gaussian matrix.
"""

from typing import Any

import numpy as np

from keras_initx._backend import one_program
from keras_initx._kernel.arrays import (
    add_to_diagonal,
    diagonal,
    enlarge,
    inverse_of_upper,
    lower_trapezoid,
    lower_triangle,
    namespace,
    upper_with_half_diagonal,
)
from keras_initx._kernel.random import normal

# Below it, the square of a norm is nothing in float32.
_LEAST_NORM = 1e-10


def haar(shape: tuple[int, ...], dtype: str, seed: Any, gain: float = 1.0) -> Any:
    """`gain` times Haar-random matrices of shape `(*batch, rows, columns)`.

    The columns are orthonormal if `rows >= columns`; the rows are if `rows <= columns`.
    A list of seeds divides the first axis of the batch into as many equal parts, each
    drawn from a seed of its own.
    The result is a NumPy array or a tensor: see `arrays`.
    """
    *batch, rows, columns = shape
    tall = (*batch, max(rows, columns), min(rows, columns))
    seeds = seed if isinstance(seed, list) else [seed]
    part = (tall[0] // len(seeds), *tall[1:])
    parts = [normal(part, dtype, each) for each in seeds]
    gaussian = parts[0] if len(parts) == 1 else namespace(parts[0]).concatenate(parts)
    q = reflect(gaussian, gain)
    return q if rows >= columns else namespace(q).swapaxes(q, -1, -2)


def reflect(gaussian: Any, gain: float) -> Any:
    """`gain` times the Q of Gaussian matrices, `(*batch, n, k)` with n >= k; in place.

    Q grows block by block from its lower right corner. It overwrites the vectors that
    were applied already.
    """
    block = _block(gaussian)
    if namespace(gaussian) is not np:
        return _reflect_in_one_program(gaussian, gain, block=block)
    if gaussian.shape[-1] <= block:
        return _reflect_at_once(gaussian, gain)
    return _reflect(gaussian, gain, block)


def _reflect(gaussian: Any, gain: float, block: int) -> Any:
    """The same in blocks of so many reflections."""
    xp, columns = namespace(gaussian), gaussian.shape[-1]
    q = gaussian[..., columns:, columns:]
    for start in reversed(range(0, columns, block)):
        v, signs = _vectors(gaussian[..., start:, start : start + block])
        v_transposed, size = xp.swapaxes(v, -1, -2), v.shape[-1]
        gram = xp.matmul(v_transposed, v)
        t = inverse_of_upper(upper_with_half_diagonal(gram))
        # - V.T [D 0; 0 Q], by blocks.
        left = v_transposed[..., :size] * (gain * signs)[..., None, :]
        right = -xp.matmul(v_transposed[..., size:], q)
        projections = xp.matmul(t, xp.concatenate([left, right], axis=-1))
        q = enlarge(q, -gain * signs, v, projections, gaussian[..., start:, start:])
    return q


_reflect_in_one_program = one_program(_reflect, "block")


def _reflect_at_once(gaussian: np.ndarray, gain: float) -> np.ndarray:
    """The same for a single block: a small matrix costs what the calls of NumPy do."""
    v, size = gaussian, gaussian.shape[-1]
    v[..., :size, :] *= lower_triangle(size)
    norms = np.sqrt(np.einsum("...ij,...ij->...j", v, v))
    np.maximum(norms, _LEAST_NORM, out=norms)
    entries = diagonal(v)
    signed = np.copysign(norms, entries)
    entries += signed
    v_transposed = v.swapaxes(-1, -2)
    t = inverse_of_upper(upper_with_half_diagonal(np.matmul(v_transposed, v)))
    minus_d = np.copysign(norms.dtype.type(gain), signed)
    left = v_transposed[..., :size] * minus_d[..., None, :]
    q = np.matmul(v, np.matmul(t, left))
    entries = diagonal(q)
    entries -= minus_d
    return q


def _vectors(gaussian: Any) -> tuple[Any, Any]:
    """The vectors v_j of a block, and the signs of their first entries."""
    xp, v = namespace(gaussian), lower_trapezoid(gaussian)
    # A vector of zeros gives no reflection: the first unit vector takes its place.
    norms = xp.maximum(xp.sqrt(xp.einsum("...ij,...ij->...j", v, v)), _LEAST_NORM)
    signed = xp.where(diagonal(v) < 0, -norms, norms)
    return add_to_diagonal(v, signed), signed / norms


def _block(gaussian: Any) -> int:
    """The number of reflections in a block.

    Products of larger blocks are faster, but the vectors of a block also have products
    with each other. A program grows with the number of blocks, so it has at most eight.
    """
    if namespace(gaussian) is np:
        return 128
    return max(256, -(-gaussian.shape[-1] // 8))
