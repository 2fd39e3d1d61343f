"""Memory that a framework takes over."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from hypothesis.extra.numpy import array_shapes

from keras_initx._backend.memory import ALIGNMENT, handed_over


@given(array_shapes(max_dims=3, min_side=2, max_side=40), st.data())
def test_an_array_in_any_order_of_memory_is_the_same_array(shape, data):
    numbers = np.random.default_rng(0).normal(size=shape).astype("float32")
    order = data.draw(st.permutations(range(len(shape))))
    array = numbers.transpose(order)[data.draw(st.integers(0, 1)) :]
    result = handed_over(array)
    np.testing.assert_array_equal(result, array)
    assert result.flags.c_contiguous
    assert result.ctypes.data % ALIGNMENT == 0


def test_an_array_that_fits_is_not_copied():
    first = handed_over(np.zeros((3, 70), "float32").T)
    assert handed_over(first) is first
