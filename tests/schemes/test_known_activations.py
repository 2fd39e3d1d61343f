"""Activations that are told by what they make of numbers."""

import functools

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import ops

from keras_initx.schemes._critical.known_activations import which_activation

pytestmark = pytest.mark.same_on_each_backend

Z = np.linspace(-8, 8, 512).reshape(8, 64)
NAMES = (
    "relu silu tanh leaky_relu elu selu sigmoid softplus mish relu6 hard_silu softsign "
    "hard_tanh hard_sigmoid log_sigmoid squareplus sparse_plus sparse_sigmoid "
    "soft_shrink hard_shrink tanh_shrink exponential"
).split()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_each_is_told_from_the_others(name, dtype):
    z = ops.convert_to_tensor(Z, dtype)
    function = keras.activations.get(name)
    found = which_activation(z, function(z))
    # CELU with alpha=1 is ELU.
    assert found is function or (name == "elu" and found is keras.activations.celu)


def test_both_forms_of_gelu():
    z = ops.convert_to_tensor(Z, "float32")
    for is_approximate in (False, True):
        function = functools.partial(keras.activations.gelu, approximate=is_approximate)
        found = which_activation(z, function(z))
        np.testing.assert_allclose(to_numpy(found(z)), to_numpy(function(z)), atol=1e-6)


def test_what_is_none_of_these():
    z = ops.convert_to_tensor(Z, "float32")
    assert which_activation(z, ops.reshape(z, (64, 8))) is None
    for other in (2 * z, ops.flip(z), keras.activations.leaky_relu(z, 0.3), z + 1e-3):
        assert which_activation(z, other) is NotImplemented
    # An identity is told before a rectifier of what is positive.
    assert which_activation(ops.abs(z), ops.abs(z)) is None
