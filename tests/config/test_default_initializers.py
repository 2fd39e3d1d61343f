import threading

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import initializers, layers

import keras_initx
from keras_initx import default_initializers

ARGUMENTS = {
    "kernel_initializer": "kernel",
    "depthwise_initializer": "kernel",
    "pointwise_initializer": "kernel",
    "bias_initializer": "bias",
    "recurrent_initializer": "recurrent",
    "embeddings_initializer": "embeddings",
}
CONSTANTS = {"kernel": 2.0, "bias": 3.0, "recurrent": 4.0, "embeddings": 5.0}


def constants(**values):
    return {role: initializers.Constant(value) for role, value in values.items()}


def kinds(layer):
    """The initializers of a layer by its arguments: constants as their values."""
    config = layer.get_config()
    found = {name: config[name] for name in ARGUMENTS if name in config}
    return {
        name: each["config"].get("value", each["class_name"])
        for name, each in found.items()
    }


def weights_of(layer):
    """The values of all weights by the ends of their paths; each has one value."""
    return {w.path.split("/")[-1]: to_numpy(w) for w in layer.weights}


# Which layers take what

PLAIN = {
    "dense": lambda **a: layers.Dense(2, **a),
    "einsum": lambda **a: layers.EinsumDense("ab,bc->ac", 2, bias_axes="c", **a),
    "conv": lambda **a: layers.Conv2D(2, 3, **a),
    "transposed": lambda **a: layers.Conv1DTranspose(2, 3, **a),
    "depthwise": lambda **a: layers.DepthwiseConv2D(3, **a),
    "separable": lambda **a: layers.SeparableConv1D(2, 3, **a),
    "embedding": lambda **a: layers.Embedding(5, 2, **a),
    "simple": lambda **a: layers.SimpleRNN(2, **a),
    "lstm": lambda **a: layers.LSTM(2, **a),
    "gru": lambda **a: layers.GRU(2, **a),
    "cell": lambda **a: layers.LSTMCell(2, **a),
    "convlstm": lambda **a: layers.ConvLSTM2D(2, 3, **a),
    "attention": lambda **a: layers.MultiHeadAttention(2, 2, **a),
    "grouped attention": lambda **a: layers.GroupQueryAttention(4, 2, 1, **a),
    "unitary": lambda **a: keras_initx.UnitaryRNNCell(2, **a),
}
every_layer = pytest.mark.parametrize("make", PLAIN.values(), ids=PLAIN)


@every_layer
def test_a_layer_takes_each_role(make):
    before = kinds(make())
    with default_initializers(**constants(**CONSTANTS)):
        found = kinds(make())
    for argument, kind in found.items():
        assert kind == CONSTANTS[ARGUMENTS[argument]], argument
    assert kinds(make()) == before


@every_layer
def test_what_the_caller_names_stays_even_if_it_is_the_default(make):
    before = make()
    config = before.get_config()
    given = {name: config[name] for name in ARGUMENTS if name in config}
    with default_initializers(**constants(**CONSTANTS)):
        assert kinds(make(**given)) == kinds(before)
        assert kinds(type(before).from_config(config)) == kinds(before)


def test_a_default_that_is_given_as_a_string_stays():
    with default_initializers(kernel="ones", bias="ones"):
        layer = layers.Dense(2, kernel_initializer="glorot_uniform")
        assert kinds(layer) == {
            "kernel_initializer": "GlorotUniform",
            "bias_initializer": "Ones",
        }
        positional = layers.Dense(2, None, True, "glorot_uniform")
        assert kinds(positional) == kinds(layer)


def test_none_is_no_initializer():
    with default_initializers(kernel="ones"):
        layer = layers.Dense(2, kernel_initializer=None)
    assert kinds(layer)["kernel_initializer"] == "Ones"


def test_an_attention_layer_hands_it_to_its_parts():
    with default_initializers(**constants(kernel=2.0, bias=3.0)):
        layer = layers.MultiHeadAttention(2, 2)
        layer.build((None, 4, 3), (None, 4, 3))
        normal = layers.LayerNormalization()
        normal.build((None, 3))
    for weight in layer.weights:
        value = 2.0 if weight.path.endswith("kernel") else 3.0
        assert (to_numpy(weight) == value).all(), weight.path
    assert (to_numpy(normal.gamma) == 1).all()
    assert (to_numpy(normal.beta) == 0).all()


