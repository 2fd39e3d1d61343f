"""The first update: the step that training takes, computed and not taken."""

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers

from keras_initx import signal_report
from keras_initx._model.optimizers import optimizer_of, rate_of
from keras_initx.diagnostics._measure.optimizer_step import step_on_copies

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES, INPUTS, OUTPUTS = 32, 5, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(SAMPLES, INPUTS)).astype("float32")
Y = RANDOM.normal(size=(SAMPLES, OUTPUTS)).astype("float32")
# Of float32, after a matrix product and a step.
CLOSE = 1e-5


def linear(optimizer="sgd", **arguments):
    """One dense layer and the squared error, whose step is plain arithmetic."""
    model = keras.Sequential([keras.Input((INPUTS,)), layers.Dense(OUTPUTS)])
    weights = RANDOM.normal(size=(INPUTS, OUTPUTS)), RANDOM.normal(size=OUTPUTS)
    model.set_weights(weights)
    model.compile(optimizer, "mse", **arguments)
    return model


def deep(optimizer):
    model = keras.Sequential(
        [
            keras.Input((INPUTS,)),
            layers.Dense(8, "tanh"),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=0),
            layers.Dense(OUTPUTS),
        ]
    )
    model.compile(optimizer, "mse")
    return model


def loss_and_gradients(kernel, bias):
    error = X.astype("float64") @ kernel + bias - Y
    slope = 2 * error / error.size
    return np.mean(error**2), X.T @ slope, slope.sum(0)


def step(model, change):
    """What the first update says, and what plain arithmetic says of a change."""
    kernel, bias = (to_numpy(v).astype("float64") for v in model.weights)
    before, *gradients = loss_and_gradients(kernel, bias)
    new = [
        change(old, slope) for old, slope in zip((kernel, bias), gradients, strict=True)
    ]
    after, *_ = loss_and_gradients(*new)
    outputs = [X @ k + b for k, b in ((kernel, bias), new)]
    apart = [each - each.mean(0) for each in outputs]
    moved = [n - o for n, o in zip(new, (kernel, bias), strict=True)]
    expected = {
        "loss_before": before,
        "loss_after": after,
        "predicted": sum(np.vdot(s, m) for s, m in zip(gradients, moved, strict=True)),
        "output_change": np.linalg.norm(outputs[1] - outputs[0])
        / np.linalg.norm(outputs[0]),
        "kept": np.vdot(*apart) / np.vdot(apart[0], apart[0]),
    }
    report = signal_report(model, X, Y)
    found = report.first_update
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=CLOSE, abs=CLOSE)
    ratio = np.linalg.norm(moved[0]) / np.linalg.norm(kernel)
    assert report[0].kernel.update_ratio == pytest.approx(ratio, rel=1e-4)
    return found


def test_a_step_of_gradient_descent():
    found = step(linear(keras.optimizers.SGD(0.3)), lambda w, g: w - 0.3 * g)
    assert (found.optimizer, found.rate, found.is_scheduled) == ("SGD", 0.3, False)
    assert found.weight_decay == found.momentum == 0
    assert found.decay is None


def test_the_first_step_of_adam_goes_by_signs():
    optimizer = keras.optimizers.Adam(0.01, epsilon=1e-12)
    step(linear(optimizer), lambda w, g: w - 0.01 * np.sign(g))


def test_a_clipped_gradient():
    def change(old, slope):
        norm = np.linalg.norm(slope)
        return old - 0.3 * slope * min(1.0, 0.01 / norm)

    step(linear(keras.optimizers.SGD(0.3, clipnorm=0.01)), change)


def test_a_weight_decay_and_what_it_leaves_alone():
    optimizer = keras.optimizers.SGD(0.3, weight_decay=0.5, momentum=0.9)
    model = linear(optimizer)
    optimizer.exclude_from_weight_decay(var_names=["bias"])

    def change(old, slope):
        return old * (1 - 0.15 * (old.ndim == 2)) - 0.3 * slope

    kernel = to_numpy(model.weights[0]).astype("float64")
    _, gradient, _ = loss_and_gradients(kernel, to_numpy(model.weights[1]))
    found = step(model, change)
    assert (found.weight_decay, found.momentum) == pytest.approx((0.5, 0.9))
    expected = 0.5 * np.linalg.norm(kernel) / np.linalg.norm(gradient)
    assert found.decay == pytest.approx(expected, rel=1e-4)


def test_what_acts_over_several_steps_does_not_hide_the_first():
    optimizer = keras.optimizers.SGD(
        0.3, gradient_accumulation_steps=4, use_ema=True, ema_overwrite_frequency=1
    )
    step(linear(optimizer), lambda w, g: w - 0.3 * g)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.3))
    assert step(linear(optimizer), lambda w, g: w - 0.3 * g).optimizer == "SGD"


def test_a_schedule_has_the_rate_of_its_first_step():
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, 100, warmup_target=0.1, warmup_steps=10
    )
    found = step(linear(keras.optimizers.SGD(schedule)), lambda w, g: w)
    assert found.is_scheduled
    assert found.rate == 0


def test_a_trained_model_is_judged_as_at_its_start():
    """Neither momentum nor velocities of the past count; its rate of now does."""
    model = linear(keras.optimizers.Adam(0.1, epsilon=1e-12))
    model.fit(X, Y, epochs=2, verbose=0)
    model.optimizer.learning_rate = 0.02
    step(model, lambda w, g: w - 0.02 * np.sign(g))


