"""Activations as formulas in NumPy, and means over a normal variable.

The formulas take complex numbers too, and branch on the real part: the derivative of a
branch is then the imaginary part of a tiny step, without an error.
"""

import itertools
import math

import numpy as np
from scipy import integrate, special

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softplus(x):
    return np.log(1 + np.exp(x))


def _elu(x):
    return np.where(x.real > 0, x, np.exp(x) - 1)


def _between(x, low, high, below, inside, above):
    return np.where(x.real < low, below, np.where(x.real > high, above, inside))


def _hard_sigmoid(x):
    return _between(x, -3, 3, 0, x / 6 + 1 / 2, 1)


def _hard_silu(x):
    return x * _hard_sigmoid(x)


def _silu(x):
    return x * _sigmoid(x)


def leaky_relu(slope):
    return lambda x: np.where(x.real > 0, x, slope * x)


# Each with the places where a formula ends.
FORMULAS = {
    "celu": (_elu, [0]),
    "elu": (_elu, [0]),
    "exponential": (np.exp, []),
    "gelu": (lambda x: x * (1 + special.erf(x / math.sqrt(2))) / 2, []),
    "hard_shrink": (lambda x: _between(x, -0.5, 0.5, x, 0, x), [-0.5, 0.5]),
    "hard_sigmoid": (_hard_sigmoid, [-3, 3]),
    "hard_silu": (_hard_silu, [-3, 3]),
    "hard_swish": (_hard_silu, [-3, 3]),
    "hard_tanh": (lambda x: _between(x, -1, 1, -1, x, 1), [-1, 1]),
    "leaky_relu": (leaky_relu(0.2), [0]),
    "lecun_tanh": (lambda x: 1.7159 * np.tanh(2 * x / 3), []),
    "linear": (lambda x: x, []),
    "log_sigmoid": (lambda x: -_softplus(-x), []),
    "mish": (lambda x: x * np.tanh(_softplus(x)), []),
    "relu": (leaky_relu(0), [0]),
    "relu6": (lambda x: _between(x, 0, 6, 0, x, 6), [0, 6]),
    "selu": (
        lambda x: _SELU_SCALE * np.where(x.real > 0, x, _SELU_ALPHA * (np.exp(x) - 1)),
        [0],
    ),
    "sigmoid": (_sigmoid, []),
    "silu": (_silu, []),
    "soft_shrink": (
        lambda x: _between(x, -0.5, 0.5, x + 0.5, 0, x - 0.5),
        [-0.5, 0.5],
    ),
    "softplus": (_softplus, []),
    "softsign": (lambda x: x / (1 + np.where(x.real > 0, x, -x)), [0]),
    "sparse_plus": (lambda x: _between(x, -1, 1, 0, (x + 1) ** 2 / 4, x), [-1, 1]),
    "sparse_sigmoid": (lambda x: _between(x, -1, 1, 0, (x + 1) / 2, 1), [-1, 1]),
    "squareplus": (lambda x: (x + np.sqrt(x**2 + 4)) / 2, []),
    "swish": (_silu, []),
    "tanh": (np.tanh, []),
    "tanh_shrink": (lambda x: x - np.tanh(x), []),
}


def derivative(function):
    """The derivative of a formula that takes complex numbers."""
    return lambda x: function(x + 1e-30j).imag / 1e-30


def normal_mean(function, places=()):
    """E[function(z)] for z ~ N(0, 1), by SciPy, piece by piece between the places."""

    def weighted(z):
        return float(function(np.float64(z))) * math.exp(-z * z / 2)

    edges = sorted({*range(-14, 15, 2), *(p for p in places if abs(p) < 14)})
    pieces = [
        integrate.quad(weighted, left, right, epsabs=1e-14, epsrel=1e-13)[0]
        for left, right in itertools.pairwise(edges)
    ]
    return sum(pieces) / math.sqrt(2 * math.pi)


def second_moment(function, places=(), scale=1.0):
    """E[function(scale z)^2]."""
    return normal_mean(
        lambda z: function(scale * z) ** 2, [place / scale for place in places]
    )


def expected_gain(function, places=()):
    return 1 / math.sqrt(second_moment(function, places))


def growth_of_moment(function, places=(), q=1.0):
    """The derivative of E[function(sqrt(q) z)^2] by q: that of the density."""
    scale = math.sqrt(q)
    weighted = normal_mean(
        lambda z: function(scale * z) ** 2 * (z**2 - 1), [p / scale for p in places]
    )
    return weighted / (2 * q)


def critical_slope(name, q):
    """The slope of the variance map at the critical point of the variance q."""
    function, places = FORMULAS[name]
    slopes = second_moment(derivative(function), places, math.sqrt(q))
    return growth_of_moment(function, places, q) / slopes
