"""Random numbers: the laws that each backend's own draws have, in parts too."""

import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, to_numpy
from keras import ops

from keras_initx import _random

# Below, at and above the sizes at which a backend draws in parts.
SIZES = (1, 4095, 4097, 2**16 + 1, 2**20 + 5, 2**22 + 3)


@pytest.mark.parametrize("size", SIZES)
def test_no_part_is_a_copy_of_another(size):
    numbers = _random.normal((size,), "float32", 1)
    assert numbers.shape == (size,)
    # Rounded to float32, a few of so many numbers are equal by chance.
    assert np.unique(numbers).size > 0.6 * size
    for start in range(0, size - 2000, 4096):
        limits.assert_distribution(
            np.asarray(numbers[start : start + 2000 : 7]), scipy.stats.norm.cdf
        )
        if start > 2**17:
            break


def test_numbers_have_their_laws():
    limits.assert_distribution(
        _random.normal((20_000,), "float32", 1), scipy.stats.norm.cdf
    )
    limits.assert_distribution(_random.uniform((20_000,), 2), scipy.stats.uniform.cdf)
    integers = _random.integers((20_000,), 3)
    assert integers.dtype == "int32"
    assert 0 <= integers.min() <= integers.max() <= 2**31 - 2
    limits.assert_distribution(integers / 2**31, scipy.stats.uniform.cdf)


@pytest.mark.skipif(BACKEND == "torch", reason="PyTorch does not trace initializers")
@pytest.mark.parametrize("size", SIZES[1:])
def test_traced_numbers_are_the_eager_ones(size):
    def traced():
        return ops.convert_to_tensor(_random.normal((size,), "float32", 3))

    if BACKEND == "jax":
        import jax  # noqa: TID251

        compiled = jax.jit(traced)
    else:
        import tensorflow as tf  # noqa: TID251

        compiled = tf.function(traced)
    eager = _random.normal((size,), "float32", 3)
    np.testing.assert_allclose(to_numpy(compiled()), eager, atol=1e-6)
