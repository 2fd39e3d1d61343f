"""Means over a normal variable."""

import math

import numpy as np
from scipy import special

from keras_initx.activations._quadrature import _NODES, _WEIGHTS, normal_means


def test_the_rule_is_exact_for_polynomials():
    """With both ends among n nodes, up to the degree 2n - 3; in real numbers."""
    assert _NODES.dtype == _WEIGHTS.dtype == "float64"
    degrees = np.arange(2 * len(_NODES) - 2)
    seen = _WEIGHTS @ _NODES[:, None] ** degrees
    # The ends are moved by 1e-8, with the weight 1 / 66 each.
    np.testing.assert_allclose(seen, (1 + (-1.0) ** degrees) / (degrees + 1), atol=1e-8)


def test_the_quadrature_misses_no_kink_and_no_jump():
    """Many at a time: anywhere, and close to where an interval may end."""
    close = np.outer([-1, 1], 10.0 ** -np.arange(1, 10)).ravel()
    near = (np.array([-2, -1.5, 0, 0.5, 1, 2])[:, None] + close).ravel()
    places = np.concatenate([np.random.default_rng(1).uniform(-3, 3, 1000), near])
    above = special.erfc(places / math.sqrt(2)) / 2
    density = np.exp(-(places**2) / 2) / math.sqrt(2 * math.pi)
    kinks = normal_means(
        lambda z, which: np.maximum(z - places[which], 0) ** 2, len(places)
    )
    of_kinks = (1 + places**2) * above - places * density
    np.testing.assert_allclose(kinks, of_kinks, rtol=1e-7)
    jumps = normal_means(lambda z, which: z > places[which], len(places))
    np.testing.assert_allclose(jumps, above, rtol=1e-7)
