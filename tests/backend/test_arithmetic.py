"""Arithmetic on tensors and gradients of any dtype and size."""

import numpy as np
import pytest
from catalogue import dtype_of, to_numpy
from keras import ops

from keras_initx import _backend
from keras_initx._backend.arithmetic import scaled_copy
from keras_initx._backend.gradients import probe, pullback


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("offset", [0.0, 0.123])
def test_a_short_tensor_is_scaled_in_float32_and_rounded_once(dtype, offset):
    tensor = ops.cast(np.linspace(-7, 9, 50, dtype="float32"), dtype)
    factors, offsets = np.array(1.00321), np.array(offset)
    wide = ops.convert_to_numpy(ops.cast(tensor, "float32"))
    expected = ops.cast(
        wide * factors.astype("float32") + offsets.astype("float32"), dtype
    )
    result = scaled_copy(tensor, factors, offsets)
    assert dtype_of(result) == dtype
    np.testing.assert_array_equal(to_numpy(result), to_numpy(expected))


FACTORS = [np.array(0.7), np.linspace(0.5, 2, 5).reshape(1, 5)]


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("offset", [0.0, 0.123])
def test_a_tensor_is_scaled_and_shifted(factors, offset):
    array = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
    tensor = ops.add(array, 1)
    expected = (array + 1) * factors.astype("float32") + np.float32(offset)
    result = _backend.scaled(tensor, factors, np.array(offset))
    assert dtype_of(result) == "float32"
    np.testing.assert_allclose(to_numpy(result), expected, rtol=1e-6)


def test_a_tensor_in_another_order_of_memory_is_scaled():
    array = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    tensor = ops.transpose(ops.add(array, 1))
    result = _backend.scaled(tensor, np.array(0.5), np.array(0.0))
    np.testing.assert_allclose(to_numpy(result), (array.T + 1) * 0.5, rtol=1e-6)


@pytest.mark.parametrize("size", [1.0, 1e-30, 1e30])
def test_the_norm_of_a_gradient_neither_overflows_nor_vanishes(size):
    token = ops.zeros((), "float32")
    _, product = pullback(probe, [ops.ones((3, 4)), token])
    gradient, norm = product(np.full((3, 4), size, "float32"))
    np.testing.assert_allclose(to_numpy(gradient), size, rtol=1e-6)
    np.testing.assert_allclose(to_numpy(norm), size * 12**0.5, rtol=1e-6)
