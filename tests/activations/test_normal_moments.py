"""Moments on normal inputs, and jumps, which have no derivative."""

import pytest
from catalogue import refuses
from keras import ops
from limits import close

from keras_initx.activations import critical_point, fixed_point

pytestmark = pytest.mark.same_on_each_backend


def double_step(x):
    """Two jumps of opposite signs, at the same distance from 0."""
    return ops.where(ops.abs(x) < 1, 1.0, 0.1) + ops.tanh(x)


def box(x):
    return ops.where(ops.abs(x - 0.5) < 0.5, 1.0, 0.1) + ops.tanh(x)


def far_step(x):
    return ops.where(x < -2, -1.0, ops.tanh(x))


def jump_message(function, activation):
    received = getattr(activation, "__name__", repr(activation))
    return (
        f"`{function.__name__}` needs an activation without jumps, whose gradient is "
        f"its derivative. Received: activation={received}. Pass a continuous "
        "activation."
    )


@pytest.mark.parametrize("activation", ["hard_shrink", double_step, box, far_step])
@pytest.mark.parametrize("function", [critical_point, fixed_point])
def test_a_jump_is_refused(function, activation):
    with refuses(jump_message(function, activation)):
        function(activation, 1.0)


@pytest.mark.parametrize("function", [critical_point, fixed_point])
def test_how_small_a_jump_is_refused(function):
    """By the formula of `has_jumps`, one of 1.5e-5 at 0.3."""

    def small_step(x):
        return ops.where(x > 0.3, 6e-5, 0.0) + ops.tanh(x)

    with refuses(jump_message(function, small_step)):
        function(small_step, 1.0)
    function(lambda x: ops.where(x > 0.3, 4e-6, 0.0) + ops.tanh(x), 1.0)


def late_step(x):
    return ops.where(x > 8, x + 30, ops.relu(x))


def box_far_away(x):
    return ops.relu(x) + ops.where(ops.logical_and(x > 20, x < 21), 30.0, 0.0)


def tiny_step(x):
    return ops.tanh(x) + ops.where(x > 1e-4, 1e-6, 0.0)


@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b"),
    [
        # At a variance of 83 without the jump, and of 944,847 with it.
        (late_step, 1.38, 2.0),
        # At 500,000, where the jumps up and down look like one place.
        (box_far_away, 1.4, 100.0),
        # At 1e-8.
        (tiny_step, 0.5, 1e-4),
    ],
)
def test_a_jump_is_refused_where_the_variance_goes(activation, sigma_w, sigma_b):
    with refuses(jump_message(fixed_point, activation)):
        fixed_point(activation, sigma_w, sigma_b)


def test_a_jump_that_the_signal_does_not_reach_is_none():
    """There it is a ReLU: q = sigma_b^2 / (1 - sigma_w^2 / 2)."""
    found = fixed_point(late_step, 1.0, 0.1)
    assert found == pytest.approx((0.02, 1, 1 / 2, 1 / 2, True), **close)
