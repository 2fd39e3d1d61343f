"""Where critical points are stable."""

import math

import keras
import numpy as np
import pytest
import references
from catalogue import refuses
from keras import layers, ops
from limits import EPSILON, SIGMAS
from scipy import optimize

from keras_initx.activations import (
    critical_point,
    fixed_point,
    gain,
    variance_map,
)
from keras_initx.activations._stability import Stability, stability_of

pytestmark = pytest.mark.same_on_each_backend

# The fifth digit: half a unit, of a number that starts with 1.
FIVE_DIGITS = 5e-5

# The slope crosses 1 from above, and has a smallest value.
CROSSING = ["gelu", "silu", "mish", "hard_silu"]
# Below 1 at each q, with a smallest value.
HOLLOW = ["elu", "selu"]
# Below 1 at each q, ever smaller. Where a function is linear near 0, it is 1 there up
# to what numbers can tell.
FALLING = ["tanh", "softsign", "lecun_tanh", "hard_tanh", "relu6"]
# sigma_b^2 is negative below some q. Where there are points, they are stable.
LATE = ["sigmoid", "hard_sigmoid", "sparse_sigmoid"]
NEUTRAL = [None, "relu", "leaky_relu", "soft_shrink"]
UNSTABLE = ["tanh_shrink", "exponential"]
WITHOUT = ["softplus", "log_sigmoid", "squareplus", "sparse_plus"]


@pytest.mark.parametrize("name", CROSSING)
def test_from_which_q_on_a_point_is_stable(name):
    q, sigma_w, sigma_b = critical_point(name, q="stable")
    assert q == stability_of("f", name).stable_q
    # It is rounded up.
    assert references.critical_slope(name, q) < 1 + 10 * EPSILON
    assert references.critical_slope(name, q * (1 - FIVE_DIGITS * 2)) > 1
    below, above = q * np.array([[0.5, 0.9], [1.1, 2.0]])
    assert all(references.critical_slope(name, each) > 1 for each in below)
    assert all(references.critical_slope(name, each) < 1 for each in above)
    assert (q, sigma_w, sigma_b) == critical_point(name, q=q)


@pytest.mark.parametrize("name", [*CROSSING, *HOLLOW])
def test_at_which_q_a_point_is_most_stable(name):
    q, sigma_w, sigma_b = critical_point(name, q="most_stable")
    found = optimize.minimize_scalar(
        lambda log_q: references.critical_slope(name, math.exp(log_q)),
        bounds=(math.log(q / 3), math.log(q * 3)),
        method="bounded",
        options={"xatol": 1e-7},
    )
    # A slope is exact to 1e-12, and the bottom of a hollow is flat: its root.
    assert q == pytest.approx(math.exp(found.x), rel=FIVE_DIGITS + 1e-4)
    assert (q, sigma_w, sigma_b) == critical_point(name, q=q)


@pytest.mark.parametrize(
    ("name", "stable", "most_stable", "slope"),
    [
        ("gelu", "3.562", "13.79", "0.981"),
        ("silu", "14.32", "57.36", "0.986"),
        ("mish", "1.670", "9.466", "0.972"),
        ("hard_silu", "4.804", "19.52", "0.946"),
    ],
)
def test_the_table_of_the_docstring(name, stable, most_stable, slope):
    found = stability_of("f", name)
    assert f"{found.stable_q:#.4g}" == stable
    assert f"{found.most_stable_q:#.4g}" == most_stable
    assert f"{references.critical_slope(name, found.most_stable_q):.3f}" == slope


@pytest.mark.parametrize(("name", "q"), [("sigmoid", "45.6"), ("glu", "1.306")])
def test_the_other_figures_of_the_docstring(name, q):
    digits = len(q) - 1
    assert f"{stability_of('f', name).stable_q:.{digits}g}" == q


@pytest.mark.parametrize("name", CROSSING)
def test_the_half_stable_points(name):
    """By references: sigma_w^2 and sigma_b^2 at the q where the slope is 1."""
    function, places = references.FORMULAS[name]
    q, sigma_w, sigma_b = critical_point(name, q="stable")
    log_q = optimize.brentq(
        lambda log_q: references.critical_slope(name, math.exp(log_q)) - 1,
        math.log(q / 2),
        math.log(q * 2),
        xtol=1e-9,
    )
    scale = math.exp(log_q / 2)
    assert q == pytest.approx(scale**2, rel=2 * FIVE_DIGITS)
    slope_moment = references.second_moment(
        references.derivative(function), places, scale
    )
    moment = references.second_moment(function, places, scale)
    assert sigma_w**2 == pytest.approx(1 / slope_moment, rel=2 * FIVE_DIGITS)
    expected = scale**2 - moment / slope_moment
    assert sigma_b**2 == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", CROSSING)
