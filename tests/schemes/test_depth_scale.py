"""The rules of depth: which variables each of them changes, and by how much."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers

from keras_initx.layers import Scale
from keras_initx.schemes import depth_scale

RANDOM = np.random.default_rng(0)
WIDTH = 8


def dense(units=WIDTH, activation=None, **arguments):
    return layers.Dense(units, activation, bias_initializer="ones", **arguments)


def perceptron(blocks, scale=None, normalize="", last=None):
    """Blocks of two layers; a `Scale` or another layer at the end of each."""
    inputs = keras.Input((5,))
    x = dense(name="stem")(inputs)
    for n in range(blocks):
        h = layers.LayerNormalization(name=f"pre{n}")(x) if normalize == "pre" else x
        h = dense(activation="relu", name=f"up{n}")(h)
        h = dense(name=f"down{n}")(h)
        h = last(f"last{n}")(h) if last else h
        x = x + (Scale(scale, name=f"scale{n}")(h) if scale is not None else h)
        x = layers.LayerNormalization(name=f"post{n}")(x) if normalize == "post" else x
    return keras.Model(inputs, dense(3, name="head")(x), name="net")


def transformer(depth, memory=None, name="e", alpha=False):
    """Post-normalized layers; with `memory` those of a decoder."""
    inputs = keras.Input((4, WIDTH))
    x = inputs

    def add(x, h, part):
        x = Scale(name=f"alpha_{part}")(x) if alpha else x
        return layers.LayerNormalization(name=f"norm_{part}")(x + h)

    for n in range(depth):
        own = layers.MultiHeadAttention(2, 4, name=f"{name}{n}_self")
        x = add(x, own(x, x), f"{name}{n}_self")
        if memory is not None:
            cross = layers.MultiHeadAttention(2, 4, name=f"{name}{n}_cross")
            x = add(x, cross(x, memory), f"{name}{n}_cross")
        h = dense(4 * WIDTH, "relu", name=f"{name}{n}_up")(x)
        x = add(x, dense(name=f"{name}{n}_down")(h), f"{name}{n}_ff")
    return inputs, x


def weights_of(model):
    return {weight.path: to_numpy(weight).copy() for weight in model.weights}


def changes(model, rule, **arguments):
    """The factor of each variable that the rule changes."""
    before = weights_of(model)
    report = depth_scale(model, rule, **arguments)
    after = weights_of(model)
    found = {}
    for path, value in before.items():
        if not np.array_equal(value, after[path]):
            used = np.abs(value) > 1e-3
            ratio = after[path][used] / value[used]
            assert np.ptp(ratio) < 1e-5, path
            found[path] = float(ratio.mean())
    return report, found


def approx(expected):
    return {path: pytest.approx(factor, abs=1e-6) for path, factor in expected.items()}


def test_gpt2():
    report, found = changes(perceptron(6), "gpt2")
    assert found == approx({f"down{n}/kernel": 6**-0.5 for n in range(6)})
    assert [row.factor for row in report] == pytest.approx([6**-0.5] * 6)
    # Attention and feed-forward: two additions a layer.
    inputs, x = transformer(3)
    _, found = changes(keras.Model(inputs, x), "gpt2")
    names = [f"e{n}_self/attention_output" for n in range(3)]
    names += [f"e{n}_down" for n in range(3)]
    assert found == approx({f"{name}/kernel": 6**-0.5 for name in names})


def test_branches_that_are_added_together():
    """x + (attention(x) + feed_forward(x)): two branches of one addition."""
    inputs = keras.Input((4, WIDTH))
    x = inputs
    for n in range(2):
        own = layers.MultiHeadAttention(2, 4, name=f"self{n}")
        x = x + (own(x, x) + dense(name=f"down{n}")(dense(name=f"up{n}")(x)))
    report, found = changes(keras.Model(inputs, x), "gpt2")
    kernels = ["self0/attention_output", "down0", "self1/attention_output", "down1"]
    assert found == approx({f"{name}/kernel": 4**-0.5 for name in kernels})
    firsts = [row.layers[0].split("/")[0] for row in report]
    assert firsts == ["self0", "up0", "self1", "up1"]


def test_gpt2_keeps_the_variance_of_the_stream():
    """In 24 pre-normalized layers it ends within 2 of the start plus one branch."""
    inputs = keras.Input((8, 32))
    x, streams, branches = inputs, [], []
    for _ in range(24):
        h = layers.LayerNormalization()(x)
        branches.append(layers.MultiHeadAttention(4, 8)(h, h, use_causal_mask=True))
        x = x + branches[-1]
        h = layers.Dense(128, "gelu")(layers.LayerNormalization()(x))
        branches.append(layers.Dense(32)(h))
        x = x + branches[-1]
        streams.append(x)
    model = keras.Model(inputs, [streams[-1], *branches[:2]])
    data = RANDOM.normal(size=(16, 8, 32)).astype("float32")
    end, *first = (to_numpy(part).var() for part in model(data))
    start = data.var() + np.mean(first)
    assert end / start > 4
    depth_scale(model, "gpt2")
    end = to_numpy(model(data)[0]).var()
    assert 1 / 2 < end / start < 2


def linear_path(name, depth, factor, cross=False):
    parts = ["self/value", "self/attention_output", "up", "down"]
    parts += ["cross/value", "cross/attention_output"] if cross else []
    return {f"{name}{n}_{part}/kernel": factor for n in range(depth) for part in parts}


def test_deepnorm_in_one_stack():
    inputs, x = transformer(3)
    report, found = changes(keras.Model(inputs, x), "deepnorm")
    assert found == approx(linear_path("e", 3, 24**-0.25))
    assert report.notes == [
        "Each shortcut must be multiplied by 1.565 before LayerNormalization: put "
        "`keras_initx.layers.Scale(1.565)` on it."
    ]


def test_deepnorm_in_an_encoder_and_a_decoder():
    one, memory = transformer(2, alpha=True)
    other, x = transformer(3, memory, "d", alpha=True)
    report, found = changes(keras.Model([one, other], x), "deepnorm")
    size = (2**4 * 3) ** (1 / 16)
    expected = linear_path("e", 2, 0.87 / size)
    expected |= linear_path("d", 3, 36**-0.25, cross=True)
    for n in range(2):
        for part in ("self", "ff"):
            expected[f"alpha_e{n}_{part}/factor"] = 0.81 * size
    for n in range(3):
        for part in ("self", "cross", "ff"):
            expected[f"alpha_d{n}_{part}/factor"] = 9**0.25
    assert found == approx(expected)
    assert report.notes == [
        f"Each shortcut is multiplied by {0.81 * size:.4g}.",
        f"Each shortcut is multiplied by {9**0.25:.4g}.",
    ]


class LayerScale(layers.Layer):
    """One factor for each unit, as people write it."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, x):
        return x * self.gamma


