"""Products of matrix polynomials: how an orthogonal convolution is put together.

A polynomial is an array of shape `(*batch, taps, rows, columns)`. Entry t along `taps`
is the coefficient of z^t. The product here is

    K(z) = V_0 D_1(z) V_1 D_2(z) V_2 ... D_m(z) V_m

V_1, V_2, ... are square matrices. D_s(z) is a diagonal matrix: each of its entries is 1
or z^d, where d is the shift of the factor. A kernel with several spatial axes is read
as one long row of taps, so a step along any axis is a power of the same z.

A few factors are applied one by one. Each of them costs a pass over all taps, so the
cost of many would grow with the square of their number. Many factors are multiplied in
pairs, then in pairs of pairs, and so on, by fast Fourier transforms. For n taps that is
about log(n) rounds, and each round takes about n log(n) steps.
"""

from typing import Any

import numpy as np

from keras_initx._kernel.arrays import cast, convolve, namespace


def product(first: Any, others: Any, stays: Any, shifts: list[int]) -> Any:
    """The polynomial K(z), of shape `(*batch, 1 + sum(shifts), rows, n)`.

    Args:
        first: V_0, of shape `(*batch, rows, n)`.
        others: V_1, V_2, ..., V_m, of shape `(m, *batch, n, n)`.
        stays: Booleans of shape `(m, *batch, n)`. Where they are true, the diagonal of
            D_s is 1; elsewhere it is z^d.
        shifts: list of m ints, all positive. The d of each factor.
    """
    kernel = namespace(first).expand_dims(first, -3)
    stays = cast(stays, first.dtype)
    if not _are_few(first, shifts):
        return namespace(first).matmul(kernel, _by_halves(others, stays, shifts))
    for step, shift in enumerate(shifts):
        kernel = _shifted(kernel, stays[step][..., None, None, :], shift)
        kernel = _times(kernel, others[step])
    return kernel


def _are_few(first: Any, shifts: list[int]) -> bool:
    """Whether it is faster to apply the factors one by one.

    V_0 may have few rows, and then they are cheap to apply. In pairs they are full
    matrices. A traced program is as long as it has steps.
    """
    if namespace(first) is not np:
        return len(shifts) <= 32
    rows, columns = first.shape[-2:]
    return len(shifts) * rows <= 128 * columns


def _shifted(polynomial: Any, stays: Any, shift: int) -> Any:
    """The polynomial times D(z)."""
    xp = namespace(polynomial)
    kept = polynomial * stays
    *batch, _, rows, columns = polynomial.shape
    zeros = xp.zeros((*batch, shift, rows, columns), polynomial.dtype)
    return xp.concatenate([kept, zeros], -3) + xp.concatenate(
        [zeros, polynomial - kept], -3
    )


def _times(polynomial: Any, matrix: Any) -> Any:
    """The polynomial times a matrix, as one product of matrices."""
    xp, (*batch, taps, rows, columns) = namespace(polynomial), polynomial.shape
    flat = xp.matmul(xp.reshape(polynomial, (*batch, taps * rows, columns)), matrix)
    return xp.reshape(flat, polynomial.shape)


def _by_halves(matrices: Any, stays: Any, shifts: list[int]) -> Any:
    """The product of all D_s(z) V_s, in pairs of pairs."""
    xp = namespace(matrices)
    factors, degrees = _factors(matrices, stays, shifts), shifts
    while len(degrees) > 1:
        even = len(degrees) // 2 * 2
        degrees = [
            sum(degrees[start : start + 2]) for start in range(0, len(degrees), 2)
        ]
        pairs = convolve(factors[:even:2], factors[1:even:2], 1 + max(degrees))
        # There is a last one if their number is odd.
        last = _padded(factors[even:], pairs.shape[-3])
        factors = xp.concatenate([pairs, last], 0)
    return factors[0]


def _factors(matrices: Any, stays: Any, shifts: list[int]) -> Any:
    """The polynomials D_s(z) V_s: what stays is at tap 0, the rest at tap d."""
    xp, taps = namespace(matrices), 1 + max(shifts)
    at_shift = xp.array(np.eye(taps)[shifts], dtype=matrices.dtype)
    between = tuple(range(1, len(stays.shape) - 1))
    at_shift = xp.expand_dims(at_shift, (*between, -2, -1))
    kept = matrices * stays[..., None]
    moved = xp.expand_dims(matrices - kept, -3) * at_shift
    return _padded(xp.expand_dims(kept, -3), taps) + moved


def _padded(polynomial: Any, taps: int) -> Any:
    """The polynomial with zeros as its last coefficients."""
    none = [(0, 0)] * (len(polynomial.shape) - 3)
    zeros = (0, taps - polynomial.shape[-3])
    return namespace(polynomial).pad(polynomial, [*none, zeros, (0, 0), (0, 0)])
