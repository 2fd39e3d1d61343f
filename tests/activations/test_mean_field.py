"""Maps, fixed points and the edge of chaos of infinitely wide networks."""

import itertools
import math

import keras
import numpy as np
import pytest
import references
from catalogue import refuses
from keras import layers, ops
from limits import EPSILON, SIGMAS

from keras_initx.activations import (
    correlation_map,
    critical_point,
    fixed_point,
    variance_map,
)
from keras_initx.activations._elementwise import Elementwise

# The integrals are exact to 1e-8, and Keras rounds some results to float32.
close = {"rel": EPSILON, "abs": EPSILON}


def erf(x):
    return ops.erf(x)


# Activations whose means are known: E[f(u) f(v)] for normal u and v of variance q and
# correlation c, and E[f'(u)^2].
def relu_product(q, c):
    return q / (2 * math.pi) * (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c)


def leaky_relu_product(slope):
    """f(x) = slope x + (1 - slope) relu(x); E[x relu(y)] is half of E[x y]."""

    def product(q, c):
        mixed = slope * (1 - slope) * q * c
        return slope**2 * q * c + mixed + (1 - slope) ** 2 * relu_product(q, c)

    return product


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
every_closed_form = pytest.mark.parametrize("name", CLOSED_FORMS)
SIGMAS_W_B = [(1.0, 0.0), (1.7, 0.0), (0.6, 0.9)]


def iterated(function, start, times=20_000):
    """Where a map comes to rest."""
    for _ in range(times):
        start = function(start)
    return start


# Maps


@every_closed_form
@pytest.mark.parametrize(("sigma_w", "sigma_b"), SIGMAS_W_B)
@pytest.mark.parametrize("q", [0.01, 1.0, 3.7])
def test_variance_map_of_a_closed_form(name, q, sigma_w, sigma_b):
    activation, product, _ = CLOSED_FORMS[name]
    expected = sigma_w**2 * product(q, 1.0) + sigma_b**2
    found = variance_map(activation, q, sigma_w, sigma_b)
    assert found == pytest.approx(expected, **close)


@pytest.mark.parametrize("name", ["gelu", "mish", "hard_tanh", "selu", "relu6"])
@pytest.mark.parametrize("q", [0.05, 2.0, 40.0])
def test_variance_map_by_scipy(name, q):
    function, places = references.FORMULAS[name]
    moment = references.second_moment(function, places, math.sqrt(q))
    found = variance_map(name, q, 1.3, 0.2)
    assert found == pytest.approx(1.3**2 * moment + 0.2**2, **close)


@every_closed_form
@pytest.mark.parametrize(("sigma_w", "sigma_b"), SIGMAS_W_B)
@pytest.mark.parametrize("c", [-1, -0.99, -0.5, 0.0, 0.3, 0.9, 0.999, 1 - 1e-6, 1])
def test_correlation_map_of_a_closed_form(name, c, sigma_w, sigma_b):
    activation, product, _ = CLOSED_FORMS[name]
    q = 1.3
    variance = sigma_w**2 * product(q, 1.0) + sigma_b**2
    expected = (sigma_w**2 * product(q, c) + sigma_b**2) / variance
    found = correlation_map(activation, c, q, sigma_w, sigma_b)
    assert found == pytest.approx(expected, **close)


@pytest.mark.parametrize("name", ["hard_tanh", "hard_shrink", "gelu"])
@pytest.mark.parametrize("c", [0.2, 0.95])
def test_correlation_map_by_a_series(name, c):
    """Mehler: E[f(u) f(v)] is the sum of c^k a_k^2, a_k the Hermite coefficients."""
    function, places = references.FORMULAS[name]
    q = 1.7
    scale = math.sqrt(q)
    # A rule of many nodes on each piece between the kinks.
    edges = sorted({*range(-14, 15), *(place / scale for place in places)})
    nodes, weights = np.polynomial.legendre.leggauss(60)
    z = np.concatenate(
        [(b - a) / 2 * nodes + (a + b) / 2 for a, b in itertools.pairwise(edges)]
    )
    w = np.concatenate([(b - a) / 2 * weights for a, b in itertools.pairwise(edges)])
    w *= np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    values, before, hermite = function(scale * z), np.zeros_like(z), np.ones_like(z)
    expected, total = 0.0, (w * values**2).sum()
    for k in range(400):
        expected += c**k * (w * values * hermite).sum() ** 2
        before, hermite = (
            hermite,
            (z * hermite - math.sqrt(k) * before) / math.sqrt(k + 1),
        )
    found = correlation_map(name, c, q, 1.0)
    assert found == pytest.approx(expected / total, **close)


