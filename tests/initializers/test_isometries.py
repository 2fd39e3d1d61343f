"""Where ConvolutionOrthogonal is exact, and what zero padding leaves of it."""

import math

import limits
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, ops

from keras_initx.initializers import ConvolutionOrthogonal, HaarOrthogonal

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D}
TRANSPOSED = {1: layers.Conv1DTranspose, 2: layers.Conv2DTranspose}
AXES = {"input_axes": [-1], "output_axes": [-2]}
GAIN = 1.3
# Float32 sums of this many products, in 2 + 2 factors.
ROUNDING = limits.rounding(6 * 9, layers=5)

every_kernel = pytest.mark.parametrize("kernel_size", [(3,), (4,), (3, 3), (2, 3)])
every_stride = pytest.mark.parametrize("strides", [1, 2, 3])


def jacobian(layer, size, channels, wrap=()):
    """The matrix of a linear layer: a row for each input, a column for each output."""
    dimensions = layer.rank
    shape = (*(size,) * dimensions, channels)
    one_hot = np.eye(np.prod(shape), dtype="float32").reshape(-1, *shape)
    if wrap:
        around = [(0, kernel - 1) for kernel in wrap]
        one_hot = np.pad(one_hot, [(0, 0), *around, (0, 0)], mode="wrap")
    outputs = to_numpy(layer(ops.convert_to_tensor(one_hot)))
    return outputs.reshape(len(one_hot), -1)


