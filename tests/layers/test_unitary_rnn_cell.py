"""The unitary cell: its formula, its norm, and its life in a model."""

import keras
import numpy as np
import pytest
import scipy.stats
from catalogue import dtype_of, refuses, to_numpy
from keras import layers, ops
from limits import assert_distribution

from keras_initx import UnitaryRNNCell


def built(units=12, features=3, **arguments):
    cell = UnitaryRNNCell(units, **arguments)
    cell.build((None, features))
    return cell


def explicit(cell):
    """W as a complex matrix, from the definition of its factors."""
    n = cell.units // 2
    d1, d2, d3 = (np.diag(np.exp(1j * w)) for w in to_numpy(cell.phases))
    numbers = np.arange(n)
    f = np.exp(-2j * np.pi * np.outer(numbers, numbers) / n) / np.sqrt(n)
    r1, r2 = (
        np.eye(n) - 2 * np.outer(v, v.conj()) / np.vdot(v, v)
        for v in (part[:n] + 1j * part[n:] for part in to_numpy(cell.reflections))
    )
    p = np.eye(n)[np.asarray(ops.convert_to_numpy(cell.permutation))]
    return d3 @ r2 @ f.conj().T @ d2 @ p @ r1 @ f @ d1


def random_weights(cell, seed=0):
    """Other numbers in all weights but the permutation."""
    rng = np.random.default_rng(seed)
    for weight in cell.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return cell


def tensor(array):
    return ops.convert_to_tensor(np.asarray(array, "float32"))


def test_a_step_is_that_of_the_formula():
    cell = random_weights(built())
    rng = np.random.default_rng(1)
    x, h = rng.normal(size=(5, 3)), rng.normal(size=(5, 12))
    z = (h[:, :6] + 1j * h[:, 6:]) @ explicit(cell).T
    v = to_numpy(cell.kernel)
    z = z + x @ v[:, :6] + 1j * (x @ v[:, 6:])
    modulus = np.abs(z)
    z = np.maximum(modulus + to_numpy(cell.bias), 0) * z / modulus
    output, (state,) = cell(tensor(x), [tensor(h)])
    expected = np.concatenate([z.real, z.imag], axis=1)
    np.testing.assert_allclose(to_numpy(output), expected, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(state), to_numpy(output))


def test_without_inputs_the_norm_is_kept_over_100_steps():
    cell = built()
    cell.reflections.assign(3 * to_numpy(cell.reflections))
    state = tensor(np.random.default_rng(1).normal(size=(4, 12)))
    before = np.linalg.norm(to_numpy(state), axis=1)
    for _ in range(100):
        state = cell(ops.zeros((4, 3)), [state])[0]
    after = np.linalg.norm(to_numpy(state), axis=1)
    np.testing.assert_allclose(after, before, rtol=1e-4)


def test_it_has_seven_parameters_for_each_complex_number():
    cell = built(units=20)
    numbers = [np.prod(w.shape) for w in (cell.phases, cell.reflections)]
    assert sum(numbers) == 7 * 10
    assert not cell.permutation.trainable


