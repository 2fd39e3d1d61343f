"""The graph of what a model computes, and that making it leaves no trace."""

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, to_numpy
from keras import layers, ops

from keras_initx._backend.dataflow.operation import ADD, MULTIPLY, SIGMOID, SOFTMAX
from keras_initx._model.branches.find import find_residuals
from keras_initx._model.dataflow import dataflow
from keras_initx._model.example_batch import example_batches
from keras_initx._model.graph import INPUT, LAYER
from keras_initx._model.sublayers import sublayers
from keras_initx.schemes import fixup

RANDOM = np.random.default_rng(0)
WIDTH = 6


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def dense(name, activation=None, units=WIDTH, **arguments):
    return layers.Dense(units, activation, name=name, **arguments)


class Call(keras.Model):
    """A subclassed model: a function of its layers and its inputs."""

    def __init__(self, function, **parts):
        super().__init__(name="net")
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def call(self, inputs):
        return self.function(self, inputs)


def kinds(graph):
    return [node.kind for node in graph.nodes]


# Nodes


def test_layers_and_what_joins_them_are_nodes():
    inputs = keras.Input((4,))
    h = dense("first", "relu")(inputs)
    x = layers.Dropout(0.5)(ops.tanh(h)) * dense("second")(h)
    model = keras.Model(inputs, dense("head")(x + h), name="model")
    graph = dataflow(model, batch(3, 4))
    assert kinds(graph) == [INPUT, LAYER, LAYER, MULTIPLY, ADD, LAYER]
    assert [node.sources for node in graph.nodes] == [
        (),
        (0,),
        (1,),
        (1, 2),
        (3, 1),
        (4,),
    ]
    names = [node.layer.name for node in graph.nodes if node.layer]
    assert names == ["first", "second", "head"]
    assert graph.outputs == (5,)
    assert graph.nodes[1].shape == (2, WIDTH)
    assert {node.parents[0].name for node in graph.nodes} == {"model"}


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        ("sigmoid", SIGMOID),
        ("softmax", SOFTMAX),
        ("silu", None),
        ("relu", None),
        ("elu", None),
        ("gelu", None),
        ("softplus", None),
        ("log_softmax", None),
        (None, None),
    ],
)
def test_a_bounded_activation_is_a_node(activation, kind):
    model = keras.Sequential([dense("one", activation)])
    expected = [INPUT, LAYER] if kind is None else [INPUT, LAYER, kind]
    assert kinds(dataflow(model, batch(2, WIDTH))) == expected


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_so_is_a_bounded_operation(activation):
    model = Call(lambda m, x: getattr(ops, activation)(m.one(x)), one=dense("one"))
    graph = dataflow(model, batch(2, WIDTH))
    assert kinds(graph) == [INPUT, LAYER, activation]


def test_operands_of_several_shapes_are_no_addition():
    def run(m, x):
        return m.one(x) + ops.mean(m.two(x), axis=-1, keepdims=True)

    model = Call(run, one=dense("one"), two=dense("two"))
    assert kinds(dataflow(model, batch(2, WIDTH))) == [INPUT, LAYER, LAYER, "other"]


def test_an_output_without_a_layer():
    graph = dataflow(Call(lambda m, x: x * 2), batch(2, WIDTH))
    assert kinds(graph) == [INPUT]
    assert graph.outputs == (0,)


def test_each_call_of_a_shared_layer_is_a_node():
    model = Call(lambda m, x: m.one(m.one(x)), one=dense("one"))
    graph = dataflow(model, batch(2, WIDTH))
    assert [node.sources for node in graph.nodes] == [(), (0,), (1,)]
    assert graph.nodes[1].layer is graph.nodes[2].layer


def test_a_batch_of_a_fixed_size():
    inputs = keras.Input(batch_shape=(5, WIDTH))
    model = keras.Model(inputs, ops.reshape(dense("one")(inputs), (5, 2, 3)))
    graph = dataflow(model, batch(5, WIDTH))
    assert kinds(graph) == [INPUT, LAYER]


def test_inputs_that_count_other_things():
    # One row for each of three, and the number of them: nothing to shorten.
    model = Call(lambda m, x: m.one(x[0]) * x[1], one=dense("one"))
    graph = dataflow(model, [batch(3, WIDTH), np.float32(2)])
    assert kinds(graph) == [INPUT, INPUT, LAYER, MULTIPLY]


# What stays


class Noisy(layers.Layer):
    """Draws numbers, keeps a statistic and adds a loss, whatever the mode."""

    def __init__(self):
        super().__init__(name="noisy")
        self.seeds = keras.random.SeedGenerator(3)

    def build(self, shape):
        self.count = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, x):
        self.count.assign_add(1.0)
        self.add_loss(ops.mean(ops.square(x)))
        return x + 0.01 * keras.random.normal(ops.shape(x), seed=self.seeds)


def noisy(fails=False):
    """A model with all kinds of state, which may end in an error."""

    def run(m, x):
        x = m.stem(x)
        x = x + m.last(m.drop(m.norm(m.noise(m.first(x)))))
        if fails and m.is_ready:
            raise RuntimeError("no more")
        return m.head(x)

    parts = {name: dense(name) for name in ("stem", "first", "last", "head")}
    model = Call(
        run,
        noise=Noisy(),
        norm=layers.BatchNormalization(),
        drop=layers.Dropout(0.5, seed=1),
        **parts,
    )
    model.is_ready = False
    model(batch(4, WIDTH))
    model.is_ready = True
    return model


