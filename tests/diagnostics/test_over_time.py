"""What the report says of recurrent layers, from their first step to their last."""

import re

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.over_time import OverTime
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen

STEPS = 60
rng = np.random.default_rng(0)
X = rng.normal(size=(16, STEPS, 5)).astype("float32")
Y = rng.normal(size=(16, 1)).astype("float32")


def report_on(*stack, x=X, y=Y, loss="mse"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(x.shape[1:]), *stack, layers.Dense(1)])
    return signal_report(model, x, y, loss)


def kinds(report):
    return [verdict.kind for verdict in report.verdicts]


def irnn(gain=1.0, **arguments):
    initializer = keras_initx.GateIdentity(gain)
    return layers.SimpleRNN(
        3,
        "relu",
        kernel_initializer="ones",
        recurrent_initializer=initializer,
        **arguments,
    )


# What is measured


def test_the_states_at_first_in_the_middle_and_at_last():
    layer = layers.LSTM(8, return_sequences=True)
    report = report_on(layer, layers.Flatten())
    states = to_numpy(layer(X))
    seen = report[0].over_time
    assert seen.steps == STEPS
    for found, place in (
        (seen.first_std, 0),
        (seen.middle_std, round((STEPS - 1) / 2)),
        (seen.last_std, STEPS - 1),
    ):
        assert found == pytest.approx(states[:, place].std(), rel=1e-4)


def test_the_gradient_at_both_ends_of_a_sum():
    """An IRNN adds up positive inputs: the gradient is the same at each step."""
    report = report_on(irnn(), x=np.abs(X))
    seen = report[0].over_time
    assert seen.gradient_ratio == pytest.approx(1, rel=1e-4)
    assert seen.first_gradient == pytest.approx(seen.last_gradient, rel=1e-4)
    # All that it adds up is larger than the targets.
    assert kinds(report) == ["large_outputs"]


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_the_gradient_of_a_power(gain):
    report = report_on(irnn(gain), x=np.abs(X))
    expected = gain ** (STEPS - 1)
    assert report[0].over_time.gradient_ratio == pytest.approx(expected, rel=1e-3)


def test_a_layer_that_goes_backwards_starts_at_the_end():
    report = report_on(irnn(0.9, go_backwards=True), x=np.abs(X))
    expected = 0.9 ** (STEPS - 1)
    assert report[0].over_time.gradient_ratio == pytest.approx(expected, rel=1e-3)


def test_the_ends_of_each_sample_are_those_that_its_mask_shows():
    """Two samples of 4 and 10 steps; the gradient falls by 0.9 with each step."""
    x = np.zeros((2, 12, 5), "float32")
    x[0, :4], x[1, 2:] = 1, 1
    report = report_on(layers.Masking(), irnn(0.9), x=x, y=np.zeros((2, 1)))
    seen = report[1].over_time
    assert seen.steps == 10
    # Each sample has its own gradient g at the last step.
    states = np.array([sum(0.9**k for k in range(n)) for n in (4, 10)])
    first, last = states * 0.9 ** np.array([3, 9]), states
    expected = np.linalg.norm(first) / np.linalg.norm(last)
    assert seen.gradient_ratio == pytest.approx(expected, rel=1e-3)
    assert seen.first_std == pytest.approx(0, abs=1e-6)
    assert seen.last_std == pytest.approx(5 * states.std(), rel=1e-4)


def test_saturated_gates_are_counted():
    """All gates of one kind are open by their bias, and all others half open."""
    layer = layers.LSTM(
        8,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        bias_initializer=keras_initx.GateBias(10.0),
        unit_forget_bias=False,
    )
    seen = report_on(layer)[0].over_time
    assert seen.saturated_gates == pytest.approx(1 / 3)
    assert seen.shut_units == 0


def test_a_layer_without_gates_has_no_share():
    seen = report_on(irnn())[0].over_time
    assert seen.saturated_gates is None
    assert seen.shut_units is None


def test_other_layers_have_nothing_of_it():
    report = report_on(irnn())
    assert report[1].over_time is None
    assert report_on(layers.Flatten())[0].over_time is None


