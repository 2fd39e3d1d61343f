"""Activations that are shaped for a depth: the maps of the network are as promised."""

import functools
import math

import keras
import numpy as np
import pytest
import references
from catalogue import BACKEND, refuses
from keras import layers, ops
from limits import EPSILON, SIGMAS
from sklearn import datasets

from keras_initx import HaarOrthogonal
from keras_initx._backend.eagerly import eagerly
from keras_initx.activations import gain, shaped, variance_map
from keras_initx.activations._elementwise import Elementwise

pytestmark = pytest.mark.same_on_each_backend

SMOOTH = ("tanh", "gelu", "softplus", "sigmoid")
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def erf(x):
    return ops.erf(x)


def in_numpy(activation, name):
    """The shaped activation by its formula, for complex numbers too, and its kinks."""
    f, places = references.FORMULAS[name]
    if activation.negative_slope is not None:
        f = references.leaky_relu(activation.negative_slope)

    def function(x):
        inner = f(activation.input_scale * x + activation.input_shift)
        return activation.output_scale * (inner + activation.output_shift)

    shift, scale = activation.input_shift, activation.input_scale
    return function, [(place - shift) / scale for place in places]


def conditions(activation, name):
    """Q(1), Q'(1), C(0), C'(1) and C''(1) of a layer."""
    f, places = in_numpy(activation, name)
    slope, step = references.derivative(f), 1e-5
    edges = np.array(sorted({*np.arange(-14, 14.1, 0.5), *places}))
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    # The rule of Gauss and Legendre in each piece, of which none has a kink inside.
    nodes, weights = np.polynomial.legendre.leggauss(20)
    z = middle[:, None] + half[:, None] * nodes
    weights = half[:, None] * weights * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

    def mean(function):
        return (weights * function(z)).sum()

    return (
        mean(lambda z: f(z) ** 2),
        mean(lambda z: z * f(z) * slope(z)),
        mean(f) ** 2,
        mean(lambda z: slope(z) ** 2),
        mean(lambda z: ((slope(z + step) - slope(z - step)) / (2 * step)) ** 2),
    )


def correlation(f, c):
    """E[f(u) f(v)] / E[f(u)^2], by the rule of Gauss and Hermite in two dimensions."""
    v = c * NODES[:, None] + math.sqrt(1 - c * c) * NODES
    at_u = f(NODES)
    return WEIGHTS @ (at_u[:, None] * f(v)) @ WEIGHTS / (WEIGHTS @ at_u**2)


def angular_correlation(slope, c):
    """C(c) of leaky ReLU: the mean over all directions, by the trapezoid rule."""
    angles = np.arange(20_000) * 2 * math.pi / 20_000
    f = references.leaky_relu(slope)
    products = f(np.cos(angles)) * f(np.cos(angles - math.acos(min(c, 1))))
    return products.mean() / (f(np.cos(angles)) ** 2).mean()


def through(layer, c, depth):
    for _ in range(depth):
        c = layer(c)
    return c


# A layer


