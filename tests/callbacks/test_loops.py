"""The callbacks in a loop of one's own, and after an error: nothing stays behind."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from trainings import (
    BATCH,
    EAGER,
    Fails,
    X,
    Y,
    compiled,
    find,
    fit_arrays,
    functional,
    seen,
    sgd,
)

from keras_initx.callbacks import LSUV, SignalMonitor
from keras_initx.callbacks._first_batches import Shown


class Keeps(keras.callbacks.Callback):
    """The logs of an epoch."""

    logs = None

    def on_epoch_end(self, epoch, logs=None):
        self.logs = dict(logs)


def run_loop(model, ours, step):
    """Two batches of one epoch, as in Keras's own `fit`."""
    every = keras.callbacks.CallbackList([*ours, keeper := Keeps()], model=model)
    every.on_train_begin()
    every.on_epoch_begin(0)
    for batch in range(2):
        every.on_train_batch_begin(batch)
        step(model, slice(BATCH * batch, BATCH * (batch + 1)))
        every.on_train_batch_end(batch)
    every.on_epoch_end(0, {})
    every.on_train_end()
    return keeper.logs


def run_bare_loop(model, ours, step):
    """It calls only what it must."""
    for callback in ours:
        callback.set_model(model)
    for batch in range(2):
        for callback in ours:
            callback.on_train_batch_begin(batch)
        step(model, slice(BATCH * batch, BATCH * (batch + 1)))


def train_on_batch(model, part):
    model.train_on_batch(X[part], Y[part])


def custom_step(model, part):
    """It does not use the train function of the model."""
    model(X[part])


@pytest.mark.parametrize(
    ("run", "has_trained"),
    [(run_loop, False), (run_loop, True), (run_bare_loop, False)],
)
def test_train_on_batch(run, has_trained):
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    if has_trained:
        # It has a train function and a history then.
        fit_arrays(epochs=1, steps_per_epoch=1)(model, [])
        model = compiled(model, sgd(0.0)(), **EAGER)
    run(model, [callback := LSUV()], train_on_batch)
    assert len(callback.report.scaled) == 2
    std = (X[:BATCH, 1:] @ to_numpy(find(model, "first").kernel)).std()
    assert std == pytest.approx(1, rel=0.011)
    assert not isinstance(model.train_function, Shown)
    assert seen(model)[has_trained : 2 + has_trained] == [
        list(range(BATCH)),
        list(range(BATCH, 2 * BATCH)),
    ]
    fit_arrays(epochs=1, steps_per_epoch=1)(model, [])


def test_a_monitor():
    model = compiled(functional(), **EAGER)
    logs = run_loop(model, [SignalMonitor(quantities="std")], train_on_batch)
    assert len(logs) == 2
    assert not isinstance(model.train_function, Shown)


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            LSUV(),
            "`LSUV` needs a training by `fit` or `train_on_batch`, where it sees the "
            "first batch. Received: a step that did not use the model's "
            "`train_function`. Call `keras_initx.schemes.lsuv(model, x)` before the "
            "loop.",
        ),
        (
            SignalMonitor(),
            "`SignalMonitor` needs `data`, or a training by `fit` or "
            "`train_on_batch`, where it sees the first batch. Received: data=None, and "
            "a step that did not use the model's `train_function`. Pass a batch of "
            "inputs as `data`.",
        ),
    ],
)
def test_a_step_that_shows_no_batch(callback, message):
    model = compiled(functional(), **EAGER)
    with refuses(message):
        run_loop(model, [callback], custom_step)
    assert model.train_function is None
    assert callback.report is None


def test_a_monitor_with_data_of_its_own():
    model = compiled(functional(), **EAGER)
    monitor = SignalMonitor(X, quantities="std")
    assert len(run_loop(model, [monitor], custom_step)) == 2
    assert model.train_function is None


def test_an_error_of_another_callback():
    """The next training, with or without the callback, is as any other."""
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    with pytest.raises(ArithmeticError):
        run_loop(model, [callback := LSUV(), Fails()], train_on_batch)
    before = model.get_weights()
    fit_arrays(epochs=1)(model, [])
    for weight, other in zip(model.get_weights()[2:], before[2:], strict=True):
        np.testing.assert_array_equal(weight, other)
    assert not isinstance(model.train_function, Shown)
    assert callback.report is None
