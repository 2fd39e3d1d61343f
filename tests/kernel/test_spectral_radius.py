"""The spectral radius, beside the eigenvalues that LAPACK finds."""

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from catalogue import to_numpy, traced
from hypothesis import given
from keras import ops

import keras_initx
from keras_initx import initializers
from keras_initx._kernel.spectral_radius import spectral_radius

ROTATION = np.array([[0.0, -2.0], [2.0, 0.0]])
JORDAN = 0.7 * np.eye(5) + np.eye(5, k=1)
MATRICES = {
    # Power iteration turns in circles.
    "complex pair": ROTATION,
    # The powers grow as m^4 times 0.7^m.
    "Jordan block": JORDAN,
    "opposite eigenvalues": np.diag([3.0, -3.0, 1.0]),
    "far from normal": np.array([[0.5, 1e6], [0.0, 0.25]]),
    "cycle": np.roll(np.eye(7), 1, axis=0),
    "tiny": 1e-30 * ROTATION,
    "huge": 1e30 * ROTATION,
}


def largest(matrix):
    return np.abs(np.linalg.eigvals(np.asarray(matrix, "float64"))).max()


@pytest.mark.parametrize("route", [np.asarray, ops.convert_to_tensor])
@pytest.mark.parametrize("name", MATRICES)
def test_it_is_the_largest_absolute_eigenvalue(name, route):
    matrix = MATRICES[name].astype("float32")
    radius = float(to_numpy(spectral_radius(route(matrix[None]))[0]))
    expected, error = largest(matrix), 1e-5
    if name == "Jordan block":
        # LAPACK finds a fivefold eigenvalue to 1e-3 only. In float32 the diagonal of a
        # power vanishes beside its corner from some m of 10^6 on.
        expected, error = 0.7, 1e-4
    assert radius == pytest.approx(expected, rel=error)


@pytest.mark.parametrize("route", [np.asarray, ops.convert_to_tensor])
def test_a_nilpotent_matrix_has_none(route):
    matrices = np.stack([np.eye(4, k=1), np.eye(4)]).astype("float32")
    assert to_numpy(spectral_radius(route(matrices))).tolist() == [0.0, 1.0]


@given(size=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
def test_random_matrices(size, seed):
    matrix = np.random.default_rng(seed).normal(size=(size, size))
    assert spectral_radius(matrix) == pytest.approx(largest(matrix), rel=1e-6)


@pytest.mark.parametrize("base", ["sparse", "glorot_uniform", "haar_orthogonal"])
@pytest.mark.parametrize("radius", [0.25, 1.1])
def test_the_kernel_has_the_radius_and_is_a_multiple_of_the_base(base, radius):
    kernel = to_numpy(keras_initx.SpectralRadius(radius, base, seed=3)((60, 60)))
    assert largest(kernel) == pytest.approx(radius, rel=1e-4)
    ratio = kernel[kernel != 0] / to_numpy(of_base(base)((60, 60)))[kernel != 0]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


def of_base(base):
    """The base with the seed that it got."""
    known = keras.initializers.get(base)
    return type(known).from_config({**known.get_config(), "seed": 3})


def test_by_default_each_unit_has_15_connections():
    kernel = to_numpy(keras_initx.SpectralRadius(seed=3)((60, 60)))
    assert ((kernel != 0).sum(axis=0) == 15).all()


def test_each_block_of_gates_has_the_radius():
    gates = initializers.Blockwise(initializers.SpectralRadius(0.9), seed=3)
    kernel = to_numpy(gates((20, 80)))
    for part in np.split(kernel, 4, axis=1):
        assert largest(part) == pytest.approx(0.9, rel=1e-4)


def test_batch_axes_number_independent_kernels():
    kernels = initializers.SpectralRadius(
        0.9, seed=3, input_axes=[1], output_axes=[2], batch_axes=[0]
    )((3, 20, 20))
    for kernel in to_numpy(kernels):
        assert largest(kernel) == pytest.approx(0.9, rel=1e-4)


def test_a_traced_draw_gives_the_eager_kernel():
    initializer = keras_initx.SpectralRadius(seed=3)
    kernel = traced(lambda: initializer((40, 40)))
    expected = to_numpy(initializer((40, 40)))
    np.testing.assert_allclose(to_numpy(kernel), expected, rtol=1e-4, atol=1e-6)
