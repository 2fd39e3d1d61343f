"""HaarOrthogonal: semi-orthogonal by the right axes, and Haar-random."""

import keras
import limits
import numpy as np
import pytest
from catalogue import dtype_of, matrix, refuses, singular_values, to_numpy
from keras import ops

from keras_initx.initializers import HaarOrthogonal


def draw(initializer, shape):
    return ops.convert_to_numpy(initializer(shape))


@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (40, 7), (7, 40), (1, 5), (5, 1)])
@pytest.mark.parametrize("gain", [1.0, 0.3, 2.0])
def test_matrices_are_semi_orthogonal(shape, gain):
    kernel = draw(HaarOrthogonal(gain, seed=1), shape)
    limits.assert_semi_orthogonal(kernel, gain)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 2, 4, 50), (2, 3, 2, 4, 5)])
def test_the_receptive_field_of_a_convolution_counts_as_input(shape):
    kernel = draw(HaarOrthogonal(seed=1), shape)
    limits.assert_semi_orthogonal(kernel.reshape(-1, shape[-1]))


def test_the_receptive_field_is_read_position_by_position():
    """Also if the axes stand elsewhere: a seed means one matrix of the fan."""
    matrix = draw(HaarOrthogonal(seed=1), (12, 5))
    kernel = draw(HaarOrthogonal(seed=1), (3, 4, 5))
    np.testing.assert_array_equal(kernel, matrix.reshape(3, 4, 5))
    moved = HaarOrthogonal(seed=1, input_axes=[0], output_axes=[1])
    np.testing.assert_array_equal(draw(moved, (4, 5, 3)), kernel.transpose(1, 2, 0))


def test_patches_that_do_not_overlap():
    """A patch embedding, and its counterpart, keep the norm of what they read."""
    layers, x = keras.layers, np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    embed = layers.Conv2D(48, 4, 4, kernel_initializer="haar_orthogonal")
    grow = layers.Conv2DTranspose(6, 2, 2, kernel_initializer="haar_orthogonal")
    norm = np.linalg.norm(x)
    assert np.linalg.norm(to_numpy(embed(x))) == pytest.approx(norm, rel=1e-5)
    assert np.linalg.norm(to_numpy(grow(x))) == pytest.approx(norm, rel=1e-5)


def test_each_group_of_a_convolution_is_semi_orthogonal():
    kernel = draw(HaarOrthogonal(groups=4, seed=1), (3, 2, 20))
    blocks = [kernel[..., start : start + 5] for start in range(0, 20, 5)]
    for block in blocks:
        limits.assert_semi_orthogonal(block.reshape(6, 5))
    assert not np.allclose(blocks[0], blocks[1])


def test_each_channel_of_a_depthwise_convolution_is_semi_orthogonal():
    kernel = draw(HaarOrthogonal(batch_axes=[-2], seed=1), (3, 3, 5, 4))
    for channel in range(5):
        limits.assert_semi_orthogonal(kernel[:, :, channel].reshape(9, 4))


def test_axes_may_stand_in_any_order():
    initializer = HaarOrthogonal(
        input_axes=[3, 0], output_axes=[1], batch_axes=[2], seed=1
    )
    kernel = draw(initializer, (3, 4, 5, 2))
    for batch in range(5):
        limits.assert_semi_orthogonal(
            kernel[:, :, batch].transpose(2, 0, 1).reshape(6, 4)
        )


def test_a_vector_is_a_matrix_with_one_output():
    kernel = draw(HaarOrthogonal(input_axes=[0], output_axes=[], seed=1), (9,))
    limits.assert_semi_orthogonal(kernel.reshape(9, 1))


def real_model():
    """Each kind of layer that a kernel can sit in, with what a user would write."""
    haar, layers = HaarOrthogonal, keras.layers
    tokens = keras.Input((12,), dtype="int32")
    x = layers.Embedding(50, 16, embeddings_initializer="haar_orthogonal")(tokens)
    x = layers.MultiHeadAttention(4, 6, kernel_initializer="haar_orthogonal")(x, x)
    x = layers.EinsumDense(
        "bti,iho->btho", (None, 3, 8), kernel_initializer="haar_orthogonal"
    )(x)
    x = layers.Conv2D(8, 3, groups=4, kernel_initializer=haar(groups=4))(x)
    x = layers.DepthwiseConv2D(
        (3, 1),
        depth_multiplier=2,
        depthwise_initializer=haar(batch_axes=[-2]),
    )(x)
    x = layers.SeparableConv2D(
        20,
        (2, 1),
        depthwise_initializer=haar(batch_axes=[-2]),
        pointwise_initializer="haar_orthogonal",
    )(x)
    x = layers.Conv2DTranspose(
        5, 3, kernel_initializer=haar(input_axes=[-1], output_axes=[-2])
    )(x)
    x = layers.Reshape((-1, 5))(x)
    x = layers.LSTM(
        7,
        kernel_initializer="haar_orthogonal",
        recurrent_initializer="haar_orthogonal",
    )(x)
    return keras.Model(tokens, layers.Dense(3, "softmax", name="head")(x))


