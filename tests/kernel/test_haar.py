"""The engine of the orthogonal family: the right matrices, with the law of Haar.

Each test runs by each route: in NumPy with one block of reflections and with several,
and in `keras.ops`, as while a program is traced.
"""

import hypothesis.strategies as st
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, to_numpy, traced
from hypothesis import given
from keras import ops

from keras_initx._kernel import haar, random
from keras_initx._kernel.arrays import inverse_of_upper, namespace

pytestmark = pytest.mark.same_on_each_backend(every=9)

ROUTES = ("numpy", "numpy in blocks of 3", "ops", "ops in blocks of 3")
every_route = pytest.mark.parametrize("route", ROUTES, indirect=True)


@pytest.fixture
def route(request, monkeypatch):
    """Turns a Gaussian NumPy matrix into what this route works with."""
    if request.param.endswith("of 3"):
        monkeypatch.setattr(haar, "_block", lambda gaussian: 3)
    is_numpy = request.param.startswith("numpy")
    convert = np.array if is_numpy else ops.convert_to_tensor
    draw = random.normal

    def normal(shape, dtype, seed):
        return convert(to_numpy(draw(shape, dtype, seed)).astype(dtype))

    monkeypatch.setattr(haar, "normal", normal)
    return convert


def gaussian(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def reflections_one_by_one(matrix, gain):
    """Stewart's product, slowly, in float64."""
    n, k = matrix.shape
    q = np.eye(n, k)
    signs = np.ones(k)
    for j in reversed(range(k)):
        v = matrix[:, j].astype("float64")
        v[:j] = 0
        signs[j] = -1 if v[j] < 0 else 1
        v[j] += signs[j] * np.linalg.norm(v)
        q -= 2 * np.outer(v, v @ q) / (v @ v)
    return gain * q * -signs


@every_route
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (2, 2), (7, 7), (9, 4), (20, 13)])
def test_the_reflections_are_those_of_the_formula(route, shape):
    matrix = gaussian(*shape)
    expected = reflections_one_by_one(matrix, 0.5)
    result = to_numpy(haar.reflect(route(matrix), 0.5))
    np.testing.assert_allclose(result, expected, atol=limits.rounding(sum(shape)))


@pytest.mark.parametrize("convert", [np.array, ops.convert_to_tensor])
@pytest.mark.parametrize(
    "shape", [(64, 64), (65, 65), (129, 128), (129, 129), (300, 200), (260, 257)]
)
def test_matrices_of_many_blocks_too(convert, shape):
    """As many blocks as in use, with a rest in the last one."""
    matrix = gaussian(*shape)
    expected = reflections_one_by_one(matrix, 1.0)
    result = to_numpy(haar.reflect(convert(matrix), 1.0))
    np.testing.assert_allclose(result, expected, atol=limits.rounding(sum(shape)))


@every_route
def test_each_matrix_of_a_batch_is_computed_on_its_own(route):
    matrices = gaussian(2, 3, 8, 5)
    result = to_numpy(haar.reflect(route(matrices), 1.0))
    for index in np.ndindex(2, 3):
        one = to_numpy(haar.reflect(route(matrices[index]), 1.0))
        np.testing.assert_allclose(result[index], one, atol=limits.rounding(8))


@given(
    st.lists(st.integers(1, 3), max_size=2),
    st.integers(1, 140),
    st.integers(1, 140),
    st.floats(0.01, 100),
    st.integers(0, 2**31 - 1),
)
def test_any_shape_is_semi_orthogonal(batch, rows, columns, gain, seed):
    matrices = haar.haar((*batch, rows, columns), "float32", seed, gain)
    for matrix in to_numpy(matrices).reshape(-1, rows, columns):
        limits.assert_semi_orthogonal(matrix, gain)


def test_the_error_is_small_up_to_4096():
    for shape in [(1000, 1000), (4096, 4096), (4096, 512), (512, 4096)]:
        q = haar.haar(shape, "float32", 1)
        q = q if shape[0] >= shape[1] else q.T
        error = np.abs(q.T @ q - np.eye(min(shape), dtype="float32")).max()
        assert error < 1e-5, (shape, error)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 by default")
def test_float64_is_as_exact_as_float64_can_be():
    q = haar.haar((200, 150), "float64", 1)
    assert q.dtype == "float64"
    assert np.abs(q.T @ q - np.eye(150)).max() < 1e-13


@every_route
@pytest.mark.parametrize(
    "damage",
    [
        lambda matrix: matrix[:, 0].fill(0),
        lambda matrix: matrix[:, 3].fill(0),
        lambda matrix: matrix[:, -1].fill(0),
        lambda matrix: matrix.fill(0),
        lambda matrix: matrix.fill(1),
        lambda matrix: np.multiply(matrix, 1e-25, out=matrix),
        lambda matrix: np.multiply(matrix, 1e15, out=matrix),
    ],
    ids=["first zero", "fourth zero", "last zero", "zeros", "ones", "tiny", "huge"],
)
@pytest.mark.parametrize("shape", [(7, 7), (9, 5)])
def test_a_degenerate_draw_still_gives_an_orthogonal_matrix(route, damage, shape):
    matrix = gaussian(*shape)
    damage(matrix)
    limits.assert_semi_orthogonal(to_numpy(haar.reflect(route(matrix), 1.0)))


