"""The gain at which a log-norm has no drift, beside closed forms and plain integrals.

The mean step of half a log-norm is `log(g) + (E[log S] - log(n)) / 2` with
`S = sum_i f'(z_i)^2 w_i^2`. So each test here has its own E[log S], and no integral
over t as the code has.
"""

import math

import keras
import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
from catalogue import refuses
from keras import layers, ops
from references import FORMULAS, derivative, normal_mean

from keras_initx.activations import gain
from keras_initx.activations._log_norm_gain import log_norm_gain_for

# The means are exact to 1e-9, the result has 9 digits.
exactly = {"rel": 1e-8, "abs": 0}
# Keras rounds the slope 0.2 of leaky ReLU, and on JAX some results, to float32.
closely = {"rel": 1e-6, "abs": 0}
same_on_each_backend = pytest.mark.same_on_each_backend

digamma = scipy.special.digamma


def found(activation, n, q=1.0):
    return log_norm_gain_for("test", activation, q)(n)


def gain_at(mean_log, n):
    """The gain for this E[log S]."""
    return math.exp((math.log(n) - mean_log) / 2)


def of_chi_squared(k):
    """E[log chi^2_k]."""
    return digamma(k / 2) + math.log(2)


WIDTHS = [1, 2, 3, 6, 50, 1000, 10**6]


@pytest.mark.parametrize("n", WIDTHS)
def test_linear_units(n):
    assert found("linear", n) == pytest.approx(gain_at(of_chi_squared(n), n), **exactly)
    assert found(None, n) == found("linear", n)


@pytest.mark.parametrize("activation", ["relu", "hard_tanh"])
@pytest.mark.parametrize("n", WIDTHS)
def test_units_that_let_through_or_block(activation, n):
    """So many of n units are not blocked: binomial, and given to be more than none."""
    chance = {"relu": 0.5, "hard_tanh": math.erf(1 / math.sqrt(2))}[activation]
    spread = 12 * math.sqrt(n)
    k = np.arange(
        max(1, int(n * chance - spread)), min(n, int(n * chance + spread)) + 1
    )
    weights = scipy.stats.binom.pmf(k, n, chance)
    mean = (weights * of_chi_squared(k)).sum() / weights.sum()
    assert found(activation, n) == pytest.approx(gain_at(mean, n), **exactly)


def test_the_figures_of_relu_with_six_inputs():
    """The paper's fit is 1.974 there, and drifts by 0.065 a layer."""
    fit = math.sqrt(2) * math.exp(1.2 / (6 - 2.4))
    assert round(fit, 3) == 1.974
    assert round(found("relu", 6), 3) == 1.849
    assert round(math.log(fit / found("relu", 6)), 3) == 0.065
    for n in (10, 20, 100, 1000):
        fit = math.sqrt(2) * math.exp(1.2 / (n - 2.4))
        assert abs(math.log(fit / found("relu", n))) < 0.005


SMOOTH = ["tanh", "gelu", "silu", "elu", "softplus", "mish", "lecun_tanh"]


