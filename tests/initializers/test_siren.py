"""Siren: the two laws, and the variance that a network of sines settles at."""

import math

import limits
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from catalogue import refuses, to_numpy
from keras import layers

from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.redraw import Redraw
from keras_initx.initializers import Siren

N = 60


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        ({}, math.sqrt(6 / N) / 30),
        ({"omega": 5.0}, math.sqrt(6 / N) / 5),
        ({"first": True}, 1 / N),
        ({"first": True, "omega": 5.0}, 1 / N),
    ],
)
def test_each_law(arguments, limit):
    kernel = to_numpy(Siren(seed=1, **arguments)((N, 1000))).ravel()
    law = scipy.stats.uniform(-limit, 2 * limit)
    limits.assert_distribution(kernel, law.cdf)
    assert np.abs(kernel).max() <= limit * (1 + limits.EPSILON)
    # Of 60,000 numbers the largest is nearly the limit, which 5 % more is not.
    assert np.abs(kernel).max() > 0.999 * limit


@pytest.mark.parametrize(
    ("layer", "shape", "n"),
    [
        (layers.Conv2D(50, 3, groups=2), (5, 5, 20), 9 * 10),
        (layers.DepthwiseConv2D(3), (5, 5, 400), 9),
        (layers.Conv1DTranspose(50, 4, strides=2), (5, 20), 2 * 20),
        (layers.EinsumDense("abc,cde->abde", (None, 20, 10)), (3, 30), 30),
    ],
)
def test_the_fan_in_is_that_of_the_layer(layer, shape, n):
    layer.build((None, *shape))
    kernel, axes = layer_kernel(layer).kernels[-1]
    drawn = to_numpy(Redraw(Siren(omega=2.0, seed=1))(kernel, axes)).ravel()
    limit = math.sqrt(6 / n) / 2
    limits.assert_distribution(drawn, scipy.stats.uniform(-limit, 2 * limit).cdf)


class TestANetwork:
    """Twelve layers of 400 sines on 1000 points of the square from -1 to 1."""

    omega, width, depth = 30.0, 400, 12

    def deviations(self, factor=1.0):
        """Of omega times the pre-activation in each layer, and of the last sines."""
        generator = np.random.default_rng(0)
        x = generator.uniform(-1, 1, (1000, 2))
        found = []
        for layer in range(self.depth):
            initializer = Siren(self.omega, first=layer == 0, seed=layer)
            kernel = to_numpy(initializer((x.shape[1], self.width)))
            z = self.omega * x @ kernel * (factor if layer else 1.0)
            found.append(z.std())
            x = np.sin(z)
        return np.array(found), x.std()

    @staticmethod
    def fixed_point(factor=1.0):
        """The variance that a layer keeps: E sin(z)^2 = (1 - exp(-2 q)) / 2."""
        return scipy.optimize.brentq(
            lambda q: q - factor**2 * (1 - math.exp(-2 * q)), 0.1, 10
        )

    def test_it_settles_at_the_fixed_point_and_not_at_one(self):
        deviations, of_sines = self.deviations()
        q = self.fixed_point()
        assert math.sqrt(q) == pytest.approx(0.893, abs=5e-4)
        assert math.sqrt(q / 2) == pytest.approx(0.631, abs=5e-4)
        # A layer has 400 units: their mean square has a standard error of some 5 %,
        # and the eight last layers are averaged.
        assert deviations[4:].mean() == pytest.approx(math.sqrt(q), rel=0.03)
        assert of_sines == pytest.approx(math.sqrt(q / 2), rel=0.05)
        assert abs(deviations[4:].mean() - 1) > 0.06

    def test_another_scale_settles_elsewhere(self):
        deviations, _ = self.deviations(1.15)
        expected = math.sqrt(self.fixed_point(1.15))
        assert deviations[4:].mean() == pytest.approx(expected, rel=0.03)
        assert deviations[4:].mean() > 1.05


def test_a_bad_omega():
    with refuses(
        "`Siren` needs `omega` to be a finite number above 0. Received: omega=0. Pass "
        "a positive float, for example 1.0."
    ):
        Siren(omega=0)