def test_the_forget_gate_keeps_its_ones():
    with default_initializers(**constants(bias=3.0)):
        layer = layers.LSTM(2)
        other = layers.LSTM(2, unit_forget_bias=False)
    for each in (layer, other):
        each.build((None, 4, 3))
    assert to_numpy(layer.cell.bias).tolist() == [3, 3, 1, 1, 3, 3, 3, 3]
    assert (to_numpy(other.cell.bias) == 3).all()


def test_wrappers_and_stacks_of_cells():
    with default_initializers(**constants(kernel=2.0, recurrent=4.0)):
        both = layers.Bidirectional(layers.GRU(2))
        stack = layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)])
        timed = layers.TimeDistributed(layers.Dense(2))
    for layer in (both, stack, timed):
        layer.build((None, 4, 3))
        for weight in layer.weights:
            end = weight.path.split("/")[-1]
            if end != "bias":
                value = 4.0 if end.startswith("recurrent") else 2.0
                assert (to_numpy(weight) == value).all(), weight.path


# Classes of one's own


class Block(layers.Layer):
    """Makes one layer when it is made, and one when it is built."""

    def __init__(self, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.early = layers.Dense(3)
        self.named = layers.Dense(3, kernel_initializer=self.kernel_initializer)

    def build(self, shape):
        self.late = layers.Dense(3)
        self.table = self.add_weight(shape=(2, 3), name="table")
        self.legacy = self.add_weight((2, 3), name="legacy")
        self.named_table = self.add_weight(
            shape=(2, 3), initializer="ones", name="named_table"
        )
        self.vector = self.add_weight(shape=(3,), name="vector")
        self.counts = self.add_weight(
            shape=(2, 3), dtype="int32", trainable=False, name="counts"
        )
        for layer in (self.early, self.named, self.late):
            layer.build(shape)


class Child(layers.Dense):
    def __init__(self, **kwargs):
        super().__init__(3, **kwargs)


class HeDense(layers.Dense):
    """A class whose author wants another default."""

    def __init__(self, units, kernel_initializer="he_normal", **kwargs):
        super().__init__(units, kernel_initializer=kernel_initializer, **kwargs)


def assert_block(layer, value=2.0):
    for weight in (
        layer.early.kernel,
        layer.named.kernel,
        layer.late.kernel,
        layer.table,
        layer.legacy,
    ):
        assert (to_numpy(weight) == value).all()
    assert (to_numpy(layer.named_table) == 1).all()
    assert (to_numpy(layer.counts) == 0).all()
    assert np.unique(to_numpy(layer.vector)).size == 3


def test_a_layer_of_ones_own_keeps_them_for_what_it_builds_later():
    with default_initializers(**constants(kernel=2.0)):
        layer, inside = Block(), Block()
        inside.build((None, 3))
    layer.build((None, 3))
    assert_block(layer)
    assert_block(inside)
    plain = Block()
    plain.build((None, 3))
    assert np.unique(to_numpy(plain.late.kernel)).size == 9


def test_subclasses_hand_on_and_keep_their_own_defaults():
    with default_initializers(**constants(kernel=2.0)):
        assert kinds(Child())["kernel_initializer"] == 2.0
        child = Child(kernel_initializer="ones")
        assert kinds(child)["kernel_initializer"] == "Ones"
        assert kinds(HeDense(3))["kernel_initializer"] == "HeNormal"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.head = layers.Dense(1)

    def build(self, shape):
        self.block.build(shape)
        self.head.build((None, 3))

    def call(self, inputs):
        return self.head(self.block.late(inputs))


def test_a_subclassed_model_that_is_built_later():
    with default_initializers(**constants(kernel=2.0)):
        model = Subclassed()
        lazy = keras.Sequential([layers.Dense(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.evaluate(np.zeros((2, 3)), np.zeros((2, 1)), verbose=0)
    lazy.build((None, 3))
    assert_block(model.block)
    assert (to_numpy(model.head.kernel) == 2).all()
    assert (to_numpy(lazy.layers[1].kernel) == 2).all()


def test_a_config_that_keras_reads_from_the_arguments():
    class Automatic(layers.Layer):
        def __init__(self, units, kernel_initializer="glorot_uniform", name=None):
            super().__init__(name=name)
            self.dense = layers.Dense(units, kernel_initializer=kernel_initializer)

    with default_initializers(kernel="ones"):
        layer = Automatic(3)
    assert kinds(layer.dense)["kernel_initializer"] == "Ones"
    assert layer.get_config()["units"] == 3


def test_wrong_arguments_get_the_error_of_python():
    with default_initializers(kernel="ones"):
        with pytest.raises(TypeError, match="units"):
            layers.Dense()
        with pytest.raises(ValueError, match="`name` must be passed as a keyword"):
            Child().add_weight("table")


# What is left of it


def test_a_saved_model_needs_no_context(tmp_path):
    with default_initializers(kernel="orthogonal_delta", bias="ones"):
        model = keras.Sequential(
            [keras.Input((5, 5, 4)), layers.DepthwiseConv2D(3), layers.Conv2D(4, 3)]
        )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for layer in loaded.layers:
        assert "OrthogonalDelta" in kinds(layer).values()
        assert "Ones" in kinds(layer).values()
    assert loaded.layers[0].depthwise_initializer.batch_axes == [-2]
    with default_initializers(kernel="zeros", bias="zeros"):
        again = keras.saving.load_model(tmp_path / "model.keras")
        copied = keras.models.clone_model(model)
    for each in (again, copied):
        assert [kinds(layer) for layer in each.layers] == [
            kinds(layer) for layer in model.layers
        ]
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))


def is_default():
    return kinds(layers.Dense(2)) == {
        "kernel_initializer": "GlorotUniform",
        "bias_initializer": "Zeros",
    }


def methods():
    """What the contexts stand around."""
    classes = (layers.Layer, layers.Dense, layers.LSTM, layers.Bidirectional)
    return [
        vars(cls).get(name)
        for cls in classes
        for name in ("__init__", "__new__", "add_weight")
    ]


def test_nothing_is_left_after_the_context_and_after_an_error():
    before = methods()
    with default_initializers(kernel="ones"):
        assert not is_default()
        assert methods() != before
    assert methods() == before
    with pytest.raises(ValueError, match="units"), default_initializers(kernel="ones"):
        layers.LSTM(-2)
    assert methods() == before
    assert is_default()


def test_an_inner_context_holds_and_falls_back():
    with default_initializers(kernel="ones", bias="ones"):
        with default_initializers(kernel="zeros"):
            inner = layers.Dense(2)
        outer = layers.Dense(2)
    assert [*kinds(inner).values()] == ["Zeros", "Ones"]
    assert [*kinds(outer).values()] == ["Ones", "Ones"]
    assert is_default()


def test_a_context_holds_for_its_thread():
    found = []

    def other():
        found.append(is_default())
        with default_initializers(bias="ones"):
            found.append(kinds(layers.Dense(2)))

    with default_initializers(kernel="ones"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert not is_default()
    assert found[0]
    assert [*found[1].values()] == ["GlorotUniform", "Ones"]


def test_contexts_may_end_in_any_order():
    before = methods()
    first = default_initializers(kernel="ones")
    second = default_initializers(bias="ones")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert [*kinds(layers.Dense(2)).values()] == ["GlorotUniform", "Ones"]
    second.__exit__(None, None, None)
    assert methods() == before
    assert is_default()


def test_it_is_a_decorator_that_starts_anew():
    @default_initializers(kernel=initializers.HeNormal(seed=3))
    def make():
        return layers.Dense(2), layers.Dense(2)

    for _ in range(2):
        assert make()[0].kernel_initializer.seed == 3
    assert is_default()


# Errors


@pytest.mark.parametrize("role", CONSTANTS)
@pytest.mark.parametrize(
    "value", ["he_normall", lambda shape, dtype=None: None, 3, {"class_name": "X"}]
)
def test_what_is_no_initializer_is_refused(role, value):
    before = methods()
    message = (
        f"`default_initializers` needs `{role}` to be the name of an initializer, an "
        f"initializer or None. Received: {role}={value!r}. Pass for example "
        "'he_normal' or keras.initializers.HeNormal(seed=1). Put a function into a "
        "subclass of keras.initializers.Initializer."
    )
    with refuses(message), default_initializers(**{role: value}):
        pass
    assert methods() == before