@pytest.mark.parametrize("rule", ["rezero", "skip_init"])
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"scale": 1.0}, "scale{}/factor"),
        ({"last": lambda name: LayerScale(name=name)}, "last{}/variable"),
    ],
)
def test_each_block_starts_as_the_identity(rule, arguments, path):
    model = perceptron(4, **arguments)
    report, found = changes(model, rule)
    assert list(found.values()) == [0.0] * 4
    assert [row.factor for row in report] == [0.0] * 4
    x = RANDOM.normal(size=(2, 5)).astype("float32")
    stem, head = model.get_layer("stem"), model.get_layer("head")
    np.testing.assert_array_equal(to_numpy(model(x)), to_numpy(head(stem(x))))


def test_zero_gamma():
    model = perceptron(3, last=lambda name: layers.BatchNormalization(name=name))
    _, found = changes(model, "zero_gamma")
    assert found == approx({f"last{n}/gamma": 0.0 for n in range(3)})
    with refuses(
        "`depth_scale` needs a normalization with a gamma at its end in each residual "
        "branch, for rule='zero_gamma'. Received: the model 'net', whose 3 branches "
        "have none that can be set. The first one: up0, down0 (no normalization with a "
        "gamma at its end). Put one at the end of each branch, or use another rule, "
        "such as 'gpt2'."
    ):
        depth_scale(perceptron(3, normalize="pre"), "zero_gamma")


