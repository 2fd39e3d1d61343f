"""LeCun's tanh: values, dtypes, files."""

import json

import keras
import numpy as np
import pytest
import references
from catalogue import dtype_of, to_numpy, traced
from keras import ops
from limits import EPSILON

import keras_initx
from keras_initx import activations, lecun_tanh

INPUTS = np.linspace(-6, 6, 41)
# A relative step of each dtype.
STEPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": EPSILON}


def by_definition(x):
    return 1.7159 * np.tanh(2 / 3 * x)


@pytest.mark.parametrize("dtype", STEPS)
def test_values(dtype):
    inputs = ops.convert_to_tensor(INPUTS, dtype)
    values = lecun_tanh(inputs)
    assert dtype_of(values) == dtype
    # Three operations, and an input that is rounded where the slope is up to 1.15.
    np.testing.assert_allclose(
        to_numpy(values), by_definition(to_numpy(inputs)), rtol=4 * STEPS[dtype]
    )


def test_it_passes_through_1_and_minus_1():
    values = to_numpy(lecun_tanh(ops.convert_to_tensor([-1.0, 0.0, 1.0])))
    np.testing.assert_allclose(values, [-1, 0, 1], atol=4e-6)


def test_its_second_moment():
    """It is 0.750 on a normal input of variance 1."""
    moment = activations.gain("lecun_tanh") ** -2
    assert moment == pytest.approx(references.second_moment(by_definition), rel=EPSILON)
    assert moment == pytest.approx(0.750, abs=5e-4)


def test_it_works_while_a_program_is_traced():
    values = traced(lambda: lecun_tanh(ops.convert_to_tensor(INPUTS, "float32")))
    np.testing.assert_allclose(
        to_numpy(values), by_definition(INPUTS), rtol=4 * EPSILON
    )


def test_it_takes_a_symbolic_tensor():
    outputs = lecun_tanh(keras.Input((3,), dtype="float16"))
    assert outputs.shape == (None, 3)
    assert dtype_of(outputs) == "float16"


# By its id


def test_the_id_resolves():
    assert keras.activations.get("lecun_tanh") is lecun_tanh
    assert keras.activations.deserialize("lecun_tanh") is lecun_tanh
    assert keras_initx.lecun_tanh is activations.lecun_tanh is lecun_tanh


def test_the_config_comes_back():
    config = json.loads(json.dumps(keras.activations.serialize(lecun_tanh)))
    assert config["config"] == "keras_initx>lecun_tanh"
    assert keras.activations.get(config) is lecun_tanh
    assert keras.activations.deserialize(config) is lecun_tanh
    assert keras.saving.deserialize_keras_object(config) is lecun_tanh


def model_with_every_use():
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="lecun_tanh"),
            keras.layers.Dense(8),
            keras.layers.Activation("lecun_tanh"),
            keras.layers.Activation(lecun_tanh),
            keras.layers.Reshape((1, 8)),
            keras.layers.SimpleRNN(3, activation="lecun_tanh", unroll=True),
        ]
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_saved_model_comes_back(suffix, tmp_path):
    model = model_with_every_use()
    model.save(tmp_path / f"model{suffix}")
    loaded = keras.saving.load_model(tmp_path / f"model{suffix}")
    inputs = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_array_equal(to_numpy(loaded(inputs)), to_numpy(model(inputs)))
    for layer in loaded.layers:
        if layer.name.startswith("activation"):
            assert layer.activation is lecun_tanh
    assert loaded.layers[0].activation is lecun_tanh
    assert loaded.layers[-1].activation is lecun_tanh


@pytest.mark.parametrize("dtype", ["float16", "mixed_bfloat16"])
def test_a_layer_of_low_precision(dtype):
    layer = keras.layers.Dense(8, activation="lecun_tanh", dtype=dtype)
    assert np.isfinite(to_numpy(layer(np.ones((2, 3), "float32")))).all()


def test_a_model_learns_with_it():
    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    model = keras.Sequential([keras.layers.Dense(1, activation="lecun_tanh")])
    model.compile("sgd", "mse")
    before, after = (model.train_on_batch(inputs, inputs[:, :1]) for _ in range(2))
    assert after < before
