"""Mean and variance in one pass over the memory."""

import math

import hypothesis
import numpy as np
import pytest
from catalogue import OTHER_DTYPES, to_numpy
from hypothesis import strategies
from keras import ops

from keras_initx._model import mean_and_variance as module
from keras_initx._model.mean_and_variance import mean_and_variance

EPSILON = np.finfo("float32").eps


def numpy_moments(array, kept):
    """The definition, in float64."""
    others = tuple(axis for axis in range(array.ndim) if axis not in kept)
    array = array.astype("float64")
    return array.mean(others, keepdims=True), array.var(others, keepdims=True)


def assert_moments(tensor, kept, roundings=8):
    """Within `roundings` units of float32, of the spread and of the largest number."""
    mean, variance = mean_and_variance(tensor, kept)
    array = to_numpy(tensor)
    true_mean, true_variance = numpy_moments(array, kept)
    assert mean.shape == variance.shape == true_mean.shape
    assert mean.dtype == variance.dtype == np.float64
    spread = math.sqrt(true_variance.max())
    # The shift is one of the numbers, and so at most some ten deviations off.
    np.testing.assert_allclose(mean, true_mean, atol=roundings * EPSILON * spread)
    np.testing.assert_allclose(
        variance, true_variance, atol=100 * roundings * EPSILON * spread**2
    )


@strategies.composite
def tensors_and_axes(draw):
    rank = draw(strategies.integers(1, 4))
    shape = draw(strategies.tuples(*[strategies.integers(1, 7)] * rank))
    kept = draw(strategies.sets(strategies.integers(0, rank - 1)))
    seed = draw(strategies.integers(0, 1000))
    offset = draw(strategies.sampled_from([0.0, 3.0, -1000.0]))
    array = np.random.default_rng(seed).normal(offset, 1, shape)
    return array.astype("float32"), tuple(sorted(kept))


@hypothesis.given(tensors_and_axes())
def test_of_any_axes(case):
    array, kept = case
    assert_moments(ops.convert_to_tensor(array), kept)


@hypothesis.given(tensors_and_axes(), strategies.data())
def test_in_any_order_of_memory(case, data):
    """Frameworks hand on transposed and cut tensors."""
    array, kept = case
    order = data.draw(strategies.permutations(range(array.ndim)))
    steps = [data.draw(strategies.sampled_from([1, 2, -1])) for _ in order]
    array = array.transpose(order)[tuple(slice(None, None, step) for step in steps)]
    assert_moments(array, kept)


def test_of_broadcast_numbers():
    array = np.random.default_rng(0).normal(size=(1, 5, 1)).astype("float32")
    assert_moments(np.broadcast_to(array, (40, 5, 30)), (1,))


# Short rows are taken side by side, as many as divide their number.
@pytest.mark.parametrize("shape", [(4096, 3), (4097, 3), (24, 100), (7, 2000)])
def test_of_short_rows(shape):
    rows, units = shape
    array = (
        np.random.default_rng(0).normal(size=shape) + np.arange(rows)[:, None] / rows
    )
    assert_moments(array.astype("float32"), (1,))
    assert_moments(array.astype("float32").reshape(rows, 1, units), (2,))


# Larger than a piece, and not a multiple of it: along the rows, and within a row.
@pytest.mark.parametrize(
    "shape", [(70001, 3), (5, 100, 70, 3), (3, 70001), (70001, 1), (512, 600)]
)
@pytest.mark.parametrize("kept", [(), (0,), (1,)])
def test_of_many_pieces(shape, kept):
    array = np.random.default_rng(0).normal(5, 2, shape).astype("float32")
    assert_moments(ops.convert_to_tensor(array), kept)


@pytest.mark.parametrize("dtype", OTHER_DTYPES)
def test_of_other_dtypes(dtype):
    array = np.random.default_rng(0).normal(0, 2, (50, 4))
    assert_moments(ops.convert_to_tensor(array, dtype=dtype), (1,))


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e22, 1e30])
def test_where_squares_leave_the_range_of_float32(scale):
    array = (np.random.default_rng(0).normal(size=(100, 3)) * scale).astype("float32")
    _, variance = mean_and_variance(ops.convert_to_tensor(array), (1,))
    np.testing.assert_allclose(variance, numpy_moments(array, (1,))[1], rtol=1e-5)


def test_equal_numbers_have_no_variance():
    tensor = ops.full((1000, 3), 0.1)
    _, variance = mean_and_variance(tensor, ())
    assert variance == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows(value):
    array = np.ones((50, 3), "float32")
    array[7, 1] = value
    mean, variance = mean_and_variance(ops.convert_to_tensor(array), (1,))
    assert np.isfinite(mean + variance).tolist() == [[True, False, True]]


def test_out_of_reach_of_numpy(monkeypatch):
    """As on an accelerator: the framework computes."""
    monkeypatch.setattr(module, "view", lambda tensor: tensor)
    array = np.random.default_rng(0).normal(3, 2, (50, 4, 5)).astype("float32")
    assert_moments(ops.convert_to_tensor(array), (2,))
    assert_moments(ops.convert_to_tensor(array, dtype="bfloat16"), ())
