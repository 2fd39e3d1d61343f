"""The biases of gates: where they stand, what they are, and what is refused."""

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import refuses, to_numpy
from keras import layers

from keras_initx import initializers

CLASSES = {
    "GateBias": initializers.GateBias,
    "ChronoBias": lambda **arguments: initializers.ChronoBias(30, **arguments),
}
every_class = pytest.mark.parametrize("name", CLASSES)


def bias_of(layer):
    layer.build((1, 2, 3) if isinstance(layer, layers.RNN) else (1, 3))
    return to_numpy(getattr(layer, "cell", layer).bias)


# Where they stand


def test_the_forget_gate_of_an_lstm_gets_the_bias():
    initializer = initializers.GateBias(3.0)
    layer = layers.LSTM(5, bias_initializer=initializer, unit_forget_bias=False)
    expected = np.concatenate([np.zeros(5), np.full(5, 3.0), np.zeros(10)])
    np.testing.assert_array_equal(bias_of(layer), expected)


@pytest.mark.parametrize("reset_after", [False, True])
def test_the_update_gate_of_a_gru_gets_the_bias(reset_after):
    initializer = initializers.GateBias(3.0, layer="gru")
    layer = layers.GRU(5, bias_initializer=initializer, reset_after=reset_after)
    expected = np.concatenate([np.full(5, 3.0), np.zeros(10)])
    if reset_after:
        expected = np.stack([expected, np.zeros(15)])
    np.testing.assert_array_equal(bias_of(layer), expected)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_large_bias_keeps_the_state(kind):
    """The state of a unit decays as sigmoid(bias) says, if nothing comes in."""
    initializer = initializers.GateBias(2.0, layer=kind)
    arguments = {"bias_initializer": initializer, "recurrent_initializer": "zeros"}
    if kind == "lstm":
        layer = layers.LSTM(3, unit_forget_bias=False, **arguments)
        first = [keras.ops.zeros((1, 3)), keras.ops.full((1, 3), 0.01)]
    else:
        layer = layers.GRU(3, **arguments)
        first = [keras.ops.full((1, 3), 0.01)]
    layer.return_state = True
    states = layer(keras.ops.zeros((1, 4, 2)), initial_state=first)[1:]
    kept = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(to_numpy(states[-1]), 0.01 * kept**4, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_input_and_forget_gates_of_an_lstm_share_one_draw(dtype):
    bias = to_numpy(initializers.ChronoBias(100, seed=3)((4 * 50,), dtype=dtype))
    write, keep, cell, output = np.split(bias, 4)
    np.testing.assert_array_equal(write, -keep)
    assert (keep >= 0).all()
    assert not cell.any()
    assert not output.any()


@pytest.mark.parametrize("shape", [(3 * 50,), (2, 3 * 50)])
def test_the_update_gate_of_a_gru_gets_the_draw(shape):
    bias = to_numpy(initializers.ChronoBias(100, "gru", seed=3)(shape))
    rows = bias.reshape(-1, 3, 50)
    assert (rows[0, 0] > 0).all()
    assert not rows[0, 1:].any()
    assert not rows[1:].any()


# The law


@pytest.mark.parametrize("max_timescale", [2.5, 10, 1000])
def test_the_times_of_forgetting_are_uniform(max_timescale):
    """1 / (1 - sigmoid(b)) = 1 + exp(b), on a linear and not on a logarithmic scale."""
    bias = to_numpy(initializers.ChronoBias(max_timescale, seed=3)((40_000,)))
    times = 1 + np.exp(np.split(bias, 4)[1])
    uniform = scipy.stats.uniform(2, max_timescale - 2)
    limits.assert_distribution(times, uniform.cdf)


def test_the_shortest_time_scale_has_one_bias():
    bias = to_numpy(initializers.ChronoBias(2, seed=3)((12,)))
    np.testing.assert_array_equal(bias, 0)


# What is refused


@every_class
@pytest.mark.parametrize("units", [5, 64])
@pytest.mark.parametrize("convolutional", [False, True])
def test_a_part_of_a_bias_is_refused(name, units, convolutional):
    """Keras asks for (u,) and (2 u,), which may be multiples of four."""
    initializer = CLASSES[name]()
    layer = layers.LSTM(units, bias_initializer=initializer)
    shape, cell = (1, 2, 3), "LSTMCell"
    if convolutional:
        layer = layers.ConvLSTM1D(units, 3, bias_initializer=initializer)
        shape, cell = (1, 2, 5, 3), "ConvLSTMCell"
    message = (
        f"`{name}` needs the whole bias of an LSTM. Received: a part of it, because "
        f"the {cell} has `unit_forget_bias=True`. Set `unit_forget_bias=False`, which "
        "is not the default."
    )
    with refuses(message):
        layer.build(shape)


@every_class
@pytest.mark.parametrize(
    ("kind", "layer", "what", "advice"),
    [
        ("lstm", layers.GRU(8), "GRUCell", "Pass layer='gru'."),
        ("gru", layers.LSTM(6), "LSTMCell", "Pass layer='lstm'."),
        (
            "lstm",
            layers.SimpleRNN(8),
            "SimpleRNNCell",
            "Only an LSTM and a GRU have gates.",
        ),
        ("gru", layers.Dense(6), "Dense", "Only an LSTM and a GRU have gates."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_layer_is_refused(name, kind, layer, what, advice):
    config = layer.get_config()
    config["bias_initializer"] = CLASSES[name](layer=kind)
    config.pop("unit_forget_bias", None)
    who = {"lstm": "an LSTM", "gru": "a GRU"}[kind]
    message = (
        f"`{name}` needs the bias of {who} (layer={kind!r}). Received: the bias of a "
        f"{what}. {advice}"
    )
    with refuses(message):
        bias_of(type(layer)(**config))


def test_a_cell_of_a_user_is_not_judged():
    class Cell(layers.Layer):
        state_size = output_size = 3

        def build(self, _):
            self.bias = self.add_weight((12,), initializers.GateBias(2.0))

        def call(self, inputs, states):
            return inputs + self.bias[:3], states

    cell = Cell()
    cell.build((1, 3))
    assert to_numpy(cell.bias).sum() == 6


@every_class
@pytest.mark.parametrize("value", ["rnn", "LSTM", None, 4])
def test_an_unknown_kind_is_refused(name, value):
    message = (
        f"`{name}` needs a known `layer`. Received: layer={value!r}. Choose one of: "
        "'lstm', 'gru'."
    )
    with refuses(message):
        CLASSES[name](layer=value)


@pytest.mark.parametrize("value", [1.99, 0, -5, np.inf, np.nan, "9", None, True])
def test_a_time_scale_below_two_steps_is_refused(value):
    message = (
        "`ChronoBias` needs `max_timescale` to be a number of steps of at least 2. "
        f"Received: max_timescale={value!r}. Pass the length of the sequences."
    )
    with refuses(message):
        initializers.ChronoBias(value)


@pytest.mark.parametrize("value", [np.inf, np.nan, "1", None, True])
def test_a_bias_that_is_no_number_is_refused(value):
    message = (
        "`GateBias` needs `forget` to be a finite number. Received: "
        f"forget={value!r}. Pass a float, for example 1.0."
    )
    with refuses(message):
        initializers.GateBias(value)
