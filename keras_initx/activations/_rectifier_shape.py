"""Leaky ReLU, whose shape has a closed form.

For f(x) = x above 0 and a x below, Q(q) = q (1 + a^2) / 2 and

    C(c) = ((1 - a)^2 (sqrt(1 - c^2) + (pi - arccos c) c) / pi + 2 a c) / (1 + a^2)

An input scale would be an output scale. So the slope a is what is solved for.
"""

import math

import numpy as np

from keras_initx.activations._elementwise import Elementwise
from keras_initx.activations._shape_equations import Shape

_POINTS = np.array([0.01, 1.0, 30.0])


def is_rectifier(f: Elementwise) -> bool:
    """Whether this is x above 0 and a x below, with a from 0 to less than 1."""
    above, below = f(_POINTS)[:, 0] / _POINTS, f(-_POINTS)[:, 0] / -_POINTS
    is_one_slope = np.allclose(above, 1) and np.allclose(below, below[0])
    return bool(is_one_slope and 0 <= below[0] < 1 - 1e-6)


def rectifier_map(c: float, slope: float) -> float:
    """C(c)."""
    # Rounding may carry c beyond 1.
    c = min(c, 1.0)
    relu = (math.sqrt(1 - c**2) + (math.pi - math.acos(c)) * c) / math.pi
    return ((1 - slope) ** 2 * relu + 2 * slope * c) / (1 + slope**2)


def tat_scale(slope: float) -> Shape:
    """The output scale that makes Q(1) = 1."""
    return Shape(1.0, 0.0, math.sqrt(2 / (1 + slope**2)), 0.0)


def dks_slope(c_slope: float) -> float:
    """The slope a with C'(1) = c_slope, after the output is shifted to a mean of 0.

    C'(1) is (1 + a^2) / 2 divided by the variance (1 + a^2) / 2 - (1 - a)^2 / (2 pi).
    If even ReLU has a smaller one, a is 0.
    """
    ratio = 1 - math.pi * (1 - 1 / c_slope)
    # a^2 - 2 a / ratio + 1 = 0, for a from 0 to 1.
    return 0.0 if ratio <= 0 else ratio / (1 + math.sqrt(1 - ratio**2))


def dks_shape(slope: float) -> Shape:
    """The output shift and scale that make C(0) = 0 and Q(1) = 1; then Q'(1) = 1."""
    mean = (1 - slope) / math.sqrt(2 * math.pi)
    variance = (1 + slope**2) / 2 - mean**2
    return Shape(1.0, 0.0, 1 / math.sqrt(variance), -mean)