def test_it_stays_unitary_in_compiled_training():
    cell = UnitaryRNNCell(8, seed=1)
    model = keras.Sequential([keras.Input((6, 2)), layers.RNN(cell), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = explicit(cell)
    x = np.random.default_rng(0).normal(size=(100, 6, 2)).astype("float32")
    losses = model.fit(x, x[:, 0, :1], batch_size=10, epochs=10, verbose=0)
    losses = losses.history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    w = explicit(cell)
    assert np.abs(w - before).max() > 0.1
    np.testing.assert_allclose(w @ w.conj().T, np.eye(4), atol=1e-12)


def test_the_gradient_is_finite_where_a_number_is_zero():
    """The modulus has no slope at 0: the first state and the inputs are zero."""
    cell = built()
    cell.first_state.assign(ops.zeros(12))
    model = keras.Sequential([keras.Input((4, 3)), layers.RNN(cell)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.zeros((2, 4, 3)), np.ones((2, 12)))
    for weight in model.weights:
        assert np.isfinite(to_numpy(weight)).all()


def test_the_first_state_is_a_weight():
    cell = built()
    (state,) = cell.get_initial_state(batch_size=3)
    np.testing.assert_array_equal(to_numpy(state), [to_numpy(cell.first_state)] * 3)


def test_the_weights_have_their_laws():
    cell = built(units=4000, seed=1)
    uniform = scipy.stats.uniform
    angles = to_numpy(cell.phases).ravel()
    assert_distribution(angles, uniform(-np.pi, 2 * np.pi).cdf)
    assert_distribution(to_numpy(cell.reflections).ravel(), uniform(-1, 2).cdf)
    limit = np.sqrt(3 / 4000)
    first = to_numpy(cell.first_state)
    assert_distribution(first, uniform(-limit, 2 * limit).cdf)
    assert sorted(to_numpy(cell.permutation)) == list(range(2000))
    assert not to_numpy(cell.bias).any()


def test_an_integer_seed_gives_the_same_cell():
    one, same, other = (
        built(seed=seed, kernel_initializer="ones") for seed in (1, 1, 2)
    )
    for weight, again, another in zip(
        one.weights, same.weights, other.weights, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(weight), to_numpy(again))
        has_seed = weight.name not in ("kernel", "bias")
        assert np.array_equal(to_numpy(weight), to_numpy(another)) != has_seed


@pytest.mark.parametrize(
    "policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]
)
def test_in_short_dtypes_the_matrix_is_not_rounded(policy):
    """A state that is rounded at each step keeps its norm up to that rounding."""
    cell = built(seed=1, dtype=policy)
    short = policy.removeprefix("mixed_")
    state = ops.cast(tensor(np.random.default_rng(1).normal(size=(4, 12))), short)
    exact, turned = to_numpy(state), cell(ops.zeros((4, 3), short), [state])[0]
    assert dtype_of(turned) == short
    z = (exact[:, :6] + 1j * exact[:, 6:]) @ explicit(cell).T
    rounding = {"bfloat16": 2.0**-8, "float16": 2.0**-11}[short]
    expected = np.concatenate([z.real, z.imag], axis=1)
    error = np.abs(to_numpy(turned) - expected)
    assert (error <= 1.1 * rounding * np.abs(expected) + 1e-5).all()


@pytest.mark.parametrize("stateful", [False, True])
def test_it_runs_in_each_kind_of_recurrent_layer(stateful):
    inputs = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = layers.RNN(
        UnitaryRNNCell(4), return_sequences=True, return_state=True, stateful=stateful
    )
    outputs, state = layer(tensor(inputs))
    assert tuple(outputs.shape) == (2, 5, 4)
    np.testing.assert_array_equal(to_numpy(outputs)[:, -1], to_numpy(state))
    both = layers.Bidirectional(layers.RNN(UnitaryRNNCell(4)))(tensor(inputs))
    assert tuple(both.shape) == (2, 8)


def test_a_saved_model_computes_the_same(tmp_path):
    model = keras.Sequential([keras.Input((5, 3)), layers.RNN(UnitaryRNNCell(6))])
    file = tmp_path / "model.keras"
    model.save(file)
    again = keras.models.load_model(file)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert again.layers[0].cell.get_config() == model.layers[0].cell.get_config()


@pytest.mark.parametrize("value", [5, 1])
def test_an_odd_number_of_units_is_refused(value):
    message = (
        "`UnitaryRNNCell` needs an even number of `units`, two for each complex "
        f"number. Received: units={value}. Pass for example {value + 1}."
    )
    with refuses(message):
        UnitaryRNNCell(value)


@pytest.mark.parametrize("value", [0, -2, 4.0, None])
def test_units_are_a_positive_integer(value):
    message = (
        "`UnitaryRNNCell` needs `units` to be an integer of at least 1. Received: "
        f"units={value!r}. Pass a positive int, for example 1."
    )
    with refuses(message):
        UnitaryRNNCell(value)