@pytest.mark.parametrize("name", ["tanh", "gelu", "softsign", "elu", "relu", "linear"])
def test_the_second_derivative(name):
    """TensorFlow has none of softsign, and PyTorch none of a constant slope."""
    f = Elementwise("a test", name)
    points = np.linspace(-3, 3, 100)
    slope, step = references.derivative(references.FORMULAS[name][0]), 1e-5
    expected = (slope(points + step) - slope(points - step)) / (2 * step)
    found = eagerly(f.curvature)(points)[:, 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("depth", [2, 1000])
@pytest.mark.parametrize("name", [*SMOOTH, "mish", "silu", "elu"])
def test_tat_of_a_smooth_activation(name, depth):
    found = conditions(shaped(name, depth), name)
    q, q_slope, _, c_slope, c_curvature = found
    # Keras rounds some constants to float32.
    assert q == pytest.approx(1, abs=EPSILON)
    assert c_slope == pytest.approx(1, abs=EPSILON)
    assert depth * c_curvature == pytest.approx(0.3, rel=1e-5)
    # As far from 1 as 1e-4 of the curvature, which is its size without the condition.
    assert q_slope == pytest.approx(1, abs=1e-4 * c_curvature)


@pytest.mark.parametrize("depth", [2, 1000])
@pytest.mark.parametrize("name", [*SMOOTH, "mish", "silu", "elu", "selu", "relu"])
def test_dks(name, depth):
    q, q_slope, at_0, c_slope, _ = conditions(shaped(name, depth, "dks"), name)
    assert q == pytest.approx(1, abs=EPSILON)
    assert at_0 == pytest.approx(0, abs=1e-12)
    assert c_slope**depth == pytest.approx(1.5, rel=1e-5)
    assert q_slope == pytest.approx(1, abs=1e-3 * (c_slope - 1))


def test_an_own_function_and_target():
    activation = shaped(erf, 30, "dks", target=2.0)
    q = variance_map(activation, 1.0, 1.0)
    assert q == pytest.approx(1, abs=1e-6)
    assert gain(activation, backward=True) ** -2 == pytest.approx(2 ** (1 / 30))


@pytest.mark.parametrize("method", ["tat", "dks"])
@pytest.mark.parametrize("name", ["tanh", "gelu", "elu", "leaky_relu"])
def test_the_gain_is_1(name, method):
    assert gain(shaped(name, 1000, method)) == pytest.approx(1, abs=1e-6)


def test_the_gain_has_exact_digits():
    """On JAX, Keras computes tanh in float32, and the output scale is 71."""
    assert gain(shaped("tanh", 1000)) == pytest.approx(1, abs=1e-10)


def test_of_two_equal_solutions_the_shift_is_positive():
    for method in ("tat", "dks"):
        assert shaped("tanh", 7, method).input_shift > 0


@pytest.mark.parametrize("name", ["gelu", "silu", "tanh"])
@pytest.mark.parametrize("method", ["tat", "dks"])
def test_no_solution_on_a_flat_part_is_taken(name, method):
    """There the slope is 1, and it is 10 elsewhere."""
    function, _ = in_numpy(shaped(name, 100, method), name)
    slopes = references.derivative(function)(np.linspace(-200, 200, 4001) + 0j)
    assert np.nanmax(np.abs(slopes)) < 2


# A network


@pytest.mark.parametrize("name", SMOOTH)
def test_tat_in_a_network(name):
    """The map near 1: c - 1 + tau (1 - c)^2 / 2, to the third order in 1 - c."""
    f, _ = in_numpy(shaped(name, 40), name)

    def curvature(below):
        c = through(lambda c: correlation(f, c), 1 - below, 40)
        return 2 * (c - 1 + below) / below**2

    # Without the term that is linear in 1 - c.
    assert 2 * curvature(1e-3) - curvature(2e-3) == pytest.approx(0.3, rel=1e-3)


@pytest.mark.parametrize("name", SMOOTH)
def test_dks_in_a_network(name):
    f, _ = in_numpy(shaped(name, 40, "dks"), name)
    below = 1e-6
    after = through(lambda c: correlation(f, c), 1 - below, 40)
    assert (1 - after) / below == pytest.approx(1.5, rel=1e-5)
    assert through(lambda c: correlation(f, c), 0.0, 40) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("depth", [15, 50, 300])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", layers.LeakyReLU(0.1)])
def test_tat_of_leaky_relu_in_a_network(activation, depth):
    found = shaped(activation, depth)
    slope = found.negative_slope
    assert found.output_scale == pytest.approx(math.sqrt(2 / (1 + slope**2)))
    at_0 = through(functools.partial(angular_correlation, slope), 0.0, depth)
    assert at_0 == pytest.approx(0.9, abs=1e-4)


def test_a_shallow_network_of_relu_needs_no_shape():
    found = shaped("leaky_relu", 3)
    at_0 = through(functools.partial(angular_correlation, 0.0), 0.0, 3)
    assert at_0 < 0.9
    assert found.negative_slope == 0.0
    assert found.output_scale == pytest.approx(math.sqrt(2))
    assert shaped("relu", 1, "dks").negative_slope == 0.0


def cosines(activation, depth, width, networks):
    """The cosine of two inputs of cosine 1/2 after so many orthogonal layers."""
    found = []
    for seed in range(networks):
        random = np.random.default_rng(seed)
        basis, _ = np.linalg.qr(random.normal(size=(width, 2)))
        inputs = np.array([[1, 0], [0.5, math.sqrt(3) / 2]]) @ basis.T
        x = (inputs * math.sqrt(width)).astype("float32")
        for _ in range(depth):
            kernel, _ = np.linalg.qr(random.normal(size=(width, width)))
            pre = ops.convert_to_tensor(x @ kernel.astype("float32"))
            x = ops.convert_to_numpy(activation(pre))
        first, second = np.asarray(x, "float64")
        found.append(first @ second / np.sqrt((first @ first) * (second @ second)))
    return np.array(found)


@pytest.mark.parametrize("method", ["tat", "dks"])
def test_a_wide_network_follows_its_map(method):
    depth, networks = 20, 8
    activation = shaped("tanh", depth, method)
    f, _ = in_numpy(activation, "tanh")
    expected = through(lambda c: correlation(f, c), 0.5, depth)

    def deviation(of):
        samples = cosines(of, depth, 160, networks)
        error = samples.std(ddof=1) / math.sqrt(networks)
        return abs(samples.mean() - expected) / error

    assert deviation(activation) < SIGMAS
    he = math.sqrt(2)
    assert deviation(lambda x: he * ops.relu(x)) > SIGMAS
    assert deviation(lambda x: gain("tanh") * ops.tanh(x)) > SIGMAS


def digits():
    """1400 images of digits, each of mean square 1, and what they show."""
    data = datasets.load_digits()
    x = data.data - data.data.mean(axis=0)
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True))
    return x[:1400].astype("float32"), data.target[:1400]


