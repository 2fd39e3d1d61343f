"""LSUV in recurrent layers: the pre-activations of their gates, over all steps."""

import keras
import numpy as np
import pytest
from catalogue import singular_values, to_numpy
from keras import layers, ops

import keras_initx
from keras_initx._model.recurrent import gate_names, steps_of
from keras_initx._model.trace import Observer, trace

X = 3 * np.random.default_rng(0).normal(size=(32, 12, 5)).astype("float32")


class Measured(Observer):
    """The deviation of the pre-activations of each recurrent layer, without biases."""

    def __init__(self):
        self.deviations = []

    def leave(self, call, output):
        if gate_names(call.layer):
            steps = steps_of(call)
            values = steps.pre_activations - steps.bias
            if steps.mask is not None:
                values = values[steps.mask]
            self.deviations.append(values.std())
        return output


def deviations(model, x=X):
    seen = Measured()
    trace(model, ops.convert_to_tensor(x), seen)
    return seen.deviations


def model_of(*stack):
    return keras.Sequential([keras.Input((12, 5)), *stack, layers.Dense(3)])


def gates_of(layer):
    kernel = to_numpy(layer.cell.recurrent_kernel)
    return np.split(kernel, kernel.shape[1] // kernel.shape[0], axis=1)


MODELS = {
    "SimpleRNN": lambda: model_of(layers.SimpleRNN(16)),
    "LSTM": lambda: model_of(layers.LSTM(16)),
    "GRU": lambda: model_of(layers.GRU(16)),
    "GRU_reset_before": lambda: model_of(layers.GRU(16, reset_after=False)),
    "RNN": lambda: model_of(layers.RNN(layers.LSTMCell(16))),
    "stacked": lambda: model_of(layers.LSTM(16, return_sequences=True), layers.GRU(8)),
    "bidirectional": lambda: model_of(layers.Bidirectional(layers.LSTM(8))),
    "backwards": lambda: model_of(layers.GRU(8, go_backwards=True)),
    "IRNN": lambda: model_of(
        layers.SimpleRNN(16, "relu", recurrent_initializer="gate_identity")
    ),
    "chrono": lambda: model_of(
        layers.LSTM(
            16,
            bias_initializer=keras_initx.ChronoBias(12),
            unit_forget_bias=False,
        )
    ),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("target", [1.0, 0.5])
@pytest.mark.same_on_each_backend
def test_the_gates_get_the_target_over_all_steps(name, target):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    report = keras_initx.lsuv(model, X, target_std=target)
    assert not report.skipped
    found = deviations(model)
    assert len(found) == len(report) - 1
    # The tolerance is 0.01, and the rest is rounding.
    np.testing.assert_allclose(found, target, rtol=0.0101)
    rows = [row for row in report if row.type not in ("Dense",)]
    np.testing.assert_allclose([row.std_after for row in rows], found, rtol=1e-3)


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_each_gate_starts_orthogonal(name):
    model = MODELS[name]()
    keras_initx.lsuv(model, X)
    gates = gates_of(model.layers[0])
    for gate in gates:
        np.testing.assert_allclose(singular_values(gate), 1, atol=1e-5)
    assert len({gate.tobytes() for gate in gates}) == len(gates)
    # The input kernel is one factor times orthonormal blocks.
    kernel = to_numpy(model.layers[0].cell.kernel)
    values = [
        singular_values(part)
        for part in np.split(kernel, len(gates_of(model.layers[0])), axis=1)
    ]
    np.testing.assert_allclose(values, values[0][0], rtol=1e-5)


@pytest.mark.parametrize("short_id", ["gate_identity", "gate_orthogonal"])
def test_a_recurrent_kernel_that_was_chosen_stays(short_id):
    model = model_of(layers.LSTM(16, recurrent_initializer=short_id))
    before = to_numpy(model.layers[0].cell.recurrent_kernel)
    keras_initx.lsuv(model, X)
    after = to_numpy(model.layers[0].cell.recurrent_kernel)
    np.testing.assert_array_equal(after, before)


def test_without_an_initializer_only_the_input_kernel_is_scaled():
    model = model_of(layers.GRU(16))
    cell = model.layers[0].cell
    before = [to_numpy(weight) for weight in cell.weights]
    report = keras_initx.lsuv(model, X, initializer=None)
    kernel, recurrent_kernel, bias = (to_numpy(weight) for weight in cell.weights)
    np.testing.assert_array_equal(recurrent_kernel, before[1])
    np.testing.assert_array_equal(bias, before[2])
    np.testing.assert_allclose(kernel, report[0].factor * before[0], rtol=1e-5)


def test_biases_do_not_count_and_stay():
    """An LSTM with time scales has biases from -2 to 2: they are no deviation."""
    model = MODELS["chrono"]()
    before = to_numpy(model.layers[0].cell.bias)
    keras_initx.lsuv(model, X, target_std=0.5)
    np.testing.assert_array_equal(to_numpy(model.layers[0].cell.bias), before)
    assert before.std() > 0.5


def test_steps_that_a_mask_hides_do_not_count():
    x = X.copy()
    x[:, 6:] = 0
    model = keras.Sequential([layers.Masking(), layers.LSTM(16), layers.Dense(3)])
    keras_initx.lsuv(model, x)
    np.testing.assert_allclose(deviations(model, x), 1, rtol=0.0101)


def test_the_output_goes_on_to_the_next_layer():
    """The next layer is scaled for what the scaled layer gives."""
    model = MODELS["LSTM"]()
    keras_initx.lsuv(model, X)
    output = to_numpy(model(X))
    assert output.std() == pytest.approx(1, rel=0.02)


def test_a_cell_that_is_not_known_is_left_alone():
    cells = [layers.LSTMCell(4), layers.LSTMCell(4)]
    model = model_of(layers.RNN(cells))
    before = [to_numpy(weight) for weight in model.layers[0].weights]
    report = keras_initx.lsuv(model, X)
    assert report[0].note == "recurrent, with a cell that is not known"
    for weight, value in zip(model.layers[0].weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)


def test_a_frozen_layer_is_left_alone():
    model = MODELS["LSTM"]()
    model.layers[0].trainable = False
    report = keras_initx.lsuv(model, X)
    assert report[0].note == "frozen"


def test_inputs_of_zeros_leave_the_kernel_alone():
    model = MODELS["SimpleRNN"]()
    with pytest.warns(UserWarning, match="does not vary"):
        report = keras_initx.lsuv(model, np.zeros_like(X), initializer=None)
    assert not report[0].is_scaled


def test_the_callback_scales_them_at_the_first_batch():
    model = MODELS["LSTM"]()
    model.compile(keras.optimizers.SGD(0.0), "mse")
    callback = keras_initx.LSUV(verbose=0)
    model.fit(X, np.zeros((32, 3)), batch_size=32, verbose=0, callbacks=[callback])
    np.testing.assert_allclose(deviations(model), 1, rtol=0.0101)