def test_at_the_most_stable_point_every_variance_moves_towards_q(name):
    q, *sigmas = critical_point(name, q="most_stable")
    factors = 2.0 ** np.array([-20, -10, -5, -2, -1, -0.1, 0.1, 1, 2, 5, 10])
    for start in factors * q:
        after = variance_map(name, float(start), *sigmas)
        assert abs(math.log(after / q)) < abs(math.log(start / q))
        assert (after > start) == (start < q)


@pytest.mark.parametrize("name", ["mish", "hard_silu"])
def test_at_the_half_stable_point_a_larger_variance_may_grow(name):
    q, *sigmas = critical_point(name, q="stable")
    assert variance_map(name, 1.5 * q, *sigmas) > 1.5 * q


@pytest.mark.parametrize("name", HOLLOW)
def test_a_point_that_is_stable_at_each_q(name):
    assert stability_of("f", name).kind == "always"
    for q in (1e-3, 1.0, 1e3):
        assert -1 < references.critical_slope(name, q) < 1


@pytest.mark.parametrize("name", FALLING)
def test_a_point_that_is_ever_more_stable(name):
    assert stability_of("f", name) == Stability("always")
    slopes = [references.critical_slope(name, q) for q in (0.1, 1.0, 10.0, 100.0)]
    assert sorted(slopes, reverse=True) == slopes
    assert slopes[-1] < 0.2


@pytest.mark.parametrize("name", LATE)
def test_points_that_are_stable_where_there_are_any(name):
    stability = stability_of("f", name)
    q = stability.stable_q
    assert stability == Stability("above", q)
    point = critical_point(name, q="stable")
    assert point.sigma_b**2 < 1e-3 * q
    assert references.critical_slope(name, q) < 1
    with pytest.raises(ValueError, match="that has a critical point"):
        critical_point(name, q=0.999 * q)


@pytest.mark.parametrize("name", NEUTRAL)
def test_a_slope_of_1_at_each_q(name):
    assert stability_of("f", name) == Stability("neutral")
    for q in (0.1, 10.0):
        found = references.critical_slope(name or "linear", q)
        assert found == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", UNSTABLE)
def test_points_that_are_nowhere_stable(name):
    assert stability_of("f", name) == Stability("unstable")
    assert references.critical_slope(name, 2.0) > 1


@pytest.mark.parametrize("name", WITHOUT)
def test_an_activation_without_points(name):
    assert stability_of("f", name) == Stability("none")


def test_every_name_of_keras_has_its_kind():
    names = {*CROSSING, *HOLLOW, *FALLING, *LATE, *UNSTABLE, *WITHOUT}
    names |= {"linear", *NEUTRAL[1:]}
    others = {"celu", "hard_swish", "swish", "hard_shrink"}
    assert names | others == {*references.FORMULAS}


# Unusual functions


def wide(factor):
    """GELU of other units: everything is at another q."""
    return lambda x: keras.activations.gelu(x / factor) * factor


def test_a_function_in_other_units():
    ours, keras_own = (stability_of("f", each) for each in (wide(5.0), "gelu"))
    assert ours.kind == "above"
    assert ours.stable_q == pytest.approx(25 * keras_own.stable_q, rel=1e-4)
    assert ours.most_stable_q == pytest.approx(25 * keras_own.most_stable_q, rel=1e-4)


def grows_late(x):
    """Stable as tanh is for small q, and unstable as x^3 is for large q."""
    return ops.tanh(x) + 0.01 * x**3


def test_a_range_that_ends():
    stability = stability_of("f", grows_late)
    low, high, best = stability[1:]
    assert stability.kind == "between"
    assert low is None
    assert 0 < best < high
    for q, is_stable in ((best, True), (0.999 * high, True), (1.001 * high, False)):
        _, *sigmas = critical_point(grows_late, q=q)
        step = 1e-3 * q
        after = variance_map(grows_late, q + step, *sigmas)
        before = variance_map(grows_late, q - step, *sigmas)
        assert (after - before < 2 * step) == is_stable
    assert critical_point(grows_late, q="most_stable").q == best


def power(x):
    """Of no unit at all: the slope is the same at each q."""
    return ops.sign(x) * ops.abs(x) ** 0.75


def test_a_slope_below_1_that_is_the_same_at_each_q():
    assert stability_of("f", power) == Stability("always")


def test_a_slope_that_is_smallest_where_the_points_begin():
    """ELU plus 0.1: below some q there is none, and from there the slope rises."""

    def shifted(x):
        return keras.activations.elu(x) + 0.1

    stability = stability_of("f", shifted)
    low = stability.stable_q
    assert stability == Stability("above", low, None, low)
    assert critical_point(shifted, q="most_stable").sigma_b ** 2 < 1e-3 * low


