"""The steps of a recurrent layer, beside a loop in NumPy."""

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, ops

from keras_initx._model.recurrent import (
    gate_names,
    has_orthogonal_gates,
    recurrent_kernels,
    steps_of,
)
from keras_initx._model.trace import Observer, trace

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 6, 4)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_weights(layer):
    """Biases too are other than zero."""
    layer.build(X.shape)
    for weight in layer.weights:
        weight.assign(0.5 * np.random.default_rng(1).normal(size=weight.shape))
    return layer


class Last(Observer):
    """Keeps the steps of the recurrent layer that ran last."""

    def leave(self, call, output):
        if gate_names(call.layer):
            self.steps = steps_of(call)
        return output


def steps(layer, inputs=X, **kwargs):
    seen = Last()

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = layer

        def call(self, inputs):
            return self.inner(inputs, **kwargs)

    trace(Model(), ops.convert_to_tensor(inputs), seen)
    return seen.steps


def simple_rnn(layer, x, h, state):
    k, r, b = (to_numpy(w) for w in layer.weights)
    z = x @ k + h @ r + b
    return z, np.tanh(z), state, {}


def lstm(layer, x, h, c):
    k, r, b = (to_numpy(w) for w in layer.weights)
    z = x @ k + h @ r + b
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    gates = {"input": sigmoid(i), "forget": sigmoid(f), "output": sigmoid(o)}
    return z, sigmoid(o) * np.tanh(c), c, gates


def gru(layer, x, h, state):
    k, r, b = (to_numpy(w) for w in layer.weights)
    b, b2 = b if b.ndim == 2 else (b, 0 * b)
    (xz, xr, xh), u = np.split(x @ k + b, 3, axis=-1), layer.units
    z = xz + h @ r[:, :u] + b2[:u]
    reset = xr + h @ r[:, u : 2 * u] + b2[u : 2 * u]
    if layer.reset_after:
        candidate = xh + sigmoid(reset) * (h @ r[:, 2 * u :] + b2[2 * u :])
    else:
        candidate = xh + (sigmoid(reset) * h) @ r[:, 2 * u :]
    new = sigmoid(z) * h + (1 - sigmoid(z)) * np.tanh(candidate)
    gates = {"update": sigmoid(z), "reset": sigmoid(reset)}
    return np.concatenate([z, reset, candidate], axis=-1), new, state, gates


LAYERS = {
    "SimpleRNN": (layers.SimpleRNN, simple_rnn, {}),
    "LSTM": (layers.LSTM, lstm, {}),
    "GRU": (layers.GRU, gru, {}),
    "GRU_reset_before": (layers.GRU, gru, {"reset_after": False}),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@every_layer
@pytest.mark.parametrize("arguments", [{}, {"go_backwards": True}, {"unroll": True}])
def test_the_steps_are_those_of_a_loop(name, arguments):
    kind, step, more = LAYERS[name]
    layer = random_weights(kind(5, **arguments, **more))
    found = steps(layer)
    x = X[:, ::-1] if layer.go_backwards else X
    h = c = np.zeros((3, 5))
    for place in range(6):
        z, h, c, gates = step(layer, x[:, place], h, c)
        np.testing.assert_allclose(found.pre_activations[:, place], z, atol=1e-5)
        np.testing.assert_allclose(found.states[:, place], h, atol=1e-5)
        assert found.gates.keys() == gates.keys()
        for gate, values in gates.items():
            np.testing.assert_allclose(found.gates[gate][:, place], values, atol=1e-5)
    assert found.mask is None


@every_layer
def test_the_bias_is_what_no_input_changes(name):
    """With zero kernels and states, all gates see their biases."""
    kind, _, more = LAYERS[name]
    layer = random_weights(kind(5, **more))
    found = steps(layer)
    for kernel in (layer.cell.kernel, layer.cell.recurrent_kernel):
        kernel.assign(np.zeros(kernel.shape))
    alone = steps(layer).pre_activations
    units = 5 * (2 if name == "GRU" else len(gate_names(layer)))
    # The second bias of a GRU acts through the reset gate on the candidate.
    np.testing.assert_allclose(alone[0, 0, :units], found.bias[:units], atol=1e-6)
    first = to_numpy(layer.cell.bias)
    first = first[0] if name == "GRU" else first
    np.testing.assert_array_equal(found.bias[units:], first[units:])


def test_the_first_state_counts():
    layer = random_weights(layers.SimpleRNN(5))
    first = ops.ones((3, 5))
    found = steps(layer, initial_state=first)
    z, *_ = simple_rnn(layer, X[:, 0], np.ones((3, 5)), None)
    np.testing.assert_allclose(found.pre_activations[:, 0], z, atol=1e-5)


@pytest.mark.parametrize("go_backwards", [False, True])
def test_a_mask_hides_steps_in_the_order_in_which_they_run(go_backwards):
    layer = random_weights(layers.LSTM(5, go_backwards=go_backwards))
    mask = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1]], bool)
    found = steps(layer, mask=ops.convert_to_tensor(mask))
    expected = mask[:, ::-1] if go_backwards else mask
    np.testing.assert_array_equal(found.mask, expected)


def test_the_state_before_a_gap_is_the_one_after_it():
    """Also where the layer gives zeros for the steps of the gap."""
    layer = random_weights(layers.SimpleRNN(5, zero_output_for_mask=True))
    mask = np.array([[1, 0, 1, 1, 1, 1]] * 3, bool)
    found = steps(layer, mask=ops.convert_to_tensor(mask))
    _, h, *_ = simple_rnn(layer, X[:, 0], np.zeros((3, 5)), None)
    np.testing.assert_allclose(found.states[:, 1], h, atol=1e-5)
    z, *_ = simple_rnn(layer, X[:, 2], h, None)
    np.testing.assert_allclose(found.pre_activations[:, 2], z, atol=1e-5)


def test_nothing_stays_on_the_layer():
    layer = random_weights(layers.LSTM(5, zero_output_for_mask=True))
    steps(layer)
    assert layer.return_sequences is False
    assert layer.return_state is False
    assert layer.zero_output_for_mask is True


def test_the_cells_of_others_have_no_gates():
    class Own(layers.LSTM):
        pass

    stacked = layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)])
    for layer in (Own(2), stacked, layers.ConvLSTM1D(2, 3), layers.Dense(2)):
        assert gate_names(layer) == ()
        assert recurrent_kernels(layer) is None
    assert len(gate_names(layers.RNN(layers.GRUCell(2)))) == 3


@pytest.mark.parametrize(
    ("initializer", "is_orthogonal"),
    [
        ("gate_orthogonal", True),
        ("gate_identity", True),
        ("orthogonal", False),
        ("glorot_uniform", False),
        ("zeros", True),
    ],
)
def test_kernels_that_were_chosen_to_be_orthogonal(initializer, is_orthogonal):
    layer = layers.LSTM(8, recurrent_initializer=initializer)
    layer.build(X.shape)
    assert has_orthogonal_gates(layer.cell.recurrent_kernel, 4) == is_orthogonal
