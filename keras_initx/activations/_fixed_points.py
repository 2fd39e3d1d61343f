"""Where the maps of a wide random network come to rest, and the edge of chaos."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_initx import _validate
from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._maps import checked_sigmas
from keras_initx.activations._normal_moments import (
    checked,
    has_jumps,
    product_moment,
    second_moment,
    slope_moment,
)

# Variances outside are 0, or grow without bound.
_SMALLEST, _LARGEST = 2.0**-40, 2.0**40
# Keras computes some functions in float32 on JAX. What is below the other is 0.
_NOISE, _ROUNDING = 1e-7, 1e-12


class CriticalPoint(NamedTuple):
    """Standard deviations of weights, times the root of the fan-in, and of biases."""

    sigma_w: float
    sigma_b: float


class FixedPoint(NamedTuple):
    """Variance, correlation, and the slope of the correlation map at 1."""

    q: float
    c: float
    chi: float


def critical_point(
    activation: Any, q: float | None = None, depth: int | None = None
) -> CriticalPoint:
    """Computes the weights and biases that put a network on the edge of chaos.

        sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]
        sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]

    for z ~ N(0, 1). Then q is a fixed point of `variance_map`, and the slope of
    `correlation_map` at 1 is 1: neither the signal nor the gradient grows or vanishes
    exponentially with depth. There is one such point for each q; Xiao et al. take
    `q = 1 / depth` in deep tanh networks. For ReLU it is He's (sqrt(2), 0), whatever
    q. Many activations that are not odd, such as softplus, have none.

    With tanh, ELU and SELU a variance beside q returns to it. With GELU, SiLU and Mish
    it does not: the inputs must have the variance q already, and what they differ from
    it grows by a factor of less than 1 + 1.3 q a layer.

    Examples:
    >>> sigma_w, sigma_b = keras_initx.activations.critical_point("tanh", depth=16)
    >>> round(sigma_w, 4), round(sigma_b, 4)
    (1.0561, 0.0154)
    >>> layer = keras.layers.Conv2D(
    ...     8,
    ...     3,
    ...     activation="tanh",
    ...     kernel_initializer=keras_initx.OrthogonalDelta(gain=sigma_w),
    ...     bias_initializer=keras.initializers.RandomNormal(stddev=sigma_b),
    ... )

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation without jumps, as in `gain`.
        q: float or None. The variance of the pre-activations. Positive. Defaults to
            `None`, which needs a `depth`.
        depth: int or None. The number of layers, for `q = 1 / depth`. Defaults to
            `None`, which needs a `q`.

    Returns:
        A named tuple `(sigma_w, sigma_b)`: kernels have the standard deviation
        `sigma_w / sqrt(fan_in)`, or are orthogonal times `gain=sigma_w`, and biases
        have `sigma_b`.

    Raises:
        ValueError: If there is no such point, not exactly one of `q` and `depth` is
            given, or the activation is unknown, not elementwise or not continuous.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        https://arxiv.org/abs/1806.05393. Schoenholz, Gilmer, Ganguli and Sohl-Dickstein
        2017, "Deep information propagation", https://arxiv.org/abs/1611.01232.
    """
    owner = "critical_point"
    if (q is None) == (depth is None):
        raise _validate.error(
            owner,
            "exactly one of `q` and `depth`",
            f"q={q!r}, depth={depth!r}",
            "Pass for example depth=16.",
        )
    if q is None:
        q = 1 / _validate.positive_integer(owner, "depth", depth)
    q = _validate.positive(owner, "q", q)
    return _critical_point(Elementwise(owner, activation), q)


@eagerly
def _critical_point(f: Elementwise, q: float) -> CriticalPoint:
    scale = math.sqrt(q)
    moment = checked(f, second_moment(f, scale))
    _refuse_jumps(f, scale)
    weight_variance = 1 / checked(f, slope_moment(f, scale))
    bias_variance = q - weight_variance * moment
    if bias_variance < -_NOISE * q:
        raise f.error(
            f"an activation that has a critical point at the variance q={q:g}",
            f", where sigma_b^2 would be {bias_variance:.3g}",
            "Pass another q, or an odd activation, for example 'tanh'.",
        )
    if bias_variance < _ROUNDING * q:
        bias_variance = 0.0
    return CriticalPoint(math.sqrt(weight_variance), math.sqrt(bias_variance))


def fixed_point(activation: Any, sigma_w: float, sigma_b: float = 0.0) -> FixedPoint:
    """Computes where the signal of a deep random network comes to rest.

        q = sigma_w^2 E[f(sqrt(q) z)^2] + sigma_b^2
        c = sigma_w^2 E[f(u) f(v)] / q + sigma_b^2 / q
        chi = sigma_w^2 E[f'(sqrt(q) z)^2]

    for z ~ N(0, 1), and normal u and v of mean 0, variance q and correlation c. With
    depth the variance of a pre-activation goes to q, and the correlation of two
    different inputs to c. The gradient grows by the factor chi a layer, which is also
    the slope of `correlation_map` at 1. Below 1 the network is ordered: all inputs
    become alike, c is 1, and gradients vanish. Above 1 it is chaotic: neighbours part,
    c is below 1, and gradients explode. `critical_point` gives a chi of 1.

    q is the first fixed point that a variance of 1 runs into, and is 1 where all
    variances are fixed, as with ReLU at `sigma_w = sqrt(2)`.

    Examples:
    >>> q, c, chi = keras_initx.activations.fixed_point("tanh", sigma_w=1.5)
    >>> round(q, 3), round(abs(c), 3), round(chi, 3)
    (0.793, 0.0, 1.139)
    >>> ordered = keras_initx.activations.fixed_point("tanh", sigma_w=0.9, sigma_b=0.1)
    >>> ordered.c, ordered.chi < 1
    (1.0, True)

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation without jumps, as in `gain`.
        sigma_w: float. The standard deviation of the weights, times the square root of
            the fan-in. Positive.
        sigma_b: float. The standard deviation of the biases. Defaults to `0.0`.

    Returns:
        A named tuple `(q, c, chi)`.

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
    return _fixed_point(Elementwise(owner, activation), *sigmas)


@eagerly
def _fixed_point(f: Elementwise, sigma_w: float, sigma_b: float) -> FixedPoint:
    checked(f, second_moment(f))
    _refuse_jumps(f, 1.0)

    def growth(q: float) -> float:
        """The variance one layer later, as a multiple of this one, minus 1."""
        moment = second_moment(f, math.sqrt(q))
        return (sigma_w**2 * moment + sigma_b**2) / q - 1

    q = _rest(growth)
    if q > _LARGEST:
        raise f.error(
            "a variance that does not grow without bound",
            f", sigma_w={sigma_w!r}, sigma_b={sigma_b!r}",
            "Pass a smaller sigma_w.",
        )
    scale = math.sqrt(max(q, _SMALLEST))
    chi = sigma_w**2 * slope_moment(f, scale)
    if q == 0 or chi <= 1 + _NOISE:
        return FixedPoint(q, 1.0, chi)

    def approach(c: float) -> float:
        """How much of the way to 1 the correlation goes in a layer: 1 - chi at 1."""
        product = sigma_w**2 * product_moment(f, scale, c) + sigma_b**2
        return (product / q - c) / (1 - c)

    at_0 = approach(0.0)
    c = 0.0 if at_0 <= _NOISE else _root(approach, (0.0, at_0), (1.0, 1 - chi))
    return FixedPoint(q, c, chi)


def _refuse_jumps(f: Elementwise, scale: float) -> None:
    if has_jumps(f, scale):
        raise f.error(
            "an activation without jumps, whose gradient is its derivative",
            advice="Pass a continuous activation.",
        )


def _rest(growth: Callable[[float], float]) -> float:
    """The variance next to 1 at which the growth is 0: 0 or infinite if there is none.

    It lies above 1 if the variance 1 grows.
    """
    q, value = 1.0, growth(1.0)
    if abs(value) <= 1e-9:
        return q
    factor = 2.0 if value > 0 else 0.5
    while _SMALLEST <= q <= _LARGEST:
        behind = growth(factor * q)
        if not math.isfinite(behind):
            return math.inf
        if (behind > 0) != (value > 0):
            bracket = ((math.log(q), value), (math.log(factor * q), behind))
            return math.exp(_root(lambda log_q: growth(math.exp(log_q)), *bracket))
        q, value = factor * q, behind
    return 0.0 if factor < 1 else math.inf


def _root(
    function: Callable[[float], float],
    one: tuple[float, float],
    other: tuple[float, float],
) -> float:
    """A root between two points with values of different signs (Illinois)."""
    (a, at_a), (b, at_b) = one, other
    for _ in range(60):
        x = (a * at_b - b * at_a) / (at_b - at_a)
        at_x = function(x)
        if (at_x > 0) != (at_b > 0):
            a, at_a = b, at_b
        else:
            at_a /= 2
        is_close = abs(x - b) < 1e-10
        b, at_b = x, at_x
        if is_close or abs(at_x) < 1e-10:
            break
    return b
