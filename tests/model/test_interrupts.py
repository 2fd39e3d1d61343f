"""An interrupt at any line of ours leaves the model as it was."""

import collections
import signal
import sys
import threading
import traceback
from pathlib import Path

import keras
import numpy as np
import pytest
from catalogue import BACKEND
from keras import layers
from odd_layers import Restless, picture

import keras_initx
from keras_initx import compare, lsuv, reinitialize, signal_report
from keras_initx._model.interrupts import allow_interrupts, hold_interrupts

PACKAGE = str(Path(keras_initx.__file__).parent)


@pytest.fixture(autouse=True)
def interrupts_raise():
    """Also in a run that a shell has put in the background, where they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# The contexts


def interrupt():
    signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits():
    lines = []

    def held():
        with hold_interrupts():
            interrupt()
            with hold_interrupts():
                interrupt()
            lines.append("reached")

    with pytest.raises(KeyboardInterrupt):
        held()
    assert lines == ["reached"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_allowed_it_comes_at_once():
    lines = []

    def held():
        with hold_interrupts():
            try:
                with allow_interrupts():
                    interrupt()
                    lines.append("not reached")
            finally:
                # The second one waits until this is done.
                interrupt()
                lines.append("reached")

    with pytest.raises(KeyboardInterrupt):
        held()
    assert lines == ["reached"]


def test_one_that_waits_comes_as_soon_as_it_may():
    with hold_interrupts():
        interrupt()
        with pytest.raises(KeyboardInterrupt), allow_interrupts():
            pytest.fail("not reached")


def test_a_handler_of_the_user_is_called_and_put_back():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        with hold_interrupts():
            with allow_interrupts():
                interrupt()
                interrupt()
            assert len(seen) == 2
            interrupt()
        assert seen == [signal.SIGINT] * 3
    finally:
        handler = signal.signal(signal.SIGINT, before)
    assert handler(0, None) is None


def test_ignored_interrupts_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_interrupts(), allow_interrupts():
            interrupt()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_is_held():
    handlers = []

    def work():
        with hold_interrupts(), allow_interrupts():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


# An interrupt at each line


def run_traced(function, at_line):
    """Calls `at_line` before each line of ours, with the line and its how-manieth run.

    The code that handles an interrupt is left out.
    """
    runs = collections.Counter()

    def tracer(frame, event, argument):
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_name == "deliver":
            return None
        if event == "line":
            line = code.co_filename, frame.f_lineno
            runs[line] += 1
            at_line((line, runs[line]))
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        return function()
    finally:
        sys.settrace(before)


def place():
    """The innermost running lines of ours, without those that handle an interrupt."""
    lines = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_stack(sys._getframe())
        if frame.f_code.co_filename.startswith(PACKAGE)
    ]
    return tuple(lines[2:4])


def lines_to_interrupt(function):
    """One line, and its how-manieth run, for each place that handles an interrupt.

    An interrupt is sent at every line, unless an earlier one still waits: then it would
    be handled together with that one.
    """
    handled, found, waiting = [], {}, []

    def at_line(line):
        while handled:
            found.setdefault(handled.pop(), waiting.pop())
        if not waiting:
            waiting.append(line)
            interrupt()

    before = signal.signal(signal.SIGINT, lambda *_: handled.append(place()))
    try:
        run_traced(function, at_line)
    finally:
        signal.signal(signal.SIGINT, before)
    return [*found.values(), *waiting]


def interrupted_at(function, line):
    """Runs the function with an interrupt at this line."""

    def at_line(here):
        if here == line:
            sys.settrace(None)
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        run_traced(function, at_line)


def restless_model():
    keras.utils.clear_session()
    inputs = keras.Input((2,))
    hidden = layers.Dense(2, "tanh", activity_regularizer="l2")(inputs)
    hidden = layers.BatchNormalization()(Restless()(hidden))
    hidden = layers.Dropout(0.5, seed=1)(hidden)
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    return model


def whole_picture(model):
    """The layers, and what a report could leave of the model's loss."""
    losses = [len(layer._loss_ids) for layer in model._flatten_layers()]
    return picture(model), losses, model._compile_loss.built, len(model.metrics)


X, Y = np.random.default_rng(0).normal(size=(2, 4, 2)).astype("float32")
CALLS = {
    "lsuv": lambda model: lsuv(model, X),
    "signal_report": lambda model: signal_report(model, X, Y[:, :1]),
    "compare": lambda model: compare(model, {"he": "he_normal"}, X),
    "reinitialize": lambda model: reinitialize(model, {"*/bias": "ones"}, seed=1),
}


@pytest.mark.same_on_each_backend(every=3)
@pytest.mark.parametrize("name", CALLS)
def test_after_an_interrupt_at_any_line_the_model_is_as_before(name):
    model, call = restless_model(), CALLS[name]
    call(model)
    before = whole_picture(model)
    values = model.get_weights()
    lines = lines_to_interrupt(lambda: call(model))
    model.set_weights(values)
    assert whole_picture(model) == before
    assert len(lines) > 30
    # The lines are nearly the same on each backend. PyTorch, the fastest, tries all.
    for line in lines[:: 1 if BACKEND == "torch" else 4]:
        interrupted_at(lambda: call(model), line)
        assert whole_picture(model) == before, line