def test_a_cell_of_ours_has_one_kernel():
    """Its phases and reflections are matrices, and no kernels."""
    report = report_on(layers.RNN(keras_initx.layers.UnitaryRNNCell(4)))
    assert [kernel.path.split("/")[-1] for kernel in report[0].kernels] == ["kernel"]
    assert report[0].over_time is None


def test_both_layers_of_a_bidirectional_one():
    report = report_on(layers.Bidirectional(layers.GRU(4)))
    seen = [row.over_time for row in report if row.over_time is not None]
    assert len(seen) == 2
    assert all(each.gradient_ratio < 1 for each in seen)


def test_without_targets_there_is_no_gradient():
    seen = report_on(irnn(), y=None, loss=None)[0].over_time
    assert seen.gradient_ratio is None
    assert seen.first_gradient is None


def test_the_report_leaves_the_layer_as_it_is():
    layer = layers.LSTM(8)
    model = keras.Sequential([keras.Input((STEPS, 5)), layer, layers.Dense(1)])
    before = [to_numpy(weight) for weight in model.weights]
    expected = to_numpy(model(X))
    signal_report(model, X, Y, "mse")
    assert layer.return_sequences is False
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)
    np.testing.assert_array_equal(to_numpy(model(X)), expected)


# How it is judged


def gates(bias, **arguments):
    return {
        "bias_initializer": keras_initx.GateBias(bias, **arguments),
        "recurrent_initializer": "zeros",
    }


# With a gradient of a tenth at each step before.
FORGETFUL = {
    "SimpleRNN": lambda: layers.SimpleRNN(
        32, recurrent_initializer=keras_initx.GateOrthogonal(0.1)
    ),
    "LSTM": lambda: layers.LSTM(32, unit_forget_bias=False, **gates(-2.2)),
    "GRU": lambda: layers.GRU(32, **gates(-2.2, layer="gru")),
}
CHRONO = {
    "SimpleRNN": f"an `LSTM` with `bias_initializer=keras_initx.ChronoBias({STEPS})` "
    "and `unit_forget_bias=False`.",
    "LSTM": '`recurrent_initializer="gate_orthogonal"`, `bias_initializer='
    f"keras_initx.ChronoBias({STEPS})` and `unit_forget_bias=False`.",
    "GRU": '`recurrent_initializer="gate_orthogonal"`, `bias_initializer='
    f'keras_initx.ChronoBias({STEPS}, layer="gru")`.',
}


@pytest.mark.parametrize("name", FORGETFUL)
def test_a_layer_that_forgets(name):
    report = report_on(FORGETFUL[name]())
    assert kinds(report) == ["forgets"]
    verdict, row = report.verdicts[0], report[0]
    assert verdict.layer == row.path
    assert verdict.text.startswith(
        f"in '{row.path}' ({name}, row 1 of 2) the gradient at the first of {STEPS} "
        f"steps is {row.over_time.gradient_ratio:.2g} times that at the last: what "
        "comes early is hardly learned. Use "
    )
    assert f"{CHRONO[name]} If only late steps matter, leave it." in verdict.text


def kinds_of_memory(steps, ratio):
    seen = OverTime(steps, 1.0, 1.0, 1.0, gradient_ratio=ratio)
    row = LayerRow("a", "LSTM", std=1.0, over_time=seen)
    return [verdict.kind for verdict in verdicts(Seen([row], loss=1.0))]


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize(("steps", "share"), [(201, 1e-5), (31, 0.3**30)])
def test_a_memory_is_too_short_for_many_steps_or_for_ten(steps, share):
    assert kinds_of_memory(steps, 0.9 * share) == ["forgets"]
    assert kinds_of_memory(steps, 1.1 * share) == ["healthy"]


