"""Gated units: gains, maps and points of f(a) b."""

import math

import keras
import numpy as np
import pytest
import references
from catalogue import refuses, to_numpy
from limits import EPSILON, SIGMAS, assert_mean, close

from keras_initx import initializers
from keras_initx.activations import (
    correlation_map,
    critical_point,
    fixed_point,
    gain,
    variance_gain,
    variance_map,
)
from keras_initx.activations._stability import Stability, stability_of

pytestmark = pytest.mark.same_on_each_backend

# The gate, and what the docstring of `gain` says: the gain, and the slope there.
UNITS = {
    "glu": ("sigmoid", 1.846, 1.106),
    "swiglu": ("silu", 1.677, 2.173),
    "geglu": ("gelu", 1.534, 2.144),
    "reglu": ("relu", 1.414, 2.0),
    "bilinear": ("linear", 1.0, 2.0),
}
every_unit = pytest.mark.parametrize("name", UNITS)


def moments(name, q=1.0):
    """E[f^2], E[f'^2] and d/dq E[f^2] of the gate."""
    function, places = references.FORMULAS[UNITS[name][0]]
    slopes = references.derivative(function)
    return (
        references.second_moment(function, places, math.sqrt(q)),
        references.second_moment(slopes, places, math.sqrt(q)),
        references.growth_of_moment(function, places, q),
    )


def point_of(name, q):
    """sigma_w^2, sigma_b^2 and the slope of the variance map, by references."""
    square, slope, growth = moments(name, q)
    weights = 1 / (q * slope + square)
    return weights, q - weights * q * square, weights * (square + q * growth)


# Gains


@every_unit
def test_gain(name):
    square, slope, _ = moments(name)
    assert gain(name) == pytest.approx(1 / math.sqrt(square), **close)
    assert gain(name) == pytest.approx(UNITS[name][1], abs=5e-4)
    expected = 1 / math.sqrt(square + slope)
    assert gain(name, backward=True) == pytest.approx(expected, **close)


def test_the_function_of_keras_is_a_name():
    assert gain(keras.activations.glu) == gain("glu")
    assert gain(keras.activations.glu, backward=True) == gain("glu", backward=True)


@every_unit
def test_keras_does_not_find_our_names(name):
    if name == "glu":
        assert keras.activations.get(name) is keras.activations.glu
    else:
        with pytest.raises(ValueError, match=name):
            keras.activations.get(name)


@every_unit
def test_the_slope_at_the_gain(name):
    square, slope, growth = moments(name)
    found = fixed_point(name, gain(name))
    chi = (square + slope) / square
    assert (found.q, found.is_stable) == (1.0, False)
    assert found.slope == pytest.approx(1 + growth / square, **close)
    assert found.slope == pytest.approx(UNITS[name][2], abs=5e-4)
    assert found.chi == pytest.approx(chi, **close)


# Maps


@every_unit
@pytest.mark.parametrize("q", [0.3, 1.0, 7.0])
def test_variance_map(name, q):
    square, _, _ = moments(name, q)
    found = variance_map(name, q, 1.3, 0.2)
    assert found == pytest.approx(1.3**2 * q * square + 0.2**2, **close)


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.4, 1.0])
def test_correlation_map(c):
    """E[a a'] of correlation c is q c; with ReLU its gate has a closed form."""
    q, sigma_w, sigma_b = 1.3, 0.9, 0.5
    angle = math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c
    for name, product in (
        ("bilinear", (q * c) ** 2),
        ("reglu", q * c * q / (2 * math.pi) * angle),
    ):
        variance = variance_map(name, q, sigma_w, sigma_b)
        expected = (sigma_w**2 * product + sigma_b**2) / variance
        found = correlation_map(name, c, q, sigma_w, sigma_b)
        assert found == pytest.approx(expected, **close)


def test_a_fixed_point_of_glu():
    """By iteration of both maps from 1."""
    sigma_w, sigma_b = 1.2, 0.5
    found = fixed_point("glu", sigma_w, sigma_b)
    q = 1.0
    for _ in range(200):
        q = sigma_w**2 * q * moments("glu", q)[0] + sigma_b**2
    square, slope, growth = moments("glu", q)
    chi = sigma_w**2 * (q * slope + square)
    assert found[:3] == pytest.approx((q, 1.0, chi), rel=1e-6)
    assert found.slope == pytest.approx(sigma_w**2 * (square + q * growth), rel=1e-6)
    assert found.is_stable


