"""What one layer of a wide random network does to variances and correlations."""

import itertools
import math

import numpy as np
import pytest
import references
from catalogue import refuses
from closed_forms import CLOSED_FORMS, leaky_relu_product, relu_product
from keras import layers, ops
from limits import close

from keras_initx.activations import (
    correlation_map,
    variance_map,
)
from keras_initx.activations._elementwise import Elementwise

pytestmark = pytest.mark.same_on_each_backend

every_closed_form = pytest.mark.parametrize("name", CLOSED_FORMS)


@every_closed_form
@pytest.mark.parametrize(
    ("q", "sigma_w", "sigma_b"), [(0.01, 0.6, 0.9), (1.0, 1.7, 0.0), (3.7, 0.6, 0.9)]
)
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
@pytest.mark.parametrize("c", [-1, -0.9, 0.0, 0.3, 0.999, 1 - 1e-6, 1])
def test_correlation_map_of_a_closed_form(name, c):
    activation, product, _ = CLOSED_FORMS[name]
    # Without biases at one place, with them at the others.
    q, sigma_w, sigma_b = (1.3, 1.7, 0.0) if c == 0.3 else (1.3, 0.6, 0.9)
    variance = sigma_w**2 * product(q, 1.0) + sigma_b**2
    expected = (sigma_w**2 * product(q, c) + sigma_b**2) / variance
    found = correlation_map(activation, c, q, sigma_w, sigma_b)
    assert found == pytest.approx(expected, **close)


@pytest.mark.parametrize(
    ("name", "c"), [("hard_tanh", 0.2), ("hard_shrink", 0.95), ("gelu", 0.2)]
)
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
    """Otherwise it takes millions of points, at places where the density is tiny."""
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


# Refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
