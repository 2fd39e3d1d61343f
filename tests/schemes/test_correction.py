"""The factor that gives a pre-activation its variance, judged by applying it."""

import decimal

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from keras_initx.schemes._lsuv.correction import correct


def statistics_of(pre_activation):
    """The mean and the variance of each channel, as the trace measures them."""
    others = tuple(range(pre_activation.ndim - 1))
    return (
        pre_activation.mean(others, keepdims=True),
        pre_activation.var(others, keepdims=True),
    )


def sample(seed, channels=5, bias_scale=0.0, scale=1.0):
    """What a kernel makes, and a bias."""
    generator = np.random.default_rng(seed)
    offsets = generator.normal(size=channels)
    linear = scale * (generator.normal(size=(40, 3, channels)) + offsets)
    return linear, bias_scale * generator.normal(size=(1, 1, channels))


@hypothesis.given(
    seed=strategies.integers(0, 1000),
    scale=strategies.sampled_from([1e-6, 0.1, 1.0, 50.0]),
    bias_scale=strategies.sampled_from([0.0, 0.1, 0.9]),
    target=strategies.sampled_from([1.0, 2.5]),
)
def test_the_factor_gives_the_standard_deviation(seed, scale, bias_scale, target):
    linear, bias = sample(seed, bias_scale=bias_scale, scale=scale)
    hypothesis.assume(bias.std() < target)
    found = correct(*statistics_of(linear + bias), bias, target, 1e-9)
    corrected = found.factors * linear + bias
    assert corrected.std() == pytest.approx(target, rel=1e-6)
    assert found.factors.size == 1
    assert found.std_before == pytest.approx((linear + bias).std())
    assert found.std_after == pytest.approx(target)
    assert found.mean_before == pytest.approx((linear + bias).mean())
    assert found.mean_after == pytest.approx(corrected.mean())
    # The same by scaling the whole and putting the bias right.
    again = found.factors * (linear + bias) + found.offset(bias)
    np.testing.assert_allclose(again, corrected, atol=1e-6 * target)


@hypothesis.given(seed=strategies.integers(0, 1000), is_centered=strategies.booleans())
def test_for_each_channel(seed, is_centered):
    linear, bias = sample(seed, bias_scale=3.0, scale=0.2)
    found = correct(
        *statistics_of(linear + bias), bias, 2.0, 1e-9, (2,), is_centered=is_centered
    )
    corrected = found.factors * linear + bias + found.shift
    np.testing.assert_allclose(corrected.std((0, 1)), 2.0, rtol=1e-6)
    if is_centered:
        np.testing.assert_allclose(corrected.mean((0, 1)), 0, atol=1e-6)
    else:
        assert not found.shift.any()
    assert found.std_after == pytest.approx(2.0)
    # The root of the mean variance, not the mean of the roots.
    mean_variance = (linear + bias).var((0, 1)).mean()
    assert found.std_before == pytest.approx(np.sqrt(mean_variance))


def test_centering_shifts_all_channels_alike():
    linear, bias = sample(0, bias_scale=0.3)
    found = correct(*statistics_of(linear + bias), bias, 1.0, 1e-9, is_centered=True)
    corrected = found.factors * linear + bias + found.shift
    assert found.shift.size == 1
    assert abs(corrected.mean()) < 1e-9
    assert corrected.std() == pytest.approx(1.0)


def test_two_roots_the_kernel_keeps_its_sign():
    """A bias that works against the kernel: the larger root is the one that is left."""
    generator = np.random.default_rng(0)
    offsets = generator.normal(size=5)
    linear = generator.normal(size=(400, 1, 5)) * 0.1 + offsets
    bias = -1.5 * offsets.reshape(1, 1, 5)
    target = 0.9 * bias.std()
    found = correct(*statistics_of(linear + bias), bias, target, 1e-9)
    assert found.factors > 0
    assert (found.factors * linear + bias).std() == pytest.approx(target, rel=1e-6)


def test_a_small_root_is_exact():
    """The bias nearly has the target alone: a difference would lose half the digits."""
    bias, variance = np.array([[1.0, -1.0]]), np.full((1, 2), 0.5)
    target = 1 + 2.0**-26
    found = correct(4 * bias, variance, bias, target, 1e-9)
    # 9.5 f^2 + 6 f = target^2 - 1, with Var[a] = 0.5 + 9 and Cov[a, bias] = 3.
    with decimal.localcontext(prec=50):
        room = decimal.Decimal(target) ** 2 - 1
        linear_variance = decimal.Decimal("9.5")
        root = ((9 + linear_variance * room).sqrt() - 3) / linear_variance
    assert found.factors.item() == pytest.approx(float(root), rel=1e-14, abs=0)


def test_within_the_tolerance_nothing_changes():
    linear, bias = sample(0)
    target = linear.std() * 1.009
    assert correct(*statistics_of(linear), bias, target, 0.01).changes_nothing
    assert not correct(*statistics_of(linear), bias, target, 0.008).changes_nothing


def test_the_tolerance_holds_for_the_mean_too():
    linear, bias = sample(0)
    linear = linear / linear.std() - (linear / linear.std()).mean()
    near = correct(*statistics_of(linear + 0.009), bias, 1.0, 0.01, is_centered=True)
    far = correct(*statistics_of(linear + 0.011), bias, 1.0, 0.01, is_centered=True)
    assert near.changes_nothing
    assert far.shift == pytest.approx(-0.011)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_what_does_not_vary_is_dead(value):
    mean, variance = np.full((1, 3), value), np.zeros((1, 3))
    found = correct(mean, variance, np.zeros((1, 1)), 1.0, 0.01)
    assert found.is_dead.all()
    assert found.changes_nothing


def test_rounding_is_no_variance():
    mean, variance = np.full((1, 3), 1e4), np.full((1, 3), 1e-5)
    assert correct(mean, variance, np.zeros((1, 1)), 1.0, 0.01).is_dead.all()


def test_a_dead_channel_among_others():
    linear, bias = sample(0)
    linear[..., 2] = 4.0
    found = correct(*statistics_of(linear), bias, 1.0, 0.01, (2,))
    assert found.is_dead.ravel().tolist() == [False, False, True, False, False]
    assert found.factors[0, 0, 2] == 1
    # The root of the mean variance.
    assert found.std_after == pytest.approx(np.sqrt(4 / 5))
    # As one layer it is not dead.
    assert not correct(*statistics_of(linear), bias, 1.0, 0.01).is_dead


def test_a_bias_that_varies_too_much_is_hopeless():
    linear, bias = sample(0, bias_scale=10.0, scale=0.1)
    found = correct(*statistics_of(linear + bias), bias, 1.0, 0.01)
    assert found.is_hopeless
    assert not found.is_dead
    assert found.changes_nothing