@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_where_only_rounding_is_left_nothing_is_computed(name, monkeypatch):
    """Millions of points otherwise, at places that the density makes nothing of."""
    seen = []
    by_chunks = Elementwise._by_chunks

    def watched(self, function, points):
        seen.append(len(points))
        return by_chunks(self, function, points)

    monkeypatch.setattr(Elementwise, "_by_chunks", watched)
    correlation_map(name, 0.3, 1.0, 1.4)
    assert sum(seen) < 1e6


def test_units_that_differ_count_alike():
    layer = layers.PReLU()
    layer.build((None, 2))
    layer.set_weights([np.array([0.0, 0.3])])
    products = (relu_product, leaky_relu_product(0.3))
    expected = sum(product(1.0, 0.4) for product in products) / sum(
        product(1.0, 1.0) for product in products
    )
    assert correlation_map(layer, 0.4, 1.0, 1.0) == pytest.approx(expected, **close)


# The edge of chaos


@pytest.mark.parametrize("q", [1.0, 1 / 16, 1 / 256])
@pytest.mark.parametrize("name", ["tanh", "lecun_tanh", "hard_tanh", "softsign"])
def test_critical_point_by_scipy(name, q):
    function, places = references.FORMULAS[name]
    slope = references.derivative(function)
    scale = math.sqrt(q)
    weights = 1 / references.second_moment(slope, places, scale)
    biases = q - weights * references.second_moment(function, places, scale)
    sigma_w, sigma_b = critical_point(name, q=q)
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
    sigma_w, sigma_b = critical_point(activation, q=q)
    assert sigma_w == pytest.approx(math.sqrt(2 / (1 + slope**2)), **close)
    assert sigma_b == 0.0


@pytest.mark.parametrize("activation", ["tanh", erf, "gelu", "elu"])
@pytest.mark.parametrize("q", [0.1, 0.5])
def test_a_critical_point_is_a_fixed_point_of_slope_1(activation, q):
    sigma_w, sigma_b = critical_point(activation, q=q)
    assert variance_map(activation, q, sigma_w, sigma_b) == pytest.approx(q, **close)
    near = correlation_map(activation, 1 - 1e-4, q, sigma_w, sigma_b)
    assert (1 - near) / 1e-4 == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("q", [1.0, 0.1, 0.01])
@pytest.mark.parametrize(
    ("name", "returns"),
    [
        ("tanh", True),
        ("elu", True),
        ("selu", True),
        ("gelu", False),
        ("silu", False),
        ("mish", False),
    ],
)
def test_whether_the_variance_returns_to_a_critical_point(name, returns, q):
    sigmas = critical_point(name, q=q)
    step = 1e-2 * q
    above, below = (variance_map(name, q + s, *sigmas) for s in (step, -step))
    slope = (above - below) / (2 * step)
    assert slope < 1 if returns else 1 < slope < 1 + 1.3 * q
    # More than what the formula neglects and the integrals round.
    assert abs(slope - 1) > 1e-3


# Fixed points


