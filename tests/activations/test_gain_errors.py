"""What `gain` refuses, and what it says."""

import keras
import numpy as np
import pytest
from catalogue import refuses
from keras import layers, ops

from keras_initx.activations import gain

pytestmark = pytest.mark.same_on_each_backend

# Keras's names for what has no gain; `threshold` needs arguments.
NOT_ELEMENTWISE = ("log_softmax", "softmax", "sparsemax")


def x_sin_x_of_keras(x):
    return x * ops.sin(x)


@pytest.mark.parametrize("activation", [*NOT_ELEMENTWISE, "softmax layer", "random"])
def test_what_is_not_elementwise_is_refused(activation):
    received = repr(activation)
    if activation == "softmax layer":
        activation = layers.Softmax()
        received = repr(activation)
    elif activation == "random":

        def activation(x):
            return x + keras.random.normal(x.shape)

        received = "activation"
    message = (
        f"`gain` needs an elementwise activation. Received: activation={received}. "
        "Pass the activation of single units, for example 'relu'."
    )
    with refuses(message):
        gain(activation)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1.0,
        lambda x: x[:-1],
        lambda x: ops.concatenate([x, -x], axis=-1),
        lambda x: ops.cumsum(x, axis=0),
        lambda x: ops.cumsum(x, axis=-1),
        lambda x: x - ops.max(x, axis=0),
    ],
)
def test_a_function_that_mixes_its_inputs_is_refused(function):
    message = (
        "`gain` needs an elementwise activation. Received: "
        f"activation={function.__name__}. Pass the activation of single units, for "
        "example 'relu'."
    )
    with refuses(message):
        gain(function)


@pytest.mark.parametrize(
    "activation", ["no_such", 1.5, object(), {"class_name": "No"}, layers.LeakyReLU]
)
def test_what_keras_does_not_know_is_refused(activation):
    received = getattr(activation, "__name__", repr(activation))
    message = (
        f"`gain` needs a known activation. Received: activation={received}. Pass the "
        "name of a Keras activation, a function or a layer."
    )
    with refuses(message):
        gain(activation)


def test_a_function_that_needs_more_is_refused():
    def scaled(x, factor):
        return factor * x

    with pytest.raises(
        ValueError, match="`gain` needs an activation that is a fun"
    ) as e:
        gain(scaled)
    assert str(e.value).startswith(
        "`gain` needs an activation that is a function of one tensor. Received: "
        "activation=scaled, which raised TypeError: "
    )
    assert "'factor'. Pass the activation of single units" in str(e.value)
    assert isinstance(e.value.__cause__, TypeError)


def test_a_layer_that_cannot_be_made_again_is_refused():
    layer = layers.Lambda(x_sin_x_of_keras, name="sine")
    with pytest.raises(ValueError, match="`gain` needs a layer that can be ma") as e:
        gain(layer)
    assert str(e.value).startswith(
        "`gain` needs a layer that can be made again from its config. Received: "
        "activation=<Lambda name=sine, built=False>, which raised "
    )
    assert str(e.value).endswith(
        ". Build the layer and pass its `call`, or pass a function."
    )
    # Both ways that the text names.
    layer(np.zeros((1, 2)))
    assert gain(layer) == gain(layer.call) == gain(x_sin_x_of_keras)


NO_MOMENT = {"0": lambda x: 0.0 * x, "inf": lambda x: ops.exp(x * x / 4)}


@pytest.mark.parametrize("moment", NO_MOMENT)
def test_an_activation_without_a_moment_is_refused(moment):
    message = (
        "`gain` needs an activation that has, on normal inputs, a second moment above "
        "0. Received: activation=<lambda>, where that of the activation or its "
        f"derivative is {moment}. Pass another activation."
    )
    with refuses(message):
        gain(NO_MOMENT[moment])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: 1 / x,
        lambda x: 1 / ops.sqrt(ops.abs(x)),
        lambda x: ops.log(x),
        lambda x: ops.exp(ops.exp(x)),
        lambda x: ops.exp(x * x),
        # It exists, but a part of 1e-6 lies where float64 has no density.
        lambda x: ops.exp(x * x / 4.08),
    ],
    ids=["pole", "weak pole", "half line", "overflow", "tail", "slow tail"],
)
def test_more_without_a_moment(function):
    with pytest.raises(ValueError, match="`gain` needs an activation that has, on nor"):
        gain(function)


def test_a_step_has_no_gradient():
    assert gain(ops.sign) == 1.0
    with pytest.raises(
        ValueError, match="that of the activation or its derivative is 0"
    ):
        gain(ops.sign, backward=True)