@pytest.mark.same_on_each_backend(every=9)
def test_what_comes_late_is_enough_in_two_hundred_steps():
    assert kinds_of_memory(200, 1e-20) == ["healthy"]
    # A gradient of zero may have been one of 1e-40.
    assert kinds_of_memory(200, 0.0) == ["healthy"]


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_the_defaults_of_keras_do_not_forget_over_60_steps(name):
    assert kinds(report_on(getattr(layers, name)(32))) == ["healthy"]


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_gates_that_forget_are_told_without_targets(name):
    layer = getattr(layers, name)
    arguments = {"LSTM": {"unit_forget_bias": False}, "GRU": {"layer": "gru"}}[name]
    bias = gates(-5.0, **(arguments if name == "GRU" else {}))
    bias |= arguments if name == "LSTM" else {}
    report = report_on(layer(8, **bias), y=None, loss=None)
    assert report[0].over_time.forgetful_units == 1
    (found,) = report.verdicts
    chrono = (
        CHRONO[name]
        .replace('`recurrent_initializer="gate_orthogonal"`, ', "")
        .removesuffix(".")
    )
    zeros = '`bias_initializer="zeros"`'
    zeros += " and `unit_forget_bias=True`" if name == "LSTM" else ""
    assert found.text == (
        f"in '{report[0].path}' ({name}, row 1 of 2) 100 % of the units keep less than "
        "3 % of their state from one step to the next: only the last step counts. Use "
        f"{zeros}; for a long memory {chrono}."
    )
    for line in (zeros, chrono):
        code = ", ".join(re.findall("`([^`]+)`", line))
        repaired = eval(f"dict({code})", {"keras_initx": keras_initx})
        assert kinds(report_on(layer(8, **repaired), y=None, loss=None)) == ["healthy"]


REMEMBERING = {
    "IRNN": lambda: layers.SimpleRNN(
        32,
        "relu",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
        recurrent_initializer="gate_identity",
    ),
    "LSTM": lambda: layers.LSTM(
        32,
        recurrent_initializer="gate_orthogonal",
        bias_initializer=keras_initx.ChronoBias(STEPS),
        unit_forget_bias=False,
    ),
    "GRU": lambda: layers.GRU(
        32,
        recurrent_initializer="gate_orthogonal",
        bias_initializer=keras_initx.ChronoBias(STEPS, layer="gru"),
    ),
    "linear": lambda: layers.SimpleRNN(
        32, None, recurrent_initializer="gate_orthogonal"
    ),
}


@pytest.mark.parametrize("name", REMEMBERING)
def test_the_remedies_are_healthy(name):
    assert kinds(report_on(REMEMBERING[name]())) == ["healthy"]


def test_an_output_at_each_step_forgets_nothing():
    """There the early steps have losses of their own."""
    layer = layers.GRU(32, return_sequences=True)
    report = report_on(layer, y=np.zeros((16, STEPS, 1)))
    assert kinds(report) == ["healthy"]


def test_a_layer_that_explodes():
    report = report_on(irnn(1.5), x=np.abs(X))
    assert kinds(report) == ["explodes_over_time"]
    seen, row = report[0].over_time, report[0]
    assert report.verdicts[0].text == (
        f"in '{row.path}' (SimpleRNN, row 1 of 2), over {STEPS} steps, the standard "
        f"deviation of the state grows from {seen.first_std:.2g} to "
        f"{seen.last_std:.2g} and the gradient at the first step is "
        f"{seen.gradient_ratio:.2g} times that at the last. Use "
        "`recurrent_initializer=\"gate_orthogonal\"`, or with 'relu' "
        '`recurrent_initializer="gate_identity"`, and clip the gradient: '
        "`clipnorm=1.0` in the optimizer."
    )


def test_a_state_that_overflows_is_told_by_its_cause():
    report = report_on(irnn(1e3), x=np.abs(X))
    assert kinds(report)[0] == "explodes_over_time"
    assert "non_finite_signal" not in kinds(report)


def test_gates_that_are_shut():
    layer = layers.LSTM(
        32, bias_initializer=keras_initx.ChronoBias(1e6), unit_forget_bias=False
    )
    report = report_on(layer)
    assert kinds(report) == ["gates_shut"]
    assert report.verdicts[0].text == (
        f"in '{report[0].path}' (LSTM, row 1 of 2) the gates of 100 % of the units let "
        f"less than 3 % of their inputs pass to the output, over all {STEPS} steps. "
        "Use "
        f"`bias_initializer=keras_initx.ChronoBias({STEPS})` and "
        '`unit_forget_bias=False`, or `bias_initializer="zeros"`.'
    )