@same_on_each_backend
@pytest.mark.parametrize("q", [0.1, 1.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_one_input(name, q):
    """E[log S] = E[log f'^2] + E[log chi^2_1], where GELU's f' is 0 at one place."""
    function, places = FORMULAS[name]
    slope = derivative(function)
    if name in ("gelu", "silu", "mish"):
        places = [scipy.optimize.brentq(slope, -3, 0, xtol=1e-15)]

    def log_square(z):
        # So far out that f' is 0 in float64, the density is too.
        return math.log(max(slope(math.sqrt(q) * z) ** 2, 1e-300))

    mean = normal_mean(log_square, [place / math.sqrt(q) for place in places])
    expected = gain_at(mean + of_chi_squared(1), 1)
    assert found(name, 1, q) == pytest.approx(expected, **closely)


@same_on_each_backend
@pytest.mark.parametrize("q", [0.1, 1.0])
@pytest.mark.parametrize("name", SMOOTH)
def test_two_inputs(name, q):
    """In polar coordinates, log(a^2 cos^2 + b^2 sin^2) has the mean 2 log((a + b) / 2).

    So E[log S] = E[log chi^2_2] + 2 E[log((|f'_1| + |f'_2|) / 2)], a sum over a grid.
    """
    step = 0.01
    z = np.arange(-9, 9, step)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    slopes = np.abs(derivative(FORMULAS[name][0])(math.sqrt(q) * z))
    logs = 2 * np.log((slopes[:, None] + slopes) / 2)
    expected = gain_at(of_chi_squared(2) + weights @ logs @ weights, 2)
    # At the kinks of |f'| the sum has an error of about the step squared.
    assert found(name, 2, q) == pytest.approx(expected, rel=step**2)


def test_two_inputs_of_leaky_relu():
    """Both slopes are 1, one of them is, or none is."""
    mean = of_chi_squared(2) + 2 * (math.log(0.6) / 2 + math.log(0.2) / 4)
    assert found("leaky_relu", 2) == pytest.approx(gain_at(mean, 2), **closely)
    for q in (0.01, 100.0):
        assert found("leaky_relu", 7, q) == pytest.approx(
            found("leaky_relu", 7), **exactly
        )


@same_on_each_backend
@pytest.mark.parametrize("n", [1000, 10**6])
@pytest.mark.parametrize("name", SMOOTH)
def test_many_inputs(name, n):
    """E[log(S / E S)] = -V / (2 n) + O(1 / n^2), for X = f'^2 w^2 of E[X] = 1.

    V is the variance of X, and E[w^4] = 3. The next term is
    (E[(X - 1)^3] / 3 - 3 V^2 / 4) / n^2: below, its size with E[w^6] = 15.
    """
    slope = derivative(FORMULAS[name][0])
    places = FORMULAS[name][1]
    square, fourth, sixth = (
        normal_mean(lambda z, power=power: slope(z) ** power, places)
        for power in (2, 4, 6)
    )
    second, third = 3 * fourth / square**2, 15 * sixth / square**3
    variance = second - 1
    mean = math.log(n * square) - variance / (2 * n)
    rest = (third - 3 * second + 2) / 3 + 3 * variance**2 / 4
    # Keras computes some slopes in float32 on JAX.
    error = 2 * rest / n**2 + 1e-7
    assert found(name, n) == pytest.approx(gain_at(mean, n), rel=error)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu"])
def test_the_limit_is_the_gain_of_the_gradient(name):
    assert found(name, 10**7) == pytest.approx(gain(name, backward=True), rel=1e-6)


def cubed(x):
    return x**3


def test_slopes_that_vanish_slowly():
    """f = x^3: log S = log(9 z^4 w^2), and log z^2 is that of a chi-squared number."""
    mean = math.log(9) + 3 * of_chi_squared(1)
    assert found(cubed, 1) == pytest.approx(gain_at(mean, 1), **closely)


def test_units_that_differ_count_alike():
    """Half of them have the slope 1 on both sides, and half are ReLU."""
    layer = layers.PReLU()
    layer.build((None, 2))
    layer.set_weights([np.array([0.0, 1.0])])
    k = np.arange(1, 7)
    weights = scipy.stats.binom.pmf(k, 6, 0.75)
    mean = (weights * of_chi_squared(k)).sum() / weights.sum()
    assert found(layer, 6) == pytest.approx(gain_at(mean, 6), **exactly)


def test_names_functions_layers_and_configs_mean_the_same():
    expected = found("silu", 5)
    for other in (
        keras.activations.silu,
        layers.Activation("silu"),
        keras.saving.serialize_keras_object(layers.Activation("silu")),
        lambda x: x * ops.sigmoid(x),
    ):
        assert found(other, 5) == pytest.approx(expected, **closely)


def test_what_has_no_slopes_is_refused():
    with refuses(
        "`test` needs an activation that has, on normal inputs, a second moment above "
        "0. Received: activation=sign, where that of the activation or its derivative "
        "is 0. Pass another activation."
    ):
        found(ops.sign, 3)
