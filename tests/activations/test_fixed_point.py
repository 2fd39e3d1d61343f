"""Where variances and correlations go in deep, wide, random networks."""

import math

import keras
import numpy as np
import pytest
import references
from catalogue import refuses
from closed_forms import CLOSED_FORMS
from keras import ops
from limits import EPSILON, SIGMAS, close

from keras_initx.activations import (
    critical_point,
    fixed_point,
    gain,
    variance_map,
)

pytestmark = pytest.mark.same_on_each_backend


def iterated(function, start, times=20_000):
    """Where a map comes to rest."""
    for _ in range(times):
        start = function(start)
    return start


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [
        ("erf", 0.7, 0.3),
        ("erf", 1.5, 0.3),
        ("relu", 1.2, 0.5),
        ("relu", 1.0, 0.0),
        ("leaky relu", 1.1, 0.4),
        ("linear", 0.5, 1.0),
    ],
)
def test_fixed_point_of_a_closed_form(name, sigma_w, sigma_b):
    activation, product, slope = CLOSED_FORMS[name]
    found = fixed_point(activation, sigma_w, sigma_b)

    def variance(q):
        return sigma_w**2 * product(q, 1.0) + sigma_b**2

    q = iterated(variance, 1.0)
    chi = sigma_w**2 * slope(q)
    assert found.q == pytest.approx(q, **close)
    assert found.chi == pytest.approx(chi, **close)
    if chi < 1:
        assert found.c == 1.0
    else:
        c = iterated(lambda c: (sigma_w**2 * product(q, c) + sigma_b**2) / q, 0.5)
        # An error of the map is divided by how much it pulls back.
        assert found.c == pytest.approx(c, rel=1e-5, abs=1e-6)
        assert c < 1


@pytest.mark.parametrize("activation", [None, "relu"])
def test_where_every_variance_stays_it_is_1(activation):
    _, sigma_w, _ = critical_point(activation, q=1.0)
    found = fixed_point(activation, sigma_w)
    assert found[:4] == pytest.approx((1, 1, 1, 1), **close)
    assert not found.is_stable
    # So it is for a number that is rounded to float32.
    rounded = float(np.float32(sigma_w))
    assert fixed_point(activation, rounded).q == 1.0


@pytest.mark.parametrize(("name", "q"), [("gelu", 4.0), ("mish", 2.0), ("elu", 0.3)])
def test_a_variance_of_1_goes_to_a_stable_critical_point(name, q):
    _, *sigmas = critical_point(name, q=q)
    found = fixed_point(name, *sigmas)
    assert found.q == pytest.approx(q, rel=1e-5)
    assert found.is_stable
    for start in (0.99 * q, 1.01 * q):
        assert abs(variance_map(name, start, *sigmas) - q) < abs(start - q)


def test_an_activation_that_is_only_rounding_near_0():
    """x - tanh(x) is x^3 / 3: at 1e-3 its digits are noise in float32."""
    sigma_b = 1e-3
    found = fixed_point("tanh_shrink", 0.5, sigma_b)
    assert found[:4] == pytest.approx((sigma_b**2, 1, 0, 0), rel=EPSILON, abs=1e-10)
    assert found.is_stable


def test_tanh_at_its_transition():
    """The variance goes to 0, but more slowly than any power of a number below 1."""
    found = fixed_point("tanh", 1.0)
    assert found[:4] == pytest.approx((0, 1, 1, 1), **close)
    assert found.is_stable
    chaotic = fixed_point("tanh", 1.01)
    assert chaotic.chi > 1
    assert chaotic.c == 0.0


def test_fixed_points_of_papers():
    """SELU is made for (0, 1); LeCun's tanh has variance 0.382 at `sigma_w = 1`."""
    assert fixed_point("selu", 1.0).q == pytest.approx(1.0, **close)
    assert fixed_point("lecun_tanh", 1.0).q == pytest.approx(0.382, abs=5e-4)


# Stability


def slope_with_its_gain(name):
    """E[f(z)^2 (z^2 - 1)] / E[f(z)^2] / 2, by references."""
    function, places = references.FORMULAS[name]
    growth = references.growth_of_moment(function, places)
    return growth / references.second_moment(function, places)


@pytest.mark.parametrize(
    ("name", "slope"),
    [("gelu", 1.144), ("silu", 1.173), ("mish", 1.076), ("hard_silu", 1.224)],
)
def test_an_unstable_variance(name, slope):
    found = fixed_point(name, gain(name))
    assert found.q == 1.0
    assert found.slope == pytest.approx(slope_with_its_gain(name), **close)
    assert found.slope == pytest.approx(slope, abs=5e-4)
    assert not found.is_stable
    function, places = references.FORMULAS[name]
    chi = references.second_moment(references.derivative(function), places)
    assert found.chi == pytest.approx(chi * gain(name) ** 2, **close)


@pytest.mark.parametrize("name", ["tanh", "selu", "sigmoid", "softplus"])
def test_a_stable_variance(name):
    found = fixed_point(name, gain(name))
    assert found.q == 1.0
    assert found.slope == pytest.approx(slope_with_its_gain(name), **close)
    assert found.is_stable


