"""ICNR: after the shuffle, the image is the nearest-neighbour upsampling of another."""

import itertools
import math

import keras
import limits
import numpy as np
import pytest
from catalogue import BACKEND, framework, refuses, to_numpy
from keras import layers, ops

from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.redraw import Redraw
from keras_initx.initializers import ICNR, FanScaled

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {
    1: layers.Conv1DTranspose,
    2: layers.Conv2DTranspose,
    3: layers.Conv3DTranspose,
}
SIZES = (5, 4, 3)


def inputs(rank, channels=4):
    shape = (2, *SIZES[:rank], channels)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def shuffled(image, scales, method):
    """Depth to space in NumPy, pixel by pixel; the image is channels last."""
    batch, *sizes, channels = image.shape
    factor = math.prod(scales)
    count = channels // factor
    large = [size * scale for size, scale in zip(sizes, scales, strict=True)]
    result = np.empty((batch, *large, count), image.dtype)
    for pixel in itertools.product(*map(range, large)):
        from_pixel = tuple(p // s for p, s in zip(pixel, scales, strict=True))
        part = 0
        for p, s in zip(pixel, scales, strict=True):
            part = part * s + p % s
        for channel in range(count):
            depth = {
                "depth_to_space": part * count + channel,
                "pixel_shuffle": channel * factor + part,
            }[method]
            result[(slice(None), *pixel, channel)] = image[
                (slice(None), *from_pixel, depth)
            ]
    return result


def nearest(image, scales):
    for axis, scale in enumerate(scales, 1):
        image = image.repeat(scale, axis)
    return image


CASES = [
    (1, [2]),
    (1, [3]),
    (2, [2, 2]),
    (2, [3, 3]),
    (2, [1, 3]),
    (3, [2, 1, 2]),
]


@pytest.mark.parametrize("method", ["depth_to_space", "pixel_shuffle"])
@pytest.mark.parametrize(("rank", "scales"), CASES)
def test_depth_to_space_gives_nearest_neighbours(rank, scales, method):
    initializer = ICNR(FanScaled(seed=1), scales, method)
    layer = CONVOLUTIONS[rank](
        3 * math.prod(scales), 3, padding="same", kernel_initializer=initializer
    )
    image = to_numpy(layer(inputs(rank)))
    large = shuffled(image, scales, method)
    small = large[(slice(None), *(slice(None, None, scale) for scale in scales))]
    np.testing.assert_allclose(large, nearest(small, scales), atol=1e-6)
    # The numbers themselves are equal bit for bit.
    kernel = to_numpy(layer.kernel)
    counts = {
        "depth_to_space": (math.prod(scales), 3),
        "pixel_shuffle": (3, math.prod(scales)),
    }[method]
    copies = kernel.reshape(-1, *counts)
    copies = copies.swapaxes(1, 2) if method == "depth_to_space" else copies
    assert (copies == copies[..., :1]).all()
    # And it is a convolution with what the base draws for the smaller kernel.
    base = FanScaled(seed=1)((*(3,) * rank, 4, 3))
    expected = to_numpy(ops.conv(inputs(rank), base, padding="same"))
    np.testing.assert_allclose(small, expected, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3])
def test_it_is_made_for_the_operation_of_keras(scale):
    layer = layers.Conv2D(5 * scale**2, 3, kernel_initializer=ICNR(scale=scale))
    image = ops.depth_to_space(layer(inputs(2)), scale)
    image = to_numpy(image)
    small = image[:, ::scale, ::scale]
    np.testing.assert_allclose(image, nearest(small, (scale, scale)), atol=1e-6)
    assert len(np.unique(np.round(small, 4))) > small.size / 2


@pytest.mark.several_frameworks
def test_the_other_one_is_made_for_the_operation_of_pytorch():
    torch = framework("torch")
    kernel = ICNR(method="pixel_shuffle", seed=1)((3, 3, 4, 12))
    image = to_numpy(ops.conv(inputs(2), kernel)).transpose(0, 3, 1, 2)
    image = torch.nn.PixelShuffle(2)(torch.as_tensor(image)).numpy()
    image = image.transpose(0, 2, 3, 1)
    small = image[:, ::2, ::2]
    np.testing.assert_allclose(image, nearest(small, (2, 2)), atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3])
