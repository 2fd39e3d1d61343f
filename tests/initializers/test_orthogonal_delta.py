"""OrthogonalDelta, judged by the Keras layers that use it."""

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses
from keras import layers, ops

from keras_initx.initializers import OrthogonalDelta

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {
    1: layers.Conv1DTranspose,
    2: layers.Conv2DTranspose,
    3: layers.Conv3DTranspose,
}
KERNEL_SIZES = [(1,), (2,), (3,), (4,), (5,), (3, 3), (2, 5), (4, 4), (3, 2, 4)]


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def matrix_at(kernel, tap):
    """The matrix at one tap, after a check that everything else is exactly zero."""
    kernel = kernel.copy()
    matrix = kernel[tap].copy()
    kernel[tap] = 0
    assert not kernel.any()
    return matrix


def center(kernel_size):
    return tuple((size - 1) // 2 for size in kernel_size)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3)])
def test_a_matrix_is_semi_orthogonal(shape):
    kernel = ops.convert_to_numpy(OrthogonalDelta(1.5, seed=0)(shape))
    limits.assert_semi_orthogonal(kernel, 1.5)


@pytest.mark.parametrize("channels", [(4, 4), (3, 6), (6, 3)])
@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
def test_the_tap_is_semi_orthogonal_and_the_rest_is_zero(kernel_size, channels):
    initializer = OrthogonalDelta(0.7, seed=0)
    kernel = ops.convert_to_numpy(initializer((*kernel_size, *channels)))
    limits.assert_semi_orthogonal(matrix_at(kernel, center(kernel_size)), 0.7)


@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
def test_a_same_convolution_applies_one_matrix_to_each_pixel(kernel_size):
    layer = CONVOLUTIONS[len(kernel_size)](
        6, kernel_size, padding="same", kernel_initializer=OrthogonalDelta(1.3, seed=0)
    )
    x = inputs(2, *(5, 4, 6)[: len(kernel_size)], 4)
    y = ops.convert_to_numpy(layer(x))
    matrix = matrix_at(ops.convert_to_numpy(layer.kernel), center(kernel_size))
    expected = x.astype("float64") @ matrix.astype("float64")
    np.testing.assert_allclose(y, expected, atol=10 * limits.rounding(4))
    norms = [np.linalg.norm(a.reshape(2, -1), axis=1) for a in (x, y)]
    np.testing.assert_allclose(norms[1], 1.3 * norms[0], rtol=limits.rounding(4))


@pytest.mark.parametrize("kernel_size", [2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_the_last_tap_is_the_present_of_a_causal_convolution(kernel_size, dilation):
    layer = layers.Conv1D(
        4,
        kernel_size,
        padding="causal",
        dilation_rate=dilation,
        kernel_initializer=OrthogonalDelta(tap="last", seed=0),
    )
    x = inputs(2, 9, 4)
    y = ops.convert_to_numpy(layer(x))
    matrix = matrix_at(ops.convert_to_numpy(layer.kernel), kernel_size - 1)
    limits.assert_semi_orthogonal(matrix)
    np.testing.assert_allclose(y, x @ matrix, atol=10 * limits.rounding(4))


def test_each_group_of_a_convolution_keeps_the_norm():
    layer = layers.Conv2D(
        12,
        3,
        groups=4,
        padding="same",
        kernel_initializer=OrthogonalDelta(groups=4, seed=0),
    )
    x = inputs(2, 5, 5, 8)
    y = ops.convert_to_numpy(layer(x))
    for group in range(4):
        norms = np.linalg.norm(x[..., 2 * group : 2 * group + 2], axis=-1)
        np.testing.assert_allclose(
            np.linalg.norm(y[..., 3 * group : 3 * group + 3], axis=-1),
            norms,
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("multiplier", [1, 3])
def test_a_depthwise_convolution_keeps_the_norm_of_each_channel(multiplier):
    layer = layers.DepthwiseConv2D(
        3,
        depth_multiplier=multiplier,
        padding="same",
        depthwise_initializer=OrthogonalDelta(batch_axes=[-2], seed=0),
    )
    x = inputs(2, 5, 5, 8)
    y = ops.convert_to_numpy(layer(x)).reshape(2, 5, 5, 8, multiplier)
    np.testing.assert_allclose(
        np.linalg.norm(y, axis=-1), np.abs(x), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kernel_size", [(3,), (4,), (3, 3), (2, 3), (3, 3, 3)])
def test_a_transposed_convolution_applies_one_matrix_to_each_pixel(kernel_size):
    layer = TRANSPOSED[len(kernel_size)](
        6,
        kernel_size,
        padding="same",
        kernel_initializer=OrthogonalDelta(input_axes=[-1], output_axes=[-2], seed=0),
    )
    x = inputs(2, *(5, 4, 6)[: len(kernel_size)], 4)
    y = ops.convert_to_numpy(layer(x))
    matrix = matrix_at(ops.convert_to_numpy(layer.kernel), center(kernel_size)).T
    limits.assert_semi_orthogonal(matrix)
    np.testing.assert_allclose(y, x @ matrix, atol=10 * limits.rounding(4))


def test_a_gaussian_convolution_fails_the_same_tests():
    kernel = ops.convert_to_numpy(keras.initializers.HeNormal(seed=0)((3, 3, 4, 4)))
    with pytest.raises(AssertionError):
        matrix_at(kernel, (1, 1))
    with pytest.raises(AssertionError):
        limits.assert_semi_orthogonal(kernel[1, 1])


def test_the_singular_values_of_100_layers_are_all_1():
    """The Jacobian of a deep linear network; a Gaussian one is singular by 1e-10."""
    product = np.eye(16)
    gaussian = np.eye(16)
    for seed in range(100):
        kernel = OrthogonalDelta(seed=seed)((3, 3, 16, 16))
        product = product @ ops.convert_to_numpy(kernel)[1, 1].astype("float64")
        gaussian = (
            gaussian @ np.random.default_rng(seed).normal(size=(16, 16)) / np.sqrt(16)
        )
    values = np.linalg.svd(product, compute_uv=False)
    np.testing.assert_allclose(values, 1, atol=limits.rounding(16, layers=100))
    values = np.linalg.svd(gaussian, compute_uv=False)
    assert values.min() / values.max() < 1e-10


@pytest.mark.parametrize("spatial", [(2,), (1, 2), (2, 3, 1)])
def test_an_expert_axis_may_come_before_the_kernel(spatial):
    initializer = OrthogonalDelta(batch_axes=[0], seed=0)
    kernel = ops.convert_to_numpy(initializer((3, *spatial, 4, 4)))
    matrices = [matrix_at(expert, center(spatial)) for expert in kernel]
    for matrix in matrices:
        limits.assert_semi_orthogonal(matrix)
    assert not np.allclose(matrices[0], matrices[1])


def test_an_unknown_tap():
    message = (
        "`OrthogonalDelta` needs a known `tap`. Received: tap='first'. Choose one of: "
        "'center', 'last'."
    )
    with refuses(message):
        OrthogonalDelta(tap="first")


class TestWhereItIsTheWrongChoice:
    """What the docstring says of strides and dilations."""

    def test_a_patch_embedding_reads_one_pixel_of_each_patch(self):
        layer = layers.Conv2D(4, 4, strides=4, kernel_initializer="orthogonal_delta")
        x = np.zeros((1, 8, 8, 1), "float32")
        x[0, 1::4, 1::4] = 1
        layer(x)
        read = ops.convert_to_numpy(layer(1 - x))
        assert not read.any()
        assert ops.convert_to_numpy(layer(x)).any(-1).all()

    def test_a_transposed_convolution_leaves_three_of_four_pixels_zero(self):
        initializer = OrthogonalDelta(input_axes=[-1], output_axes=[-2])
        layer = layers.Conv2DTranspose(
            4, 3, strides=2, padding="same", kernel_initializer=initializer
        )
        output = ops.convert_to_numpy(layer(inputs(1, 5, 5, 4)))
        assert output.shape == (1, 10, 10, 4)
        assert output.any(-1).sum() == 25

    @pytest.mark.parametrize(("size", "is_on_it"), [(3, True), (2, False), (4, False)])
    def test_an_even_kernel_with_a_dilation_moves_the_pixels(self, size, is_on_it):
        layer = layers.Conv1D(
            4,
            size,
            padding="same",
            dilation_rate=2,
            kernel_initializer="orthogonal_delta",
        )
        x = np.zeros((1, 9, 4), "float32")
        x[0, 4] = 1
        output = ops.convert_to_numpy(layer(x)).any(-1)[0]
        assert output.sum() == 1
        assert output[4] == is_on_it


def test_too_many_spatial_axes():
    message = (
        "`OrthogonalDelta` needs a kernel of rank 2 to 5, (*kernel_size, in_channels, "
        "out_channels), with at most three spatial axes. Received: shape=(2, 2, 2, 2, "
        "3, 3), of which the axes (0, 1, 2, 3) are spatial. Name the axes that are not "
        "spatial by `input_axes`, `output_axes` or `batch_axes`."
    )
    with refuses(message):
        OrthogonalDelta()((2, 2, 2, 2, 3, 3))