def state_of(model):
    """Everything that could change."""
    values = {
        f"{n} {v.path}": to_numpy(v).tobytes() for n, v in enumerate(model.variables)
    }
    attributes = {
        layer.path: sorted(vars(layer) | vars(layer).get("_modules", {}))
        for layer in sublayers(model)
    }
    flags = [(layer.built, layer.trainable) for layer in sublayers(model)]
    return values, attributes, flags, [to_numpy(loss) for loss in model.losses]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_as_before(fails):
    model = noisy(fails)
    before = state_of(model)
    if fails:
        with pytest.raises(RuntimeError, match="no more"):
            find_residuals(model, batch(4, WIDTH))
    else:
        (branch,) = find_residuals(model, batch(4, WIDTH)).branches
        assert [each.layer.name for each in branch.layers] == ["first", "last"]
    assert state_of(model) == before
    # No tensor of the trace is left: it would fail here.
    model.is_ready = False
    model.compile("sgd", "mse")
    model.fit(batch(4, WIDTH), batch(4, WIDTH), epochs=2, verbose=0)
    assert np.isfinite(to_numpy(model(batch(4, WIDTH)))).all()
    assert to_numpy(model.noise.seeds.state).shape == (2,)


def test_random_numbers_come_as_if_nothing_had_happened():
    outputs = []
    for is_looked_at in (False, True):
        keras.utils.set_random_seed(4)
        model = noisy()
        if is_looked_at:
            find_residuals(model, np.ones((4, WIDTH), "float32"))
        outputs.append(to_numpy(model(np.ones((4, WIDTH), "float32"), training=True)))
    np.testing.assert_array_equal(*outputs)


def test_a_model_that_is_not_built_is_built():
    model = Call(lambda m, x: x + m.one(x), one=dense("one"))
    assert not model.one.built
    find_residuals(model, batch(2, WIDTH))
    assert model.one.built
    assert to_numpy(model.one.kernel).any()
    model.compile("sgd", "mse")
    model.fit(batch(4, WIDTH), batch(4, WIDTH), verbose=0)


# Errors


def test_a_model_whose_call_asks_for_values():
    def run(m, x):
        x = m.stem(x)
        if ops.convert_to_numpy(ops.sum(x)) > 1e9:
            x = 2 * x
        return x + m.last(x)

    model = Call(run, stem=dense("stem"), last=dense("last"))
    x = batch(2, WIDTH)
    model(x)
    before = state_of(model)
    if BACKEND == "torch":
        # It runs as it is.
        assert len(fixup(model, x)) == 1
        return
    with pytest.raises(Exception) as caught:  # noqa: PT011
        find_residuals(model, x)
    name = type(caught.value).__name__
    with refuses(
        "`fixup` needs a model whose operations can be traced, as in a compiled "
        f"training step. Received: the model 'net', whose trace ends in {name}. In its "
        "`call`, use `keras.ops.where` or `keras.ops.cond` instead of an `if` on the "
        "values of tensors."
    ):
        fixup(model, x)
    assert state_of(model) == before


def test_an_error_of_the_model_itself_is_told_as_it_is():
    model = Call(lambda m, x: m.one(x), one=dense("one"))
    model(batch(2, WIDTH))
    with pytest.raises(ValueError, match="incompatible"):
        fixup(model, batch(2, WIDTH + 1))


def test_a_subclassed_model_needs_a_batch():
    with refuses(
        "`fixup` needs a batch of inputs `x`, unless the model is a Functional or "
        "Sequential one that is built. Received: x=None, the model 'net' of class "
        "Call. Pass a few samples: only their shapes matter."
    ):
        fixup(Call(lambda m, x: x + m.one(x), one=dense("one")))


# Inputs that nobody gives


def test_example_batches():
    inputs = {
        "tokens": keras.Input((None,), dtype="int32", name="tokens"),
        "image": keras.Input((None, 5, 3), name="image"),
        "flag": keras.Input((), dtype="bool", name="flag"),
    }
    x = layers.Embedding(9, 3)(inputs["tokens"])
    x = layers.GlobalAveragePooling1D()(x)
    y = layers.GlobalAveragePooling2D()(inputs["image"])
    flag = ops.expand_dims(ops.cast(inputs["flag"], "float32"), -1)
    model = keras.Model(inputs, x + y * flag)
    batches = list(example_batches(model))
    shapes = [{name: each.shape for name, each in b.items()} for b in batches]
    assert shapes == [
        {"tokens": (2, n), "image": (2, n, 5, 3), "flag": (2,)} for n in (32, 128, 224)
    ]
    types = {name: str(each.dtype) for name, each in batches[0].items()}
    assert types == {"tokens": "int32", "image": "float32", "flag": "bool"}
    assert not any(each.any() for b in batches for each in b.values())


def test_example_batches_of_known_sizes():
    model = keras.Sequential([keras.Input((4,)), dense("one")])
    assert [each.shape for each in example_batches(model)] == [(2, 4)]
    inputs = keras.Input(batch_shape=(3, 4))
    fixed = keras.Model(inputs, dense("one")(inputs))
    assert [each.shape for each in example_batches(fixed)] == [(3, 4)]
    for model in (keras.Sequential([dense("one")]), Call(None), dense("one")):
        assert list(example_batches(model)) == []


def test_a_size_that_is_too_small_is_followed_by_a_larger_one():
    inputs = keras.Input((None, WIDTH))
    x = inputs + layers.Dense(WIDTH)(inputs)
    x = layers.AveragePooling1D(40)(x)
    assert len(fixup(keras.Model(inputs, x))) == 1
