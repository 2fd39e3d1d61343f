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

_NAMES = ("stable", "most_stable")
# Why there is no such q, and what to do.
_REASONS = {
    "neutral": (
        ", where a small deviation of the variance stays as it is at every q",
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
    ", whose slope has no smallest value",
    "Pass a number q. Where the slope falls with q, as with 'tanh', a larger q is more "
    "stable.",
)

# sigma_b^2 is a difference of numbers near q.
_FLOAT64_ROUNDING = 1e-12


class CriticalPoint(NamedTuple):
    """A variance of pre-activations, and the deviations of the weights and the biases.

    That of the weights is multiplied by the square root of the fan-in.
    """

    q: float
    sigma_w: float
    sigma_b: float


def critical_point(
    activation: Any, q: float | str | None = None, depth: int | None = None
) -> CriticalPoint:
    """Computes the weights and biases that put a network on the edge of chaos.

        sigma_w^2 = 1 / E[f'(sqrt(q) z)^2]
        sigma_b^2 = q - sigma_w^2 E[f(sqrt(q) z)^2]

    for z ~ N(0, 1). Then q is a fixed point of `variance_map`, and the slope of
    `correlation_map` at 1 is 1. A signal of variance q keeps this variance, and the
    mean square of the gradient neither grows nor vanishes exponentially with depth.
    There is one such point for each q. Xiao et al. take `q = 1 / depth` in deep tanh
    networks. For ReLU it is He's (sqrt(2), 0) for all q. Some activations have none,
    such as softplus, and sigmoid has them from q = 45.6 on.

    The fixed point q is stable if a variance near q moves towards q. A small deviation
    is multiplied by this slope of the variance map in each layer:

        slope(q) = sigma_w^2 d/dq E[f(sqrt(q) z)^2]

    With tanh, softsign, ELU and SELU it is below 1 at each q, so that the point is
    stable. With linear units and ReLU it is 1. With the following activations it is
    above 1 for small q, crosses 1 once, and has a smallest value:

        activation    q="stable"    q="most_stable"    slope there
        GELU             3.562          13.79             0.981
        SiLU            14.32           57.36             0.986
        Mish             1.670           9.466            0.972
        hard SiLU        4.804          19.52             0.946

    At `"most_stable"` every variance moves towards q, also a far one. At `"stable"` the
    slope is 1, and with Mish and hard SiLU a variance above q grows: take a larger q in
    practice. The inputs have to be scaled so that the first pre-activations have the
    variance q. `schemes.critical` does all of this for a whole model.

    A gated unit, as in `gain`, has two kernels and two biases of these deviations. Its
    gradient reaches the inputs through both, so that

        sigma_w^2 = 1 / (q E[f'(sqrt(q) z)^2] + E[f(sqrt(q) z)^2])
        sigma_b^2 = q - sigma_w^2 q E[f(sqrt(q) z)^2]

    With `"glu"` the slope is below 1 at each q, and from q = 1.306 on a variance of 2 q
    comes back. A larger q is more stable. With the other gated units such a point is
    useless. With `"bilinear"` and `"reglu"` any variance above q grows without bound,
    and with `"geglu"` and `"swiglu"` any that is more than 2 % above it. A layer of
    1000 units deviates by more than that by chance. So an error is raised where a
    variance of 2 q does not come back.

    Where the points lie is from the papers, for units without a gate. The stability,
    its figures, and the points of gated units are derived here.

    Examples:
    >>> _, sigma_w, sigma_b = keras_initx.activations.critical_point("tanh", depth=16)
    >>> round(sigma_w, 4), round(sigma_b, 4)
    (1.0561, 0.0154)
    >>> layer = keras.layers.Conv2D(
    ...     8,
    ...     3,
    ...     activation="tanh",
    ...     kernel_initializer=keras_initx.OrthogonalDelta(gain=sigma_w),
    ...     bias_initializer=keras.initializers.RandomNormal(stddev=sigma_b),
    ... )
    >>> keras_initx.activations.critical_point("gelu", q="stable").q
    3.5616

    Args:
        activation: str, callable, `keras.layers.Layer`, dict or None. An elementwise
            activation without jumps, or a gated unit, as in `gain`.
        q: float, str or None. The variance of the pre-activations. Positive.
            `"stable"` is the smallest q from which on the point is stable, and
            `"most_stable"` the q of the smallest slope, both with five digits, and
            looked for from 6e-5 to 65536. Defaults to `None`, which needs a `depth`.
        depth: int or None. The number of layers, for `q = 1 / depth`. Defaults to
            `None`, which needs a `q`.

    Returns:
        A named tuple `(q, sigma_w, sigma_b)`. Kernels need the variance
        `sigma_w^2 / fan_in`, and biases `sigma_b^2`. An orthogonal kernel with
        `gain=sigma_w` and `scale="variance"` does to the signal what one of this
        variance does, in any shape.

    Raises:
        ValueError: If there is no such point, or none that is stable where `q` asks for
            it; if the point is stable at every q (`"stable"` with tanh), or the slope
            has no smallest value (`"most_stable"` with tanh); if not exactly one of `q`
            and `depth` is given; or if the activation is unknown, not elementwise or
            not continuous.

    Reference:
        Xiao et al. 2018, "Dynamical isometry and a mean field theory of CNNs",
        https://arxiv.org/abs/1806.05393. Schoenholz, Gilmer, Ganguli and Sohl-Dickstein
        2017, "Deep information propagation", https://arxiv.org/abs/1611.01232. Poole et
        al. 2016, "Exponential expressivity in deep neural networks through transient
        chaos", https://arxiv.org/abs/1606.05340.
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
        return _critical_point(
            unit, 1 / _validate.positive_integer(owner, "depth", depth)
        )
    if isinstance(q, str) and q in _NAMES:
        return _critical_point(unit, _named(unit, stability_of(owner, activation), q))
    return _critical_point(unit, _number(owner, q))


def _number(owner: str, q: Any) -> float:
    if _validate.is_number(q) and q > 0:
        return float(q)
    names = " or ".join(repr(name) for name in _NAMES)
    raise _validate.error(
        owner,
        f"`q` to be a finite number above 0, {names}",
        f"q={q!r}",
        "Pass for example 1.0.",
    )


@eagerly
def _critical_point(unit: Unit, q: float) -> CriticalPoint:
    moment = unit.checked_second_moment(q)
    unit.refuse_jumps(q)
    gradient = unit.checked_slope_moment(q)
    if not comes_back(unit, q, moment, gradient):
        raise unit.error(
            "a unit whose variance comes back to q",
            f", whose variance does not come back from {2 * q:g} at the critical point "
            f"of q={q:g}",
            "Normalize the inputs of gated units, or take 'glu' with a larger q.",
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


def _named(unit: Unit, stability: Stability, q: str) -> float:
    """The variance "stable" or "most_stable"."""
    if q == "stable":
        found, other_reason = stability.stable_q, _IS_STABLE
        where = "stable from some q on"
    else:
        found, other_reason = stability.most_stable_q, _WITHOUT_LEAST
        where = "most stable at some q"
    if found is not None:
        return found
    detail, advice = _REASONS.get(stability.kind, other_reason)
    raise unit.error(f"an activation whose critical point is {where}", detail, advice)