# Critical points


@pytest.mark.parametrize("q", [1.5, 5.0, 20.0])
def test_critical_point_of_glu(q):
    weights, biases, slope = point_of("glu", q)
    found = critical_point("glu", q=q)
    assert found.sigma_w**2 == pytest.approx(weights, **close)
    assert found.sigma_b**2 == pytest.approx(biases, rel=0, abs=4 * EPSILON * q)
    sigmas = found.sigma_w, found.sigma_b
    assert variance_map("glu", q, *sigmas) == pytest.approx(q, **close)
    near = correlation_map("glu", 1 - 1e-4, q, *sigmas)
    assert (1 - near) / 1e-4 == pytest.approx(1.0, rel=1e-3)
    step = 1e-3 * q
    above, below = (variance_map("glu", q + s, *sigmas) for s in (step, -step))
    assert (above - below) / (2 * step) == pytest.approx(slope, abs=1e-5)
    assert slope < 1


def excess(name, q, factor):
    """How far above `factor` times q this variance goes, at the critical point of q."""
    weights, biases, _ = point_of(name, q)
    start = factor * q
    return (weights * start * moments(name, start)[0] + biases) / start - 1


def test_from_where_on_glu_is_stable():
    """Twice the variance stays there; below this q it grows, although the slope < 1."""
    q = critical_point("glu", q="stable").q
    assert stability_of("f", "glu") == Stability("above", q)
    assert excess("glu", q, 2.0) == pytest.approx(0.0, abs=1e-4)
    assert excess("glu", 0.99 * q, 2.0) > 0 > excess("glu", 1.01 * q, 2.0)
    assert point_of("glu", 0.5 * q)[2] < 1
    with pytest.raises(ValueError, match="comes back"):
        critical_point("glu", q=0.99 * q)


@pytest.mark.parametrize("name", ["swiglu", "geglu", "reglu", "bilinear"])
def test_the_other_units_have_no_useful_point(name):
    """The slope is below 1 where the gate's is; but 2 % above q the variance grows."""
    assert stability_of("f", name) == Stability("unstable")
    gate = UNITS[name][0]
    for q in (0.5, 5.0, 20.0, 60.0, 150.0):
        square, slope, _ = moments(name, q)
        slope_of_gate = references.critical_slope(gate, q)
        expected = (square + q * slope * slope_of_gate) / (square + q * slope)
        assert point_of(name, q)[2] == pytest.approx(expected, rel=1e-9)
        for factor in (1.02, 1.1, 1.5, 2.0, 10.0):
            assert excess(name, q, factor) > 0


# Refusals


def test_a_point_from_which_the_variance_leaves_is_refused():
    message = (
        "`critical_point` needs a unit whose variance comes back to q. Received: "
        "activation='swiglu', whose variance does not come back from 40 at the "
        "critical point of q=20. Normalize the inputs of gated units, or take 'glu' "
        "with a larger q."
    )
    with refuses(message):
        critical_point("swiglu", q=20.0)
    message = (
        "`critical_point` needs an activation whose critical point is stable from some "
        "q on. Received: activation='swiglu', whose critical point is not stable at "
        "any q. Normalize the inputs of this activation, or pass another one."
    )
    with refuses(message):
        critical_point("swiglu", q="stable")


def test_a_variance_without_bound_is_refused():
    message = (
        "`fixed_point` needs a variance that does not grow without bound. Received: "
        "activation='bilinear', sigma_w=1.1, sigma_b=0.0. Pass a smaller sigma_w."
    )
    with refuses(message):
        fixed_point("bilinear", 1.1)


def test_a_gated_unit_is_no_elementwise_activation():
    message = (
        "`variance_gain` needs an elementwise activation. Received: activation='glu'. "
        "Pass the activation of single units, for example 'relu'."
    )
    with refuses(message):
        variance_gain("glu")


