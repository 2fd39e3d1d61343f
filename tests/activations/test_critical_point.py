"""The edge of chaos of wide random networks."""

import math

import pytest
import references
from catalogue import refuses
from keras import layers
from limits import EPSILON, close

from keras_initx.activations import (
    correlation_map,
    critical_point,
    variance_map,
)

pytestmark = pytest.mark.same_on_each_backend


@pytest.mark.parametrize("q", [1.0, 1 / 16, 1 / 256])
@pytest.mark.parametrize("name", ["tanh", "lecun_tanh", "hard_tanh", "softsign"])
def test_critical_point_by_scipy(name, q):
    function, places = references.FORMULAS[name]
    slope = references.derivative(function)
    scale = math.sqrt(q)
    weights = 1 / references.second_moment(slope, places, scale)
    biases = q - weights * references.second_moment(function, places, scale)
    _, sigma_w, sigma_b = critical_point(name, q=q)
    assert sigma_w**2 == pytest.approx(weights, **close)
    # A difference of two numbers near q.
    assert sigma_b**2 == pytest.approx(biases, rel=0, abs=4 * EPSILON * q)


@pytest.mark.parametrize(
    ("depth", "weights", "biases"),
    [(16, 1.11538, 2.369e-4), (64, 1.03056, 4.651e-6), (256, 1.00777, 7.77e-8)],
)
def test_critical_points_of_xiao_et_al(depth, weights, biases):
    """The variances of their notebook, for tanh."""
    point = critical_point("tanh", depth=depth)
    assert point == critical_point("tanh", q=1 / depth)
    assert point.sigma_w**2 == pytest.approx(weights, abs=5e-6)
    # They give three or four digits, and it is a difference of numbers near 1 / depth.
    assert point.sigma_b**2 == pytest.approx(biases, rel=1e-3, abs=4 * EPSILON / depth)


@pytest.mark.parametrize("q", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize(
    ("activation", "slope"), [("relu", 0.0), (layers.LeakyReLU(0.5), 0.5), (None, 1.0)]
)
def test_critical_point_of_rectifiers(activation, slope, q):
    _, sigma_w, sigma_b = critical_point(activation, q=q)
    assert sigma_w == pytest.approx(math.sqrt(2 / (1 + slope**2)), **close)
    assert sigma_b == 0.0


@pytest.mark.parametrize(("activation", "q"), [("tanh", 0.1), ("gelu", 0.5)])
def test_a_critical_point_is_a_fixed_point_of_slope_1(activation, q):
    _, sigma_w, sigma_b = critical_point(activation, q=q)
    assert variance_map(activation, q, sigma_w, sigma_b) == pytest.approx(q, **close)
    near = correlation_map(activation, 1 - 1e-4, q, sigma_w, sigma_b)
    assert (1 - near) / 1e-4 == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(("name", "q"), [("gelu", 1.0), ("gelu", 5.0), ("tanh", 1.0)])
def test_the_variance_map_has_this_slope(name, q):
    step = 1e-2 * q
    _, *sigmas = critical_point(name, q=q)
    above, below = (variance_map(name, q + s, *sigmas) for s in (step, -step))
    expected = references.critical_slope(name, q)
    assert (above - below) / (2 * step) == pytest.approx(expected, abs=1e-4)


# Refusals


@pytest.mark.parametrize("activation", ["softplus", "sigmoid"])
def test_no_critical_point(activation):
    function, _ = references.FORMULAS[activation]
    weights = 1 / references.second_moment(references.derivative(function))
    biases = 1 - weights * references.second_moment(function)
    message = (
        "`critical_point` needs an activation that has a critical point at the "
        f"variance q=1. Received: activation={activation!r}, where sigma_b^2 would be "
        f"{biases:.3g}. Pass another q, or an odd activation, for example 'tanh'."
    )
    with refuses(message):
        critical_point(activation, q=1.0)


@pytest.mark.parametrize("both", [{}, {"q": 1.0, "depth": 16}])
def test_one_of_q_and_depth_is_needed(both):
    arguments = {"q": None, "depth": None, **both}
    message = (
        "`critical_point` needs exactly one of `q` and `depth`. Received: "
        f"q={arguments['q']}, depth={arguments['depth']}. Pass for example depth=16."
    )
    with refuses(message):
        critical_point("tanh", **both)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: critical_point("tanh", depth=0.5),
            "`critical_point` needs `depth` to be an integer of at least 1. Received: "
            "depth=0.5. Pass a positive int, for example 1.",
        ),
        (
            lambda: critical_point("tanh", q=0.0),
            "`critical_point` needs `q` to be a finite number above 0, 'stable' or "
            "'most_stable'. Received: q=0.0. Pass for example 1.0.",
        ),
    ],
)
def test_bad_arguments(call, message):
    with refuses(message):
        call()
