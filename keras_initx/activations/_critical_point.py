"""The edge of chaos of a wide random network."""

import math
from typing import Any, NamedTuple

from keras_initx import _validate
from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._stability import (
    FLOAT32_ROUNDING,
    Stability,
    comes_back,
    stability_of,
)
from keras_initx.activations._unit import Unit, unit_of

# Why there is no such q, and what to do.
_REASONS = {
    "neutral": (
        ", where a deviation of the variance stays as it is at every q",
        "Pass any number q, for example q=1.0.",
    ),
    "unstable": (
        ", whose critical point is not stable at any q",
        "Normalize the inputs of this activation, or pass another one.",
    ),
    "none": (
        ", which has no critical point",
        "Pass another activation, for example 'tanh' or 'gelu'.",
    ),
}
_IS_STABLE = (
    ", whose critical point is stable at every small q",
    "Pass a depth, for example depth=16, or a number q.",
)
_WITHOUT_LEAST = (
    ", whose critical point becomes ever more stable with q",
    "Pass a number q: the larger it is, the sooner a deviation of the variance ends.",
)

# sigma_b^2 is a difference of numbers near q.
_FLOAT64_ROUNDING = 1e-12


class CriticalPoint(NamedTuple):
    """A variance, and the deviations of weights, times the root of the fan-in, and biases."""

    q: float
    sigma_w: float
    sigma_b: float


def critical_point(
    activation: Any, q: float | None = None, depth: int | None = None
) -> CriticalPoint:
    """Computes the weights and biases that put a network on the edge of chaos.

        sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]
        sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]

    for z ~ N(0, 1). Then q is a fixed point of `variance_map`, and the slope of
    `correlation_map` at 1 is 1. A signal of variance q keeps this variance, and the
    mean square of the gradient neither grows nor vanishes exponentially with depth.
    There is one such point for each q. Xiao et al. take `q = 1 / depth` in deep tanh
    networks. For ReLU it is He's (sqrt(2), 0) for all q. Many activations that are not
    odd, such as softplus, have none.

    The fixed point q can be stable or unstable. It is stable with tanh, ELU and SELU
    for all q: a variance near q moves towards q. With GELU, SiLU and Mish it is stable
    only if q is above 3.562, 14.32 and 1.670. Below, a difference from q grows, by a
    factor of up to 1.11, 1.10 and 1.04 a layer. So take a larger q for deep networks of
    these, and scale the inputs so that the first pre-activations have the variance q.

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
        A named tuple `(sigma_w, sigma_b)`. Kernels need the variance
        `sigma_w^2 / fan_in`, and biases `sigma_b^2`. An orthogonal kernel with
        `gain=sigma_w` has this variance if the layer does not have more outputs than
        inputs, see `gain`.

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
    unit = unit_of(owner, activation)
    if depth is not None:
        q = 1 / _validate.positive_integer(owner, "depth", depth)
    elif isinstance(q, str):
        _validate.choice(owner, "q", q, ("stable", "most_stable"))
        q = _named_variance(unit, stability_of(owner, activation), q)
    return _critical_point(unit, _validate.positive(owner, "q", q))


@eagerly
def _critical_point(unit: Unit, q: float) -> CriticalPoint:
    moment = unit.checked_second_moment(q)
    unit.refuse_jumps(q)
    gradient = unit.checked_slope_moment(q)
    if not comes_back(unit, q, moment, gradient):
        raise unit.error(
            "a unit whose variance comes back to q",
            f", where a variance of {2 * q:g} grows without bound at the critical "
            f"point of q={q:g}",
            "Normalize the inputs of gated units, or take 'glu' with a q of 2 or more.",
        )
    bias_variance = q - moment / gradient
    if bias_variance < -FLOAT32_ROUNDING * q:
        raise unit.error(
            f"an activation that has a critical point at the variance q={q:g}",
            f", where sigma_b^2 would be {bias_variance:.3g}",
            "Pass another q, or an odd activation, for example 'tanh'.",
        )
    if bias_variance < _FLOAT64_ROUNDING * q:
        bias_variance = 0.0
    return CriticalPoint(q, 1 / math.sqrt(gradient), math.sqrt(bias_variance))


def _named_variance(unit: Unit, stability: Stability, q: str) -> float:
    """The variance "stable" or "most_stable"."""
    is_half = q == "stable"
    found = stability.stable_q if is_half else stability.most_stable_q
    if found is not None:
        return found
    where = "stable from some q on" if is_half else "most stable at some q"
    kind = stability.kind
    detail, advice = _REASONS.get(kind, _IS_STABLE if is_half else _WITHOUT_LEAST)
    raise unit.error(f"an activation whose critical point is {where}", detail, advice)