def test_each_kernel_of_a_real_model_is_semi_orthogonal_by_its_axes():
    model = real_model()
    layers = {type(layer).__name__: layer for layer in model.layers}
    attention = layers["MultiHeadAttention"]
    for dense in (attention.query_dense, attention.key_dense, attention.value_dense):
        assert_isometric(matrix(dense.kernel, (0,), (1, 2)))
    assert_isometric(matrix(attention.output_dense.kernel, (0, 1), (2,)))
    assert_isometric(to_numpy(layers["Embedding"].embeddings))
    assert_isometric(matrix(layers["EinsumDense"].kernel, (0,), (1, 2)))
    grouped = to_numpy(layers["Conv2D"].kernel)
    assert grouped.shape == (3, 3, 2, 8)
    for group in range(4):
        assert_isometric(grouped[..., 2 * group : 2 * group + 2].reshape(18, 2))
    for depthwise in (
        to_numpy(layers["DepthwiseConv2D"].kernel),
        to_numpy(layers["SeparableConv2D"].depthwise_kernel),
    ):
        for channel in range(depthwise.shape[-2]):
            assert_isometric(matrix(depthwise[..., channel, :], (0, 1), (2,)))
    assert_isometric(
        matrix(layers["SeparableConv2D"].pointwise_kernel, (0, 1, 2), (3,))
    )
    assert_isometric(matrix(layers["Conv2DTranspose"].kernel, (0, 1, 3), (2,)))
    cell = layers["LSTM"].cell
    assert_isometric(to_numpy(cell.kernel))
    assert_isometric(to_numpy(cell.recurrent_kernel))


def assert_isometric(kernel):
    singular = singular_values(kernel)
    np.testing.assert_allclose(singular, np.ones_like(singular), atol=1e-5)


def test_the_real_model_trains():
    keras.utils.set_random_seed(0)
    model = real_model()
    model.compile("adam", "sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 50, (16, 12))
    labels = (tokens.sum(axis=1) % 3).astype("int32")
    losses = model.fit(tokens, labels, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("layer", [keras.layers.LSTM, keras.layers.GRU])
def test_recurrent_layers_work_in_low_precision(layer, dtype):
    """Keras's own default, `"orthogonal"`, crashes in bfloat16 on each backend."""
    recurrent = layer(
        16, dtype=dtype, unroll=True, recurrent_initializer="haar_orthogonal"
    )
    output = recurrent(np.ones((2, 3, 4), "float32"))
    assert dtype_of(output) == dtype
    assert np.isfinite(to_numpy(output)).all()
    # Each entry carries a relative error of up to epsilon, and rows have length 1.
    epsilon = 2.0**-8 if dtype == "bfloat16" else 2.0**-11
    kernel = to_numpy(recurrent.cell.recurrent_kernel)
    if layer is keras.layers.LSTM:
        assert kernel.shape == (16, 64)
    assert np.abs(kernel @ kernel.T - np.eye(16)).max() < 2 * epsilon


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"gain": 0},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0, or an "
            "activation. Received: gain=0. Pass for example 1.0 or 'relu'.",
        ),
        (
            {"gain": float("nan")},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0, or an "
            "activation. Received: gain=nan. Pass for example 1.0 or 'relu'.",
        ),
        (
            {"gain": float("inf")},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0, or an "
            "activation. Received: gain=inf. Pass for example 1.0 or 'relu'.",
        ),
        (
            {"gain": True},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0, or an "
            "activation. Received: gain=True. Pass for example 1.0 or 'relu'.",
        ),
        (
            {"groups": 0},
            "`HaarOrthogonal` needs `groups` to be an integer of at least 1. Received: "
            "groups=0. Pass a positive int, for example 1.",
        ),
        (
            {"groups": 2.0},
            "`HaarOrthogonal` needs `groups` to be an integer of at least 1. Received: "
            "groups=2.0. Pass a positive int, for example 1.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        HaarOrthogonal(**arguments)


def test_groups_must_divide_the_output_channels():
    message = (
        "`HaarOrthogonal` needs `groups` to divide the number of output channels. "
        "Received: groups=3, shape=(3, 3, 2, 8) with 8 output channels. Pass the "
        "`groups` of the convolution."
    )
    with refuses(message):
        HaarOrthogonal(groups=3)((3, 3, 2, 8))
