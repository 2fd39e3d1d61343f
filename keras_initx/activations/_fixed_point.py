"""Where the variance and the correlations of a wide random network go with depth."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._maps import checked_sigmas
from keras_initx.activations._root import root
from keras_initx.activations._stability import FLOAT32_ROUNDING, SLOPE_ROUNDING
from keras_initx.activations._unit import Unit, unit_of

# A smaller variance counts as 0, a larger one as infinite.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40


class FixedPoint(NamedTuple):
    """Variance, correlation, and the slopes of both maps there."""

    q: float
    c: float
    chi: float
    slope: float
    is_stable: bool


def fixed_point(activation: Any, sigma_w: float, sigma_b: float = 0.0) -> FixedPoint:
    """Computes where the signal of a deep random network goes with depth.

        q = sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2
        c = sigma_w^2 E[f(u) f(v)] / q + sigma_b^2 / q
        chi = sigma_w^2 E[f'(sqrt(q) z)^2]
        slope = sigma_w^2 d/dq E[f(sqrt(q) z)^2]

    for z ~ N(0, 1), and normal u and v of mean 0, variance q and correlation c. These
    are fixed points of `variance_map` and `correlation_map`: a layer does not change
    them. With depth the variance of a pre-activation goes from 1 to q, and the
    correlation of two different inputs goes to c.

    chi is the slope of `correlation_map` at 1. In layers of equal width, the mean
    square of the gradient grows by the factor chi a layer. Below 1 the network is
    ordered: all inputs become alike, c is 1, and gradients vanish. Above 1 it is
    chaotic: similar inputs become different, c is below 1, and gradients explode.
    `critical_point` gives a chi of 1.

    `slope` is that of `variance_map` at q. A small deviation of a variance from q, say
    of a single sample, is multiplied by it in each layer. q is stable if the slope is
    below 1 by more than 1e-6, which is ten times the rounding of what Keras computes in
    float32. If it is 1, q is not called stable: with ReLU a deviation stays as it is,
    and where a map only touches the line q' = q, it grows on one side. A q of 0 is
    stable, because the variance of 1 comes to it.

    There may be several fixed points. If the variance 1 stays, q is 1, stable or not.
    With `sigma_w = gain(activation)` and without biases it always stays. But with GELU,
    SiLU, Mish and hard SiLU the slope there is 1.144, 1.173, 1.076 and 1.224: some
    samples vanish with depth and others explode. See `critical_point` for a stable q.
    Otherwise q is the first one in the direction in which the variance 1 moves.

    The maps, c and chi are from the papers. The stability of q and the gated units are
    derived here.

    Examples:
    >>> found = keras_initx.activations.fixed_point("tanh", sigma_w=1.5)
    >>> round(found.q, 3), round(abs(found.c), 3), round(found.chi, 3)
    (0.793, 0.0, 1.139)
    >>> ordered = keras_initx.activations.fixed_point("tanh", sigma_w=0.9, sigma_b=0.1)
    >>> ordered.c, ordered.chi < 1
    (1.0, True)
    >>> gain = keras_initx.activations.gain("gelu")
    >>> found = keras_initx.activations.fixed_point("gelu", sigma_w=gain)
    >>> found.q, round(found.slope, 3), found.is_stable
    (1.0, 1.144, False)

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation or a gated unit, as in `gain`. It must have no jumps at values
            that the signal reaches.
        sigma_w: float. The standard deviation of the weights, times the square root of
            the fan-in. Positive.
        sigma_b: float. The standard deviation of the biases. Defaults to `0.0`.

    Returns:
        A named tuple `(q, c, chi, slope, is_stable)`.

    Raises:
        ValueError: If the variance grows without bound, a number is out of range, or
            the activation is unknown, not elementwise or not continuous.

    Reference:
        Poole et al. 2016, "Exponential expressivity in deep neural networks through
        transient chaos", section 2, https://arxiv.org/abs/1606.05340. Schoenholz et al.
        2017, "Deep information propagation", https://arxiv.org/abs/1611.01232.
    """
    owner = "fixed_point"
    sigmas = checked_sigmas(owner, sigma_w, sigma_b)
    return _fixed_point(unit_of(owner, activation), *sigmas)


@eagerly
def _fixed_point(unit: Unit, sigma_w: float, sigma_b: float) -> FixedPoint:
    unit.checked_second_moment(1.0)
    unit.refuse_jumps(1.0)
    q = _variance(unit, sigma_w, sigma_b)
    at_least = max(q, _SMALLEST)
    _refuse_jumps_up_to(unit, math.sqrt(at_least), sigma_w)
    size = 1 / sigma_w**2
    chi = sigma_w**2 * unit.slope_moment(at_least, size=size)
    slope = sigma_w**2 * unit.second_moment(at_least, order=1) / at_least
    # A variance that comes to 0 cannot deviate to the other side.
    is_stable = q == 0 or slope < 1 - SLOPE_ROUNDING
    c = _correlation(unit, q, chi, sigma_w, sigma_b)
    return FixedPoint(q, c, chi, slope, is_stable)


def _correlation(
    unit: Unit, q: float, chi: float, sigma_w: float, sigma_b: float
) -> float:
    if q == 0 or chi <= 1 + FLOAT32_ROUNDING:
        return 1.0

    def approach(c: float) -> float:
        """How much of the way to 1 the correlation goes in a layer: 1 - chi at 1."""
        product = sigma_w**2 * unit.product_moment(q, c) + sigma_b**2
        return (product / q - c) / (1 - c)

    at_0 = approach(0.0)
    if at_0 <= FLOAT32_ROUNDING:
        return 0.0
    return root(approach, (0.0, at_0), (1.0, 1 - chi))


def _variance(unit: Unit, sigma_w: float, sigma_b: float) -> float:
    def growth(q: float) -> float:
        """The variance one layer later, as a multiple of this one, minus 1."""
        moment = unit.second_moment(q, size=q / sigma_w**2)
        return (sigma_w**2 * moment + sigma_b**2) / q - 1

    at_1 = growth(1.0)
    if abs(at_1) <= FLOAT32_ROUNDING:
        return 1.0
    q = _next_zero(growth, at_1)
    if q > _LARGEST:
        raise unit.error(
            "a variance that does not grow without bound",
            f", sigma_w={sigma_w!r}, sigma_b={sigma_b!r}",
            "Pass a smaller sigma_w.",
        )
    return q


def _refuse_jumps_up_to(unit: Unit, scale: float, sigma_w: float) -> None:
    """Looks for jumps at this scale and at those between 1 and it.

    At each scale others are seen: a jump at 8 is not reached by a normal variable of
    deviation 1, and two jumps of opposite signs at 20 and 21 look like none at 1000.
    """
    steps = math.ceil(abs(math.log2(scale)) / 2)
    for step in range(1, steps + 1):
        here = scale ** (step / steps)
        # Below this, a jump changes the next pre-activation by nothing that counts.
        unit.refuse_jumps(here**2, size=here / sigma_w)


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
