"""The depth of which an activation is shaped: a number, a model or a function."""

import keras
import pytest
from catalogue import refuses
from keras import layers

from keras_initx.activations import gain, shaped

Dense = layers.Dense


def slope(activation):
    """C'(1) of a layer whose Q(1) is 1."""
    return gain(activation, backward=True) ** -2


def depth_of(model):
    """The depth that `shaped` sees: the slope of leaky ReLU depends on nothing else."""
    found = shaped("leaky_relu", model, "dks")
    slopes = {shaped("leaky_relu", n, "dks").negative_slope: n for n in range(1, 12)}
    return slopes[found.negative_slope]


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Conv2D(4, 3),
            layers.LeakyReLU(),
            layers.Conv2D(4, 3),
            layers.Activation("tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            Dense(5, activation=layers.ELU()),
            Dense(5, activation="linear"),
            Dense(5, activation=shaped("tanh", 5)),
            Dense(2, activation="softmax"),
        ]
    )


def functional():
    inputs = keras.Input((8,))
    x = Dense(8, activation="tanh")(inputs)
    inner = keras.Sequential([Dense(8, activation="tanh"), Dense(8, "tanh")])
    x = Dense(8, activation="tanh")(inner(x))
    return keras.Model(inputs, Dense(1, activation="sigmoid")(x))


def unbuilt():
    return keras.Sequential([Dense(8, activation="tanh"), Dense(8)])


@pytest.mark.parametrize(
    ("make", "depth"), [(convolutional, 5), (functional, 4), (unbuilt, 1)]
)
def test_the_layers_of_a_chain_are_counted(make, depth):
    assert depth_of(make()) == depth


def test_a_chain_as_a_function_is_the_same_as_its_depth():
    def network(c, layer):
        for _ in range(7):
            c = layer(c)
        return c

    for name, method in [("tanh", "tat"), ("tanh", "dks"), ("relu", "tat")]:
        expected = shaped(name, 7, method).get_config()
        assert shaped(name, network, method).get_config() == expected


def test_residual_sums():
    """Ten blocks of a shortcut of weight 0.8 and a branch of weight 0.6."""

    def network(c, layer):
        for _ in range(10):
            c = 0.64 * c + 0.36 * layer(layer(c))
        return c

    found = slope(shaped("tanh", network, "dks"))
    assert (0.64 + 0.36 * found**2) ** 10 == pytest.approx(1.5, rel=1e-5)


def residual():
    inputs = keras.Input((8,))
    x = Dense(8, activation="tanh")(inputs)
    return keras.Model(inputs, Dense(2)(layers.Add(name="sum")([inputs, x])))


def with_an_operation():
    inputs = keras.Input((8,))
    x = keras.ops.tanh(Dense(8)(inputs))
    return keras.Model(inputs, Dense(2)(x))


def twice():
    inputs = keras.Input((8,))
    layer = Dense(8, activation="tanh")
    return keras.Model(inputs, Dense(2)(layer(layer(inputs))))


def recurrent():
    return keras.Sequential([layers.LSTM(4, name="lstm"), Dense(2)])


def two_inputs():
    inputs = [keras.Input((8,)), keras.Input((8,))]
    return keras.Model(inputs, layers.Add()(inputs))


class Subclassed(keras.Model):
    pass


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (residual, "a model where several paths meet or part in 'sum'"),
        (with_an_operation, "a model with the operation 'tanh'"),
        (twice, "a model that uses a layer several times"),
        (recurrent, "a model with 'lstm', which has layers inside"),
        (two_inputs, "a model that is not a graph with one input and one output"),
        (Subclassed, "a model that is not a graph with one input and one output"),
        (
            lambda: keras.Sequential([Dense(8), Dense(2, activation="softmax")]),
            "a model without activations before its last layer",
        ),
    ],
)
def test_a_model_that_is_no_chain(make, received):
    keras.utils.clear_session()
    message = (
        "`shaped` needs a model whose layers follow one after the other, some with an "
        f"activation. Received: {received}. Pass as `depth` the number of nonlinear "
        "layers on the longest path, or a function."
    )
    with refuses(message):
        shaped("tanh", make())


@pytest.mark.parametrize("depth", [0, -1, 2.0, True, None, "deep", Dense(2)])
def test_a_bad_depth(depth):
    message = (
        "`shaped` needs `depth` to be an integer of at least 1. Received: "
        f"depth={depth!r}. Pass a positive int, for example 1."
    )
    with refuses(message):
        shaped("tanh", depth)


def test_sums_that_are_not_normalized():
    message = (
        "`shaped` needs a function `depth` that returns c where its layers do. "
        "Received: 0.0 for c=0 and 2.0 for c=1. Weight the parts of each sum with "
        "numbers that add up to 1: the squares of the weights in the network."
    )
    with refuses(message):
        shaped("tanh", lambda c, layer: c + layer(c))


@pytest.mark.parametrize(("name", "method"), [("tanh", "tat"), ("relu", "dks")])
def test_a_function_without_layers(name, method):
    message = (
        "`shaped` needs a function `depth` that grows with what its layers add. "
        "Received: one that stays below the target. Call the `layer` that it is given."
    )
    with refuses(message):
        shaped(name, lambda c, layer: c, method)
