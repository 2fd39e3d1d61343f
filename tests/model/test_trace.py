"""The watched pass: what it sees, what it may change, and what it leaves."""

import keras
import numpy as np
import pytest
from catalogue import BACKEND, to_numpy
from keras import layers, ops
from odd_layers import Compiled, Restless, picture

from keras_initx._model.sublayers import sublayers
from keras_initx._model.trace import Observer, trace

RANDOM = np.random.default_rng(0)


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


class Record(Observer):
    """Writes down what happens."""

    def __init__(self):
        self.events = []
        self.calls = []
        self.pre_activations = {}
        self.outputs = {}

    def enter(self, call):
        self.events.append(("enter", call.layer.name, call.number))
        self.calls.append(call)

    def pre_activation(self, call, tensor):
        self.pre_activations[call.layer.name, call.number] = tensor
        return tensor

    def leave(self, call, output):
        self.events.append(("leave", call.layer.name, call.number))
        self.outputs[call.layer.name, call.number] = output
        return output

    @property
    def order(self):
        return [name for event, name, _ in self.events if event == "enter"]


def watch(model, x):
    record = Record()
    output = trace(model, x, record)
    return record, output


def dense(name, units=3, activation="tanh", **arguments):
    return layers.Dense(units, activation, name=name, **arguments)


class Block(keras.Model):
    """Runs its layers in another order than it makes them."""

    def __init__(self, name="block"):
        super().__init__(name=name)
        self.last = dense("last")
        self.first = dense("first")
        self.unused = dense("unused")
        self.held = {"a": [dense("in_a_dict")]}

    def build(self, shape):
        for layer in (self.last, self.first, self.unused, *self.held["a"]):
            layer.build((None, 3))

    def call(self, inputs):
        return self.last(self.held["a"][0](self.first(inputs)))


def functional():
    inputs = keras.Input((4,))
    shared = dense("shared", 4)
    hidden = layers.Add(name="add")([shared(inputs), dense("other", 4)(inputs)])
    return keras.Model(inputs, dense("out")(shared(hidden)), name="functional")


# What it sees


def test_layers_come_in_the_order_of_execution():
    record, _ = watch(Block(), batch(2, 3))
    assert record.order == ["block", "first", "in_a_dict", "last"]
    assert record.events[-1] == ("leave", "block", 1)


def test_a_shared_layer_is_counted():
    record, _ = watch(functional(), batch(2, 4))
    numbers = [call.number for call in record.calls if call.layer.name == "shared"]
    assert numbers == [1, 2]
    assert sorted(record.order[1:3]) == ["other", "shared"]
    assert record.order[3:] == ["add", "shared", "out"]


def test_the_pre_activation_stands_before_the_activation():
    layer = dense("layer", bias_initializer="ones")
    x = batch(5, 4)
    record, output = watch(keras.Sequential([layer]), x)
    expected = x @ to_numpy(layer.kernel) + 1
    found = to_numpy(record.pre_activations["layer", 1])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(to_numpy(output), np.tanh(expected), atol=1e-5)


def test_without_an_activation_it_is_the_output():
    class Plain(layers.Layer):
        def call(self, inputs):
            return inputs + 1

    record, _ = watch(Plain(name="plain"), batch(2, 3))
    assert record.pre_activations["plain", 1] is record.outputs["plain", 1]


def test_an_activation_may_be_a_layer():
    layer = layers.Dense(3, activation=layers.LeakyReLU(name="leaky"), name="dense")
    record, output = watch(keras.Sequential([layer]), batch(5, 4))
    assert (to_numpy(record.pre_activations["dense", 1]) < -0.4).any()
    assert to_numpy(output).min() >= to_numpy(record.pre_activations["dense", 1]).min()
    assert "leaky" in record.order
    assert layer.activation.name == "leaky"


def test_an_activation_that_is_used_twice_is_shown_once():
    class Twice(layers.Layer):
        activation = staticmethod(ops.tanh)

        def call(self, inputs):
            return self.activation(self.activation(inputs) + 1)

    class Count(Observer):
        seen = ()

        def pre_activation(self, call, tensor):
            self.seen += (tensor,)
            return tensor

    x, count = ops.ones((2, 3)), Count()
    trace(Twice(), x, count)
    assert len(count.seen) == 1
    assert count.seen[0] is x


