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

from keras_initx._kernel import haar as module
from keras_initx.initializers import ConvolutionOrthogonal

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


def test_the_taps_are_those_of_the_recursion(monkeypatch):
    """The block of Xiao et al. for two spatial axes, convolved with itself slowly."""
    drawn = []
    haar = module.haar

    def watched(*args):
        drawn.append(np.array(haar(*args)).astype("float64")[0, 0])
        return np.array(drawn[-1], "float32")[None, None]

    masks = []
    uniform = np.random.default_rng(0)

    def coins(shape, seed):
        masks.append(uniform.random(shape).astype("float32"))
        return masks[-1]

    monkeypatch.setattr(
        "keras_initx.initializers._convolution_orthogonal.haar", watched
    )
    monkeypatch.setattr(
        "keras_initx.initializers._convolution_orthogonal.uniform", coins
    )
    kernel = to_numpy(ConvolutionOrthogonal(seed=1)((3, 3, 4, 6)))
    q, *bases = drawn
    projections = [
        (basis * (mask[0, 0] < 0.5)) @ basis.T
        for basis, mask in zip(bases, masks, strict=True)
    ]
    expected = np.zeros((3, 3, 4, 6))
    # One factor an axis and step, each of which either stays or shifts.
    for choice in itertools.product([0, 1], repeat=4):
        product = q
        for shifts, p in zip(choice, projections, strict=True):
            product = product @ ((np.eye(6) - p) if shifts else p)
        expected[choice[0] + choice[2], choice[1] + choice[3]] += product
    np.testing.assert_allclose(kernel, expected, atol=1e-5)


def test_the_projections_have_every_rank():
    initializer = ConvolutionOrthogonal(batch_axes=[0], seed=3)
    kernel = to_numpy(initializer((2000, 2, 4, 4)))
    # K[0] = Q P, whose squared norm is the rank of P: binomial with 4 fair coins.
    ranks = (kernel[:, 0] ** 2).sum(axis=(1, 2)).round().astype(int)
    counts = np.bincount(ranks, minlength=5)
    limits.assert_uniform(counts / np.array([1, 4, 6, 4, 1]) * 16 / 5)


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
    # Q, and for each of three factors its subspace: a basis and the coins.
    assert len(drawn_seeds) == 3 * (1 + 2 * 3)
    assert len(set(drawn_seeds)) == len(drawn_seeds)
