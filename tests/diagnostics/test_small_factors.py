"""Layers that hold back all that is before them."""

import keras
import pytest

from keras_initx.diagnostics._measure.kernels import kernels_of
from keras_initx.diagnostics._measure.small_factors import small_factor


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(("initializer", "factor"), [("zeros", 0.0), ("ones", None)])
def test_a_kernel_counts_if_it_is_zero(initializer, factor, is_known):
    layer = keras.layers.Dense(3, kernel_initializer=initializer)
    layer.build((None, 2))
    kernels = kernels_of(layer) if is_known else []
    norms = {id(kernel.variable): kernel.row.norm for kernel in kernels}
    assert small_factor(layer, norms) == factor
