"""Fixup on residual networks, judged by the paper's rules."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from limits import SIGMAS

from keras_initx.layers import Scale, Shift
from keras_initx.schemes import fixup

RANDOM = np.random.default_rng(0)
WIDTH = 16


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def dense(units=WIDTH, activation=None, **arguments):
    return layers.Dense(units, activation, bias_initializer="ones", **arguments)


def perceptron(blocks, hidden=1, scalars=False, head=True, use_bias=True):
    """Blocks of `hidden` ReLU layers and a linear one."""
    inputs = keras.Input((8,))
    x = dense(name="stem")(inputs)
    for block in range(blocks):
        h = x
        for layer in range(hidden):
            h = Shift()(h) if scalars else h
            h = dense(WIDTH, "relu", use_bias=use_bias, name=f"b{block}_{layer}")(h)
        h = dense(use_bias=use_bias, name=f"b{block}_last")(h)
        x = x + (Scale()(h) if scalars else h)
    return keras.Model(inputs, dense(3, name="head")(x) if head else x, name="net")


def weights_of(model):
    return {weight.path: to_numpy(weight).copy() for weight in model.weights}


def layers_of(report):
    return [[path.rpartition("/")[2] for path in row.layers] for row in report]


@pytest.mark.parametrize(("hidden", "power"), [(1, -1 / 2), (2, -1 / 4), (3, -1 / 6)])
def test_each_rule_of_the_paper(hidden, power):
    blocks = 5
    model = perceptron(blocks, hidden)
    before = weights_of(model)
    initializer = keras.initializers.RandomNormal(stddev=1.0, seed=3)
    report = fixup(model, initializer=initializer)
    assert [row.depth for row in report] == [hidden + 1] * blocks
    assert [row.factor for row in report] == pytest.approx([blocks**power] * blocks)
    after = weights_of(model)
    changed = {path for path in after if not np.array_equal(before[path], after[path])}
    scaled = [f"b{b}_{n}/kernel" for b in range(blocks) for n in range(hidden)]
    zeroed = [f"b{b}_last" for b in range(blocks)] + ["head"]
    both = [f"{name}/{weight}" for name in zeroed for weight in ("kernel", "bias")]
    assert changed == {*scaled, *both}
    assert not any(after[path].any() for path in both)
    # Of N(0, 1), times the factor.
    values = np.concatenate([after[path].ravel() for path in scaled])
    assert values.std() == pytest.approx(
        blocks**power, rel=SIGMAS / np.sqrt(2 * values.size)
    )
    assert len({after[path].tobytes() for path in scaled}) == len(scaled)


def test_the_default_is_he_with_the_fan_out():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(24, 1, use_bias=False, name="stem")(inputs)
    h = layers.Conv2D(96, 3, padding="same", activation="relu", name="first")(x)
    x = x + layers.Conv2D(24, 3, padding="same", name="last")(h)
    model = keras.Model(inputs, x)
    fixup(model)
    kernel = to_numpy(model.get_layer("first").kernel)
    # One branch: the factor is 1. A fan-in would be a quarter of this fan-out.
    assert kernel.std() == pytest.approx(
        np.sqrt(2 / (9 * 96)), rel=SIGMAS / np.sqrt(2 * kernel.size)
    )


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        ("default", 2 / (9 * 96)),
        (keras.initializers.VarianceScaling(2.0, "fan_out", seed=1), 8 / (9 * 96)),
    ],
)
def test_the_default_counts_the_kernel_whatever_the_strides(initializer, variance):
    """As the authors' code does; another initializer gets the fans of the layer."""
    inputs = keras.Input((8, 8, 24))
    h = layers.Conv2D(96, 3, 2, padding="same", activation="relu", name="first")(inputs)
    h = layers.Conv2D(24, 3, padding="same", name="last")(h)
    model = keras.Model(inputs, layers.Conv2D(24, 1, 2, name="shortcut")(inputs) + h)
    fixup(model, initializer=initializer)
    kernel = to_numpy(model.get_layer("first").kernel)
    assert kernel.std() == pytest.approx(
        np.sqrt(variance), rel=SIGMAS / np.sqrt(2 * kernel.size)
    )


def test_present_kernels_are_scaled_without_an_initializer():
    model = perceptron(4)
    before = weights_of(model)
    fixup(model, initializer=None)
    after = weights_of(model)
    for block in range(4):
        path = f"b{block}_0/kernel"
        np.testing.assert_allclose(after[path], before[path] / 2, rtol=1e-6)


def test_each_block_starts_as_the_identity():
    model = perceptron(6, head=False)
    report = fixup(model)
    x = batch(4, 8)
    stem = model.get_layer("stem")
    np.testing.assert_array_equal(to_numpy(model(x)), to_numpy(stem(x)))
    assert report.notes == [
        "The outputs are sums: there is no last layer to start at zero."
    ]