@pytest.mark.parametrize("q", [2.0, 10.0])
def test_the_slope_at_a_critical_point(q):
    """At 2 it is above 1 and at 10 below, where 1 is the variance of another unit."""

    def in_other_units(x):
        return keras.activations.gelu(x * math.sqrt(q)) / math.sqrt(q)

    point = critical_point(in_other_units, q=1.0)
    found = fixed_point(in_other_units, point.sigma_w, point.sigma_b)
    slope = references.critical_slope("gelu", q)
    assert found[:4] == pytest.approx((1.0, 1.0, 1.0, slope), rel=1e-5)
    assert found.is_stable == (slope < 1) == (q == 10.0)


def test_a_half_stable_variance_is_not_called_stable():
    q = critical_point("gelu", q="stable").q

    def in_other_units(x):
        return keras.activations.gelu(x * math.sqrt(q)) / math.sqrt(q)

    point = critical_point(in_other_units, q=1.0)
    found = fixed_point(in_other_units, point.sigma_w, point.sigma_b)
    assert found.slope == pytest.approx(1.0, abs=1e-6)
    assert not found.is_stable


# Refusals


@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b"),
    [("relu", 1.5, 0.0), ("relu", 2**0.5, 0.1), ("exponential", 1.0, 0.0)],
)
def test_a_variance_without_bound_is_refused(activation, sigma_w, sigma_b):
    message = (
        "`fixed_point` needs a variance that does not grow without bound. Received: "
        f"activation={activation!r}, sigma_w={sigma_w}, sigma_b={sigma_b}. Pass a "
        "smaller sigma_w."
    )
    with refuses(message):
        fixed_point(activation, sigma_w, sigma_b)


def test_a_negative_deviation_is_refused():
    message = (
        "`fixed_point` needs `sigma_b` to be a finite number of at least 0. Received: "
        "sigma_b=-0.1. Pass a float, for example 0.0."
    )
    with refuses(message):
        fixed_point("tanh", 1.0, -0.1)


# Networks


def moments_by_depth(activation, initializer, depth, width, samples):
    """Mean and mean square of the activations of each layer, on normal inputs."""
    signal = keras.random.normal((samples, width), seed=0)
    moments = []
    for layer in range(depth):
        kernel = initializer(seed=layer + 1)((width, width))
        signal = activation(ops.matmul(signal, kernel))
        moments.append((ops.mean(signal), ops.mean(ops.square(signal))))
    return np.array([[float(one), float(other)] for one, other in moments])


def selu_limits(depth, width):
    """Standard errors of mean and mean square in a layer, and over all layers.

    Given the mean square q of a layer, the next pre-activations are independent normal
    numbers of variance q. So the deviation of q is multiplied by the slope s of the
    variance map, plus noise of variance t^2 / width: it becomes that of an
    autoregressive process, t^2 / width / (1 - s^2), and its mean over the layers has
    that times (1 + s) / (1 - s) / depth. More samples only make the errors smaller.
    """
    selu, places = references.FORMULAS["selu"]
    step = 1e-3

    def moment(power, q=1.0):
        scale = math.sqrt(q)
        scaled = [place / scale for place in places]
        return references.normal_mean(lambda z: selu(scale * z) ** power, scaled)

    def slope(power):
        return (moment(power, 1 + step) - moment(power, 1 - step)) / (2 * step)

    noise, s = moment(4) - 1, slope(2)
    variance_of_q = noise / width / (1 - s**2)
    variance_of_mean = 1 / width + slope(1) ** 2 * variance_of_q
    over_all = math.sqrt(variance_of_q * (1 + s) / (1 - s) / depth)
    return math.sqrt(variance_of_mean), math.sqrt(variance_of_q), over_all


def test_selu_with_lecun_normal_holds_mean_0_and_variance_1():
    depth, width = 100, 128
    moments = moments_by_depth(
        keras.activations.selu, keras.initializers.LecunNormal, depth, width, 8
    )
    means, squares = moments.T
    of_mean, of_square, over_all = selu_limits(depth, width)
    assert np.abs(means).max() < SIGMAS * of_mean
    assert np.abs(squares - 1).max() < SIGMAS * of_square
    assert abs(squares.mean() - 1) < SIGMAS * over_all
    # The limits tell 5 % more or less weight from the right one.
    q = fixed_point("selu", 1.05).q
    assert abs(q - 1) > 2 * SIGMAS * over_all


@pytest.mark.parametrize(
    ("activation", "initializer"),
    [
        ("selu", keras.initializers.HeNormal),
        ("relu", keras.initializers.LecunNormal),
        ("tanh", keras.initializers.LecunNormal),
    ],
)
def test_other_networks_do_not_hold_variance_1(activation, initializer):
    depth, width = 20, 128
    activation = keras.activations.get(activation)
    moments = moments_by_depth(activation, initializer, depth, width, 8)
    _, of_square, _ = selu_limits(depth, width)
    assert abs(moments[-1, 1] - 1) > SIGMAS * of_square
