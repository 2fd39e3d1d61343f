"""Moments of units and their derivatives by the logarithm of the variance."""

import math

import pytest

from keras_initx._backend.eagerly import eagerly
from keras_initx.activations._unit import unit_of

pytestmark = pytest.mark.same_on_each_backend

STEP = 0.01


@pytest.mark.parametrize("moment", ["second_moment", "slope_moment"])
@pytest.mark.parametrize("name", ["gelu", "hard_tanh", "swiglu", "glu"])
def test_derivatives_by_the_logarithm_of_the_variance(name, moment):
    """By central differences, whose error is of the order STEP^2."""

    @eagerly
    def at(log_q, order=0):
        return getattr(unit_of("f", name), moment)(math.exp(log_q), order=order)

    here = math.log(1.7)
    before, value, after = (at(here + step) for step in (-STEP, 0, STEP))
    limit = {"rel": 1e-3, "abs": 2 * STEP**2 * value}
    assert at(here, 1) == pytest.approx((after - before) / (2 * STEP), **limit)
    second = (after - 2 * value + before) / STEP**2
    assert at(here, 2) == pytest.approx(second, **limit)
