"""Random subsets of large populations; `test_sparse` holds the law of small ones."""

import numpy as np
import pytest
from catalogue import to_numpy, traced
from keras import ops

from keras_initx._kernel import subsets

# The counters pass the numbers that float16 and bfloat16 hold exactly.
SIZE, POPULATION = 2301, 4003


@pytest.mark.parametrize("run", [lambda draw: draw(), traced], ids=["eager", "traced"])
def test_a_large_subset_has_exactly_its_size(run):
    chosen = run(lambda: ops.convert_to_tensor(subsets.mask(SIZE, POPULATION, 3, 1)))
    np.testing.assert_array_equal(to_numpy(chosen).sum(0), SIZE)
