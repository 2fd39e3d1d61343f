"""The activation between two affine functions: in layers, files and low precision."""

import copy
import json
import pickle

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, to_numpy
from keras import layers, ops

from keras_initx import ShapedActivation, diagnostics, schemes, shaped
from keras_initx.activations import gain, variance_map

NUMBERS = {
    "input_scale": 0.3,
    "input_shift": -0.4,
    "output_scale": 5.0,
    "output_shift": 0.25,
}


@keras.saving.register_keras_serializable("tests")
def cubic(x):
    return x**3


EXAMPLES = [
    ShapedActivation("tanh", **NUMBERS),
    ShapedActivation("leaky_relu", **NUMBERS, negative_slope=0.7),
    ShapedActivation(layers.ELU(0.5), **NUMBERS),
    ShapedActivation(cubic, **NUMBERS),
    ShapedActivation(ShapedActivation("gelu", 0.5), **NUMBERS),
    ShapedActivation(),
]
INNER = [
    np.tanh,
    lambda x: np.where(x > 0, x, 0.7 * x),
    lambda x: np.where(x > 0, x, 0.5 * np.expm1(x)),
    lambda x: x**3,
    None,
    None,
]
X = np.linspace(-4, 4, 33)
# JAX has no float64 unless it is told to.
DTYPES = ["float16", "bfloat16", "float32", *(["float64"] if BACKEND != "jax" else [])]
every_example = pytest.mark.parametrize("activation", EXAMPLES, ids=repr)


def values(activation, x, dtype="float32"):
    return to_numpy(activation(ops.convert_to_tensor(x, dtype)))


@pytest.mark.parametrize(
    ("activation", "inner"),
    [pair for pair in zip(EXAMPLES, INNER, strict=True) if pair[1]],
)
def test_it_is_its_formula(activation, inner):
    expected = 5.0 * (inner(0.3 * X - 0.4) + 0.25)
    np.testing.assert_allclose(values(activation, X), expected, rtol=0, atol=3e-6)


def test_by_default_nothing_is_changed():
    np.testing.assert_array_equal(values(ShapedActivation(), X), X.astype("float32"))


@every_example
def test_it_is_serialized_as_any_activation(activation):
    written = json.loads(json.dumps(keras.activations.serialize(activation)))
    assert written["registered_name"] == "keras_initx>ShapedActivation"
    for again in (
        keras.activations.get(written),
        ShapedActivation.from_config(activation.get_config()),
        copy.deepcopy(activation),
        pickle.loads(pickle.dumps(activation)),
    ):
        assert type(again) is ShapedActivation
        np.testing.assert_array_equal(values(again, X), values(activation, X))


def model():
    inputs = keras.Input((6, 4))
    x = layers.Conv1D(4, 3, activation=EXAMPLES[0])(inputs)
    x = layers.Activation(EXAMPLES[1])(x)
    x = layers.LSTM(4, activation=EXAMPLES[0])(x)
    for example in EXAMPLES:
        x = layers.Dense(4, activation=example)(x)
    return keras.Model(inputs, x)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_saved_model_comes_back(suffix, tmp_path):
    original = model()
    file = tmp_path / f"model{suffix}"
    keras.saving.save_model(original, file)
    loaded = keras.saving.load_model(file)
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    expected = original.predict(x, verbose=0)
    for again in (loaded, keras.models.clone_model(original)):
        again.set_weights(original.get_weights())
        np.testing.assert_array_equal(again.predict(x, verbose=0), expected)
        assert repr(again.layers[1].activation) == repr(EXAMPLES[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    """1000 layers: the output is 1/60 of what it is the difference of, and less."""
    activation = shaped("tanh", 1000)
    expected = values(activation, X)
    y = activation(ops.convert_to_tensor(X, dtype))
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    found = to_numpy(ops.cast(y, "float32"))
    limit = {"float16": 2**-9, "bfloat16": 2**-6}.get(dtype, 1e-4)
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit * 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    layer = layers.Dense(4, activation=shaped("gelu", 100), dtype=policy)
    y = layer(np.ones((2, 3), "float32"))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    assert len(layer.weights) == 2


def test_the_maps_and_reports_take_it():
    activation = shaped("silu", 20)
    assert gain(activation) == pytest.approx(1, abs=1e-6)
    assert variance_map(activation, 1.0, 1.0) == pytest.approx(1, abs=1e-6)
    keras.utils.set_random_seed(0)
    kernel = {"kernel_initializer": "haar_orthogonal"}
    net = keras.Sequential(
        [keras.Input((64,))]
        + [layers.Dense(64, activation=activation, **kernel) for _ in range(20)]
        + [layers.Dense(3, **kernel)]
    )
    x = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    x /= np.sqrt((x**2).mean(axis=1, keepdims=True))
    (verdict,) = diagnostics.signal_report(net, x).verdicts
    assert verdict.kind == "healthy"
    schemes.lsuv(net, x)


# Refusals


def test_an_unknown_activation():
    message = (
        "`ShapedActivation` needs a known activation. Received: activation='tan'. Pass "
        "the name of a Keras activation, a function or a layer."
    )
    with refuses(message):
        ShapedActivation("tan")


@pytest.mark.parametrize("make", [ShapedActivation, lambda layer: shaped(layer, 10)])
def test_an_activation_with_weights(make):
    layer = layers.PReLU()
    message = (
        "`ShapedActivation` needs an activation without weights. Received: "
        f"activation={layer!r}. Pass for example 'leaky_relu'."
    )
    with refuses(message):
        make(layer)


@pytest.mark.parametrize("name", [*NUMBERS, "negative_slope"])
def test_a_number_that_is_none(name):
    message = (
        f"`ShapedActivation` needs `{name}` to be a finite number. Received: "
        f"{name}=inf. Pass a float, for example 1.0."
    )
    with refuses(message):
        ShapedActivation("relu", **{name: float("inf")})


def test_a_slope_of_what_has_none():
    message = (
        "`ShapedActivation` needs `negative_slope` to be None unless the activation is "
        "'leaky_relu' or 'relu'. Received: negative_slope=0.5, activation='tanh'. "
        "Leave it out."
    )
    with refuses(message):
        ShapedActivation("tanh", negative_slope=0.5)