def test_admin_with_factors_on_the_shortcuts():
    inputs, x = transformer(2, alpha=True)
    model = keras.Model(inputs, x)
    data = (2 * RANDOM.normal(size=(32, 4, WIDTH))).astype("float32")
    names = ["e0_self", "e0_down", "e1_self", "e1_down"]
    parts = keras.Model(inputs, [model.get_layer(name).output for name in names])
    variances = [to_numpy(part).var() for part in parts(data)]
    report, found = changes(model, "admin", x=data)
    # What enters has no layer with weights before it, and counts as 1.
    omegas = np.sqrt(np.cumsum([1.0, *variances[:-1]]))
    paths = ["e0_self", "e0_ff", "e1_self", "e1_ff"]
    expected = dict(zip(paths, omegas, strict=True))
    del expected["e0_self"]
    assert found == {
        f"alpha_{path}/factor": pytest.approx(omega, rel=1e-4)
        for path, omega in expected.items()
    }
    assert [row.factor for row in report] == pytest.approx(list(omegas), rel=1e-4)


def test_admin_without_them_gives_the_same_function():
    data = RANDOM.normal(size=(32, 5)).astype("float32")
    model, plain = perceptron(3, normalize="post"), perceptron(3, normalize="post")
    plain.set_weights(model.get_weights())
    names = ["stem", "down0", "down1", "down2"]
    parts = keras.Model(plain.input, [plain.get_layer(name).output for name in names])
    omegas = np.sqrt(np.cumsum([to_numpy(part).var() for part in parts(data)][:-1]))
    report = depth_scale(model, "admin", data)
    assert [row.factor for row in report] == pytest.approx(list(1 / omegas), rel=1e-4)
    # By hand, with the factors on the shortcuts.
    x = plain.get_layer("stem")(data)
    for n, omega in enumerate(omegas):
        h = plain.get_layer(f"down{n}")(plain.get_layer(f"up{n}")(x))
        x = plain.get_layer(f"post{n}")(float(omega) * x + h)
    expected = to_numpy(plain.get_layer("head")(x))
    # The normalization adds a small number to a variance that is another one.
    np.testing.assert_allclose(to_numpy(model(data)), expected, atol=1e-2)


def test_complete_p():
    report, found = changes(perceptron(4), "complete_p")
    assert found == approx({f"down{n}/kernel": 1 / 4 for n in range(4)})
    assert {row.note for row in report} == {""}
    _, found = changes(perceptron(4, scale=1.0), "complete_p")
    assert found == approx({f"scale{n}/factor": 1 / 4 for n in range(4)})


def test_kernels_are_drawn_first_if_that_is_asked_for():
    model = perceptron(4)
    depth_scale(model, "gpt2", initializer=keras.initializers.Constant(1.0))
    np.testing.assert_allclose(to_numpy(model.get_layer("down2").kernel), 1 / 2)
    assert not (to_numpy(model.get_layer("up2").kernel) == 1).any()


def test_a_frozen_layer_is_left_alone():
    model = perceptron(3)
    model.get_layer("down1").trainable = False
    report, found = changes(model, "gpt2")
    assert found.keys() == {"down0/kernel", "down2/kernel"}
    assert report[1].note == "left alone: down1 is frozen"
    model = perceptron(3, scale=1.0)
    model.get_layer("scale1").trainable = False
    report, found = changes(model, "rezero")
    assert found.keys() == {"scale0/factor", "scale2/factor"}
    assert report[1].note == "left alone: scale1 is frozen"


def test_errors():
    model = perceptron(2)
    before = weights_of(model)
    with refuses(
        "`depth_scale` needs a known `rule`. Received: rule='magic'. Choose one of: "
        "'gpt2', 'deepnorm', 'rezero', 'skip_init', 'zero_gamma', 'admin', "
        "'complete_p'."
    ):
        depth_scale(model, "magic")
    with refuses(
        "`depth_scale` needs a batch of inputs `x` for rule='admin', which measures "
        "the branches. Received: x=None. Pass a batch of real data."
    ):
        depth_scale(model, "admin")
    with refuses(
        "`depth_scale` needs a `keras_initx.layers.Scale` or a layer scale in each "
        "residual branch, for rule='rezero'. Received: the model 'net', whose 2 "
        "branches have none that can be set. The first one: up0, down0 (no Scale). Put "
        "one at the end of each branch, or use another rule, such as 'gpt2'."
    ):
        depth_scale(model, "rezero")
    after = weights_of(model)
    assert all(np.array_equal(before[path], after[path]) for path in before)
