"""Bilinear: transposed convolutions that interpolate exactly, away from the border."""

import itertools

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops

from keras_initx.initializers import Bilinear

TRANSPOSED = {
    1: layers.Conv1DTranspose,
    2: layers.Conv2DTranspose,
    3: layers.Conv3DTranspose,
}
SIZES = (6, 5, 4)


def inputs(rank, channels=3):
    shape = (2, *SIZES[:rank], channels)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def interpolated(image, scales):
    """Linear interpolation along each axis, at the centres of the new pixels."""
    for axis, scale in enumerate(scales, 1):
        size = image.shape[axis]
        places = (np.arange(size * scale) + 0.5) / scale - 0.5
        below = np.clip(np.floor(places).astype(int), 0, size - 2)
        share = (places - below).reshape(-1, *(1,) * (image.ndim - axis - 1))
        low, high = image.take(below, axis), image.take(below + 1, axis)
        image = (1 - share) * low + share * high
    return image


def inside(image, scales):
    """What no border reaches: one pixel of the original at each side is left out."""
    return image[(slice(None), *(slice(s, -s) for s in scales))]


# Kernel sizes and strides: the usual ones, larger ones, and unequal ones.
CASES = [
    ((1,), (1,)),
    ((4,), (2,)),
    ((5,), (2,)),
    ((6,), (2,)),
    ((5,), (3,)),
    ((6,), (3,)),
    ((7,), (3,)),
    ((8,), (4,)),
    ((4, 4), (2, 2)),
    ((4, 5), (2, 3)),
    ((8, 1), (4, 1)),
    ((4, 5, 4), (2, 3, 2)),
]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("kernel_size", "strides"), CASES)
@pytest.mark.same_on_each_backend
def test_it_is_bilinear_upsampling(kernel_size, strides, padding):
    rank = len(strides)
    is_equal = len(set(strides)) == 1
    layer = TRANSPOSED[rank](
        3,
        kernel_size,
        strides=strides,
        padding=padding,
        kernel_initializer=Bilinear(strides[0] if is_equal else strides),
    )
    x = inputs(rank)
    y = to_numpy(layer(x))
    expected = interpolated(x, strides)
    if padding == "valid":
        # The same, within a frame.
        starts = [(k - s) // 2 for k, s in zip(kernel_size, strides, strict=True)]
        ends = [a + n for a, n in zip(starts, expected.shape[1:], strict=False)]
        y = y[(slice(None), *map(slice, starts, ends))]
    assert y.shape == expected.shape
    np.testing.assert_allclose(inside(y, strides), inside(expected, strides), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_is_what_the_layer_of_keras_computes(scale):
    layer = layers.Conv2DTranspose(
        3,
        2 * scale - scale % 2,
        strides=scale,
        padding="same",
        kernel_initializer="bilinear",
    )
    x = inputs(2)
    up = layers.UpSampling2D(scale, interpolation="bilinear")
    strides = (scale, scale)
    np.testing.assert_allclose(
        inside(to_numpy(layer(x)), strides), inside(to_numpy(up(x)), strides), atol=1e-5
    )


def test_another_centre_is_no_upsampling():
    """The popular mistake: the middle of the kernel, in one that is too large."""
    x = inputs(1)
    kernel = np.zeros((5, 3, 3), "float32")
    for tap, i in itertools.product(range(5), range(3)):
        kernel[tap, i, i] = max(0, 1 - abs(tap - 2) / 2)
    y = to_numpy(ops.conv_transpose(x, kernel, 2, "same"))
    error = inside(y, (2,)) - inside(interpolated(x, (2,)), (2,))
    assert np.abs(error).max() > 0.1


@pytest.mark.parametrize(("ins", "outs"), [(3, 5), (5, 3)])
def test_unequal_channels(ins, outs):
    layer = layers.Conv1DTranspose(
        outs, 4, strides=2, padding="same", kernel_initializer="bilinear"
    )
    x = inputs(1, ins)
    y, expected = to_numpy(layer(x)), interpolated(x, (2,))
    np.testing.assert_allclose(
        inside(y, (2,))[..., :3], inside(expected, (2,))[..., :3], atol=1e-5
    )
    assert not y[..., 3:].any()


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_convolution_smooths_an_image_with_zeros(multiplier):
    """Zeros between the pixels, and the filter: that is the same upsampling."""
    layer = layers.DepthwiseConv2D(
        4,
        depth_multiplier=multiplier,
        depthwise_initializer=Bilinear(batch_axes=[-2]),
    )
    x = inputs(2)
    stuffed = np.zeros((2, 12, 10, 3), "float32")
    stuffed[:, 1::2, 1::2] = x
    y = to_numpy(layer(stuffed)).reshape(2, 9, 7, 3, multiplier)
    # With padding="valid" the first output stands at the second pixel.
    expected = interpolated(x, (2, 2))[:, 1:-2, 1:-2]
    for copy in range(multiplier):
        np.testing.assert_allclose(y[..., copy], expected, atol=1e-5)


def test_bfloat16_has_the_weights_exactly():
    """Up to strides of 64 they are fractions that bfloat16 has."""
    for dtype in ("bfloat16", "float16"):
        kernel = to_numpy(Bilinear()((8, 8, 1, 1), dtype=dtype))
        expected = to_numpy(Bilinear()((8, 8, 1, 1)))
        np.testing.assert_array_equal(kernel, expected)


@pytest.mark.parametrize("name", ["Conv2DTranspose", "Conv1DTranspose"])
def test_a_model_comes_back(name, tmp_path):
    layer = getattr(layers, name)
    rank = 2 if "2D" in name else 1
    model = keras.Sequential(
        [
            keras.Input(inputs(rank).shape[1:]),
            layer(2, 4, strides=2, kernel_initializer=Bilinear(2)),
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].kernel_initializer.get_config() == Bilinear(2).get_config()
    np.testing.assert_array_equal(
        to_numpy(loaded(inputs(rank))), to_numpy(model(inputs(rank)))
    )


def test_a_bad_scale():
    with refuses(
        "`Bilinear` needs `scale` to be an integer of at least 1, or a list of them. "
        "Received: scale=0. Pass for example 2, or [2, 2]."
    ):
        Bilinear(0)