BY_NUMBER = "SGD RMSprop Adam AdamW Adadelta Adagrad Adamax Nadam Ftrl Lion".split()
OTHERS = "Adafactor Lamb Muon".split()


@pytest.mark.parametrize("arguments", [{}, {"global_clipnorm": 0.1}, {"clipnorm": 0.1}])
@pytest.mark.parametrize("name", [*BY_NUMBER, *OTHERS])
def test_the_step_is_that_of_the_optimizer(name, arguments):
    """Though several variables may be stepped as one, one of them without decay."""

    def make():
        optimizer = getattr(keras.optimizers, name)(0.02, weight_decay=0.5, **arguments)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer

    first, second, third = (RANDOM.normal(size=s) for s in ((5, 4), 4, (4, 3)))
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), layers.Dense(3, use_bias=False)]
    )
    model.set_weights([first, second, third])
    variables = model.trainable_variables
    gradients = [
        keras.ops.convert_to_tensor(RANDOM.normal(size=v.shape).astype("float32"))
        for v in variables
    ]
    pairs = zip(variables, gradients, strict=True)
    step = step_on_copies(make(), {id(v): (v, slope) for v, slope in pairs})
    old = [to_numpy(v).copy() for v in variables]
    optimizer = make()
    optimizer.build(variables)
    optimizer.apply(gradients, variables)
    for variable, before in zip(variables, old, strict=True):
        new = to_numpy(variable)
        assert np.allclose(to_numpy(step.values[id(variable)]), new, atol=1e-6)
        expected = np.linalg.norm(new - before)
        assert step.changes[id(variable)] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("is_built", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1, use_ema=True),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, 0.9)),
        lambda: keras.optimizers.Muon(1e-2),
    ],
)
def test_nothing_changes(make, is_built):
    model = deep(make())
    if is_built:
        model.fit(X, Y, verbose=0)
    optimizer = model.optimizer

    def state():
        found = [*model.variables, *optimizer.variables]
        return [(v.path, to_numpy(v).copy()) for v in found]

    before, names = state(), set(vars(optimizer))
    assert signal_report(model, X, Y).first_update.loss_after > 0
    after = state()
    assert [path for path, _ in before] == [path for path, _ in after]
    assert all(
        np.array_equal(a, b) for (_, a), (_, b) in zip(before, after, strict=True)
    )
    assert set(vars(optimizer)) == names
    # A name that comes next has no gap.
    first, second = layers.Dense(1).name, layers.Dense(1).name
    signal_report(model, X, Y)
    assert int(layers.Dense(1).name[6:]) == int(second[6:]) + 1
    assert first != second


def test_an_error_leaves_the_model_as_it_was():
    model = deep(keras.optimizers.Adam(0.1))
    before = [to_numpy(v).copy() for v in model.variables]
    calls = []

    class Fails(layers.Layer):
        def call(self, inputs):
            calls.append(1)
            if len(calls) > 3:
                raise KeyboardInterrupt
            return inputs

    outer = keras.Sequential([keras.Input((INPUTS,)), model, Fails()])
    outer.compile("adam", "mse")
    calls.clear()
    calls.append(1)
    with pytest.raises(KeyboardInterrupt):
        signal_report(outer, X, Y)
    assert len(calls) == 4
    assert all(
        np.array_equal(a, to_numpy(v))
        for a, v in zip(before, model.variables, strict=True)
    )


def test_frozen_weights_do_not_move():
    model = deep(keras.optimizers.Adam(0.1))
    model.layers[0].trainable = False
    report = signal_report(model, X, Y)
    assert report[0].kernel.update_ratio is None
    assert report[-1].kernel.update_ratio > 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16"])
def test_short_numbers(policy):
    model = keras.Sequential(
        [keras.Input((INPUTS,)), layers.Dense(8, dtype=policy), layers.Dense(OUTPUTS)]
    )
    model.compile(keras.optimizers.SGD(0.5), "mse")
    report = signal_report(model, X, Y)
    assert 0 < report[0].kernel.update_ratio < 1
    assert np.isfinite(report.first_update.loss_after)


def test_models_without_an_update():
    """No optimizer, none with a rate of its own, none that its config makes."""

    class Own(keras.optimizers.SGD):
        def __init__(self, secret):
            super().__init__(0.1)
            self.secret = secret

    model = linear()
    assert signal_report(model, X).first_update is None
    assert signal_report(linear(Own(1)), X, Y).first_update is None
    single = keras.Sequential([keras.Input((INPUTS,)), layers.Dense(OUTPUTS)])
    assert signal_report(single, X, Y, "mse").first_update is None
    assert optimizer_of(single) is None
    assert rate_of(model.optimizer) > 0


def test_it_is_shown():
    report = signal_report(linear(keras.optimizers.SGD(0.3)), X, Y)
    found = report.first_update
    assert (
        f"First update, SGD at a rate of 0.3: the loss of this batch goes from "
        f"{found.loss_before:.4g} to {found.loss_after:.4g}; the outputs change by "
        f"{100 * found.output_change:.3g} %." in str(report)
    )
    assert report.to_dict()["first_update"]["rate"] == found.rate
    assert report.to_pandas()["update_ratio"].iloc[0] == report[0].kernel.update_ratio
    assert " update " in str(report).splitlines()[0]
