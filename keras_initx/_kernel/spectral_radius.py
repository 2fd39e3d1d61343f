"""The spectral radius of matrices: the largest absolute value of an eigenvalue.

By Gelfand's formula it is the limit of |A^m|^(1 / m) for any norm. Squaring doubles m:

    A_0 = A / |A|    A_(k+1) = A_k^2 / |A_k^2|
    log radius = log |A| + sum over k of log |A_k^2| / 2^(k+1)

The eigenvalues may be complex, as most of a recurrent kernel are: the power iteration
would turn in circles there. After 30 squarings m is 10^9. The norm of the power is then
off by a factor of at most some power of m, whose m-th root is 1 to 1e-7. Rounding adds
little: what a step loses is divided by 2^k. Where the root of a power matters, as for a
Jordan block, float32 holds it up to m = 10^6, and the error is 1e-4.
"""

from typing import Any

from keras_initx._kernel.arrays import namespace

_SQUARINGS = 30


def spectral_radius(matrices: Any) -> Any:
    """The spectral radii of matrices `(*batch, n, n)`; 0 if all eigenvalues are 0."""
    xp, size = namespace(matrices), matrices.shape[-1]
    power, logarithm, is_zero = _normalized(matrices)
    is_nilpotent = is_zero
    for step in range(1, _SQUARINGS + 1):
        power, grown, is_zero = _normalized(xp.matmul(power, power))
        logarithm = logarithm + grown / 2**step
        if 2 ** (step - 1) < size:
            # Power n is zero, or none is. Later zeros are rounding.
            is_nilpotent = is_zero
    return xp.where(is_nilpotent, xp.zeros_like(logarithm), xp.exp(logarithm))


def _normalized(matrices: Any) -> tuple[Any, Any, Any]:
    """The matrices divided by their largest entry, its logarithm, and if it is 0."""
    xp = namespace(matrices)
    largest = xp.max(xp.abs(matrices), axis=(-2, -1))
    is_zero = largest <= 0
    # Zeros stay zeros, in all powers.
    divisor = xp.where(is_zero, xp.ones_like(largest), largest)
    return matrices / divisor[..., None, None], xp.log(divisor), is_zero
