"""Unitary matrices in real form: Haar-random ones, and Arjovsky's product."""

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import to_numpy, traced
from keras import ops

from keras_initx import Unitary
from keras_initx._kernel import structured_unitary
from keras_initx._kernel.unitary import haar_unitary, real_form

N = 4
SAMPLES = 2000
FIXED = scipy.stats.unitary_group.rvs(N, random_state=1)


def as_complex(kernel):
    """U, such that rows [x, y] times the kernel are (x + y i) U."""
    kernel, n = to_numpy(kernel), kernel.shape[-1] // 2
    np.testing.assert_array_equal(kernel[:n, :n], kernel[n:, n:])
    np.testing.assert_array_equal(kernel[:n, n:], -kernel[n:, :n])
    return kernel[:n, :n] + 1j * kernel[:n, n:]


@pytest.fixture(scope="module")
def samples():
    generator = keras.random.SeedGenerator(7)
    drawn = [as_complex(haar_unitary(N, "float32", generator)) for _ in range(SAMPLES)]
    return np.array(drawn)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5, 40, 150])
def test_the_kernel_is_orthogonal_and_commutes_with_i(structured, n):
    kernel = to_numpy(Unitary(structured, seed=3)((2 * n, 2 * n)))
    limits.assert_semi_orthogonal(kernel)
    times_i = np.block([[0 * np.eye(n), np.eye(n)], [-np.eye(n), 0 * np.eye(n)]])
    # The exact blocks of the Haar-random one are checked in `as_complex`.
    np.testing.assert_allclose(kernel @ times_i, times_i @ kernel, atol=1e-6)


def test_the_real_form_acts_as_the_complex_matrix():
    rng = np.random.default_rng(0)
    u = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    x, y = rng.normal(size=(2, 5, 3))
    expected = (x + 1j * y) @ u
    result = np.concatenate([x, y], axis=-1) @ real_form(u.real, u.imag)
    np.testing.assert_allclose(result[:, :3] + 1j * result[:, 3:], expected)


@pytest.mark.parametrize(
    "fixed", [np.eye(N), FIXED], ids=["as it is", "times a fixed one"]
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_unitary_matrices_are_haar_random(samples, fixed, side):
    u = fixed @ samples if side == "left" else samples @ fixed
    trace = np.trace(u, axis1=-2, axis2=-1)
    for part in (trace.real, trace.imag):
        limits.assert_mean(part, 0.0)
        limits.assert_mean(part**2, 0.5)
    limits.assert_mean(np.abs(trace) ** 2, 1.0)
    limits.assert_mean(np.abs(trace) ** 4, 2.0)
    for place in [(0, 0), (0, N - 1), (N - 1, 0), (N - 1, N - 1), (1, 2)]:
        entry = u[:, *place]
        limits.assert_distribution(np.abs(entry) ** 2, scipy.stats.beta(1, N - 1).cdf)
        limits.assert_distribution(
            np.angle(entry), scipy.stats.uniform(-np.pi, 2 * np.pi).cdf
        )
    angle = np.angle(np.linalg.det(u))
    limits.assert_distribution(angle, scipy.stats.uniform(-np.pi, 2 * np.pi).cdf)


def explicit(product):
    """D_3 R_2 F^-1 D_2 P R_1 F D_1 with the matrix of the Fourier transform."""
    phases, reflections = to_numpy(product.phases), to_numpy(product.reflections)
    n = phases.shape[-1]
    d1, d2, d3 = (np.diag(np.exp(1j * w)) for w in phases)
    numbers = np.arange(n)
    f = np.exp(-2j * np.pi * np.outer(numbers, numbers) / n) / np.sqrt(n)
    r1, r2 = (
        np.eye(n) - 2 * np.outer(v, v.conj()) / np.vdot(v, v)
        for v in reflections[:, :n] + 1j * reflections[:, n:]
    )
    p = np.eye(n)[np.asarray(ops.convert_to_numpy(product.permutation))]
    return d3 @ r2 @ f.conj().T @ d2 @ p @ r1 @ f @ d1


@pytest.mark.parametrize("n", [1, 2, 5, 12])
@pytest.mark.parametrize("route", [np.asarray, ops.convert_to_tensor])
def test_the_structured_product_is_that_of_the_matrices(n, route):
    product = structured_unitary.draw(n, "float32", 3)
    product = structured_unitary.StructuredUnitary(
        route(to_numpy(product.phases).astype("float32")),
        route(to_numpy(product.reflections).astype("float32")),
        route(np.asarray(ops.convert_to_numpy(product.permutation))),
    )
    z = np.random.default_rng(0).normal(size=(2, 7, n)).astype("float32")
    real, imaginary = product(route(z[0]), route(z[1]))
    expected = (z[0] + 1j * z[1]) @ explicit(product).T
    result = to_numpy(real) + 1j * to_numpy(imaginary)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_the_structured_initializer_is_that_product():
    kernel = to_numpy(Unitary(structured=True, seed=5)((12, 12)))
    expected = explicit(structured_unitary.draw(6, "float32", 5)).T
    np.testing.assert_allclose(
        kernel, real_form(expected.real, expected.imag), atol=1e-6
    )


def test_the_parameters_have_their_laws():
    product = structured_unitary.draw(2000, "float32", 3)
    angles = to_numpy(product.phases).ravel()
    limits.assert_distribution(angles, scipy.stats.uniform(-np.pi, 2 * np.pi).cdf)
    parts = to_numpy(product.reflections).ravel()
    limits.assert_distribution(parts, scipy.stats.uniform(-1, 2).cdf)


def test_each_permutation_is_equally_likely():
    generator = keras.random.SeedGenerator(7)
    counts = {}
    for _ in range(600):
        drawn = structured_unitary.draw_permutation(3, generator)
        order = tuple(ops.convert_to_numpy(drawn).tolist())
        assert sorted(order) == [0, 1, 2]
        counts[order] = counts.get(order, 0) + 1
    limits.assert_uniform(np.array([*counts.values(), *[0] * (6 - len(counts))]))


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("size", [6, 300])
def test_a_traced_draw_gives_the_eager_kernel(structured, size):
    initializer = Unitary(structured, seed=3)
    kernel = traced(lambda: initializer((size, size)))
    expected = to_numpy(initializer((size, size)))
    np.testing.assert_allclose(to_numpy(kernel), expected, atol=2e-5)