# Networks


def output(name, a, b):
    """f(a) b, in NumPy."""
    return references.FORMULAS[UNITS[name][0]][0](a) * b


@every_unit
def test_a_layer_keeps_the_mean_square_and_has_this_slope(name):
    """The kernel is orthogonal: it keeps the norm of each sample but for the gain."""
    width, samples, step = 1024, 64, 0.01
    kernel = initializers.HaarOrthogonal(gain=name, seed=1)((width, width))
    kernel = to_numpy(kernel).astype("float64")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, samples, width))

    def mean_squares(q):
        scale = math.sqrt(q)
        return ((output(name, scale * a, scale * b) @ kernel) ** 2).mean(axis=1)

    assert_mean(mean_squares(1.0), 1.0)
    square, _, growth = moments(name)
    slopes = (mean_squares(1 + step) - mean_squares(1 - step)) / (2 * step)
    # The quotient is the slope up to the third derivative times step^2 / 6.
    assert_mean(slopes, 1 + growth / square)


@every_unit
def test_the_gradient_keeps_its_mean_square(name):
    """Both kernels have the variance gain^2 / fan_out, of as many units as inputs."""
    width, samples = 256, 64
    rng = np.random.default_rng(0)
    x, gradient = rng.normal(size=(2, samples, width))
    kernels = rng.normal(size=(2, width, width)) / math.sqrt(width)
    a, b = x @ kernels
    formula = references.FORMULAS[UNITS[name][0]][0]
    by_a, by_b = references.derivative(formula)(a) * b, formula(a)
    factor = gain(name, backward=True)
    first, second = factor * kernels
    back = (gradient * by_a) @ first.T + (gradient * by_b) @ second.T
    # The kernels are the same for all samples, and their numbers are w^2 of them:
    # that adds a relative error of sqrt(2) / width.
    mean, error = (back**2).mean(), (back**2).mean(axis=1).std() / math.sqrt(samples)
    assert abs(mean - 1) < SIGMAS * math.hypot(error, math.sqrt(2) / width)


def factor_of_a_deviation(name, sigmas, q, depth, width, seed):
    """By how much a network multiplies the distance of two samples near q."""
    rng = np.random.default_rng(seed)
    sigma_w, sigma_b = sigmas
    start = np.array([0.99, 1.01]) * q
    signals = np.sqrt(start)[:, None] * rng.normal(size=(2, 1, width))
    for _ in range(depth):
        hidden = output(name, *signals)
        kernels = rng.normal(size=(2, width, width)) * sigma_w / math.sqrt(width)
        biases = rng.normal(size=(2, 1, width)) * sigma_b
        signals = hidden @ kernels + biases
    squares = (signals**2).mean(axis=(0, 2))
    return np.diff(np.log(squares))[0] / np.diff(np.log(start))[0]


@pytest.mark.parametrize("name", ["swiglu", "glu"])
def test_gated_networks_double_deviations_or_do_not(name):
    depth, width = 3, 256
    if name == "glu":
        q, *sigmas = critical_point("glu", q=10.0)
        slope = point_of("glu", q)[2]
    else:
        q, sigmas = 1.0, (gain(name), 0.0)
        slope = fixed_point(name, *sigmas).slope
    factors = np.array(
        [
            factor_of_a_deviation(name, sigmas, q, depth, width, seed)
            for seed in range(40)
        ]
    )
    # Each layer adds a bias of the relative variance of its mean square, of at most
    # the mean of (f(a) b)^4 in units of the squared mean of (f(a) b)^2, by the width.
    formula, places = references.FORMULAS[UNITS[name][0]]
    scale = math.sqrt(q)
    fourth = 3 * references.second_moment(lambda x: formula(x) ** 2, places, scale)
    bias = depth * fourth / moments(name, q)[0] ** 2 / width
    error = factors.std(ddof=1) / math.sqrt(factors.size)
    expected = slope**depth
    assert abs(factors.mean() - expected) < SIGMAS * error + bias * expected
    assert (factors.mean() > 2**depth) == (name == "swiglu")
    assert (factors.mean() < 1) == (name == "glu")