def test_an_output_gate_that_is_shut():
    layer = layers.LSTM(
        32, bias_initializer=keras.initializers.Constant(-9.0), unit_forget_bias=False
    )
    assert "gates_shut" in kinds(report_on(layer))


@pytest.mark.same_on_each_backend(every=9)
def test_gates_that_large_inputs_saturate():
    report = report_on(layers.LSTM(8), x=30 * X)
    (found,) = report.verdicts
    share = 100 * report[0].over_time.swung_gates
    assert found.kind == "saturated_gates"
    assert found.text == (
        f"in '{report[0].path}' (LSTM, row 1 of 2) {share:.3g} % of the values of the "
        "gates are taken to within 3 % of 0 or 1, where they have nearly no slope. Its "
        "inputs are large. Put `keras.layers.LayerNormalization()` before it."
    )
    assert kinds(report_on(layers.LayerNormalization(), layers.LSTM(8), x=30 * X)) == [
        "healthy"
    ]


@pytest.mark.same_on_each_backend(every=9)
@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("kernel_initializer", 'kernel_initializer="glorot_uniform"'),
        ("recurrent_initializer", 'recurrent_initializer="orthogonal"'),
    ],
)
def test_gates_that_a_large_kernel_saturates(argument, line):
    normal = keras.initializers.RandomNormal(stddev=20)
    report = report_on(layers.GRU(8, **{argument: normal}))
    (found,) = report.verdicts
    assert found.kind == "saturated_gates"
    assert re.findall("`([^`]+)`", found.text) == [line]
    repaired = layers.GRU(8, **eval(f"dict({line})"))
    assert kinds(report_on(repaired)) == ["healthy"]


@pytest.mark.same_on_each_backend(every=9)
def test_gates_that_their_biases_hold_are_not_saturated_by_inputs():
    """As those of a long memory, which are open by design."""
    arguments = {"unit_forget_bias": False, "recurrent_initializer": "zeros"}
    chrono = keras_initx.ChronoBias(1000, seed=0)
    seen = report_on(layers.LSTM(8, bias_initializer=chrono, **arguments))[0].over_time
    assert seen.saturated_gates > 0.5
    assert seen.swung_gates == 0


@pytest.mark.same_on_each_backend(every=9)
def test_swung_gates_are_those_of_the_pre_activations_without_bias():
    """By hand: where |W x| is above log(0.97 / 0.03), whatever the bias is."""
    layer = layers.LSTM(
        8, recurrent_initializer="zeros", bias_initializer="ones", name="lstm"
    )
    seen = report_on(layer, x=5 * X)[0].over_time
    products = 5 * X.astype("float64") @ to_numpy(layer.cell.kernel)
    used = np.split(products, 4, axis=-1)
    used = np.stack([used[0], used[1], used[3]])
    expected = np.mean(np.abs(used) > np.log(0.97 / 0.03))
    assert 0.1 < expected < 0.9
    assert seen.swung_gates == pytest.approx(expected, abs=1e-3)


# How it is shown


def test_it_stands_below_the_table():
    report = report_on(layers.LSTM(32, unit_forget_bias=False))
    seen = report[0].over_time
    assert (
        f"'{report[0].path}' over {STEPS} steps: standard deviation of the state "
        f"{seen.first_std:.3g}, {seen.middle_std:.3g}, {seen.last_std:.3g} (first, "
        "middle, last); saturated gates 0 %; gradient at the first step "
        f"{seen.gradient_ratio:.3g} times that at the last."
    ) in str(report)


def test_it_is_part_of_the_dict_and_of_the_frame():
    report = report_on(layers.LSTM(32, unit_forget_bias=False))
    over_time = report.to_dict()["layers"][0]["over_time"]
    assert over_time["steps"] == STEPS
    assert over_time["gradient_ratio"] == report[0].over_time.gradient_ratio
    assert report.to_dict()["layers"][1]["over_time"] is None
    pandas = pytest.importorskip("pandas")
    frame = report.to_pandas()
    assert frame["last_std"].iloc[0] == report[0].over_time.last_std
    assert pandas.isna(frame["last_std"].iloc[1])
