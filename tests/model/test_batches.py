"""What a batch is, and what is taken from a data set."""

import keras
import numpy as np
import pytest
from catalogue import refuses
from keras import layers

from keras_initx._model.batches import one_batch, one_labelled_batch, training_batch
from keras_initx.diagnostics import signal_report
from keras_initx.schemes import lsuv

X, Y, WEIGHTS = np.ones((3, 2)), np.full((3, 1), 2.0), np.full(3, 3.0)
OTHER_Y, OTHER_WEIGHTS = Y + 5, WEIGHTS + 5


@pytest.mark.parametrize(
    ("element", "y", "weights", "expected"),
    [
        ((X, Y, WEIGHTS), None, None, (Y, WEIGHTS)),
        ((X, Y), None, WEIGHTS, (Y, WEIGHTS)),
        ((X, Y, WEIGHTS), None, OTHER_WEIGHTS, (Y, OTHER_WEIGHTS)),
        ((X, Y), OTHER_Y, None, (OTHER_Y, None)),
        ((X, Y, WEIGHTS), OTHER_Y, OTHER_WEIGHTS, (OTHER_Y, OTHER_WEIGHTS)),
        (X, OTHER_Y, WEIGHTS, (OTHER_Y, WEIGHTS)),
    ],
)
def test_what_is_given_comes_before_the_data_set(element, y, weights, expected):
    found = one_labelled_batch("test", iter([element]), y, weights)
    for value, other in zip(found, (X, *expected), strict=True):
        assert value is other


def test_sample_weights_of_ones_own_beside_a_data_set():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    losses = [
        signal_report(
            model, iter([(X, Y)]), loss="mse", sample_weight=WEIGHTS * factor
        ).loss
        for factor in (1, 2)
    ]
    assert losses[1] == pytest.approx(2 * losses[0])


def test_what_a_training_step_gets():
    elements = [(X, Y), (X, OTHER_Y)]
    x, y = training_batch("test", iter(elements), 2)
    np.testing.assert_array_equal(x, np.concatenate([X, X]))
    np.testing.assert_array_equal(y, np.concatenate([Y, OTHER_Y]))
    assert training_batch("test", iter([X]), 1) is X
    x, y = training_batch("test", (X, Y), 1)
    assert (x is X, y is Y) == (True, True)


@pytest.mark.parametrize(
    ("x", "received"),
    [
        ([[1.0, 2.0]], "x of type list with an element of type float"),
        ({"a": X, "b": "text"}, "x of type dict with an element of type str"),
        (3.0, "x of type float with an element of type float"),
        (
            np.array([[1], [1, 2]], dtype=object),
            "x of type ndarray with an array of dtype object",
        ),
    ],
)
@pytest.mark.parametrize("function", [lsuv, signal_report])
def test_what_is_no_batch(function, x, received):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    with refuses(
        f"`{function.__name__}` needs a batch of inputs: an array or tensor whose "
        "first axis counts the samples, or a dict, tuple or list of these. Received: "
        f"{received}. Pass for example np.asarray(x, 'float32')."
    ):
        function(model, x)


def test_strings_are_a_batch():
    """They are what a `TextVectorization` gets."""
    words = np.array(["a", "b"], dtype=object)
    assert one_batch("test", words, 1) is words
