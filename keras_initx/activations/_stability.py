"""Where the critical points of an activation are stable.

At the critical point of the variance q, a deviation of the variance from q is
multiplied in each layer by the slope of the variance map,

    slope(q) = sigma_w^2 d/dq E[f(sqrt(q) z)^2] = d/dq E[f^2] / E[f'^2]

The point is stable where the slope is below 1. With gated units, a variance of 2 q has
to come back too: often another fixed point lies a few percent above q, beyond which the
variance grows without bound, and chance carries it there in a layer of finite width.

The slope is looked at on a grid of q. What lies between two points of the grid is found
by halving or by a root.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import name_of
from keras_initx.activations._root import root
from keras_initx.activations._unit import GatedUnit, Unit, unit_of

# Keras computes some functions in float32 on JAX, so that two slopes that differ by
# less, or variances of a bias, may be the same. A slope of 1 is 1 within ten times it.
FLOAT32_ROUNDING = 1e-7
SLOPE_ROUNDING = 10 * FLOAT32_ROUNDING

_GRID = 2.0 ** np.arange(-14, 17)
# An octave to 1e-6 of itself.
_HALVINGS = 20


class Stability(NamedTuple):
    """Where the critical points of an activation are stable.

    Attributes:
        kind: One of
            "always": at each q;
            "above": from `stable_q` on;
            "between": from `stable_q`, or from 0 if it is None, to `unstable_q`;
            "neutral": nowhere, as the slope is 1 at each q (ReLU);
            "unstable": nowhere, although there are critical points;
            "none": there are no critical points.
        stable_q: The smallest q from which on the critical point is stable.
        unstable_q: The largest q up to which it is.
        most_stable_q: The q of the smallest slope. None if there is none, as with tanh,
            whose slope falls with q.
    """

    kind: str
    stable_q: float | None = None
    unstable_q: float | None = None
    most_stable_q: float | None = None


def stability_of(owner: str, activation: Any) -> Stability:
    """Finds out where the critical points of an activation are stable.

    Args:
        owner: str. The function that errors name.
        activation: What `critical_point` takes.
    """
    name = name_of(activation)
    if name is None:
        return _compute(unit_of(owner, activation))
    return _of_name(owner, name)


@functools.cache
def _of_name(owner: str, name: str) -> Stability:
    return _compute(unit_of(owner, name))


@eagerly
def _compute(unit: Unit) -> Stability:
    unit.checked_second_moment(1.0)
    unit.refuse_jumps(1.0)
    slopes = np.array([_slope_or_nan(unit, q) for q in _GRID])
    is_stable = slopes < 1 - SLOPE_ROUNDING
    is_unstable = slopes > 1 + SLOPE_ROUNDING
    if np.isnan(slopes).all():
        return Stability("none")
    if not is_stable.any():
        return Stability("unstable" if is_unstable.any() else "neutral")
    best = int(np.nanargmin(slopes))
    # Where the slope is 1 as far as one can see, a stable range is not interrupted.
    first, last = _run_around(best, ~(np.isnan(slopes) | is_unstable))
    low = high = None
    if first > 0:
        low = _rounded(math.ceil, _boundary(unit, _GRID[first], _GRID[first - 1]))
    if last < len(_GRID) - 1:
        high = _rounded(math.floor, _boundary(unit, _GRID[last], _GRID[last + 1]))
    kind = "between" if high else "above" if low else "always"
    return Stability(kind, low, high, _most_stable(unit, slopes, low, high))


def _slope_or_nan(unit: Unit, q: float) -> float:
    """The slope at the critical point; NaN if there is none.

    It is infinite if the variance of a gated unit does not come back.
    """
    moment, gradient = unit.second_moment(q), unit.slope_moment(q)
    if not (math.isfinite(moment) and math.isfinite(gradient) and gradient > 0):
        return math.nan
    if q - moment / gradient < -FLOAT32_ROUNDING * q:
        return math.nan
    if not comes_back(unit, q, moment, gradient):
        return math.inf
    return unit.second_moment(q, order=1) / (q * gradient)


def comes_back(unit: Unit, q: float, moment: float, gradient: float) -> bool:
    """Whether the variance 2 q does not grow, at the critical point of a gated unit."""
    if not isinstance(unit, GatedUnit):
        return True
    growth = (unit.second_moment(2 * q) - moment) / gradient / q - 1
    return growth <= SLOPE_ROUNDING


def _slope_of_slope(unit: Unit, q: float) -> float:
    """The derivative of the slope by ln q."""
    once, twice = (unit.second_moment(q, order=order) for order in (1, 2))
    gradient, change = (unit.slope_moment(q, order=order) for order in (0, 1))
    return (twice - once - once * change / gradient) / (q * gradient)


def _run_around(index: int, is_inside: np.ndarray) -> tuple[int, int]:
    """The first and the last of the points around this one that are all inside."""
    outside = np.flatnonzero(~is_inside)
    before, after = outside[outside < index], outside[outside > index]
    first = before[-1] + 1 if before.size else 0
    last = after[0] - 1 if after.size else len(is_inside) - 1
    return int(first), int(last)


def _boundary(unit: Unit, inside: float, outside: float) -> float:
    """Where the critical point stops being stable between two variances."""
    for _ in range(_HALVINGS):
        middle = math.sqrt(inside * outside)
        if _slope_or_nan(unit, middle) <= 1:
            inside = middle
        else:
            outside = middle
    return inside


def _most_stable(
    unit: Unit, slopes: np.ndarray, low: float | None, high: float | None
) -> float | None:
    """The q of the smallest slope, next to the best point of the grid."""
    best = int(np.nanargmin(slopes))
    if best in (0, len(_GRID) - 1):
        return None
    # One of them is missing where the critical points begin or end.
    beside = slopes[[best - 1, best + 1]]
    if np.any(beside - slopes[best] <= SLOPE_ROUNDING):
        return None
    left, right = max(_GRID[best - 1], low or 0), min(_GRID[best + 1], high or math.inf)
    at_left, at_right = (_slope_of_slope(unit, q) for q in (left, right))
    if not at_left < 0 < at_right:
        return low if at_left >= 0 else None
    log_q = root(
        lambda log_q: _slope_of_slope(unit, math.exp(log_q)),
        (math.log(left), at_left),
        (math.log(right), at_right),
    )
    return _rounded(round, math.exp(log_q))


def _rounded(to_integer: Callable[[float], int], q: float) -> float:
    """The first five digits. The backends differ in the next ones."""
    unit_of_fifth = 10.0 ** (math.floor(math.log10(q)) - 4)
    return float(f"{to_integer(q / unit_of_fifth) * unit_of_fifth:.5g}")
