"""Copies of the callbacks have the arguments, and have seen no model yet."""

import copy
import pickle

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from trainings import EAGER, X, compiled, find, fit_arrays, functional, sgd

import keras_initx
from keras_initx.callbacks import LSUV, SignalMonitor


def pickled(callback):
    return pickle.loads(pickle.dumps(callback))


def kernel_after(callback):
    model = compiled(functional(), sgd(0.0)(), **EAGER)
    fit_arrays(epochs=1, steps_per_epoch=1)(model, [callback])
    return to_numpy(find(model, "first").kernel)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_lsuv(duplicate, capsys):
    options = {"target_std": 2.0, "layers": ["first"], "tolerance": 0.001}
    callback = LSUV(initializer=keras_initx.HaarOrthogonal(seed=3), **options)
    kernel = kernel_after(callback)
    twin = duplicate(callback)
    assert twin.report is None
    np.testing.assert_array_equal(kernel_after(twin), kernel)
    assert [row.path for row in twin.report.scaled] == ["first"]
    assert twin.report.target_std == 2
    assert callback.report is not twin.report
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_without_a_seed(duplicate):
    """The seed is drawn when the callback is made, as in an initializer."""
    callback = LSUV()
    twin = duplicate(callback)
    np.testing.assert_array_equal(kernel_after(callback), kernel_after(twin))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled])
def test_a_monitor(duplicate):
    monitor = SignalMonitor(layers="first", quantities="std")
    model = compiled(functional(), **EAGER)
    first = fit_arrays(epochs=1)(model, [monitor]).history
    twin = duplicate(monitor)
    assert twin.report is None
    history = fit_arrays(epochs=1)(model, [twin]).history
    assert history.keys() == first.keys()


def test_data_and_layers_are_shared():
    """They are no state of the callback, and may be large, or not to be copied."""
    layer, data = keras.layers.Dense(1), (x for x in [X])
    callback = LSUV(data, layers=layer)
    twin = copy.deepcopy(callback)
    assert twin._data is data
    assert twin._options["layers"] is layer
    assert copy.deepcopy(SignalMonitor(data))._data is data
