"""Means over a normal variable, by halving intervals until nothing changes.

Activations have kinks and jumps at unknown places. There the usual rule of Gauss and
Hermite is wrong in the third digit. Here each interval is integrated by the rule of
Gauss and Lobatto, and then both its halves are, all intervals at a time. Only those
whose integral changed are halved again. So the intervals shrink around a kink, and a
function without one is done after two rounds. The rule has points at both ends of an
interval, because it would not see a kink close to an end otherwise.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_DEGREE = 11


def _lobatto_nodes() -> np.ndarray:
    """The ends of [-1, 1], and between them the extrema of Legendre's polynomial.

    These are the eigenvalues of the Jacobi matrix of the polynomials that are
    orthogonal with the weight 1 - x^2 (Golub & Welsch 1969).
    """
    k = np.arange(1, _DEGREE - 1)
    beside = np.sqrt(k * (k + 2) / ((2 * k + 1) * (2 * k + 3)))
    inner = np.linalg.eigvalsh(np.diag(beside, -1))
    return np.array([-1.0, *inner, 1.0])


_NODES = _lobatto_nodes()
# A jump at an end belongs to one of the two intervals only.
_NODES[[0, -1]] *= 1 - 1e-8
# The integrals of the Legendre polynomials are 2, 0, 0, ...
_WEIGHTS = np.linalg.solve(
    np.polynomial.legendre.legvander(_NODES, _DEGREE).T, 2 * np.eye(_DEGREE + 1)[0]
)
# Beyond 38 the normal density is 0 in float64.
_HALF_LINE = np.array([0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 38.0])
_LINE = np.concatenate([-_HALF_LINE[:0:-1], _HALF_LINE])
_LEVELS = 66
# The integral of a function that rounds to float32 changes at each halving until the
# intervals are small. A function that rounds to fewer digits has no result.
_MOST_INTERVALS = 4096
_LARGEST_ERROR = 1e-7

# Takes points and, for each, the number of the function that is asked for its value.
Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Intervals(NamedTuple):
    """Intervals, each for one function.

    Attributes:
        number: The number of the function.
        left: Where the interval starts.
        width: How wide it is.
        change: How the integral over it and its other half differed from that over
            both.
    """

    number: np.ndarray
    left: np.ndarray
    width: np.ndarray
    change: np.ndarray

    def halves(self) -> "_Intervals":
        """Both halves of each interval, one after the other."""
        number, left, width, change = (np.repeat(part, 2) for part in self)
        left[1::2] += width[1::2] / 2
        return _Intervals(number, left, width / 2, change)

    def only(self, is_wanted: np.ndarray) -> "_Intervals":
        """The intervals where this is true."""
        return _Intervals(*(part[is_wanted] for part in self))

    def integrals(self, function: Integrand) -> np.ndarray:
        """The integral of function times density over each interval."""
        points = self.left[:, None] + self.width[:, None] * (_NODES + 1) / 2
        values = function(points.reshape(-1), np.repeat(self.number, len(_NODES)))
        weighted = values.reshape(points.shape) * density(points)
        return self.width / 2 * (weighted @ _WEIGHTS)


def density(points: np.ndarray) -> np.ndarray:
    """The density of N(0, 1)."""
    return np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)


def normal_means(
    function: Integrand,
    count: int = 1,
    tolerance: float = 1e-10,
    size: float = 0.0,
    is_even: bool = False,
) -> np.ndarray:
    """E[function(z)] for z ~ N(0, 1), of `count` functions at a time.

    Args:
        function: callable. Takes two arrays of equal length, points and the numbers of
            the functions to evaluate there, and returns their values.
        count: int. How many functions there are.
        tolerance: float. A change does not count if it is less than this part of
            E|function(z)|.
        size: float. A change does not count either if it is less than `tolerance` times
            this: for a mean that is added to a number of this size.
        is_even: bool. Whether the functions are known to be even.

    Returns:
        A float64 array of length `count`. A number is not finite if the function has
        no mean because of a pole at a finite place.
    """
    edges = _HALF_LINE if is_even else _LINE
    intervals = _Intervals(
        np.repeat(np.arange(count), len(edges) - 1),
        np.tile(edges[:-1], count),
        np.tile(np.diff(edges), count),
        np.zeros(count * (len(edges) - 1)),
    )

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(intervals.number, values, count)

    whole = intervals.integrals(function)
    means, sizes = np.zeros(count), np.zeros(count)
    for level in range(_LEVELS):
        halves = intervals.halves()
        parts = halves.integrals(function)
        both = parts.reshape(-1, 2).sum(axis=1)
        change = np.abs(both - whole)

        limit = tolerance * np.maximum(sizes + sums(np.abs(both)), size)
        limit = limit[intervals.number]
        # A change can be small by accident, but not twice.
        is_done = (change <= limit) & (intervals.change <= 100 * limit)
        is_done |= ~np.isfinite(limit)
        if level == _LEVELS - 1 or (~is_done).sum() > _MOST_INTERVALS * count:
            error = sums(np.where(is_done, 0, change))
            most = _LARGEST_ERROR * np.maximum(sizes + sums(np.abs(both)), size)
            means[error > most] = math.nan
            is_done[:] = True
        means += sums(np.where(is_done, both, 0))
        sizes += sums(np.where(is_done, np.abs(both), 0))
        if is_done.all():
            break
        is_open = np.repeat(~is_done, 2)
        intervals = halves._replace(change=np.repeat(change, 2)).only(is_open)
        whole = parts[is_open]
    return 2 * means if is_even else means
