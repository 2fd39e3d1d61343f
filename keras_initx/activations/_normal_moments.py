"""Second moments of an activation on normal inputs."""

import math
from collections.abc import Callable

import numpy as np

from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._quadrature import density, normal_means

# Where the integrand of an integral that exists is as good as 0.
_FAR = 37.0

_Function = Callable[[np.ndarray], np.ndarray]

# E[g(x)] for x ~ N(0, q) has the derivative E[g(x) h(z)] by ln q, for x = sqrt(q) z.
# These are 1 and the functions h of the first and the second derivative.
_BY_LOG_VARIANCE: tuple[_Function, ...] = (
    np.ones_like,
    lambda z: (z**2 - 1) / 2,
    lambda z: (z**2 - 1) ** 2 / 4 - z**2 / 2,
)


def second_moment(
    f: Elementwise, scale: float = 1.0, size: float = 0.0, order: int = 0
) -> float:
    """E[f(scale z)^2], the mean over the units where they differ.

    It is exact to 1e-10 of itself, or of `size` if that is larger. With an `order` it
    is the derivative by ln scale^2 of this order, without that of f.
    """
    return _mean_square(lambda z: f(scale * z), size, order)


def mean_of(f: Elementwise) -> float:
    """E[f(z)], the mean over the units where they differ."""
    return _mean(f)


def slope_moment(
    f: Elementwise, scale: float = 1.0, size: float = 0.0, order: int = 0
) -> float:
    """E[f'(scale z)^2] or its derivative, as exact as `second_moment`."""
    return _mean_square(lambda z: f.derivative(scale * z), size, order)


def product_moment(f: Elementwise, scale: float, correlation: float) -> float:
    """E[f(scale u) f(scale v)], u and v standard normal with this correlation."""
    # The sum and the difference of u and v are independent.
    common = math.sqrt((1 + correlation) / 2)
    own = math.sqrt((1 - correlation) / 2)
    # Where the density is so small that only rounding errors are left, the integrals
    # need no exact digits.
    size = second_moment(f, scale)

    def means_over_sums(y: np.ndarray, _: np.ndarray) -> np.ndarray:
        def product(x: np.ndarray, which: np.ndarray) -> np.ndarray:
            u, v = common * x + own * y[which], common * x - own * y[which]
            return (f(scale * u) * f(scale * v)).mean(axis=1)

        return normal_means(product, len(y), tolerance=1e-9, size=size)

    return float(normal_means(means_over_sums, tolerance=1e-8, is_even=True)[0])


def has_jumps(f: Elementwise, scale: float, size: float = 0.0) -> bool:
    """Whether the derivative does not explain the function on normal inputs.

    By Stein, E[(z g(z) - g'(z)) f(z)] = E[g(z) f'(z)] unless f jumps. A jump adds its
    height times g times the density at its place. Here g is exp(z / pi), which is never
    0, and the weights of two jumps at simple places differ. The difference counts if it
    is more than 1e-5 of the root mean square of f, and more than 1e-5 of `size`.
    """
    stein = _mean(
        lambda z: (
            np.exp(z / math.pi)[:, None]
            * (
                (z - 1 / math.pi)[:, None] * f(scale * z)
                - scale * f.derivative(scale * z)
            )
        ),
        size,
    )
    deviation = math.sqrt(second_moment(f, scale, size**2))
    return abs(stein) > 1e-5 * max(deviation, size)


def refuse_jumps(f: Elementwise, scale: float, size: float = 0.0) -> None:
    """Raises an error if `has_jumps`."""
    if has_jumps(f, scale, size):
        raise f.error(
            "an activation without jumps, whose gradient is its derivative",
            advice="Pass a continuous activation.",
        )


def checked(f: Elementwise, moment: float) -> float:
    """The moment. Raises an error unless it is finite and above 0."""
    if not (math.isfinite(moment) and moment > 0):
        raise f.error(
            "an activation that has, on normal inputs, a second moment above 0",
            f", where that of the activation or its derivative is {moment:.3g}",
            "Pass another activation.",
        )
    return moment


def _mean(function: _Function, size: float = 0.0) -> float:
    """E[function(z)], for a function that gives a row of numbers for each point."""
    return float(normal_means(lambda z, _: function(z).mean(axis=1), size=size)[0])


def _mean_square(function: _Function, size: float, order: int) -> float:
    """E[function(z)^2]; infinite if it grows too fast for a mean to exist."""
    weight = _BY_LOG_VARIANCE[order]
    moment = _mean(lambda z: function(z) ** 2 * weight(z)[:, None], size)
    if order > 0:
        return moment
    far = np.array([-_FAR, _FAR])
    left_over = function(far).T ** 2 * density(far)
    return moment if np.all(left_over <= 1e-9 * moment) else math.inf