def test_models_within_models():
    model = keras.Sequential([keras.Input((3,)), Block("inner"), dense("head")])
    record, _ = watch(model, batch(2, 3))
    names = ["inner", "first", "in_a_dict", "last", "head"]
    assert [name for name in record.order if name in names] == names
    first = next(call for call in record.calls if call.layer.name == "first")
    assert [parent.name for parent in first.parents][-1] == "inner"
    assert first.parents[0] is model


def test_the_sublayers_of_attention():
    inputs = keras.Input((5, 4))
    attention = layers.MultiHeadAttention(2, 3)
    model = keras.Model(inputs, attention(inputs, inputs))
    record, _ = watch(model, batch(2, 5, 4))
    kinds = {"query", "key", "value", "attention_output"}
    assert kinds <= set(record.order)
    assert record.pre_activations["query", 1].shape == (2, 5, 2, 3)


def test_sublayers_that_are_built_by_the_pass_itself():
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.attention = layers.MultiHeadAttention(2, 3)

        def build(self, shape):
            """Leaves it to the call."""

        def call(self, inputs):
            return self.attention(inputs, inputs)

    record, _ = watch(Lazy(), batch(2, 5, 4))
    assert {"query", "key", "value", "attention_output"} <= set(record.order)


def test_time_distributed_runs_its_layer_once():
    inner = keras.Sequential([keras.Input((4,)), dense("dense"), layers.Dropout(0.5)])
    wrapper = layers.TimeDistributed(inner)
    model = keras.Sequential([keras.Input((5, 4)), wrapper])
    x = batch(2, 5, 4)
    expected = to_numpy(model(x, training=False))
    record, output = watch(model, x)
    np.testing.assert_allclose(to_numpy(output), expected, atol=1e-6)
    assert record.pre_activations["dense", 1].shape == (10, 3)
    assert ("dense", 2) not in record.pre_activations


class Hidden(layers.Layer):
    """Sets to -1 what its mask hides, and doubles the rest in training."""

    def call(self, inputs, training=False, mask=None):
        doubled = 2 * inputs if training else inputs
        return doubled if mask is None else ops.where(mask[:, None], doubled, -1.0)


def test_time_distributed_hands_on_its_mask_and_whether_it_is_in_training():
    x = batch(2, 3, 4)
    x[0, 1:] = 0
    model = keras.Sequential([layers.Masking(), layers.TimeDistributed(Hidden())])
    output = to_numpy(trace(model, x, Observer(), training=True))
    expected = np.where(x == 0, -1, 2 * x)
    np.testing.assert_array_equal(output, expected)
    np.testing.assert_array_equal(to_numpy(model(x, training=True)), expected)


def test_bidirectional_layers_are_seen_and_their_cells_are_not():
    wrapper = layers.Bidirectional(layers.GRU(3, name="gru"))
    model = keras.Sequential([keras.Input((2, 4)), wrapper])
    x = batch(2, 2, 4)
    expected = to_numpy(model(x))
    record, output = watch(model, x)
    np.testing.assert_allclose(to_numpy(output), expected, atol=1e-6)
    assert record.order[-2:] == ["forward_gru", "backward_gru"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.SimpleRNN(3), (2, 2, 4)),
        (layers.LSTM(3), (2, 2, 4)),
        (layers.ConvLSTM1D(3, 1), (2, 2, 4, 2)),
    ],
)
def test_a_recurrent_layer_is_one_layer(layer, shape):
    record, output = watch(layer, batch(*shape))
    assert record.order == [layer.name]
    # Its activation belongs to the loop over time.
    assert record.pre_activations[layer.name, 1] is output


def test_it_runs_in_inference_mode():
    model = keras.Sequential([layers.Dropout(0.9), layers.BatchNormalization()])
    x = batch(4, 3)
    model.build(x.shape)
    _, output = watch(model, x)
    np.testing.assert_allclose(to_numpy(output), x / np.sqrt(1.001), rtol=1e-5)