@pytest.mark.parametrize(
    ("activation", "initializer", "trains"),
    [
        ("shaped", HaarOrthogonal, True),
        ("relu", keras.initializers.HeNormal, False),
    ],
)
def test_100_layers_train_where_relu_cannot(activation, initializer, trains):
    keras.utils.set_random_seed(0)
    if activation == "shaped":
        activation = shaped("tanh", 100, "dks")
    hidden = [
        layers.Dense(48, activation, kernel_initializer=initializer(seed=seed))
        for seed in range(100)
    ]
    head = layers.Dense(10, kernel_initializer=HaarOrthogonal(seed=100))
    model = keras.Sequential([keras.Input((64,)), *hidden, head])
    model.compile(
        keras.optimizers.SGD(0.002, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=BACKEND == "jax",
    )
    history = model.fit(*digits(), batch_size=100, epochs=2, verbose=0).history
    # By chance it is 0.1.
    assert (history["accuracy"][-1] > 0.8) == trains
    assert (history["accuracy"][-1] < 0.3) == (not trains)


# Refusals


def test_an_unknown_method():
    message = (
        "`shaped` needs a known `method`. Received: method='TAT'. Choose one of: "
        "'tat', 'dks'."
    )
    with refuses(message):
        shaped("tanh", 10, "TAT")


@pytest.mark.parametrize("name", ["selu", "relu6", "hard_silu"])
def test_tat_needs_a_slope_without_jumps(name):
    message = (
        "`shaped` needs an activation whose slope has no jumps, because of "
        f"method='tat'. Received: activation={name!r}. Pass 'leaky_relu' or 'tanh', or "
        "method='dks'."
    )
    with refuses(message):
        shaped(name, 10)


@pytest.mark.parametrize(
    ("name", "depth", "method", "wanted"),
    [
        ("linear", 10, "dks", "C'(1)=1.0414"),
        ("linear", 10, "tat", "C''(1)=0.03"),
        ("exponential", 10, "tat", "C''(1)=0.03"),
        ("gelu", 1, "dks", "C'(1)=1.5"),
    ],
)
def test_what_cannot_be_shaped(name, depth, method, wanted):
    message = (
        f"`shaped` needs an activation that can be shaped by {method!r} for this "
        f"depth. Received: activation={name!r}, of which each layer would need "
        f"{wanted}. Pass a larger depth, or another activation, for example 'tanh'."
    )
    with refuses(message):
        shaped(name, depth, method)


def test_a_jump():
    message = (
        "`shaped` needs an activation without jumps, whose gradient is its derivative. "
        "Received: activation='hard_shrink'. Pass a continuous activation."
    )
    with refuses(message):
        shaped("hard_shrink", 10, "dks")


@pytest.mark.parametrize(
    ("name", "method", "target", "needs", "example"),
    [
        ("tanh", "tat", 0, "above 0", 0.3),
        ("tanh", "dks", 1.0, "above 1", 1.5),
        ("relu", "dks", math.inf, "above 1", 1.5),
        ("relu", "tat", 1.0, "between 0 and 1", 0.9),
        ("relu", "tat", "0.9", "between 0 and 1", 0.9),
    ],
)
def test_a_bad_target(name, method, target, needs, example):
    message = (
        f"`shaped` needs `target` to be a number {needs}. Received: target={target!r}. "
        f"Pass for example {example}, or None."
    )
    with refuses(message):
        shaped(name, 10, method, target)


def test_an_unknown_activation():
    message = (
        "`shaped` needs a known activation. Received: activation='tan'. Pass the name "
        "of a Keras activation, a function or a layer."
    )
    with refuses(message):
        shaped("tan", 10)


def test_the_activation_itself_is_left_alone():
    before = keras.activations.get("tanh")
    shaped("tanh", 10)
    assert keras.activations.get("tanh") is before
