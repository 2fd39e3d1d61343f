"""Where the variance and the correlations of a wide random network go with depth."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._maps import checked_sigmas
from keras_initx.activations._normal_moments import (
    checked,
    growth_of_moment,
    product_moment,
    refuse_jumps,
    second_moment,
    slope_moment,
)
from keras_initx.activations._root import root

# A smaller variance counts as 0, a larger one as infinite.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40
# Keras computes some functions in float32 on JAX.
_ROUNDING = 1e-7


class FixedPoint(NamedTuple):
    """Variance, correlation, and the slope of the correlation map at 1."""

    q: float
    c: float
    chi: float


def fixed_point(activation: Any, sigma_w: float, sigma_b: float = 0.0) -> FixedPoint:
    """Computes where the signal of a deep random network goes with depth.

        q = sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2
        c = sigma_w^2 E[f(u) f(v)] / q + sigma_b^2 / q
        chi = sigma_w^2 E[f'(sqrt(q) z)^2]

    for z ~ N(0, 1), and normal u and v of mean 0, variance q and correlation c. These
    are fixed points of `variance_map` and `correlation_map`: a layer does not change
    them. They are stable: with depth the variance of a pre-activation goes to q, and
    the correlation of two different inputs goes to c.

    chi is the slope of `correlation_map` at 1. In layers of equal width, the mean
    square of the gradient grows by the factor chi a layer. Below 1 the network is
    ordered: all inputs become alike, c is 1, and gradients vanish. Above 1 it is
    chaotic: similar inputs become different, c is below 1, and gradients explode.
    `critical_point` gives a chi of 1.

    There may be several stable variances. q is the first one in the direction in which
    a variance of 1 moves. It is 1 if the variance 1 stays and is not unstable, as with
    ReLU at `sigma_w = sqrt(2)`, where every variance stays.

    Examples:
    >>> q, c, chi = keras_initx.activations.fixed_point("tanh", sigma_w=1.5)
    >>> round(q, 3), round(abs(c), 3), round(chi, 3)
    (0.793, 0.0, 1.139)
    >>> ordered = keras_initx.activations.fixed_point("tanh", sigma_w=0.9, sigma_b=0.1)
    >>> ordered.c, ordered.chi < 1
    (1.0, True)

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation, as in `gain`. It must have no jumps at values that the signal
            reaches.
        sigma_w: float. The standard deviation of the weights, times the square root of
            the fan-in. Positive.
        sigma_b: float. The standard deviation of the biases. Defaults to `0.0`.

    Returns:
        A named tuple `(q, c, chi)`.

    Raises:
        ValueError: If the variance grows without bound, 1 is an unstable fixed point
            (as with GELU at `sigma_w = gain("gelu")`), a number is out of range, or the
            activation is unknown, not elementwise or not continuous.

    Reference:
        Poole et al. 2016, "Exponential expressivity in deep neural networks through
        transient chaos", section 2, https://arxiv.org/abs/1606.05340. Schoenholz et al.
        2017, "Deep information propagation", https://arxiv.org/abs/1611.01232.
    """
    owner = "fixed_point"
    sigmas = checked_sigmas(owner, sigma_w, sigma_b)
    return _fixed_point(Elementwise(owner, activation), *sigmas)


@eagerly
def _fixed_point(f: Elementwise, sigma_w: float, sigma_b: float) -> FixedPoint:
    checked(f, second_moment(f))
    refuse_jumps(f, 1.0)
    q = _stable_variance(f, sigma_w, sigma_b)
    scale = math.sqrt(max(q, _SMALLEST))
    _refuse_jumps_up_to(f, scale, sigma_w)
    chi = sigma_w**2 * slope_moment(f, scale, size=1 / sigma_w**2)
    if q == 0 or chi <= 1 + _ROUNDING:
        return FixedPoint(q, 1.0, chi)

    def approach(c: float) -> float:
        """How much of the way to 1 the correlation goes in a layer: 1 - chi at 1."""
        product = sigma_w**2 * product_moment(f, scale, c) + sigma_b**2
        return (product / q - c) / (1 - c)

    at_0 = approach(0.0)
    c = 0.0 if at_0 <= _ROUNDING else root(approach, (0.0, at_0), (1.0, 1 - chi))
    return FixedPoint(q, c, chi)


def _stable_variance(f: Elementwise, sigma_w: float, sigma_b: float) -> float:
    def growth(q: float) -> float:
        """The variance one layer later, as a multiple of this one, minus 1."""
        moment = second_moment(f, math.sqrt(q), size=q / sigma_w**2)
        return (sigma_w**2 * moment + sigma_b**2) / q - 1

    received = f", sigma_w={sigma_w!r}, sigma_b={sigma_b!r}"
    at_1 = growth(1.0)
    if abs(at_1) <= _ROUNDING:
        slope = sigma_w**2 * growth_of_moment(f)
        if slope > 1 + 10 * _ROUNDING:
            raise f.error(
                "a stable fixed point",
                f"{received}, where the variance 1 is a fixed point, but a difference "
                f"from it grows by a factor of {slope:.4g} a layer",
                "Follow the variance from layer to layer with `variance_map`.",
            )
        return 1.0
    q = _next_zero(growth, at_1)
    if q > _LARGEST:
        raise f.error(
            "a variance that does not grow without bound",
            received,
            "Pass a smaller sigma_w.",
        )
    return q


def _refuse_jumps_up_to(f: Elementwise, scale: float, sigma_w: float) -> None:
    """Looks for jumps at this scale and at those between 1 and it.

    At each scale others are seen: a jump at 8 is not reached by a normal variable of
    deviation 1, and two jumps of opposite signs at 20 and 21 look like none at 1000.
    """
    steps = math.ceil(abs(math.log2(scale)) / 2)
    for step in range(1, steps + 1):
        here = scale ** (step / steps)
        # Below this, a jump changes the next pre-activation by nothing that counts.
        refuse_jumps(f, here, size=here / sigma_w)


def _next_zero(growth: Callable[[float], float], value: float) -> float:
    """The first variance without growth in the direction in which 1 moves.

    `value` is the growth at 1. The result is 0 or infinite if there is none.

    The growth changes its sign there from the side of 1, so that the slope of the map
    is at most 1. It is at least -1/2: sigma_w^2 E[f(sqrt(q) z)^2] sqrt(q) never falls
    when q rises. So it is a stable fixed point.
    """
    q = 1.0
    factor = 2.0 if value > 0 else 0.5
    while _SMALLEST <= q <= _LARGEST:
        next_value = growth(factor * q)
        if not math.isfinite(next_value):
            return math.inf
        if (next_value > 0) != (value > 0):
            bracket = ((math.log(q), value), (math.log(factor * q), next_value))
            return math.exp(root(lambda log_q: growth(math.exp(log_q)), *bracket))
        q, value = factor * q, next_value
    return 0.0 if factor < 1 else math.inf
