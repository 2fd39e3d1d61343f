"""The gain at which the logarithm of the gradient's norm has no drift, for any width.

A layer of n inputs whose kernel has the variance g^2 / n turns a gradient of norm 1
into one whose squared norm is

    g^2 / n * S,    S = sum_i f'(sqrt(q) z_i)^2 w_i^2

for n independent z_i and w_i ~ N(0, 1). So log(g^2) has to be log(n) - E[log S]. That
mean is an integral over one number, because `log S - log n` is the integral of
`(exp(-n t) - exp(-t S)) / t` over all t > 0 (Frullani), and the mean of exp(-t S) is a
power:

    E[exp(-t S)] = L(t)^n,    L(t) = E[(1 + 2 t f'(sqrt(q) z)^2)^(-1/2)]

A gradient that is blocked as a whole has no logarithm. Where f' is 0 with a probability
p, as for ReLU, `S > 0` is given: `(L^n - p^n) / (1 - p^n)` is the mean then.

L does not depend on n. It is computed once, on a grid of log t. There the integrand is
smooth and falls to 0 at both ends, so that the plain sum over the grid is as exact as
its terms.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._normal_moments import checked, slope_moment
from keras_initx.activations._quadrature import normal_means

# The error of the sum is about exp(-pi^2 / step), relative to the integral.
_STEP = 0.25
# From here up to n = exp(20) nothing is left out.
_FIRST, _BLOCK, _LAST = -36.0, 16.0, 600.0
_TOLERANCE = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class LogNormGain:
    """The gain of one activation as a function of the number of inputs.

    The slopes are scaled to a mean square of 1.

    Attributes:
        moment: E[f'^2], before that.
        blocked: The probability that f' is 0.
        t: The grid, whose logarithms are `_STEP` apart.
        deficit: 1 - L at each t below 1: exact parts of a small number.
        rest: L - blocked at each other t.
    """

    moment: float
    blocked: float
    t: np.ndarray
    deficit: np.ndarray
    rest: np.ndarray

    def __call__(self, n: int) -> float:
        """The gain for a layer of n inputs."""
        p, is_alive = self.blocked, -np.expm1(n * _log(self.blocked))
        below = np.exp(n * np.log1p(-self.deficit)) - p**n
        # L^n - p^n, without a difference of nearly equal numbers.
        whole = p + self.rest
        above = np.exp(n * _log(whole)) * -np.expm1(n * (_log(p) - _log(whole)))
        means = np.concatenate([below, above]) / is_alive
        excess = _STEP * float((np.exp(-n * self.t) - means).sum())
        # The last digits are noise, in which the backends differ.
        return float(f"{math.exp(-excess / 2) / math.sqrt(self.moment):.9g}")


def log_norm_gain_for(owner: str, activation: Any, q: float = 1.0) -> LogNormGain:
    """The gains of an activation whose inputs have the mean square q.

    Errors name the owner.
    """
    if isinstance(activation, str):
        return _of_name(owner, activation, q)
    return _compute(Elementwise(owner, activation), q)


@functools.cache
def _of_name(owner: str, name: str, q: float) -> LogNormGain:
    return _compute(Elementwise(owner, name), q)


@eagerly
def _compute(f: Elementwise, q: float) -> LogNormGain:
    slopes = _Slopes(f, math.sqrt(q))
    blocked = slopes.mean(lambda squares, _: squares == 0, np.ones(1), 1.0)[0]
    grids = [np.exp(np.arange(_FIRST, 0, _STEP))]
    deficit = slopes.mean(_deficits, grids[0], 0.0)
    rests = []
    for start in np.arange(0, _LAST, _BLOCK):
        grids.append(np.exp(np.arange(start, start + _BLOCK, _STEP)))
        rests.append(slopes.mean(_rests, grids[-1], 1.0))
        if rests[-1][-1] < _TOLERANCE:
            break
    gains = LogNormGain(
        slopes.moment, blocked, np.concatenate(grids), deficit, np.concatenate(rests)
    )
    checked(f, gains(1))
    return gains


class _Slopes:
    """The squares of f'(scale z), divided by their mean, on z ~ N(0, 1)."""

    def __init__(self, f: Elementwise, scale: float) -> None:
        self._f, self._scale = f, scale
        self.moment = checked(f, slope_moment(f, scale))

    def mean(self, function: Callable, t: np.ndarray, size: float) -> np.ndarray:
        """The mean of a function of the squares and t, for each t."""

        def at_points(z: np.ndarray, which: np.ndarray) -> np.ndarray:
            # All integrals start with the same points.
            points, where = np.unique(z, return_inverse=True)
            squares = self._f.derivative(self._scale * points) ** 2 / self.moment
            return function(squares[where], t[which, None]).mean(axis=1)

        return normal_means(at_points, len(t), _TOLERANCE, size)


def _deficits(squares: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What has the mean 1 - L."""
    return -np.expm1(-np.log1p(2 * t * squares) / 2)


def _rests(squares: np.ndarray, t: np.ndarray) -> np.ndarray:
    """What has the mean L - p."""
    return np.where(squares > 0, (1 + 2 * t * squares) ** -0.5, 0)


def _log(x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(x)