def test_functions_layers_and_names_agree():
    by_name = stability_of("f", "gelu")
    assert stability_of("f", keras.activations.gelu) is by_name
    assert stability_of("f", layers.Activation("gelu")) == by_name
    assert stability_of("f", lambda x: keras.activations.gelu(x)) == by_name


# Networks


def factor_of_a_deviation(sigmas, q, depth, width, seed):
    """By how much a network of GELU multiplies the distance of two samples near q."""
    gelu, _ = references.FORMULAS["gelu"]
    rng = np.random.default_rng(seed)
    sigma_w, sigma_b = sigmas
    start = np.array([0.95, 1.05]) * q
    signal = np.sqrt(start)[:, None] * rng.normal(size=width)
    for _ in range(depth):
        kernel = rng.normal(size=(width, width)) * sigma_w / math.sqrt(width)
        signal = gelu(signal) @ kernel + sigma_b * rng.normal(size=width)
    squares = (signal**2).mean(axis=1)
    return np.diff(np.log(squares))[0] / np.diff(np.log(start))[0]


@pytest.mark.parametrize("is_stable", [True, False])
def test_samples_of_different_norms_meet_or_part(is_stable):
    """At the stable point of q = 10, and with the gain."""
    depth, width = 15, 256
    if is_stable:
        q, *sigmas = critical_point("gelu", q=10.0)
        slope = references.critical_slope("gelu", q)
    else:
        q, sigmas = 1.0, (gain("gelu"), 0.0)
        slope = fixed_point("gelu", *sigmas).slope
    factors = np.array(
        [factor_of_a_deviation(sigmas, q, depth, width, seed) for seed in range(24)]
    )
    # Each layer adds a bias of the relative variance of its mean square.
    gelu, _ = references.FORMULAS["gelu"]
    scale = math.sqrt(q)
    fourth = references.second_moment(lambda x: gelu(x) ** 2, (), scale)
    bias = depth * (fourth / references.second_moment(gelu, (), scale) ** 2 - 1) / width
    error = factors.std(ddof=1) / math.sqrt(factors.size)
    expected = slope**depth
    assert abs(factors.mean() - expected) < SIGMAS * error + bias * expected
    assert factors.mean() < 1 if is_stable else factors.mean() > 4


# Refusals


@pytest.mark.parametrize("q", ["stable", "most_stable"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "relu",
            ", where a small deviation of the variance stays as it is at every q. "
            "Pass any number q, for example q=1.0.",
        ),
        (
            "tanh_shrink",
            ", whose critical point is not stable at any q. Normalize the inputs of "
            "this activation, or pass another one.",
        ),
        (
            "softplus",
            ", which has no critical point. Pass another activation, for example "
            "'tanh' or 'gelu'.",
        ),
    ],
)
def test_without_a_stable_point(name, reason, q):
    where = "stable from some q on" if q == "stable" else "most stable at some q"
    message = (
        f"`critical_point` needs an activation whose critical point is {where}. "
        f"Received: activation={name!r}{reason}"
    )
    with refuses(message):
        critical_point(name, q=q)


@pytest.mark.parametrize("activation", ["tanh", "elu", grows_late])
def test_without_a_smallest_stable_q(activation):
    received = getattr(activation, "__name__", repr(activation))
    message = (
        "`critical_point` needs an activation whose critical point is stable from some "
        f"q on. Received: activation={received}, whose critical point is stable at "
        "every small q. Pass a depth, for example depth=16, or a number q."
    )
    with refuses(message):
        critical_point(activation, q="stable")


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_without_a_most_stable_q(name):
    message = (
        "`critical_point` needs an activation whose critical point is most stable at "
        f"some q. Received: activation={name!r}, whose slope has no smallest value. "
        "Pass a number q. Where the slope falls with q, as with 'tanh', a larger q is "
        "more stable."
    )
    with refuses(message):
        critical_point(name, q="most_stable")


@pytest.mark.parametrize("q", ["best", "1.0", True, -1.0, math.nan, [1.0]])
def test_a_q_that_is_none(q):
    message = (
        "`critical_point` needs `q` to be a finite number above 0, 'stable' or "
        f"'most_stable'. Received: q={q!r}. Pass for example 1.0."
    )
    with refuses(message):
        critical_point("gelu", q=q)


@pytest.mark.parametrize("q", ["stable", "most_stable"])
def test_a_jump_is_refused(q):
    message = (
        "`critical_point` needs an activation without jumps, whose gradient is its "
        "derivative. Received: activation='hard_shrink'. Pass a continuous activation."
    )
    with refuses(message):
        critical_point("hard_shrink", q=q)
