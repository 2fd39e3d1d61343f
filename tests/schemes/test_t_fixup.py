"""T-Fixup on transformers, judged by the paper's rules."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from limits import SIGMAS

from keras_initx.schemes import t_fixup

RANDOM = np.random.default_rng(0)
WIDTH = 8


def attention(name, **arguments):
    return layers.MultiHeadAttention(2, 4, name=name, **arguments)


def feed_forward(x, name):
    h = layers.Dense(4 * WIDTH, "relu", name=f"{name}_up")(x)
    return x + layers.Dense(WIDTH, name=f"{name}_down")(h)


def encoder(x, depth, name="e", **call):
    for n in range(depth):
        x = x + attention(f"{name}{n}_self")(x, x, **call)
        x = feed_forward(x, f"{name}{n}")
    return x


def decoder(x, memory, depth):
    for n in range(depth):
        x = x + attention(f"d{n}_self")(x, x, use_causal_mask=True)
        x = x + attention(f"d{n}_cross")(x, memory)
        x = feed_forward(x, f"d{n}")
    return x


def weights_of(model):
    return {weight.path: to_numpy(weight).copy() for weight in model.weights}


def ratios(model, **arguments):
    """The factor of each variable that `t_fixup` scales; 1 for the others."""
    before = weights_of(model)
    report = t_fixup(model, initializer=None, **arguments)
    after = weights_of(model)
    found = {}
    for path, value in before.items():
        used = np.abs(value) > 1e-3
        if used.any():
            ratio = after[path][used] / value[used]
            assert np.ptp(ratio) < 1e-5, path
            found[path.removesuffix("/kernel")] = float(ratio.mean())
    return report, found


def expected_of(names, factor):
    return {
        f"{name}_{part}": factor
        for name in names
        for part in ("self/value", "self/attention_output", "up", "down")
    }


def is_linear(path):
    """Whether a path names a kernel that the paper scales."""
    return path.endswith(("value", "attention_output", "_up", "_down"))


def test_an_encoder():
    inputs = keras.Input((5, WIDTH))
    x = layers.Dense(WIDTH, name="stem")(inputs)
    x = encoder(x, 3)
    report, found = ratios(keras.Model(inputs, layers.Dense(2, name="head")(x)))
    assert found == {
        path: pytest.approx(0.67 * 3**-0.25 if is_linear(path) else 1.0)
        for path in found
    }
    assert len([path for path in found if is_linear(path)]) == 12
    assert [row.factor for row in report] == pytest.approx([0.67 * 3**-0.25] * 6)
    assert {row.note for row in report} == {"encoder of 3 layers"}


def test_an_encoder_and_a_decoder():
    one, other = keras.Input((5,), dtype="int32"), keras.Input((4,), dtype="int32")
    memory = encoder(layers.Embedding(11, WIDTH, name="in")(one), 2)
    x = decoder(layers.Embedding(11, WIDTH, name="out")(other), memory, 3)
    report, found = ratios(keras.Model([one, other], layers.Dense(11, name="head")(x)))
    for path, factor in found.items():
        inner = 0.67 * 2**-0.25 if path.startswith("e") else 27**-0.25
        assert factor == pytest.approx(inner if is_linear(path) else 1.0), path
    # The values and keys of attention to the encoder belong to the decoder.
    assert found["d1_cross/value"] == pytest.approx(27**-0.25)
    notes = [row.note for row in report]
    assert notes == ["encoder of 2 layers"] * 4 + ["decoder of 3 layers"] * 9


@pytest.mark.parametrize(
    ("call", "arguments", "factor"),
    [
        ({"use_causal_mask": True}, {}, 18**-0.25),
        ({}, {"stack": "decoder"}, 18**-0.25),
        ({"use_causal_mask": True}, {"stack": "encoder"}, 0.67 * 2**-0.25),
    ],
)
def test_a_decoder_alone(call, arguments, factor):
    inputs = keras.Input((5, WIDTH))
    model = keras.Model(inputs, encoder(inputs, 2, **call))
    report, _ = ratios(model, **arguments)
    assert [row.factor for row in report] == pytest.approx([factor] * 4)


def test_kernels_are_drawn_by_the_rule_of_glorot():
    inputs = keras.Input((5, 64))
    x = inputs + layers.MultiHeadAttention(4, 16, name="a")(inputs, inputs)
    h = layers.Dense(256, "relu", name="up")(x)
    model = keras.Model(inputs, x + layers.Dense(64, name="down")(h))
    before = weights_of(model)
    t_fixup(model)
    after = weights_of(model)
    for path, fans in (
        ("a/value", 128),
        ("a/attention_output", 128),
        ("up", 320),
        ("down", 320),
    ):
        kernel = after[f"{path}/kernel"]
        expected = 0.67 * np.sqrt(2 / fans)
        # The fourth moment of a uniform distribution is 9 / 5 of its variance squared.
        limit = SIGMAS * np.sqrt(0.8 / 4 / kernel.size)
        assert kernel.std() == pytest.approx(expected, rel=limit), path
        assert not np.isclose(kernel, before[f"{path}/kernel"]).all()
    for name in ("query", "key"):
        path = f"a/{name}/kernel"
        np.testing.assert_array_equal(after[path], before[path])


def test_embeddings():
    one, other = keras.Input((5,), dtype="int32"), keras.Input((4,), dtype="int32")
    shared = layers.Embedding(1000, 32, name="words")
    places = layers.Embedding(5, 32, name="places")
    x = shared(one) + places(ops.arange(5))
    x = x + attention("a")(x, x)
    y = shared(other)
    y = y + attention("b")(y, x)
    model = keras.Model([one, other], y)
    before = to_numpy(places.embeddings).copy()
    report = t_fixup(model)
    table = to_numpy(shared.embeddings)
    # One layer in the encoder: 9^(-1/4) / sqrt(32), once.
    assert table.std() == pytest.approx(
        9**-0.25 / np.sqrt(32), rel=SIGMAS / np.sqrt(2 * table.size)
    )
    np.testing.assert_array_equal(to_numpy(places.embeddings), before)
    assert "The embeddings words are scaled by 0.5774." in report.notes


class Attention(layers.Layer):
    """Attention as people write it."""

    def __init__(self, name):
        super().__init__(name=name)
        self.q, self.k, self.v, self.out = (
            layers.Dense(WIDTH, name=name) for name in ("q", "k", "v", "out")
        )

    def call(self, x):
        scores = ops.matmul(self.q(x), ops.transpose(self.k(x), (0, 2, 1)))
        return x + self.out(ops.matmul(ops.softmax(scores), self.v(x)))


class Stack(keras.Model):
    def __init__(self):
        super().__init__(name="stack")
        self.parts = [Attention("a"), Attention("b")]

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


def test_attention_of_ones_own_in_a_subclassed_model():
    model = Stack()
    x = RANDOM.normal(size=(2, 3, WIDTH)).astype("float32")
    model(x)
    _, found = ratios(model, x=x)
    assert {path.rpartition("/")[2] for path, f in found.items() if f < 0.99} == {
        "v",
        "out",
    }
    with refuses(
        "`t_fixup` needs a batch of inputs `x`, unless the model is a Functional or "
        "Sequential one that is built. Received: x=None, the model 'stack' of class "
        "Stack. Pass a few samples: only their shapes matter."
    ):
        t_fixup(model)


def test_normalization_is_warned_of():
    inputs = keras.Input((5, WIDTH))
    h = layers.LayerNormalization(name="before")(inputs)
    x = inputs + attention("a")(h, h)
    model = keras.Model(inputs, layers.LayerNormalization(name="after")(x))
    with pytest.warns(UserWarning, match=r"There are: before, after\. Remove") as seen:
        t_fixup(model)
    assert [warning.filename for warning in seen] == [__file__]


def test_a_frozen_branch_is_left_alone():
    inputs = keras.Input((5,), dtype="int32")
    words = layers.Embedding(11, WIDTH, name="words", trainable=False)
    x = encoder(words(inputs), 2)
    model = keras.Model(inputs, x)
    model.get_layer("e0_up").trainable = False
    before = weights_of(model)
    report = t_fixup(model)
    after = weights_of(model)
    assert report[1].note == "left alone: e0_up is frozen"
    assert report[1].factor is None
    for path in ("words/embeddings", "e0_up/kernel", "e0_down/kernel"):
        np.testing.assert_array_equal(before[path], after[path])
    assert report.notes == ["The embeddings words are frozen, and left alone."]


def test_errors():
    inputs = keras.Input((5, WIDTH))
    model = keras.Model(inputs, feed_forward(inputs, "a"), name="plain")
    with refuses(
        "`t_fixup` needs a model with attention in its residual branches. Received: "
        "the model 'plain', whose residual branches have none. Use `fixup`."
    ):
        t_fixup(model)
    with refuses(
        "`t_fixup` needs a known `stack`. Received: stack='both'. Choose one of: "
        "'auto', 'encoder', 'decoder'."
    ):
        t_fixup(model, stack="both")
