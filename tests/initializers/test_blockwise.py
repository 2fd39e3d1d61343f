"""Any initializer, block by block; and the gates of recurrent layers."""

import itertools

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import refuses, singular_values, to_numpy
from keras import layers

from keras_initx import initializers
from keras_initx._backend.seeds import split

RECURRENT = {
    "SimpleRNN": (layers.SimpleRNN, 1),
    "LSTM": (layers.LSTM, 4),
    "GRU": (layers.GRU, 3),
}
CONVOLUTIONAL = {
    1: layers.ConvLSTM1D,
    2: layers.ConvLSTM2D,
    3: layers.ConvLSTM3D,
}


def gates_of(layer, input_shape):
    """The gates of the recurrent kernel of a layer."""
    layer.build(input_shape)
    kernel = to_numpy(layer.cell.recurrent_kernel)
    return np.split(kernel, kernel.shape[-1] // kernel.shape[-2], axis=-1)


# Blockwise


@pytest.mark.parametrize(
    ("shape", "axis", "blocks"), [((5, 12), -1, 3), ((12, 5), 0, 3), ((4, 6, 5), 1, 2)]
)
def test_each_block_is_a_draw_of_its_own(shape, axis, blocks):
    kernel = initializers.Blockwise("haar_orthogonal", blocks, axis, seed=3)(shape)
    parts = np.split(to_numpy(kernel), blocks, axis=axis)
    for part in parts:
        rows = part.reshape(-1, part.shape[-1])
        limits.assert_semi_orthogonal(rows)
    assert len({part.tobytes() for part in parts}) == blocks


@pytest.mark.same_on_each_backend
@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize(
    "base",
    [
        initializers.HaarOrthogonal("relu", groups=2, scale="variance"),
        initializers.HaarOrthogonal(batch_axes=[0], image_size=5),
        initializers.OrthogonalDelta(tap="last", batch_axes=[1]),
        initializers.ConvolutionOrthogonal(),
    ],
    ids=lambda base: type(base).__name__,
)
def test_a_block_is_what_the_initializer_draws_from_its_seed(base, axis):
    """Also where all blocks are computed at once."""
    shape = [2, 4, 4, 6]
    seeds = split(3, 2)
    blocks = [to_numpy(with_seed(base, seed)(shape)) for seed in seeds]
    shape[axis] *= 2
    kernel = to_numpy(initializers.Blockwise(base, 2, axis, seed=3)(shape))
    expected = np.concatenate(blocks, axis)
    np.testing.assert_allclose(kernel, expected, atol=limits.rounding(8))


def with_seed(base, seed):
    return type(base).from_config({**base.get_config(), "seed": seed})


@pytest.mark.parametrize("axis", [-1, 0])
def test_blocks_have_the_law_of_the_base_and_are_independent(axis):
    """For a uniform base: each block by itself, and the products of two of them."""
    base = keras.initializers.HeUniform()
    shape = (400, 300) if axis == -1 else (1200, 100)
    kernel = initializers.Blockwise(base, blocks=3, axis=axis, seed=3)(shape)
    parts = [part.ravel() for part in np.split(to_numpy(kernel), 3, axis=axis)]
    limit = np.sqrt(6 / 400)
    for part in parts:
        law = scipy.stats.uniform(-limit, 2 * limit)
        limits.assert_distribution(part, law.cdf)
    for one, other in itertools.combinations(parts, 2):
        limits.assert_mean(one * other, 0.0)


def test_keras_initializers_are_drawn_with_the_fans_of_the_block():
    """For 8 heads in one kernel, the limit is that of one head."""
    blockwise = initializers.Blockwise("glorot_uniform", blocks=8, seed=3)
    kernel = np.abs(to_numpy(blockwise((50, 400))))
    limit = np.sqrt(6 / (50 + 50))
    assert 0.99 * limit < kernel.max() <= limit
    assert np.sqrt(6 / (50 + 400)) < 0.6 * limit


def test_an_einsum_dense_tells_its_axes():
    """Each head of a query kernel is orthogonal, not the whole."""
    initializer = initializers.Blockwise("haar_orthogonal", blocks=4, axis=1, seed=3)
    attention = layers.MultiHeadAttention(4, 4, kernel_initializer=initializer)
    attention.build((1, 2, 8), (1, 2, 8))
    query = to_numpy(attention.query_dense.kernel)
    for head in range(4):
        limits.assert_semi_orthogonal(query[:, head])


def test_a_bias_has_blocks_too():
    bias = initializers.Blockwise(
        keras.initializers.RandomUniform(0, 1), blocks=4, seed=3
    )((8,))
    parts = np.split(to_numpy(bias), 4)
    assert len({part.tobytes() for part in parts}) == 4


def test_a_function_is_called_for_each_block():
    shapes = []

    def ramp(shape, dtype=None):
        shapes.append(shape)
        return keras.ops.full(shape, float(len(shapes)), dtype)

    kernel = initializers.Blockwise(ramp, blocks=3)((2, 6))
    assert shapes == [(2, 2)] * 3
    assert to_numpy(kernel).tolist() == [[1, 1, 2, 2, 3, 3]] * 2


def test_without_a_seed_that_of_the_initializer_holds():
    def kernel(**arguments):
        base = keras.initializers.HeNormal(seed=5)
        return to_numpy(initializers.Blockwise(base, **arguments)((4, 8)))

    np.testing.assert_array_equal(kernel(), kernel())
    np.testing.assert_array_equal(kernel(), kernel(seed=5))
    assert not np.array_equal(kernel(), kernel(seed=6))


def test_the_experts_of_a_mixture_are_blocks_along_their_axis():
    initializer = initializers.Blockwise("glorot_uniform", 3, axis=0, seed=3)
    kernel = np.abs(to_numpy(initializer((3, 40, 60))))
    limit = np.sqrt(6 / 100)
    assert 0.99 * limit < kernel.max() <= limit


def test_an_initializer_is_needed():
    message = (
        "`Blockwise` needs an `initializer` for its blocks. Received: initializer=None."
        " Pass for example 'haar_orthogonal' or 'he_normal'."
    )
    with refuses(message):
        initializers.Blockwise(None)


@pytest.mark.parametrize("value", [0, -1, 1.5, "4", True])
def test_the_number_of_blocks_is_a_positive_integer(value):
    message = (
        f"`Blockwise` needs `blocks` to be an integer of at least 1. Received: "
        f"blocks={value!r}. Pass a positive int, for example 1."
    )
    with refuses(message):
        initializers.Blockwise(blocks=value)


@pytest.mark.parametrize("value", [None, 1.5, "-1", True])
def test_the_axis_is_an_integer(value):
    message = (
        f"`Blockwise` needs `axis` to be an integer. Received: axis={value!r}. Pass "
        "for example -1."
    )
    with refuses(message):
        initializers.Blockwise(axis=value)


# Gates


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_each_gate_is_orthogonal(name, dtype):
    layer, count = RECURRENT[name]
    made = layer(48, recurrent_initializer="gate_orthogonal", dtype=dtype)
    gates = gates_of(made, (1, 2, 3))
    assert len(gates) == count
    for gate in gates:
        # bfloat16 has 8 bits: each entry has a relative error of 2^-8 at most, and the
        # norm of such an error is below sqrt(48) times that of the largest entry.
        limit = 1e-5 if dtype == "float32" else 2.0**-8 * np.linalg.norm(gate)
        assert np.abs(singular_values(gate) - 1).max() < limit
    assert len({gate.tobytes() for gate in gates}) == count


def test_the_default_of_keras_makes_no_gate_orthogonal():
    for gate in gates_of(layers.LSTM(48), (1, 2, 3)):
        assert singular_values(gate).max() < np.sqrt(3) / 2 + 0.05


@pytest.mark.parametrize("rank", CONVOLUTIONAL)
@pytest.mark.parametrize("short_id", ["gate_orthogonal", "gate_identity"])
def test_the_gates_of_a_convolution_stand_at_its_centre(rank, short_id):
    layer = CONVOLUTIONAL[rank](4, 3, recurrent_initializer=short_id)
    gates = gates_of(layer, (1, 2, *[5] * rank, 3))
    assert len(gates) == 4
    for gate in gates:
        centre = gate[(1,) * rank]
        limits.assert_semi_orthogonal(centre)
        assert np.count_nonzero(gate) == np.count_nonzero(centre)
        if short_id == "gate_identity":
            np.testing.assert_array_equal(centre, np.eye(4))


@pytest.mark.parametrize("name", RECURRENT)
def test_each_gate_is_the_identity(name):
    layer, count = RECURRENT[name]
    initializer = initializers.GateIdentity(0.5)
    gates = gates_of(layer(6, recurrent_initializer=initializer), (1, 2, 3))
    assert len(gates) == count
    for gate in gates:
        np.testing.assert_array_equal(gate, 0.5 * np.eye(6))


def test_an_irnn_sums_its_inputs():
    irnn = layers.SimpleRNN(
        3,
        activation="relu",
        kernel_initializer="identity",
        recurrent_initializer="gate_identity",
    )
    # Sixteenths: their sums are exact.
    x = np.random.default_rng(0).integers(0, 16, (2, 100, 3)) / 16
    output = irnn(keras.ops.convert_to_tensor(x.astype("float32")))
    np.testing.assert_array_equal(to_numpy(output), x.sum(axis=1))


def test_a_gate_is_haar_random():
    """A trace of a Haar-random matrix has mean 0 and mean square 1."""
    generator = keras.random.SeedGenerator(7)
    initializer = initializers.GateOrthogonal(seed=generator)
    kernels = np.array([to_numpy(initializer((4, 16))) for _ in range(500)])
    gates = np.stack(np.split(kernels, 4, axis=-1))
    traces = np.trace(gates, axis1=-2, axis2=-1)
    for trace in traces:
        limits.assert_mean(trace, 0.0)
        limits.assert_mean(trace**2, 1.0)
    # Gates are independent of each other.
    limits.assert_mean(traces[0] * traces[1], 0.0)
    limits.assert_mean(traces[2] * traces[3], 0.0)


def test_a_gate_identity_in_an_einsum():
    """`EinsumDense` tells axes, and adds a seed that the class does not have."""
    layer = layers.EinsumDense("ab,bc->ac", 4, kernel_initializer="gate_identity")
    layer.build((None, 4))
    np.testing.assert_array_equal(to_numpy(layer.kernel), np.eye(4))
