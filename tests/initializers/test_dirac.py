"""Dirac: layers that hand their inputs on, bit for bit."""

import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers

from keras_initx.initializers import Dirac

CONVOLUTIONS = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}
TRANSPOSED = {
    1: layers.Conv1DTranspose,
    2: layers.Conv2DTranspose,
    3: layers.Conv3DTranspose,
}
KERNEL_SIZES = [(1,), (2,), (3,), (4,), (5,), (3, 3), (2, 5), (4, 4), (3, 2, 4)]


def inputs(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def image(rank, channels=4):
    return inputs(2, *(6, 5, 4)[:rank], channels)


@pytest.mark.parametrize("kernel_size", KERNEL_SIZES)
@pytest.mark.parametrize("kind", [CONVOLUTIONS, TRANSPOSED])
def test_a_convolution_is_the_identity(kind, kernel_size):
    arguments = {}
    if kind is TRANSPOSED:
        arguments = {"input_axes": [-1], "output_axes": [-2]}
    layer = kind[len(kernel_size)](
        4, kernel_size, padding="same", kernel_initializer=Dirac(**arguments)
    )
    x = image(len(kernel_size))
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


@pytest.mark.parametrize("dilation", [2, 3])
def test_a_dilated_convolution_is_the_identity(dilation):
    layer = layers.Conv2D(
        4, (3, 5), padding="same", dilation_rate=dilation, kernel_initializer="dirac"
    )
    x = inputs(1, 14, 14, 4)
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


@pytest.mark.parametrize("kernel_size", [2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_causal_convolution_is_the_identity(kernel_size, dilation):
    layer = layers.Conv1D(
        4,
        kernel_size,
        padding="causal",
        dilation_rate=dilation,
        kernel_initializer=Dirac(padding="causal"),
    )
    x = inputs(2, 9, 4)
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
def test_without_padding_it_is_the_middle(kernel_size):
    layer = layers.Conv1D(4, kernel_size, kernel_initializer=Dirac(padding="valid"))
    x = inputs(2, 9, 4)
    start = (kernel_size - 1) // 2
    expected = x[:, start : start + 10 - kernel_size]
    np.testing.assert_array_equal(to_numpy(layer(x)), expected)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("strides", [2, 3])
def test_strides_take_every_pixel_of_so_many(kernel_size, strides):
    layer = layers.Conv1D(
        4,
        kernel_size,
        strides=strides,
        padding="same",
        kernel_initializer=Dirac(tap=max(kernel_size - strides, 0) // 2),
    )
    x = inputs(2, 12, 4)
    np.testing.assert_array_equal(to_numpy(layer(x)), x[:, ::strides])


@pytest.mark.parametrize("outs", [2, 7])
def test_unequal_channels(outs):
    layer = layers.Conv2D(outs, 3, padding="same", kernel_initializer="dirac")
    x = image(2)
    y = to_numpy(layer(x))
    same = min(outs, 4)
    np.testing.assert_array_equal(y[..., :same], x[..., :same])
    assert not y[..., same:].any()


@pytest.mark.parametrize(("ins", "outs"), [(6, 6), (6, 3), (3, 9)])
def test_each_group_is_an_identity(ins, outs):
    """The rule of `torch.nn.init.dirac_`, channel by channel."""
    layer = layers.Conv2D(
        outs, 3, groups=3, padding="same", kernel_initializer=Dirac(groups=3)
    )
    x = image(2, ins)
    y = to_numpy(layer(x))
    expected = np.zeros_like(y)
    for group in range(3):
        for channel in range(min(ins // 3, outs // 3)):
            expected[..., group * outs // 3 + channel] = x[
                ..., group * ins // 3 + channel
            ]
    np.testing.assert_array_equal(y, expected)


def test_a_depthwise_convolution_is_the_identity():
    layer = layers.DepthwiseConv2D(
        3, padding="same", depthwise_initializer=Dirac(batch_axes=[-2])
    )
    x = image(2)
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


def test_a_separable_convolution_is_the_identity():
    layer = layers.SeparableConv2D(
        4,
        3,
        padding="same",
        depthwise_initializer=Dirac(batch_axes=[-2]),
        pointwise_initializer="dirac",
    )
    x = image(2)
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


def test_matrices_are_the_identity():
    x = inputs(3, 4)
    np.testing.assert_array_equal(
        to_numpy(layers.Dense(4, kernel_initializer="dirac")(x)), x
    )
    layer = layers.EinsumDense("bc,cde->bde", (2, 2), kernel_initializer="dirac")
    np.testing.assert_array_equal(to_numpy(layer(x)).reshape(3, 4), x)


def test_attention_projects_to_heads_and_back():
    layer = layers.MultiHeadAttention(2, 3, kernel_initializer="dirac")
    x = inputs(2, 5, 6)
    layer.build(x.shape, x.shape)
    heads = layer.value_dense(x)
    assert tuple(heads.shape) == (2, 5, 2, 3)
    np.testing.assert_array_equal(to_numpy(layer.output_dense(heads)), x)


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_no_tap_is_the_pixel_itself(kernel_size):
    x = inputs(2, 16, 4)

    def layer(initializer, size=kernel_size):
        return layers.Conv1D(
            4, size, padding="same", dilation_rate=2, kernel_initializer=initializer
        )

    for tap in range(kernel_size):
        y = to_numpy(layer(Dirac(tap=tap))(x))
        assert not np.array_equal(y, x)
    with refuses(
        "`Dirac` needs a tap that falls on the pixel itself. Received: a Conv1D with "
        f"padding='same', kernel_size=({kernel_size},) and dilation_rate=(2,). Take "
        "an odd kernel size where there is a dilation."
    ):
        layer("dirac")(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"padding": "full"},
            "`Dirac` needs a known `padding`. Received: padding='full'. Choose one "
            "of: 'same', 'valid', 'causal'.",
        ),
        (
            {"tap": 0.5},
            "`Dirac` needs `tap` to be an integer, a list of integers or None. "
            "Received: tap=0.5. Pass for example 0, or [0, 1].",
        ),
        (
            {"groups": 0},
            "`Dirac` needs `groups` to be an integer of at least 1. Received: "
            "groups=0. Pass a positive int, for example 1.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        Dirac(**arguments)