def test_masks_arrive_also_within_attention():
    inputs = keras.Input((4,), dtype="int32")
    embedded = layers.Embedding(9, 6, mask_zero=True)(inputs)
    hidden = dense("dense", 6)(embedded)
    output = layers.MultiHeadAttention(2, 3)(hidden, hidden)
    x = np.array([[1, 2, 0, 0], [3, 4, 5, 0]])
    record, _ = watch(keras.Model(inputs, output), x)
    masks = {
        call.layer.name: None if call.mask is None else to_numpy(call.mask).tolist()
        for call in record.calls
    }
    assert masks["dense"] == masks["query"] == masks["value"] == (x > 0).tolist()
    assert masks["attention_output"] is None


def test_a_mask_is_known_while_a_call_with_it_runs():
    class Unmasks(layers.Layer):
        """Calls a layer on one tensor, with a mask and without."""

        def __init__(self):
            super().__init__()
            self.first, self.second = dense("first"), dense("second")

        def build(self, shape):
            self.first.build(shape)
            self.second.build(shape)

        def call(self, inputs):
            tensor = inputs + 1
            tensor._keras_mask = ops.ones((2,), "bool")
            self.first(tensor)
            del tensor._keras_mask
            return self.second(tensor)

    record, _ = watch(Unmasks(), batch(2, 3))
    _, first, second = record.calls
    assert first.mask is not None
    assert second.mask is None


def test_what_runs_compiled_is_named_and_left_alone():
    if BACKEND == "torch":
        pytest.skip("PyTorch has no eager calls within compiled functions here")

    class Unseen(Record):
        unseen_names = ()

        def unseen(self, layer):
            self.unseen_names += (layer.name,)

    layer, record = Compiled(dense("inner")), Unseen()
    layer.build((None, 3))
    trace(layer, batch(2, 3), record)
    assert record.unseen_names == ("inner",)
    assert "inner" not in record.order


def test_rematerialized_layers_run_eagerly():
    with keras.RematScope(mode="full"):
        model = keras.Sequential([keras.Input((3,)), dense("a"), dense("b")])
    record, _ = watch(model, batch(2, 3))
    assert {"a", "b"} <= set(record.order)


def test_many_layers_need_no_recursion():
    class Deep(keras.Model):
        def __init__(self):
            super().__init__()
            self.all = [layers.Identity(name=f"d{i}") for i in range(1000)]

        def call(self, inputs):
            for layer in self.all:
                inputs = layer(inputs)
            return inputs

    record, _ = watch(Deep(), batch(2, 3))
    assert record.order[1:] == [f"d{i}" for i in range(1000)]


def test_sublayers_come_once():
    block = Block()
    model = keras.Sequential([keras.Input((3,)), block, block, dense("x")])
    names = [layer.name for layer in sublayers(model)]
    assert sorted(set(names)) == sorted(names)
    assert {"first", "last", "unused", "in_a_dict", "x"} <= set(names)


# What it may change


def test_what_the_observer_returns_is_handed_on():
    class Double(Observer):
        def pre_activation(self, call, tensor):
            return 2 * tensor if call.layer.name == "a" else tensor

        def leave(self, call, output):
            return output + 1 if call.layer.name == "b" else output

    a, b = dense("a"), dense("b")
    x = batch(4, 3)
    output = trace(keras.Sequential([a, b]), x, Double())
    hidden = np.tanh(2 * x @ to_numpy(a.kernel))
    expected = np.tanh(hidden @ to_numpy(b.kernel)) + 1
    np.testing.assert_allclose(to_numpy(output), expected, atol=1e-5)