@pytest.mark.parametrize("size", [1, 31, 32, 33, 65, 128])
def test_the_inverse_of_a_triangular_matrix(size):
    matrix = np.triu(gaussian(2, size, size)) + 3 * size**0.5 * np.eye(size)
    inverse = inverse_of_upper(matrix.astype("float32"))
    expected = np.linalg.inv(matrix.astype("float64"))
    np.testing.assert_allclose(inverse, expected, atol=limits.rounding(size))


def test_an_eager_draw_needs_no_program():
    assert namespace(random.normal((3, 3), "float32", 1)) is np


@pytest.mark.parametrize("shape", [(5, 5), (70, 70), (300, 270), (130, 300)])
def test_a_traced_draw_gives_the_eager_matrix(shape):
    def draw():
        return ops.convert_to_tensor(haar.haar(shape, "float32", 3, 0.5))

    np.testing.assert_allclose(to_numpy(traced(draw)), to_numpy(draw()), atol=1e-5)


# The law


SAMPLES = 20_000
FIXED = scipy.stats.ortho_group.rvs(8, random_state=1)


def entry(n):
    """The distribution function of one entry of an n x n matrix.

    An entry is one coordinate of a uniform point of the sphere: (1 + x) / 2 has the
    beta distribution with both parameters (n - 1) / 2.
    """
    return lambda x: scipy.stats.beta((n - 1) / 2, (n - 1) / 2).cdf((1 + x) / 2)


def assert_haar_moments(q):
    """Traces of powers (Diaconis and Shahshahani 1994), and the determinant."""
    n = q.shape[-1]
    trace = np.trace(q, axis1=-2, axis2=-1)
    limits.assert_mean(trace, 0.0)
    if n > 1:
        limits.assert_mean(trace**2, 1.0)
    if n > 2:
        limits.assert_mean(trace**4, 3.0)
        limits.assert_mean(np.trace(q @ q, axis1=-2, axis2=-1), 1.0)
    limits.assert_mean(np.linalg.det(q), 0.0)


def assert_haar(q):
    """The law of square matrices, and that a multiplication does not change it."""
    n = q.shape[-1]
    assert_haar_moments(q)
    if n == 8:
        assert_haar_moments(FIXED @ q)
        assert_haar_moments(q @ FIXED)
        for matrices in (q, FIXED @ q, q @ FIXED):
            for index in [(0, 0), (0, 7), (7, 0), (7, 7), (3, 5)]:
                limits.assert_distribution(matrices[:, *index], entry(8))


@every_route
@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_square_matrices_are_haar_random(route, n):
    assert_haar(to_numpy(haar.haar((SAMPLES, n, n), "float32", 3)))


@every_route
@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (8, 1), (1, 8), (8, 7)])
def test_tall_and_wide_matrices_are_parts_of_haar_random_ones(route, shape):
    q = to_numpy(haar.haar((SAMPLES, *shape), "float32", 4))
    on_long_side = FIXED @ q if shape[0] == 8 else q @ FIXED
    for matrices in (q, on_long_side):
        for index in {(0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] - 1, 0)}:
            limits.assert_distribution(matrices[:, *index], entry(8))


def test_large_matrices_of_many_blocks_are_haar_random():
    q = to_numpy(haar.haar((300, 150, 150), "float32", 5))
    trace = np.trace(q, axis1=-2, axis2=-1)
    limits.assert_mean(trace, 0.0)
    limits.assert_mean(trace**2, 1.0)
    limits.assert_mean(np.linalg.det(q), 0.0)
    for row, column in np.random.default_rng(0).integers(0, 150, (20, 2)):
        limits.assert_distribution(q[:, row, column], entry(150))


def factor_without_signs(matrices):
    return np.linalg.qr(matrices)[0]


def one_reflection_missing(matrices):
    n = matrices.shape[-1]
    signs = np.where(np.diagonal(matrices, axis1=1, axis2=2) < 0, -1, 1)
    signs[:, -1] = -1
    q = np.eye(n) * -signs[:, None, :]
    for j in reversed(range(n - 1)):
        v = np.where(np.arange(n) < j, 0, matrices[:, :, j])
        v[:, j] += signs[:, j] * np.linalg.norm(v, axis=1)
        projections = np.einsum("si,sij->sj", v, q) / (v**2).sum(1, keepdims=True)
        q = q - 2 * v[:, :, None] * projections[:, None, :]
    return q


def svd_of_uniform(matrices):
    uniform = scipy.stats.norm.cdf(matrices)
    return np.linalg.svd(uniform)[0]


@pytest.mark.parametrize(
    "wrong", [factor_without_signs, one_reflection_missing, svd_of_uniform]
)
@pytest.mark.parametrize("n", [2, 4, 8])
def test_the_popular_wrong_versions_are_told_apart(wrong, n):
    q = wrong(gaussian(SAMPLES, n, n).astype("float64"))
    np.testing.assert_allclose(
        q.swapaxes(1, 2) @ q, np.tile(np.eye(n), (SAMPLES, 1, 1)), atol=1e-9
    )
    with pytest.raises(
        AssertionError, match=r"standard errors off|distributions differ"
    ):
        assert_haar(q)
