"""The constraint: the nearest orthonormal kernel, and that it holds in training."""

import math

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from catalogue import BACKEND, dtype_of, refuses, singular_values, to_numpy
from hypothesis import given
from keras import layers, ops
from limits import EPSILON

import keras_initx
from keras_initx import Orthonormal
from keras_initx._kernel import polar


def nearest(matrix):
    """The polar factor, from the singular value decomposition."""
    u, _, v = np.linalg.svd(np.asarray(matrix, "float64"), full_matrices=False)
    return u @ v


def tensor(array, dtype="float32"):
    return ops.cast(ops.convert_to_tensor(np.asarray(array, "float32")), dtype)


def matrix_with(values, rows, columns, seed=0):
    """A random matrix with these singular values."""
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.normal(size=(rows, len(values))))[0]
    v = np.linalg.qr(rng.normal(size=(columns, len(values))))[0]
    return (u * values) @ v.T


# What it computes


@pytest.mark.parametrize("shape", [(6, 6), (20, 7), (7, 20), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.same_on_each_backend
def test_the_nearest_orthonormal_matrix(shape, scale):
    matrix = scale * np.random.default_rng(0).normal(size=shape)
    found = to_numpy(Orthonormal()(tensor(matrix)))
    # The error of a singular vector grows with the condition number, here below 100.
    np.testing.assert_allclose(found, nearest(matrix), atol=2e-5)


@pytest.mark.parametrize("smallest", [1e-1, 1e-3, 1e-5])
def test_any_condition_is_safe(smallest):
    values = np.geomspace(1, smallest, 8)
    found = Orthonormal()(tensor(matrix_with(values, 12, 8)))
    assert np.abs(singular_values(found) - 1).max() < 1e-5


def test_both_iterations_are_those_of_the_formula():
    """On a diagonal matrix they move each singular value on its own."""
    s = np.array([0.3, 0.9, 1.0, 1.1, 1.45])
    e = s**2 - 1
    first, _ = polar._first_step(tensor(np.diag(s)[None]))
    expected = s * (1 - e / 2 + 3 / 8 * e**2)
    np.testing.assert_allclose(to_numpy(first)[0], np.diag(expected), atol=1e-6)
    other, _ = polar._step(tensor(np.diag(s)[None]))
    np.testing.assert_allclose(to_numpy(other)[0], np.diag(s - s * e / 2), atol=1e-6)


def test_the_largest_matrices_of_the_first_step():
    """Just below and above the bound from which a matrix is divided by it."""
    for largest in (1.49, 1.5, 1.51, 1.7, 10.0):
        found = Orthonormal()(tensor(largest * np.eye(5)))
        np.testing.assert_allclose(to_numpy(found), np.eye(5), atol=1e-5)


def test_a_direction_that_is_missing_is_not_made_up():
    found = Orthonormal()(tensor(np.diag([3.0, 1e-3, 0.0])))
    np.testing.assert_allclose(to_numpy(found), np.diag([1.0, 1.0, 0.0]), atol=1e-5)


def test_zeros_stay_zeros_and_what_is_not_finite_ends():
    assert not to_numpy(Orthonormal()(ops.zeros((3, 3)))).any()
    assert np.isnan(to_numpy(Orthonormal()(tensor(np.full((3, 3), np.nan))))).all()


@pytest.mark.same_on_each_backend(every=9)
@given(
    # The few shapes keep the number of compilations low.
    rows=st.sampled_from([1, 5]),
    columns=st.sampled_from([1, 3, 8]),
    blocks=st.sampled_from([1, 3]),
    gain=st.sampled_from([0.5, 1.0, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_block_is_moved_on_its_own(rows, columns, blocks, gain, seed):
    rng = np.random.default_rng(seed)
    smaller = min(rows, columns)
    parts = [
        matrix_with(rng.uniform(0.3, 3, smaller), rows, columns, seed + block)
        for block in range(blocks)
    ]
    found = Orthonormal(gain, blocks)(tensor(np.concatenate(parts, axis=1)))
    expected = np.concatenate([gain * nearest(part) for part in parts], axis=1)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_dtypes_are_computed_in_float32(dtype):
    matrix = tensor(np.random.default_rng(0).normal(size=(30, 30)), dtype)
    found = Orthonormal()(matrix)
    assert dtype_of(found) == dtype
    expected = ops.cast(Orthonormal()(ops.cast(matrix, "float32")), dtype)
    np.testing.assert_array_equal(to_numpy(found), to_numpy(expected))


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 unless asked")
def test_float64_keeps_its_precision():
    matrix = tensor(np.random.default_rng(0).normal(size=(30, 30)), "float64")
    found = Orthonormal()(matrix)
    assert dtype_of(found) == "float64"
    expected = nearest(to_numpy(matrix))
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-10)


@pytest.mark.skipif(BACKEND != "torch", reason="a compiled loop hides its steps")
@pytest.mark.parametrize(
    ("error", "most"), [(1e-5, 0), (1e-4, 0), (1e-3, 1), (1e-2, 2)]
)
def test_after_a_step_of_training_few_steps_are_enough(error, most, monkeypatch):
    """That is the cost: three products, and two for each more step."""
    steps, step = [], polar._step

    def counted(x):
        steps.append(x)
        return step(x)

    monkeypatch.setattr(polar, "_step", counted)
    q = keras_initx.HaarOrthogonal(seed=3)((64, 64))
    signs = np.sign(np.random.default_rng(0).normal(size=(64, 64)))
    found = polar.polar(q + error * tensor(signs))
    assert np.abs(singular_values(found) - 1).max() < 1e-5
    assert len(steps) <= most


@pytest.mark.skipif(BACKEND != "torch", reason="a compiled loop hides its steps")
@pytest.mark.parametrize("condition", [1e1, 1e3, 1e5])
def test_the_number_of_steps_follows_from_the_condition(condition, monkeypatch):
    """It is that of the smallest singular value, which grows by 3 / 2 in each step.

    The last steps only show that the matrix is orthonormal: not more than two.
    """
    steps, step = [], polar._step

    def counted(x):
        steps.append(x)
        return step(x)

    monkeypatch.setattr(polar, "_step", counted)
    values = np.geomspace(1, 1 / condition, 8)
    found = polar.polar(tensor(np.diag(values)))
    np.testing.assert_allclose(to_numpy(found), np.eye(8), atol=1e-5)
    # The largest one is not above 3 / 2, so that nothing is divided.
    s, needed = values[-1], 0
    s = s * (1 - (s**2 - 1) / 2 + 3 / 8 * (s**2 - 1) ** 2)
    while abs(s**2 - 1) > 64 * EPSILON:
        s, needed = s * (3 - s**2) / 2, needed + 1
    assert needed - 1 <= len(steps) <= needed + 2
    assert len(steps) < polar._STEPS
    assert needed == pytest.approx(math.log(condition) / math.log(1.5), abs=4)


# Axes


def test_a_convolution_is_read_as_a_matrix_of_patches():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 8))
    found = to_numpy(Orthonormal()(tensor(kernel)))
    expected = nearest(kernel.reshape(36, 8)).reshape(kernel.shape)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_attention_kernels_have_their_own_axes():
    kernel = np.random.default_rng(0).normal(size=(2, 3, 8))
    projection = Orthonormal(input_axes=[0, 1], output_axes=[2])
    found = to_numpy(projection(tensor(kernel))).reshape(6, 8)
    np.testing.assert_allclose(found, nearest(kernel.reshape(6, 8)), atol=2e-5)


def test_batch_axes_number_independent_kernels():
    kernels = np.random.default_rng(0).normal(size=(3, 5, 4))
    found = to_numpy(Orthonormal(batch_axes=[0])(tensor(kernels)))
    for one, kernel in zip(found, kernels, strict=True):
        np.testing.assert_allclose(one, nearest(kernel), atol=2e-5)


# In layers and in training


def gates_of(layer):
    kernel = getattr(layer, "cell", layer).recurrent_kernel
    return np.split(to_numpy(kernel), kernel.shape[1] // kernel.shape[0], axis=1)


def trained(layer):
    """A model with this layer after a hundred steps, which are large.

    In bfloat16, Adam does not learn: 0.999 is 1 there.
    """
    model = keras.Sequential([keras.Input((5, 3)), layer, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0, clipnorm=1.0), "mse")
    x = np.random.default_rng(0).normal(size=(100, 5, 3)).astype("float32")
    before = gates_of(layer)[0]
    model.fit(x, x[:, 0, :1], batch_size=10, epochs=10, verbose=0)
    assert np.abs(gates_of(layer)[0] - before).max() > 0.02
    return model


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_gates_stay_orthogonal_in_compiled_training(name):
    layer = getattr(layers, name)(
        8, recurrent_initializer="gate_orthogonal", recurrent_constraint="orthonormal"
    )
    trained(layer)
    for gate in gates_of(layer):
        assert np.abs(singular_values(gate) - 1).max() < 1e-5


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16"])
def test_gates_stay_orthogonal_in_short_dtypes(dtype):
    layer = layers.LSTM(
        8,
        recurrent_initializer="gate_orthogonal",
        recurrent_constraint="orthonormal",
        dtype=dtype,
    )
    trained(layer)
    # bfloat16 rounds each entry by 2^-8 of it at most.
    limit = 1e-5 if dtype == "mixed_bfloat16" else 2.0**-8 * np.sqrt(8)
    for gate in gates_of(layer):
        assert np.abs(singular_values(gate) - 1).max() < limit


def test_other_kernels_are_one_matrix():
    """A dense kernel of 4 x 16 has the shape of four gates, and is none."""
    layer = layers.Dense(16, kernel_constraint="orthonormal")
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    model.fit(x, np.ones((8, 16)), verbose=0)
    np.testing.assert_allclose(singular_values(layer.kernel), 1, atol=1e-5)


def test_a_saved_model_goes_on_with_it(tmp_path):
    layer = layers.LSTM(
        8,
        recurrent_initializer="gate_orthogonal",
        recurrent_constraint=Orthonormal(gain=0.9),
    )
    model = trained(layer)
    file = tmp_path / "model.keras"
    model.save(file)
    again = keras.models.load_model(file)
    x = np.random.default_rng(1).normal(size=(10, 5, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
    again.fit(x, x[:, 0, :1], verbose=0)
    for gate in gates_of(again.layers[0]):
        np.testing.assert_allclose(singular_values(gate), 0.9, atol=1e-5)


# Its protocol


def test_the_config_is_the_arguments():
    arguments = {
        "gain": 0.5,
        "blocks": 2,
        "input_axes": [0],
        "output_axes": [1],
        "batch_axes": [],
    }
    constraint = Orthonormal(**arguments)
    assert constraint.get_config() == arguments
    written = keras.constraints.serialize(constraint)
    again = keras.constraints.deserialize(written)
    assert type(again) is Orthonormal
    assert again.get_config() == arguments


def test_the_short_id_resolves():
    one, other = (keras.constraints.get("orthonormal") for _ in range(2))
    assert type(one) is type(other) is Orthonormal
    assert one is not other


@pytest.mark.parametrize("value", [0, -1.0, np.nan, "1", None])
def test_the_gain_is_positive(value):
    message = (
        "`Orthonormal` needs `gain` to be a finite number above 0. Received: "
        f"gain={value!r}. Pass a positive float, for example 1.0."
    )
    with refuses(message):
        Orthonormal(value)


@pytest.mark.parametrize("value", [0, 1.5, "4"])
def test_blocks_are_a_positive_integer(value):
    message = (
        "`Orthonormal` needs `blocks` to be an integer of at least 1. Received: "
        f"blocks={value!r}. Pass a positive int, for example 1."
    )
    with refuses(message):
        Orthonormal(blocks=value)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            (4, 6),
            "a size of axis 1 that is a multiple of `blocks`=4. Received: shape=(4, "
            "6), where it is 6. Pass the number of equal blocks side by side.",
        ),
        (
            (6,),
            "a kernel, with an axis of inputs and an axis of outputs. Received: "
            "shape=(6,) of rank 1. It is not for biases: give them another "
            "initializer, for example `bias_initializer='zeros'`.",
        ),
    ],
)
def test_what_it_cannot_move_is_refused(shape, message):
    with refuses(f"`Orthonormal` needs {message}"):
        Orthonormal(blocks=4)(ops.ones(shape))
