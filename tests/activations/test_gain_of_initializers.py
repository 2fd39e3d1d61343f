"""Initializers that take an activation as their gain."""

import inspect
import json
import math

import keras
import numpy as np
import pytest
from catalogue import CATALOGUE, refuses, to_numpy
from keras import layers, ops
from limits import EPSILON

import keras_initx
from keras_initx import initializers
from keras_initx.activations import gain

# Keras rounds some constants and results to float32.
exactly = {"rel": EPSILON, "abs": 0}
WITH_GAIN = [
    row for row in CATALOGUE if "gain" in inspect.signature(row.cls).parameters
]
every_class = pytest.mark.parametrize("row", WITH_GAIN, ids=lambda row: row.name)


@keras.saving.register_keras_serializable("test_gain")
def registered(x):
    return ops.sin(x)


def unregistered(x):
    return ops.sin(x)


def relu6(x):
    """Not registered, with the name of another function of Keras."""
    return ops.sin(x)


class Unregistered(keras.Layer):
    def call(self, x):
        return ops.sin(x)


def built_prelu():
    layer = layers.PReLU("ones")
    layer.build((None, 3))
    return layer


# Each with what the config says, or None for the number itself.
ACTIVATIONS = {
    "name": ("gelu", "gelu"),
    "alias": ("swish", "swish"),
    "gated unit": ("swiglu", "swiglu"),
    "gated unit of Keras": (keras.activations.glu, "glu"),
    "ours": ("lecun_tanh", "lecun_tanh"),
    "our function": (keras_initx.lecun_tanh, "lecun_tanh"),
    "function of Keras": (keras.activations.relu, "relu"),
    "registered": (registered, keras.activations.serialize(registered)),
    "unregistered": (unregistered, None),
    "other meaning": (relu6, None),
    # Another function than keras.activations.gelu.
    "operation": (ops.gelu, None),
    "lambda": (lambda x: ops.sin(x), None),
    "NumPy": (np.tanh, None),
    "layer": (
        layers.LeakyReLU(0.1, name="leaky"),
        keras.saving.serialize_keras_object(layers.LeakyReLU(0.1, name="leaky")),
    ),
    "unregistered layer": (Unregistered(), None),
    "lambda in a layer": (layers.Activation(lambda x: ops.sin(x)), None),
    "weights": (built_prelu(), None),
}


@every_class
@pytest.mark.parametrize("name", ["gelu", "swiglu"])
def test_the_gain_may_be_an_activation(row, name):
    seed, shape = {"seed": 3} if row.is_random else {}, row.short_shape
    by_name = row.typical(gain=name, **seed)
    by_number = row.typical(gain=gain(name), **seed)
    assert by_name.gain == by_number.gain == gain(name)
    np.testing.assert_array_equal(to_numpy(by_name(shape)), to_numpy(by_number(shape)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_config_says_which_activation(name):
    activation, written = ACTIVATIONS[name]
    original = initializers.OrthogonalDelta(gain=activation, seed=3)
    config = original.get_config()
    assert config["gain"] == (float(original.gain) if written is None else written)
    assert json.loads(json.dumps(config)) == config
    serialized = json.loads(json.dumps(keras.initializers.serialize(original)))
    for copy in (
        initializers.OrthogonalDelta.from_config(config),
        keras.initializers.get(serialized),
    ):
        assert copy.gain == original.gain == gain(activation)
        assert copy.get_config() == config


def test_a_gain_within_another_initializer():
    base = initializers.HaarOrthogonal(gain="gelu")
    original = initializers.LooksLinear(base, seed=3)
    config = json.loads(json.dumps(keras.initializers.serialize(original)))
    copy = keras.initializers.get(config)
    assert copy.base.gain == gain("gelu")
    assert copy.base.get_config()["gain"] == "gelu"
    np.testing.assert_array_equal(to_numpy(copy((4, 6))), to_numpy(original((4, 6))))


@pytest.mark.parametrize("name", ["unregistered", "layer"])
def test_attention_clones_and_files_keep_the_gain(name, tmp_path):
    activation, _ = ACTIVATIONS[name]
    inputs = keras.Input((3, 8))
    attention = layers.MultiHeadAttention(
        2, 4, kernel_initializer=initializers.OrthogonalDelta(gain=activation)
    )
    model = keras.Model(inputs, attention(inputs, inputs))
    kernel = to_numpy(attention._query_dense.kernel).reshape(8, 8)
    np.testing.assert_allclose(
        np.linalg.svd(kernel, compute_uv=False), gain(activation), rtol=1e-5
    )
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras").layers[-1]
    for layer in (attention, copy):
        for part in (layer._query_dense, layer._output_dense):
            assert part.kernel_initializer.gain == gain(activation)


class Attention(keras.Model):
    """Builds its layers when `fit` first calls it, without values."""

    def __init__(self):
        super().__init__()
        slope = layers.PReLU(keras.initializers.Constant(0.25))
        self.attention = layers.MultiHeadAttention(
            2, 4, kernel_initializer=initializers.RandomWalk(gain=slope)
        )

    def call(self, x):
        return self.attention(x, x)


def test_a_model_that_fit_builds():
    model = Attention()
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3, 8)), np.ones((4, 3, 8)), verbose=0)
    found = model.attention._key_dense.kernel_initializer.gain
    assert found == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), **exactly)
    # Kernels and biases of query, key, value and output.
    assert len(model.weights) == 8


@every_class
@pytest.mark.parametrize(
    "value",
    [0, -1.0, math.nan, True, "no_such", "2.0", [1.0], {}, object(), layers.LeakyReLU],
)
@pytest.mark.same_on_each_backend
def test_a_gain_that_is_none_is_refused(row, value):
    message = (
        f"`{row.name}` needs `gain` to be a finite number above 0, or an activation. "
        f"Received: gain={value!r}. Pass for example 1.0 or 'relu'."
    )
    with refuses(message):
        row.make(gain=value)


@every_class
def test_an_activation_without_a_gain_is_refused(row):
    message = (
        f"`{row.name}` needs an elementwise activation. Received: gain='softmax'. Pass "
        "the activation of single units, for example 'relu'."
    )
    with refuses(message):
        row.make(gain="softmax")


def test_each_class_with_a_gain_is_tested():
    names = {row.name for row in WITH_GAIN}
    assert names == {
        "HaarOrthogonal",
        "OrthogonalDelta",
        "ConvolutionOrthogonal",
        "FanScaled",
        "RandomWalk",
        "GateOrthogonal",
        "GateIdentity",
    }
