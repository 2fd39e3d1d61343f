"""The gain that keeps the variance, beside closed forms and SciPy."""

import math

import keras
import numpy as np
import pytest
import scipy.integrate
from catalogue import refuses

from keras_initx.activations import variance_gain


@pytest.mark.parametrize(
    ("activation", "variance"),
    [
        ("linear", 1.0),
        (None, 1.0),
        # E[relu^2] = 1/2, E[relu] = 1 / sqrt(2 pi).
        ("relu", (1 - 1 / math.pi) / 2),
        (keras.activations.relu, (1 - 1 / math.pi) / 2),
        (
            keras.layers.LeakyReLU(negative_slope=0.25),
            (1 + 0.25**2) / 2 - 0.75**2 / (2 * math.pi),
        ),
    ],
)
def test_closed_forms(activation, variance):
    assert variance_gain(activation) == pytest.approx(variance**-0.5, rel=1e-8)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("tanh", np.tanh),
        ("silu", lambda z: z / (1 + np.exp(-z))),
        ("elu", lambda z: np.where(z > 0, z, np.expm1(z))),
    ],
)
def test_integrals(name, function):
    def mean(power):
        return scipy.integrate.quad(
            lambda z: (
                function(z) ** power * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
            ),
            -12,
            12,
        )[0]

    expected = (mean(2) - mean(1) ** 2) ** -0.5
    assert variance_gain(name) == pytest.approx(expected, rel=1e-6)


def test_a_constant_is_refused():
    def ones(x):
        return 0 * x + 1

    with refuses(
        "`variance_gain` needs an activation whose variance is finite and above 0. "
        "Received: activation=ones, whose variance is 0. Pass the activation of "
        "single units, for example 'relu'."
    ):
        variance_gain(ones)
