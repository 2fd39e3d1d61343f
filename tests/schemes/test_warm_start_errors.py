"""`warm_start` either does everything, or leaves the model bit for bit as it was."""

import signal

import keras
import numpy as np
import pytest
import start_models as models
from catalogue import refuses
from keras import layers
from odd_layers import picture
from start_models import randomized, weights_of

from keras_initx import warm_start

pytestmark = pytest.mark.same_on_each_backend


@pytest.fixture(autouse=True)
def interrupts_raise():
    """Also in a run that a shell has put in the background, where they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@models.quickly_built
def small(width=3, **arguments):
    inputs = keras.Input((2,))
    x = layers.Dense(width, "tanh", name="a")(inputs)
    x = layers.BatchNormalization(name="b")(x)
    x = x + layers.Dense(width, name="c")(x)
    model = keras.Model(inputs, layers.Dense(2, name="d", **arguments)(x), name="small")
    model.compile("sgd", "mse")
    return model


def assert_unchanged(model, before):
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.parametrize("is_raised", [True, False])
@pytest.mark.parametrize("place", range(10))
def test_an_interrupt_at_any_variable(place, is_raised, monkeypatch):
    """Raised within an assignment, or sent while one runs."""
    source, model = randomized(small()), small(6)
    before, whole = weights_of(model), picture(model)
    assign, count = keras.Variable.assign, [0]

    def interrupted(variable, value):
        count[0] += 1
        if count[0] == place + 1:
            if is_raised:
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)
        return assign(variable, value)

    with monkeypatch.context() as patch:
        patch.setattr(keras.Variable, "assign", interrupted)
        with pytest.raises(KeyboardInterrupt):
            warm_start(model, source)
    assert len(model.weights) == 10
    assert count[0] > place
    assert_unchanged(model, before)
    assert picture(model) == whole


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_a_rule_that_raises(error):
    source, model = randomized(small()), small()
    before = weights_of(model)

    def rule(old, shape):
        raise error

    with pytest.raises(type(error)):
        warm_start(model, source, rules={"d/bias": rule})
    assert_unchanged(model, before)


def test_a_rule_that_returns_another_shape():
    source, model = randomized(small()), small()
    before = weights_of(model)
    with refuses(
        "`warm_start` needs a rule that returns an array of the shape (2,) for "
        "'d/bias'. Received: an array of the shape (1,). It gets the array of the "
        "source and the new shape."
    ):
        warm_start(model, source, rules={"d/bias": lambda old, shape: old[:1]})
    assert_unchanged(model, before)


def test_a_rule_that_does_not_fit():
    source, model = randomized(small()), small(6)
    before = weights_of(model)
    with refuses(
        "`warm_start` needs the rule 'select' to fit the shapes of 'd/kernel'. "
        "Received: (3, 2) in the source and (6, 2) in the model (a larger axis). Pass "
        "another rule for this path, a function of the old array and the new shape, or "
        "None."
    ):
        warm_start(model, source, rules={"d/kernel": "select"})
    assert_unchanged(model, before)


def test_rules_that_are_none():
    source, model = randomized(small()), small()
    with refuses(
        "`warm_start` needs each rule to hold for a variable. Received: the rule "
        "'x/*', which matches none. The model has: a/kernel, a/bias, b/gamma, b/beta, "
        "b/moving_mean, b/moving_variance, c/kernel, c/bias and 2 more."
    ):
        warm_start(model, source, rules={"d/*": None, "x/*": None})
    with refuses(
        "`warm_start` needs each of the `rules` to say how an array is resized. "
        "Received: 'bicubic' for 'a/*'. Choose one of: 'channels', 'vocabulary', "
        "'positions', 'grid', 'experts', 'select', 'common'; or a function of the old "
        "array and the new shape; or None, which leaves the variable."
    ):
        warm_start(model, source, rules={"a/*": "bicubic"})
    with refuses(
        "`warm_start` needs `rules` to be a dict from path patterns, layer classes or "
        "functions `(layer, variable)`. Received: rules=3. Pass for example "
        '{"*/query/kernel": None}.'
    ):
        warm_start(model, source, rules=3)


def test_an_unknown_match():
    with refuses(
        "`warm_start` needs a known `match`. Received: match='order'. Choose one of: "
        "'path', 'name', 'shape'."
    ):
        warm_start(small(), small(), match="order")


@pytest.mark.parametrize("name", ["model", "source"])
def test_an_unbuilt_model(name):
    pair = {"model": small(), "source": small()}
    pair[name] = keras.Sequential([layers.Dense(2)], name="open")
    with refuses(
        f"`warm_start` needs a `{name}` that is built and has weights. Received: the "
        "Sequential 'open', which has none yet. Give it an `Input`, call it once on "
        "data, or call its method `build`."
    ):
        warm_start(**pair)


def test_no_model():
    with refuses(
        "`warm_start` needs `model` to be a Keras model or layer. Received: model=3. "
        "Pass the model itself."
    ):
        warm_start(3, small())


def test_a_model_of_another_architecture():
    inputs = keras.Input((2,))
    other = keras.Model(inputs, layers.Dense(9, name="x")(inputs))
    model = small()
    before = weights_of(model)
    for match in ("path", "name", "shape"):
        with refuses(
            f"`warm_start` needs a source that is similar to the model, with "
            f"match={match!r}. Received: a source with the variables x/kernel (2, 9), "
            "x/bias (9,), of which none is matched to those of the model: a/kernel "
            "(2, 3), a/bias (3,), b/gamma (3,) and 7 more. Choose another `match`, "
            "pass a part of the model, or give `rules`."
        ):
            warm_start(model, other, match=match)
    assert_unchanged(model, before)


@pytest.mark.parametrize("name", ["model", "source"])
def test_lora_and_quantized_layers(name):
    pair = {"model": small(), "source": small()}
    layer = pair[name].get_layer("d")
    layer.enable_lora(1)
    with refuses(
        f"`warm_start` needs a `{name}` with plain weights. Received: the layer 'd', "
        "which is changed by LoRA. Call `warm_start` before `quantize` and "
        "`enable_lora`."
    ):
        warm_start(**pair)
    pair[name] = small()
    pair[name].get_layer("d").quantize("int8")
    with refuses(
        f"`warm_start` needs a `{name}` with plain weights. Received: the layer 'd', "
        "which is quantized. Call `warm_start` before `quantize` and `enable_lora`."
    ):
        warm_start(**pair)


def test_the_seed():
    with refuses(
        "`warm_start` needs `seed` to be an integer. Received: seed='a'. Pass for "
        "example -1."
    ):
        warm_start(small(), small(), seed="a")
    for seed in (-1, 2**40, np.int64(3), keras.random.SeedGenerator(1), None):
        warm_start(small(6), randomized(small()), seed=seed)


def test_shared_and_frozen_layers():
    def network(width):
        inputs = keras.Input((4,))
        shared = layers.Dense(width, name="shared")
        join = layers.Dense(4, name="join", trainable=False)
        x = join(shared(inputs))
        return keras.Model(inputs, join(shared(x)))

    source, model = randomized(network(3)), network(6)
    report = warm_start(model, source, seed=1)
    assert report.counts()["left"] == 0
    inputs = models.samples(source)
    expected = models.outputs(source, inputs)
    np.testing.assert_allclose(models.outputs(model, inputs), expected, atol=1e-5)
