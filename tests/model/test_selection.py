"""Which layers `layers=` selects."""

import keras
import numpy as np
import pytest
from catalogue import refuses
from keras import layers

from keras_initx.schemes import lsuv

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


def model():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="a"), layers.Dense(4, name="b")],
        name="inner",
    )
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2, name="c")(inner(inputs)), name="whole")


def selected(model, wanted):
    return [row.path.split("/")[-1] for row in lsuv(model, X, layers=wanted).scaled]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (lambda model: model.get_layer("c"), ["c"]),
        (lambda model: model.get_layer("inner"), ["a", "b"]),
        (lambda model: [model.get_layer("inner").get_layer("b"), "c"], ["b", "c"]),
        (lambda model: keras.Sequential, ["a", "b"]),
        (lambda model: (name for name in ("a", "c")), ["a", "c"]),
    ],
)
def test_layers_and_what_is_within_them(wanted, expected):
    built = model()
    assert selected(built, wanted(built)) == expected


def test_the_model_itself_selects_nothing():
    """If it did, its name or class would select all of it."""
    built = model()
    for wanted in ("whole", type(built), built):
        with pytest.raises(ValueError, match="which selects none"):
            lsuv(built, X, layers=wanted)


@pytest.mark.parametrize("wrong", [5, [], (), [["a"]], [3.0], int])
def test_what_selects_no_layer(wrong):
    member = wrong[0] if isinstance(wrong, list) and wrong else wrong
    with refuses(
        "`lsuv` needs `layers` to be names, layers, layer classes, a predicate, or "
        f'None. Received: layers={member!r}. Pass for example ["dense_1"], '
        "keras.layers.Conv2D, or a function of a layer. None selects all."
    ):
        lsuv(model(), X, layers=wrong)
