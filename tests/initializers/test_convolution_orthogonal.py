"""ConvolutionOrthogonal, judged by its Fourier symbol and by the layers that use it."""

import itertools
import math

import hypothesis.strategies as st
import keras
import limits
import numpy as np
import pytest
from catalogue import to_numpy
from hypothesis import given, settings
from keras import layers, ops

from keras_initx.initializers import ConvolutionOrthogonal
from keras_initx.initializers import _convolution_orthogonal as module

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
KERNEL_SIZES = [(1,), (2,), (3,), (6,), (3, 3), (2, 5), (1, 4), (4, 4), (2, 3, 4)]


def symbol_values(kernel, frequencies=7):
    """The singular values of sum_t K[t] exp(-i w.t) at each frequency w of a grid."""
    axes = range(kernel.ndim - 2)
    symbol = np.fft.fftn(
        kernel.astype("complex128"), s=[frequencies] * len(axes), axes=axes
    )
    return np.linalg.svd(symbol, compute_uv=False)


def assert_orthogonal_convolution(kernel, gain=1.0):
    np.testing.assert_allclose(symbol_values(to_numpy(kernel)) / gain, 1, atol=1e-5)


@pytest.mark.parametrize("channels", [(4, 4), (3, 6), (6, 3), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
@pytest.mark.same_on_each_backend
def test_all_singular_values_of_the_symbol_are_the_gain(kernel_size, channels):
    kernel = ConvolutionOrthogonal(0.7, seed=2)((*kernel_size, *channels))
    assert_orthogonal_convolution(kernel, 0.7)


@given(
    st.lists(st.integers(1, 4), max_size=3),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**31 - 1),
)
@settings(max_examples=15)
def test_any_shape(kernel_size, in_channels, out_channels, seed):
    initializer = ConvolutionOrthogonal(seed=seed)
    assert_orthogonal_convolution(
        initializer((*kernel_size, in_channels, out_channels))
    )


def test_a_large_kernel_is_exact_too():
    kernel = to_numpy(ConvolutionOrthogonal(seed=0)((3, 3, 256, 300)))
    frequency = np.exp(-1j * np.array([0.3, 1.9]))
    symbol = sum(
        kernel[tap] * np.prod(frequency**tap) for tap in np.ndindex(kernel.shape[:2])
    )
    singular = np.linalg.svd(symbol, compute_uv=False)
    np.testing.assert_allclose(singular, np.ones(256), atol=1e-5)


def test_a_matrix_is_semi_orthogonal():
    for shape in [(5, 5), (3, 8), (8, 3)]:
        kernel = to_numpy(ConvolutionOrthogonal(1.5, seed=0)(shape))
        limits.assert_semi_orthogonal(kernel, 1.5)


@pytest.mark.parametrize("kernel_size", [(3,), (3, 3), (2, 4), (2, 2, 3)])
def test_the_taps_share_the_energy_binomially(kernel_size):
    """Each factor gives half of the energy to each of its two taps, on average."""
    initializer = ConvolutionOrthogonal(batch_axes=[0], seed=0)
    energy = (to_numpy(initializer((4000, *kernel_size, 4, 4))) ** 2).sum(axis=(-2, -1))
    for tap in np.ndindex(kernel_size):
        share = np.prod(
            [
                math.comb(size - 1, index) / 2 ** (size - 1)
                for index, size in zip(tap, kernel_size, strict=True)
            ]
        )
        limits.assert_mean(energy[:, *tap] / 4, share)


# The spatial axis of each factor, in their order.
ORDERS = [((3,), [0, 0]), ((3, 3), [0, 1, 0, 1]), ((2, 4), [0, 1, 1, 1])]


@pytest.mark.parametrize("channels", [(4, 6), (4, 4), (6, 4)])
@pytest.mark.parametrize(("kernel_size", "order"), ORDERS)
def test_the_taps_are_those_of_the_paper(kernel_size, order, channels, monkeypatch):
    """Every product of projections, slowly, from the matrices and coins of a draw."""
    matrices, coins = watch_draws(monkeypatch)
    kernel = to_numpy(ConvolutionOrthogonal(seed=1)((*kernel_size, *channels)))
    # What is drawn are the products of neighbouring bases.
    first, (*others,) = matrices[0][0, 0], matrices[1][:, 0, 0]
    bases = [
        np.linalg.multi_dot([*others[s:], np.eye(max(channels))]).T
        for s in range(len(others))
    ]
    q = first @ bases[0].T
    projections = [
        (basis * (coin[0, 0] < 0.5)) @ basis.T
        for basis, coin in zip(bases, coins[0], strict=True)
    ]
    expected = np.zeros((*kernel_size, min(channels), max(channels)))
    for choice in itertools.product([0, 1], repeat=len(order)):
        taps, product = [0] * len(kernel_size), q
        for axis, shifts, p in zip(order, choice, projections, strict=True):
            taps[axis] += shifts
            product = product @ ((np.eye(max(channels)) - p) if shifts else p)
        expected[*taps] += product
    if channels[0] > channels[1]:
        expected = expected.swapaxes(-1, -2)
    np.testing.assert_allclose(kernel, expected, atol=1e-5)


def watch_draws(monkeypatch):
    """The Haar-random matrices and the uniform numbers that are drawn from now on."""
    drawn = {"haar": [], "uniform": []}

    def watched(name, draw):
        def function(*args):
            drawn[name].append(draw(*args))
            return np.array(drawn[name][-1])

        return function

    for name in drawn:
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    return drawn.values()


def test_the_projections_have_every_rank():
    initializer = ConvolutionOrthogonal(batch_axes=[0], seed=3)
    kernel = to_numpy(initializer((2000, 2, 4, 4)))
    # K[0] = Q P, whose squared norm is the rank of P: binomial with 4 fair coins.
    ranks = (kernel[:, 0] ** 2).sum(axis=(1, 2)).round().astype(int)
    limits.assert_proportions(np.bincount(ranks, minlength=5), [1, 4, 6, 4, 1])


@pytest.mark.parametrize(
    ("kernel_size", "channels"), [((3, 3), (4, 4)), ((2, 3), (2, 3)), ((4,), (3, 2))]
)
def test_a_tap_is_zero_as_often_as_the_docstring_says(kernel_size, channels):
    initializer = ConvolutionOrthogonal(batch_axes=[0], seed=4)
    kernel = to_numpy(initializer((4000, *kernel_size, *channels)))
    is_zero = (kernel == 0).all(axis=(-2, -1)).reshape(4000, -1).any(axis=1)
    factors, n = sum(kernel_size) - len(kernel_size), max(channels)
    limits.assert_mean(is_zero.astype("float64"), 1 - (1 - 2 ** (1 - n)) ** factors)


def test_one_channel_leaves_one_tap():
    kernel = to_numpy(ConvolutionOrthogonal(batch_axes=[0], seed=4)((20, 3, 3, 1, 1)))
    np.testing.assert_array_equal(np.count_nonzero(kernel, axis=(1, 2, 3, 4)), 1)


def test_a_long_kernel_is_orthogonal_too():
    kernel = to_numpy(ConvolutionOrthogonal(seed=0)((301, 4, 3)))
    error = np.abs(symbol_values(kernel, frequencies=301) - 1).max()
    assert error < limits.rounding(4, layers=301)


@pytest.mark.parametrize("kernel_size", [(3,), (4,), (3, 3), (2, 3, 2)])
def test_a_circular_convolution_keeps_every_norm(kernel_size):
    dimensions = len(kernel_size)
    layer = CONVOLUTIONS[dimensions](
        6,
        kernel_size,
        use_bias=False,
        kernel_initializer=ConvolutionOrthogonal(1.3, seed=0),
    )
    x = np.random.default_rng(0).normal(size=(2, *[5] * dimensions, 4))
    around = [(size - 1, 0) for size in kernel_size]
    padded = np.pad(x, [(0, 0), *around, (0, 0)], mode="wrap").astype("float32")
    y = to_numpy(layer(ops.convert_to_tensor(padded)))
    assert y.shape == (2, *[5] * dimensions, 6)
    for one, result in zip(x, y, strict=True):
        ratio = np.linalg.norm(result) / np.linalg.norm(one)
        assert abs(ratio / 1.3 - 1) < 1e-5


def test_a_deep_circular_network_keeps_the_gradient():
    """A hundred layers: a Gaussian of the same scale loses nearly all directions."""
    x = np.random.default_rng(0).normal(size=(1, 6, 6, 8))
    norms = []
    for seed in range(100):
        kernel = to_numpy(ConvolutionOrthogonal(seed=seed)((3, 3, 8, 8)))
        padded = np.pad(x, [(0, 0), (2, 0), (2, 0), (0, 0)], mode="wrap")
        x = sum(
            padded[:, i : i + 6, j : j + 6] @ kernel[i, j] for i, j in np.ndindex(3, 3)
        )
        norms.append(np.linalg.norm(x))
    np.testing.assert_allclose(norms, norms[0], rtol=1e-4)


def test_each_group_is_an_orthogonal_convolution():
    kernel = to_numpy(ConvolutionOrthogonal(groups=3, seed=0)((3, 2, 4, 18)))
    blocks = [kernel[..., start : start + 6] for start in (0, 6, 12)]
    for block in blocks:
        assert_orthogonal_convolution(block)
    assert not np.allclose(blocks[0], blocks[1])


def test_each_batch_is_an_orthogonal_convolution():
    kernel = to_numpy(ConvolutionOrthogonal(batch_axes=[2], seed=0)((3, 2, 5, 4, 6)))
    for batch in range(5):
        assert_orthogonal_convolution(kernel[:, :, batch])


def test_a_transposed_convolution_names_its_axes():
    layer = layers.Conv2DTranspose(
        4,
        3,
        kernel_initializer=ConvolutionOrthogonal(
            input_axes=[-1], output_axes=[-2], seed=0
        ),
    )
    layer.build((None, 5, 5, 6))
    kernel = to_numpy(layer.kernel)
    assert kernel.shape == (3, 3, 4, 6)
    assert_orthogonal_convolution(kernel.swapaxes(-1, -2))


def test_a_network_of_such_convolutions_is_saved_and_loaded(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Conv2D(4, 3, kernel_initializer=ConvolutionOrthogonal(0.5, seed=1)),
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    initializer = loaded.layers[-1].kernel_initializer
    np.testing.assert_array_equal(
        to_numpy(initializer((3, 3, 3, 4))), to_numpy(model.layers[-1].kernel)
    )


def test_each_draw_has_a_seed_of_its_own(drawn_seeds):
    for seed in range(3):
        ConvolutionOrthogonal(seed=seed)((3, 2, 4, 4))
    # Q, the bases of all factors, and the coins.
    assert len(drawn_seeds) == 3 * 3
    assert len(set(drawn_seeds)) == len(drawn_seeds)