def test_channels_first_have_the_order_that_the_docstring_names(scale):
    method = "depth_to_space" if BACKEND == "tensorflow" else "pixel_shuffle"
    kernel = ICNR(scale=scale, method=method, seed=1)((3, 3, 4, 3 * scale**2))
    image = ops.transpose(ops.conv(inputs(2), kernel), (0, 3, 1, 2))
    image = ops.depth_to_space(image, scale, "channels_first")
    image = to_numpy(image).transpose(0, 2, 3, 1)
    small = image[:, ::scale, ::scale]
    np.testing.assert_allclose(image, nearest(small, (scale, scale)), atol=1e-6)


def test_the_other_order_of_the_channels_makes_a_checkerboard():
    """The popular mistake: the code for another framework's shuffle."""
    layer = layers.Conv2D(
        12, 3, kernel_initializer=ICNR(method="pixel_shuffle", seed=1)
    )
    image = to_numpy(ops.depth_to_space(layer(inputs(2)), 2))
    small = image[:, ::2, ::2]
    assert np.abs(image - nearest(small, (2, 2))).max() > 0.1


@pytest.mark.parametrize(
    ("kernel_size", "scales"),
    [
        ((2,), [2]),
        ((6,), [3]),
        ((4, 4), [2, 2]),
        ((2, 6), [2, 3]),
        ((2, 2, 4), [2] * 3),
    ],
)
def test_a_transposed_convolution_gives_nearest_neighbours(kernel_size, scales):
    rank = len(kernel_size)
    scale = scales[0] if len(set(scales)) == 1 else scales
    layer = TRANSPOSED[rank](
        3,
        kernel_size,
        strides=scales,
        kernel_initializer=ICNR(scale=scale, method="conv_transpose", seed=1),
    )
    image = to_numpy(layer(inputs(rank)))
    small = image[(slice(None), *(slice(None, None, s) for s in scales))]
    np.testing.assert_allclose(image, nearest(small, scales), atol=1e-6)
    assert len(np.unique(np.round(small, 4))) > small.size / 2


def test_groups_keep_the_sub_pixels_together():
    layer = layers.Conv2D(
        24,
        3,
        groups=2,
        kernel_initializer=ICNR(method="pixel_shuffle", groups=2, seed=1),
    )
    image = shuffled(to_numpy(layer(inputs(2))), [2, 2], "pixel_shuffle")
    small = image[:, ::2, ::2]
    np.testing.assert_allclose(image, nearest(small, (2, 2)), atol=1e-6)


def test_a_depthwise_convolution_keeps_them_together():
    initializer = ICNR(method="pixel_shuffle", batch_axes=[-2], seed=1)
    layer = layers.DepthwiseConv2D(
        3, depth_multiplier=8, depthwise_initializer=initializer
    )
    image = shuffled(to_numpy(layer(inputs(2))), [2, 2], "pixel_shuffle")
    small = image[:, ::2, ::2]
    np.testing.assert_allclose(image, nearest(small, (2, 2)), atol=1e-6)


def test_a_dense_layer_makes_the_pixels_of_a_patch():
    layer = layers.Dense(4 * 3, kernel_initializer=ICNR(scale=[2, 2], seed=1))
    image = to_numpy(ops.depth_to_space(layer(inputs(2)), 2))
    np.testing.assert_allclose(image, nearest(image[:, ::2, ::2], (2, 2)), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "shape", "n"),
    [
        ({}, (3, 3, 20, 4 * 100), 9 * 100),
        ({"method": "conv_transpose"}, (4, 4, 100, 50), 4 * 100),
    ],
)
def test_the_fans_are_those_of_the_small_kernel(arguments, shape, n):
    base = keras.initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal")
    kernel = to_numpy(ICNR(base, seed=1, **arguments)(shape))
    limits.assert_stddev(np.unique(kernel), math.sqrt(3.0 / n))


def test_a_layer_of_a_model_is_drawn_by_its_axes():
    """K_base of a transposed convolution has no strides."""
    layer = layers.Conv2DTranspose(50, 4, strides=2)
    layer.build((None, 5, 5, 100))
    initializer = ICNR("fan_scaled", method="conv_transpose", seed=1)
    kernel, axes = layer_kernel(layer).kernels[0]
    drawn = np.unique(to_numpy(Redraw(initializer)(kernel, axes)))
    limits.assert_stddev(drawn, math.sqrt(1 / (4 * 100)))


@pytest.mark.parametrize("scale", [0, [2, 0], 1.5, "2", [], None])
def test_a_bad_scale(scale):
    with refuses(
        "`ICNR` needs `scale` to be an integer of at least 1, or a list of them. "
        f"Received: scale={scale!r}. Pass for example 2, or [2, 2]."
    ):
        ICNR(scale=scale)
