"""Sparse: exactly k incoming weights for each unit, uniform among all subsets."""

import itertools

import limits
import numpy as np
import pytest
from catalogue import refuses
from keras import ops

from keras_initx._kernel import subsets
from keras_initx.initializers import Sparse


def draw(initializer, shape):
    return ops.convert_to_numpy(initializer(shape))


def assert_incoming(kernel, connections):
    """Each output unit, the last axis, has this number of non-zero incoming weights."""
    incoming = np.count_nonzero(kernel.reshape(-1, kernel.shape[-1]), axis=0)
    np.testing.assert_array_equal(incoming, connections)


@pytest.mark.parametrize("connections", [1, 3, 15, 128, 129, 199])
def test_each_unit_has_exactly_so_many_incoming_weights(connections):
    kernel = draw(Sparse(connections, seed=0), (200, 50))
    assert_incoming(kernel, connections)
    outgoing = np.count_nonzero(kernel, axis=1)
    assert outgoing.std() > 0, "the outgoing weights must not be held fixed too"


def test_the_version_of_pytorch_is_transposed():
    """`torch.nn.init.sparse_` zeroes a share of each column of an (out, in) matrix."""
    generator = np.random.default_rng(0)
    torch_weight = generator.normal(size=(50, 200))
    for column in torch_weight.T:
        column[generator.permutation(50)[15:]] = 0
    keras_kernel = torch_weight.T
    with pytest.raises(AssertionError):
        assert_incoming(keras_kernel, 15)


def test_the_receptive_field_of_a_convolution_is_incoming():
    kernel = draw(Sparse(20, seed=0), (3, 3, 8, 50))
    assert_incoming(kernel, 20)
    used = np.count_nonzero(kernel, axis=-1)
    assert used.all(), "some tap or channel is never used by 50 units with 20 weights"


def test_no_more_connections_than_inputs():
    assert_incoming(draw(Sparse(15, seed=0), (6, 4)), 6)


@pytest.mark.parametrize(
    ("fraction", "connections"), [(0.1, 20), (0.5, 100), (0.999, 200), (0.001, 1)]
)
def test_a_fraction_of_the_fan_in(fraction, connections):
    assert_incoming(draw(Sparse(fraction, seed=0), (200, 30)), connections)


def test_a_batch_axis_numbers_independent_kernels():
    kernel = draw(Sparse(3, batch_axes=[-2], seed=0), (3, 3, 40, 4))
    np.testing.assert_array_equal(np.count_nonzero(kernel, axis=(0, 1)), 3)


def test_a_transposed_kernel_counts_along_its_own_input_axis():
    kernel = draw(Sparse(5, input_axes=[-1], output_axes=[-2], seed=0), (3, 6, 40))
    np.testing.assert_array_equal(np.count_nonzero(kernel, axis=(0, 2)), 5)


@pytest.mark.parametrize("connections", [15, 200, 256])
def test_values_are_normal_with_the_given_deviation(connections):
    kernel = draw(Sparse(connections, stddev=0.3, seed=0), (256, 2000))
    values = kernel[kernel != 0].astype("float64")
    limits.assert_stddev(values, 0.3)
    limits.assert_mean(values, 0.0)
    limits.assert_mean(values**4, 3 * 0.3**4)


@pytest.mark.parametrize("route", ["positions", "mask"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_subset_is_equally_likely(route, size):
    units = 20_000
    if route == "positions":
        chosen = ops.convert_to_numpy(subsets.positions(size, 6, units, seed=1))
        chosen = np.sort(chosen, axis=0).T
    else:
        mask = ops.convert_to_numpy(subsets.mask(size, 6, units, seed=1))
        np.testing.assert_array_equal(mask.sum(0), size)
        chosen = np.nonzero(mask.T)[1].reshape(units, size)
    every = list(itertools.combinations(range(6), size))
    found, counts = np.unique(chosen, axis=0, return_counts=True)
    assert [tuple(subset) for subset in found] == every
    limits.assert_uniform(counts)


def test_positions_are_uniform_in_a_large_population():
    positions = ops.convert_to_numpy(subsets.positions(15, 4096, 4096, seed=1))
    assert all(len(set(column)) == 15 for column in positions.T)
    limits.assert_uniform(np.bincount(positions.ravel() // 64, minlength=64))


def test_units_are_independent():
    """Two units share each of their weights with chance k / n."""
    mask = draw(Sparse(15, seed=0), (100, 4000)) != 0
    shared = (mask[:, ::2] & mask[:, 1::2]).sum(0)
    limits.assert_mean(shared, 15 * 15 / 100)


MESSAGE = (
    "`Sparse` needs `connections` to be an integer of at least 1, or a float between 0 "
    "and 1. Received: connections={}. Pass the number of incoming weights of each "
    "unit, for example 15, or their fraction of the fan-in, for example 0.1."
)


@pytest.mark.parametrize("value", [0, -3, 0.0, 1.0, 1.5, -0.5, True, None, "15"])
def test_bad_connections(value):
    with refuses(MESSAGE.format(repr(value))):
        Sparse(value)


def test_bad_stddev():
    message = (
        "`Sparse` needs `stddev` to be a finite number above 0. Received: stddev=-1. "
        "Pass a positive float, for example 1.0."
    )
    with refuses(message):
        Sparse(stddev=-1)
