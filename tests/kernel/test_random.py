"""Random numbers: the laws that each backend's own draws have, in parts too."""

import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import to_numpy, traced
from keras import ops

from keras_initx._kernel import random

# Below, at and above the sizes at which a backend draws in parts.
SIZES = (1, 4095, 4097, 2**14, 2**18, 2**20 + 5, 2**23 + 3)
PARTS = (2**12, 2**14, 2**16, 2**18, 2**20, 2**22)


@pytest.mark.parametrize("size", SIZES)
def test_no_part_is_a_copy_of_another(size):
    numbers = random.normal((size,), "float32", 1)
    assert numbers.shape == (size,)
    for part in PARTS:
        if 2 * part <= size:
            assert np.mean(numbers[:part] == numbers[part : 2 * part]) < 0.01
            limits.assert_distribution(numbers[part:][:2000], scipy.stats.norm.cdf)


@pytest.mark.parametrize("source", ["keras", "portable"])
def test_numbers_have_their_laws(source, monkeypatch):
    if source == "portable":
        monkeypatch.setattr("keras_initx._kernel.portable._everywhere", True)
    limits.assert_distribution(
        random.normal((20_000,), "float32", 1), scipy.stats.norm.cdf
    )
    limits.assert_distribution(random.uniform((20_000,), 2), scipy.stats.uniform.cdf)
    integers = random.integers((20_000,), 3)
    assert integers.dtype == "int32"
    assert 0 <= integers.min() <= integers.max() <= 2**31 - 2
    limits.assert_distribution(integers / 2**31, scipy.stats.uniform.cdf)


@pytest.mark.parametrize("size", SIZES[1:])
def test_traced_numbers_are_the_eager_ones(size):
    def draw():
        return ops.convert_to_tensor(random.normal((size,), "float32", 3))

    np.testing.assert_allclose(to_numpy(traced(draw)), to_numpy(draw()), atol=1e-6)