def singular_values(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


def convolution(kernel_size, outputs, cls=ConvolutionOrthogonal, **arguments):
    return CONVOLUTIONS[len(kernel_size)](
        outputs,
        kernel_size,
        use_bias=False,
        kernel_initializer=cls(GAIN, seed=1),
        **arguments,
    )


def transposed(kernel_size, outputs, cls=ConvolutionOrthogonal, **arguments):
    return TRANSPOSED[len(kernel_size)](
        outputs,
        kernel_size,
        use_bias=False,
        kernel_initializer=cls(GAIN, seed=1, **AXES),
        **arguments,
    )


@every_kernel
@every_stride
@pytest.mark.parametrize("channels", [(2, 3), (3, 3), (1, 4)])
@pytest.mark.same_on_each_backend
def test_full_padding_keeps_every_norm(kernel_size, strides, channels):
    inputs, outputs = channels
    matrix = jacobian(transposed(kernel_size, outputs, strides=strides), 4, inputs)
    assert matrix.shape[0] <= matrix.shape[1]
    np.testing.assert_allclose(singular_values(matrix), GAIN, rtol=ROUNDING)


@every_kernel
@every_stride
@pytest.mark.parametrize("channels", [(3, 2), (3, 3), (4, 1)])
@pytest.mark.same_on_each_backend
def test_valid_padding_forgets_and_keeps_the_rest(kernel_size, strides, channels):
    inputs, outputs = channels
    matrix = jacobian(convolution(kernel_size, outputs, strides=strides), 6, inputs)
    # As many singular values as outputs.
    assert matrix.shape[1] <= matrix.shape[0]
    np.testing.assert_allclose(singular_values(matrix), GAIN, rtol=ROUNDING)


@every_kernel
@every_stride
@pytest.mark.parametrize("channels", [(3, 2), (3, 3), (2, 3)])
@pytest.mark.same_on_each_backend
def test_circular_padding(kernel_size, strides, channels):
    inputs, outputs = channels
    layer = convolution(kernel_size, outputs, strides=strides)
    matrix = jacobian(layer, 6, inputs, wrap=kernel_size)
    values = singular_values(matrix)
    assert len(values) == min(matrix.shape)
    if inputs >= outputs or strides == 1:
        np.testing.assert_allclose(values, GAIN, rtol=ROUNDING)
    else:
        # More outputs than inputs, and only some of their places.
        assert values.min() < 0.95 * GAIN


@every_kernel
def test_other_initializers_are_not_exact(kernel_size):
    for layer in (transposed, convolution):
        matrix = jacobian(layer(kernel_size, 3, HaarOrthogonal), 6, 3)
        values = singular_values(matrix)
        assert values.max() > 1.2 * values.min()


class TestZeroPadding:
    def values(self, kernel_size, channels, size, seed):
        """The singular values of a layer, and how far its coins are from balance."""
        layer = layers.Conv1D(
            channels,
            kernel_size,
            padding="same",
            use_bias=False,
            kernel_initializer=ConvolutionOrthogonal(seed=seed),
        )
        values = singular_values(jacobian(layer, size, channels))
        # The degree of the determinant of K(z), the sum of the ranks of all I - P.
        energy = (to_numpy(layer.kernel) ** 2).sum(axis=(1, 2))
        ranks = (np.arange(kernel_size) * energy).sum()
        return values, round(ranks) - channels * ((kernel_size - 1) // 2)

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
    def test_the_number_of_zeros_on_one_axis(self, kernel_size, seed):
        values, unbalanced = self.values(kernel_size, 4, 9, seed)
        is_zero = values < ROUNDING
        assert is_zero.sum() == abs(unbalanced)
        assert values[~is_zero].min() > 100 * ROUNDING
        assert values.max() < 1 + ROUNDING

    def test_most_singular_values_stay(self):
        values, _ = self.values(3, 4, 30, 0)
        assert (np.abs(values - 1) < ROUNDING).mean() > 0.9

    def test_the_mean_number_of_zeros(self):
        """A fair coin for each of two times 64 columns decides a rank."""
        initializer = ConvolutionOrthogonal(batch_axes=[0], seed=1)
        kernel = to_numpy(initializer((1000, 3, 64, 64)))
        energy = (kernel**2).sum(axis=(2, 3))
        unbalanced = np.abs(energy @ np.arange(3) - 64).round()
        heads = np.arange(129)
        weights = [math.comb(128, n) / 2**128 for n in heads]
        expected = weights @ np.abs(heads - 64)
        limits.assert_mean(unbalanced, expected)
        # The figure of the docstring, and its formula.
        assert expected == pytest.approx(4.5, abs=0.05)
        assert expected == pytest.approx(math.sqrt(2 * 64 / (2 * np.pi)), rel=0.01)

    def test_an_image_has_some_for_each_row(self):
        """At most as many as its rows and columns have by themselves."""
        zeros = []
        for seed in range(6):
            layer = layers.Conv2D(
                4,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=ConvolutionOrthogonal(seed=seed),
            )
            values = singular_values(jacobian(layer, 5, 4))
            energy = (to_numpy(layer.kernel) ** 2).sum(axis=(2, 3))
            ranks = [energy.sum(axis=axis) @ np.arange(3) for axis in (1, 0)]
            unbalanced = np.abs(np.round(ranks) - 4).sum()
            zeros.append(((values < ROUNDING).sum(), 5 * unbalanced))
        for found, about in zeros:
            assert about / 2 <= found <= about


class TestOneChannel:
    @pytest.mark.parametrize("kernel_size", [3, 4, 5])
    def test_the_layer_moves_the_image(self, kernel_size):
        for seed in range(5):
            layer = layers.DepthwiseConv1D(
                kernel_size,
                padding="same",
                use_bias=False,
                depthwise_initializer=ConvolutionOrthogonal(
                    2.0, seed=seed, batch_axes=[-2]
                ),
            )
            x = np.random.default_rng(0).normal(size=(1, 9, 1)).astype("float32")
            y = to_numpy(layer(x))[0, :, 0]
            (tap,) = np.flatnonzero(to_numpy(layer.kernel)[:, 0, 0])
            sign = np.sign(to_numpy(layer.kernel)[tap, 0, 0])
            before = (kernel_size - 1) // 2
            padded = np.pad(x[0, :, 0], (before, kernel_size - 1 - before))
            expected = 2 * sign * padded[tap : tap + 9]
            np.testing.assert_allclose(y, expected, rtol=1e-5)

    def test_the_steps_are_fair_coins(self):
        initializer = ConvolutionOrthogonal(seed=1, batch_axes=[0])
        kernel = to_numpy(initializer((2000, 3, 4, 1, 1)))[..., 0, 0]
        limits.assert_proportions(
            (kernel != 0).sum(axis=0).ravel(), np.outer([1, 2, 1], [1, 3, 3, 1]).ravel()
        )
        limits.assert_mean(kernel.sum(axis=(1, 2)), 0.0)
        np.testing.assert_allclose(np.abs(kernel).sum(axis=(1, 2)), 1, rtol=1e-5)