def test_a_layer_can_be_run_again():
    class Again(Record):
        def __init__(self):
            super().__init__()
            self.seen = []

        def pre_activation(self, call, tensor):
            super().pre_activation(call, tensor)
            if call.layer.name == "block" and len(self.seen) < 3:
                self.seen.append(tensor)
                call.layer.first.kernel.assign(2 * call.layer.first.kernel)
                call.repeat()
            return tensor

    x, record = batch(4, 3), Again()
    model = keras.Sequential([keras.Input((3,)), Block(), shared := dense("x"), shared])
    output = trace(model, x, record)
    np.testing.assert_allclose(to_numpy(output), to_numpy(model(x)), atol=1e-6)
    assert len(record.seen) == 3
    # A repetition is no other call.
    numbers = {(call.layer.name, call.number) for call in record.calls}
    within = {"block", "first", "in_a_dict", "last"}
    assert {number for name, number in numbers if name in within} == {1}
    # What comes after it is counted again.
    assert {number for name, number in numbers if name == "x"} == {1, 2}
    assert not record.calls[-1].is_repetition


# What it leaves


def restless_model():
    inputs = keras.Input(batch_shape=(3, 4))
    hidden = dense("a", 4, activity_regularizer="l2")(inputs)
    hidden = layers.BatchNormalization()(Restless()(hidden))
    hidden = layers.Dropout(0.5)(layers.Reshape((2, 2))(hidden))
    hidden = layers.MultiHeadAttention(2, 3, dropout=0.5)(hidden, hidden)
    return keras.Model(inputs, layers.LSTM(2, stateful=True)(hidden))


class StopAt(Observer):
    """Raises at one event."""

    def __init__(self, error, event, name):
        self.error, self.event, self.name = error, event, name

    def at(self, event, call, value=None):
        if (event, call.layer.name) == (self.event, self.name):
            raise self.error
        return value

    def enter(self, call):
        self.at("enter", call)

    def pre_activation(self, call, tensor):
        return self.at("pre_activation", call, tensor)

    def leave(self, call, output):
        return self.at("leave", call, output)


@pytest.fixture(scope="module")
def restless():
    """One for all tests, because they leave it as it was."""
    keras.utils.clear_session()
    return restless_model()


@pytest.mark.parametrize("train_mode", [False, True])
def test_nothing_stays_on_the_model(restless, train_mode):
    model = restless
    model(batch(3, 4))
    if BACKEND == "torch":
        model.train(train_mode)
    before = picture(model)
    trace(model, batch(3, 4), Observer())
    assert picture(model) == before


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("event", ["enter", "pre_activation", "leave"])
@pytest.mark.parametrize("name", ["a", "query", "restless", "lstm"])
@pytest.mark.same_on_each_backend
def test_nothing_stays_whatever_is_raised(restless, error, event, name):
    model = restless
    before = picture(model)
    with pytest.raises(type(error)) as caught:
        trace(model, batch(3, 4), StopAt(error, event, name))
    # Keras would write the arguments of all enclosing calls into the message.
    assert caught.value is error
    assert picture(model) == before


def test_an_error_of_a_layer_is_keras_own():
    class Broken(layers.Layer):
        def call(self, inputs):
            raise RuntimeError("broken")

    model = keras.Sequential([dense("a"), Broken()])
    with pytest.raises(RuntimeError, match=r"Broken\.call\(\)"):
        trace(model, batch(2, 3), Observer())


def test_an_attribute_of_the_user_comes_back():
    layer = dense("a")
    layer(batch(2, 3))
    original = layer.call

    def call(inputs, training=None):
        return original(inputs, training=training) + 1

    layer.__dict__["call"] = call
    _, output = watch(layer, np.zeros((2, 3), "float32"))
    assert to_numpy(output).tolist() == [[1] * 3] * 2
    assert vars(layer)["call"] is call


def test_no_gradients_are_kept():
    if BACKEND != "torch":
        pytest.skip("only PyTorch records gradients by itself")
    _, output = watch(dense("a"), batch(2, 3))
    assert not output.requires_grad


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = keras.Sequential([dense("a", dtype=policy), dense("b", dtype=policy)])
    record, output = watch(model, batch(4, 3))
    dtype = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(output.dtype) == dtype
    found = record.pre_activations["a", 1]
    assert keras.backend.standardize_dtype(found.dtype) == dtype


def test_a_model_that_is_called_with_a_dict():
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((3,), name="b")}
    model = keras.Model(inputs, layers.Add()([inputs["a"], dense("d")(inputs["b"])]))
    record, _ = watch(model, {"a": batch(2, 3), "b": batch(2, 3)})
    assert "d" in record.order