@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [
        ("erf", 0.7, 0.0),
        ("erf", 0.7, 0.3),
        ("erf", 1.3, 0.0),
        ("erf", 1.3, 0.2),
        ("erf", 3.0, 0.5),
        ("sine", 1.2, 0.1),
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


@pytest.mark.parametrize("name", ["tanh", "hard_tanh"])
def test_fixed_point_is_at_rest(name):
    q, c, chi = fixed_point(name, 2.0, 0.3)
    assert chi > 1 > c > 0
    assert variance_map(name, q, 2.0, 0.3) == pytest.approx(q, **close)
    assert correlation_map(name, c, q, 2.0, 0.3) == pytest.approx(c, **close)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_where_every_variance_is_at_rest_it_is_1(activation):
    sigma_w, _ = critical_point(activation, q=1.0)
    assert fixed_point(activation, sigma_w) == pytest.approx((1, 1, 1), **close)


def test_tanh_at_its_transition():
    """The variance goes to 0, but more slowly than any power of a number below 1."""
    assert fixed_point("tanh", 1.0) == pytest.approx((0, 1, 1), **close)
    ordered, chaotic = fixed_point("tanh", 0.99), fixed_point("tanh", 1.01)
    assert ordered == pytest.approx((0.0, 1.0, 0.99**2), abs=1e-5)
    assert chaotic.chi > 1
    assert chaotic.c == 0.0


def test_fixed_points_of_papers():
    """SELU is made for (0, 1); LeCun's tanh has variance 0.382 at `sigma_w = 1`."""
    assert fixed_point("selu", 1.0).q == pytest.approx(1.0, **close)
    assert fixed_point("lecun_tanh", 1.0).q == pytest.approx(0.382, abs=5e-4)


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


def double_step(x):
    """Two jumps of opposite signs, at the same distance from 0."""
    return ops.where(ops.abs(x) < 1, 1.0, 0.1) + ops.tanh(x)


def box(x):
    return ops.where(ops.abs(x - 0.5) < 0.5, 1.0, 0.1) + ops.tanh(x)


def far_step(x):
    return ops.where(x < -2, -1.0, ops.tanh(x))


@pytest.mark.parametrize("activation", ["hard_shrink", double_step, box, far_step])
@pytest.mark.parametrize("function", [critical_point, fixed_point])
def test_a_jump_is_refused(function, activation):
    received = getattr(activation, "__name__", repr(activation))
    message = (
        f"`{function.__name__}` needs an activation without jumps, whose gradient is "
        f"its derivative. Received: activation={received}. Pass a continuous "
        "activation."
    )
    with refuses(message):
        function(activation, 1.0)


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
            "`critical_point` needs `q` to be a finite number above 0. Received: "
            "q=0.0. Pass a positive float, for example 1.0.",
        ),
        (
            lambda: variance_map("tanh", -1.0, 1.0),
            "`variance_map` needs `q` to be a finite number above 0. Received: "
            "q=-1.0. Pass a positive float, for example 1.0.",
        ),
        (
            lambda: variance_map("tanh", 1.0, 0.0),
            "`variance_map` needs `sigma_w` to be a finite number above 0. Received: "
            "sigma_w=0.0. Pass a positive float, for example 1.0.",
        ),
        (
            lambda: fixed_point("tanh", 1.0, -0.1),
            "`fixed_point` needs `sigma_b` to be a finite number of at least 0. "
            "Received: sigma_b=-0.1. Pass a float, for example 0.0.",
        ),
        (
            lambda: correlation_map("tanh", 1.1, 1.0, 1.0),
            "`correlation_map` needs `c` to be a number from -1 to 1. Received: c=1.1. "
            "Pass a correlation.",
        ),
        (
            lambda: correlation_map("softmax", 0.5, 1.0, 1.0),
            "`correlation_map` needs an elementwise activation. Received: "
            "activation='softmax'. Pass the activation of single units, for example "
            "'relu'.",
        ),
        (
            lambda: variance_map("no_such", 0.5, 1.0),
            "`variance_map` needs a known activation. Received: activation='no_such'. "
            "Pass the name of a Keras activation, a function or a layer.",
        ),
        (
            lambda: variance_map(lambda x: ops.exp(x * x / 4), 4.0, 1.0),
            "`variance_map` needs an activation that has, on normal inputs, a second "
            "moment above 0. Received: activation=<lambda>, where that of the "
            "activation or its derivative is inf. Pass another activation.",
        ),
    ],
)
def test_bad_arguments(call, message):
    with refuses(message):
        call()


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
    depth, width = 100, 512
    moments = moments_by_depth(
        keras.activations.selu, keras.initializers.LecunNormal, depth, width, 16
    )
    means, squares = moments.T
    of_mean, of_square, over_all = selu_limits(depth, width)
    assert np.abs(means).max() < SIGMAS * of_mean
    assert np.abs(squares - 1).max() < SIGMAS * of_square
    assert abs(squares.mean() - 1) < SIGMAS * over_all
    # The limits tell 5 % more or less weight from the right one.
    q, _, _ = fixed_point("selu", 1.05)
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
    depth, width = 20, 512
    activation = keras.activations.get(activation)
    moments = moments_by_depth(activation, initializer, depth, width, 8)
    _, of_square, _ = selu_limits(depth, width)
    assert abs(moments[-1, 1] - 1) > 2 * SIGMAS * of_square