def test_a_head_that_stays():
    model = perceptron(2)
    before = weights_of(model)["head/kernel"]
    assert fixup(model, zero_head=False).notes == []
    np.testing.assert_array_equal(weights_of(model)["head/kernel"], before)


def test_a_projection_is_drawn_and_not_scaled():
    inputs = keras.Input((8,))
    x = dense(64, name="stem")(inputs)
    for block in range(4):
        h = dense(64, "relu", name=f"first{block}")(x)
        h = dense(64, name=f"last{block}")(h)
        x = layers.Add()([dense(64, name=f"way{block}")(x), h])
    model = keras.Model(inputs, x)
    report = fixup(model, initializer=keras.initializers.RandomNormal(stddev=1.0))
    assert [row.is_projection for row in report] == [True] * 4
    for names, scale in (("way", 1.0), ("first", 0.5)):
        kernels = [to_numpy(model.get_layer(f"{names}{n}").kernel) for n in range(4)]
        std = np.std(kernels)
        assert std == pytest.approx(scale, rel=SIGMAS / np.sqrt(2 * 4 * 64 * 64))
    assert not to_numpy(model.get_layer("last0").kernel).any()


def test_one_layer_in_a_branch_becomes_zero():
    report = fixup(model := perceptron(3, hidden=0))
    assert [(row.depth, row.factor) for row in report] == [(1, 0.0)] * 3
    assert not to_numpy(model.get_layer("b1_last").kernel).any()


def test_attention_counts_as_it_is_used():
    inputs = keras.Input((5, 8))
    attention = layers.MultiHeadAttention(2, 4, name="attention")
    model = keras.Model(inputs, inputs + attention(inputs, inputs))
    before = weights_of(model)
    report = fixup(model, initializer=None)
    assert layers_of(report) == [["query", "key", "value", "attention_output"]]
    assert report[0].depth == 2
    after = weights_of(model)
    for name in ("query", "key", "value"):
        path = f"attention/{name}/kernel"
        np.testing.assert_array_equal(after[path], before[path])
    assert not after["attention/attention_output/kernel"].any()


def test_several_outputs():
    inputs = keras.Input((8,))
    x = dense(name="stem")(inputs)
    x = x + dense(name="last")(dense(activation="relu", name="first")(x))
    outputs = {name: dense(2, "softmax", name=name)(x) for name in ("one", "two")}
    model = keras.Model(inputs, outputs)
    notes = fixup(model).notes
    assert notes == [
        "The last layer one starts at zero.",
        "The last layer two starts at zero.",
    ]
    assert not to_numpy(model.get_layer("two").kernel).any()


class Residual(layers.Layer):
    """A block as people write it."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last = first, last

    def call(self, x):
        return x + self.last(ops.relu(self.first(x)))


class Net(keras.Model):
    """A model without a graph of its own."""

    def __init__(self, blocks):
        super().__init__()
        self.stem, self.blocks, self.head = dense(), blocks, dense(3)

    def call(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def test_a_subclassed_model_with_a_shared_block():
    shared, other = Residual(dense(), dense()), Residual(dense(), dense())
    model = Net([shared, other, shared])
    x = batch(2, 8)
    model(x)
    before = to_numpy(shared.first.kernel).copy()
    report = fixup(model, x, initializer=None)
    assert len(report) == 3
    # Once, though it stands in two branches.
    np.testing.assert_allclose(
        to_numpy(shared.first.kernel), before * 3**-0.5, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ({"scalars": True, "use_bias": False}, ""),
        ({"scalars": True}, "its last layer has a bias"),
        ({"use_bias": False}, "no Scale, no Shift"),
    ],
)
def test_what_the_architecture_lacks_is_told(arguments, note):
    assert {row.note for row in fixup(perceptron(2, **arguments))} == {note}


def test_a_frozen_layer_is_left_alone():
    model = perceptron(2)
    model.get_layer("b0_0").trainable = False
    before = weights_of(model)
    report = fixup(model)
    assert report[0].note == "left alone: b0_0 is frozen"
    assert report[0].factor is None
    after = weights_of(model)
    for path in before:
        is_same = np.array_equal(before[path], after[path])
        assert is_same == path.startswith(("stem", "b0", "b1_0/bias")), path


def test_a_quantized_or_adapted_layer_is_left_alone():
    model = perceptron(2)
    model.get_layer("b0_0").enable_lora(2)
    model.get_layer("b1_0").quantize("int8")
    assert [row.note for row in fixup(model)] == [
        "left alone: b0_0 is frozen by LoRA",
        "left alone: b1_0 is quantized",
    ]


def test_normalization_in_a_branch_is_warned_of():
    inputs = keras.Input((8,))
    x = dense(8)(inputs)
    h = layers.LayerNormalization(name="norm")(dense(8)(x))
    model = keras.Model(inputs, x + dense(8)(h))
    with pytest.warns(UserWarning, match=r"There are: norm\. Remove") as seen:
        fixup(model)
    assert len(seen) == 1


def test_the_report_prints_and_exports():
    report = fixup(perceptron(2))
    assert str(report) == (
        "addition  layers         depth  projection  factor  note\n" + "-" * 97 + "\n"
        "net       b0_0, b0_last      2          no  0.7071  no Scale, no Shift, its "
        "last layer has a bias\n"
        "net       b1_0, b1_last      2          no  0.7071  no Scale, no Shift, its "
        "last layer has a bias\n"
        "2 residual branches.\n"
        "The last layer head starts at zero."
    )
    assert report.to_dict()["branches"][1]["layers"] == ["b1_0", "b1_last"]
    assert [row.place for row in report] == ["net"] * 2


def update(blocks, power):
    """The root mean square change of the function in one step of SGD."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((32,))
    stem, head = dense(64, name="stem"), dense(32, name="head")
    x, firsts = stem(inputs), []
    for _ in range(blocks):
        firsts.append(dense(64, "relu", use_bias=False))
        x = x + dense(64, use_bias=False)(firsts[-1](x))
    model = keras.Model(inputs, head(x))
    fixup(model, zero_head=False)
    for layer in firsts:
        layer.kernel.assign(layer.kernel * blocks**power)
    # What changes by itself is the same at each depth: the branches alone train.
    stem.trainable = head.trainable = False
    model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=True)
    data = np.random.default_rng(0)
    x, y = (data.normal(size=(32, 32)).astype("float32") for _ in range(2))
    before = to_numpy(model(x))
    model.train_on_batch(x, y)
    return np.sqrt(np.mean((to_numpy(model(x)) - before) ** 2))


