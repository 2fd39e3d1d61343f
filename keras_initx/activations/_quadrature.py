"""Means over a normal variable, by halving intervals until nothing changes.

Activations have kinks and jumps at places that nobody names, where the usual rule of
Gauss and Hermite is wrong in the fourth digit. Each interval is integrated by a rule of
Gauss and Legendre, then both its halves are, all intervals at a time; only those whose
integral changed are halved again. So the intervals shrink around a kink, and a function
without one is done after two rounds.
"""

import math
from collections.abc import Callable

import numpy as np

_NODES, _WEIGHTS = (part / 2 for part in np.polynomial.legendre.leggauss(12))
_NODES = _NODES + 0.5
# Beyond 38 the normal density is 0 in float64. What is left at the end means that the
# mean does not exist.
_HALF_LINE = np.array([0.0, 1.0, 2.0, 4.0, 6.0, 9.0, 13.0, 35.0, 38.0])
_LINE = np.concatenate([-_HALF_LINE[:0:-1], _HALF_LINE])
_LEVELS = 52
# A function that rounds to float32 changes at each halving until intervals are small.
# One that rounds to less is given up.
_MOST_INTERVALS = 4096
_LARGEST_ERROR = 1e-7

# What it integrates: values at points, each of the function that has this number.
Integrand = Callable[[np.ndarray, np.ndarray], np.ndarray]


def normal_means(
    function: Integrand,
    count: int = 1,
    tolerance: float = 1e-10,
    is_even: bool = False,
) -> np.ndarray:
    """E[function(z)] for z ~ N(0, 1), of `count` functions at a time.

    Args:
        function: callable. Takes two arrays of equal length, points and the numbers of
            the functions wanted there, and returns their values.
        count: int. How many functions there are.
        tolerance: float. The change that does not count, as a part of E|function(z)|.
        is_even: bool. Whether the functions are known to be even.

    Returns:
        A float64 array of length `count`, NaN where the mean does not exist.
    """
    edges = _HALF_LINE if is_even else _LINE
    index = np.repeat(np.arange(count), len(edges) - 1)
    left = np.tile(edges[:-1], count)
    width = np.tile(np.diff(edges), count)
    means, sizes = np.zeros(count), np.zeros(count)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, values, count)

    with np.errstate(all="ignore"):
        whole = _integrals(function, index, left, width)
        is_end = np.abs(left + width / 2) > _HALF_LINE[-2]
        ends = sums(np.where(is_end, np.abs(whole), 0))
        change_before = np.zeros_like(whole)
        for level in range(_LEVELS):
            halves = _integrals(
                function,
                np.repeat(index, 2),
                np.stack([left, left + width / 2], axis=1).reshape(-1),
                np.repeat(width / 2, 2),
            ).reshape(-1, 2)
            both = halves.sum(axis=1)
            change = np.abs(both - whole)
            limit = (tolerance * (sizes + sums(np.abs(both))))[index]
            # A change can be small by accident, but not twice.
            is_done = (change <= limit) & (change_before <= 100 * limit)
            is_done |= ~np.isfinite(limit)
            if level == _LEVELS - 1 or (~is_done).sum() > _MOST_INTERVALS * count:
                errors = sums(np.where(is_done, 0, change))
                means[errors > _LARGEST_ERROR * (sizes + sums(np.abs(both)))] = math.nan
                is_done[:] = True
            means += sums(np.where(is_done, both, 0))
            sizes += sums(np.where(is_done, np.abs(both), 0))
            if is_done.all():
                break
            rest = ~is_done
            index = np.repeat(index[rest], 2)
            width = np.repeat(width[rest] / 2, 2)
            left = np.repeat(left[rest], 2)
            left[1::2] += width[1::2]
            whole = halves[rest].reshape(-1)
            change_before = np.repeat(change[rest], 2)
        means[ends > _LARGEST_ERROR * sizes] = math.nan
    return 2 * means if is_even else means


def _integrals(
    function: Integrand, index: np.ndarray, left: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """The integral of function times density over each interval."""
    points = (left[:, None] + width[:, None] * _NODES).reshape(-1)
    density = np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)
    values = function(points, np.repeat(index, len(_NODES))) * density
    return width * (values.reshape(-1, len(_NODES)) @ _WEIGHTS)
