"""How many steps deep linear networks take to learn, by depth (Saxe et al. 2013).

Gradient descent in NumPy, in float64, on white inputs: the loss is the squared distance
between the product of the kernels and a target. At rates of c / depth orthogonal
kernels take as many steps at each depth. A number that grows in proportion to depth
would be 4 times as large at depth 40 as at depth 10, and one that does not grow once as
large. The limit of the tests is 2, between the two.
"""

import math

import numpy as np
import pytest
from catalogue import to_numpy

from keras_initx.initializers import FanScaled, HaarOrthogonal

WIDTH, OUTPUTS = 32, 5

each_seed = pytest.mark.parametrize("seed", [0, 1, 2])
pytestmark = pytest.mark.same_on_each_backend


def orthogonal(seed):
    return HaarOrthogonal(batch_axes=[0], seed=seed)


def gaussian(seed):
    return FanScaled(distribution="normal", batch_axes=[0], seed=seed)


def target(seed):
    """A map with singular values from 0.5 to 1, which needs no change of a sign."""
    generator = np.random.default_rng(seed)
    left = np.linalg.qr(generator.normal(size=(WIDTH, OUTPUTS)))[0]
    right = np.linalg.qr(generator.normal(size=(OUTPUTS, OUTPUTS)))[0]
    return left * np.linspace(0.5, 1, OUTPUTS) @ right


def steps_to_learn(initializer, depth, rate, seed, most=500):
    """The steps until the loss is 2 % of the first one; infinity for more than most."""
    kernels = list(to_numpy(initializer((depth, WIDTH, WIDTH))).astype("float64"))
    kernels[-1] = kernels[-1][:, :OUTPUTS]
    wanted, losses = target(seed), []
    for step in range(most):
        products = [np.eye(WIDTH)]
        for kernel in kernels:
            products.append(products[-1] @ kernel)
        gradient = products[-1] - wanted
        if not np.abs(gradient).max() < 1e3:
            # It diverges.
            break
        losses.append((gradient**2).sum())
        if losses[-1] < 0.02 * losses[0]:
            return step
        for layer in reversed(range(depth)):
            change = products[layer].T @ gradient
            gradient = gradient @ kernels[layer].T
            kernels[layer] = kernels[layer] - rate * change
    return math.inf


@each_seed
@pytest.mark.parametrize("c", [0.1, 0.25])
def test_orthogonal_kernels_at_rates_of_c_over_depth(c, seed):
    few, many = (
        steps_to_learn(orthogonal(seed), depth, c / depth, seed) for depth in (10, 40)
    )
    assert few / 2 < many < 2 * few


@each_seed
def test_gaussian_kernels_take_more_steps_the_deeper_they_are(seed):
    few, many = (
        steps_to_learn(gaussian(seed), depth, 0.25 / depth, seed) for depth in (10, 40)
    )
    assert many > 2 * few


@each_seed
def test_orthogonal_kernels_at_a_fixed_rate(seed):
    """A small one takes fewer steps the deeper they are, and a larger one diverges."""
    few, many = (steps_to_learn(orthogonal(seed), d, 0.02, seed) for d in (40, 10))
    assert 2 * few < many < math.inf
    assert steps_to_learn(orthogonal(seed), 10, 0.2, seed) < math.inf
    assert steps_to_learn(orthogonal(seed), 40, 0.2, seed) == math.inf