def test_a_step_changes_the_function_by_as_much_at_any_depth():
    assert 2 / 3 < update(30, 0) / update(3, 0) < 3 / 2
    # Without rule 2 of the paper it would grow with the number of branches.
    assert update(30, 1 / 2) / update(3, 1 / 2) > 6


@pytest.mark.parametrize(("hidden", "number"), [(1, 5), (2, 3), (3, 9)])
def test_a_step_moves_each_branch_by_one_part_in_their_number(hidden, number):
    """Exactly: the layer that starts at zero learns 1 / sqrt(L), and h is as small.

    The head is random. With a head at zero nothing but the head learns in this step.
    """
    x, y = batch(20, 8), batch(20, 3)

    def after_one_step(is_scaled):
        keras.utils.set_random_seed(1)
        model = perceptron(number, hidden, use_bias=False)
        before = weights_of(model)
        fixup(model, initializer=None, zero_head=False)
        for block in range(number if not is_scaled else 0):
            for layer in range(hidden):
                name = f"b{block}_{layer}"
                model.get_layer(name).kernel.assign(before[f"{name}/kernel"])
        model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
        stem = to_numpy(model.get_layer("stem")(x))
        model.train_on_batch(x, y)
        moved, branches = [], []
        for block in range(number):
            h = ops.convert_to_tensor(stem)
            for layer in range(hidden):
                h = model.get_layer(f"b{block}_{layer}")(h)
            last = model.get_layer(f"b{block}_last")
            moved.append(to_numpy(last.kernel))
            branches.append(to_numpy(last(h)))
        return np.array(moved), np.array(branches)

    moved, branches = after_one_step(True)
    plain, plain_branches = after_one_step(False)
    assert np.abs(moved).max() > 1e-3
    tolerance = {"rtol": 1e-4, "atol": 1e-5 * np.abs(moved).max()}
    np.testing.assert_allclose(moved, plain / np.sqrt(number), **tolerance)
    tolerance["atol"] = 1e-5 * np.abs(branches).max()
    np.testing.assert_allclose(branches, plain_branches / number, **tolerance)


# Errors


def test_bad_models_are_refused():
    plain = keras.Sequential([keras.Input((8,)), dense(8)], name="plain")
    before = weights_of(plain)
    with refuses(
        "`fixup` needs a model with residual branches: x + f(x), where f has kernels. "
        "Received: the model 'plain', in which no addition joins a branch with its own "
        "input. For a network without shortcuts use `lsuv`, or an initializer such as "
        "'orthogonal_delta'."
    ):
        fixup(plain)
    assert weights_of(plain).keys() == before.keys()
    with refuses(
        "`fixup` needs a Keras model or layer. Received: model=3. Pass the model "
        "itself."
    ):
        fixup(3)


def test_after_an_error_the_model_is_as_before(monkeypatch):
    model = perceptron(3)
    before = weights_of(model)
    calls = []

    class Failing(keras.initializers.RandomNormal):
        def __call__(self, shape, dtype=None):
            calls.append(shape)
            if len(calls) == 2:
                raise RuntimeError("no more")
            return super().__call__(shape, dtype)

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    with pytest.raises(RuntimeError, match="no more"):
        fixup(model, initializer=Failing(seed=1))
    after = weights_of(model)
    assert all(np.array_equal(before[path], after[path]) for path in before)
