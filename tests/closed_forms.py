"""Activations whose means over normal variables are known formulas."""

import math

from keras import layers, ops


def erf(x):
    return ops.erf(x)


def relu_product(q, c):
    return q / (2 * math.pi) * (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c)


def leaky_relu_product(slope):
    """f(x) = slope x + (1 - slope) relu(x); E[x relu(y)] is half of E[x y]."""

    def product(q, c):
        mixed = slope * (1 - slope) * q * c
        return slope**2 * q * c + mixed + (1 - slope) ** 2 * relu_product(q, c)

    return product


# Each with E[f(u) f(v)] for normal u and v of variance q and correlation c, and with
# E[f'(u)^2].
CLOSED_FORMS = {
    "linear": (None, lambda q, c: q * c, lambda q: 1.0),
    "relu": ("relu", relu_product, lambda q: 1 / 2),
    "leaky relu": (
        layers.LeakyReLU(0.3),
        leaky_relu_product(0.3),
        lambda q: (1 + 0.3**2) / 2,
    ),
    "erf": (
        erf,
        lambda q, c: 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q)),
        lambda q: 4 / math.pi / math.sqrt(1 + 4 * q),
    ),
    "sine": (
        lambda x: ops.sin(x),
        lambda q, c: math.exp(-q) * math.sinh(q * c),
        lambda q: (1 + math.exp(-2 * q)) / 2,
    ),
    "exponential": (
        "exponential",
        lambda q, c: math.exp(q * (1 + c)),
        lambda q: math.exp(2 * q),
    ),
    "step": (lambda x: ops.sign(x), lambda q, c: 2 / math.pi * math.asin(c), None),
}
