"""The residual branches of models, written as people write them."""

import functools

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initx._model.branches.find import find_residuals
from keras_initx.layers import Scale

RANDOM = np.random.default_rng(0)
WIDTH = 6


@pytest.fixture(autouse=True)
def no_draws(monkeypatch):
    """All kernels are zero: what leads where does not depend on values."""

    def zeros(self, shape, dtype=None, **_):
        return ops.zeros(shape, dtype)

    for cls in ("VarianceScaling", "RandomUniform", "Orthogonal"):
        monkeypatch.setattr(getattr(keras.initializers, cls), "__call__", zeros)


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def dense(name, activation=None, units=WIDTH, **arguments):
    return layers.Dense(units, activation, name=name, **arguments)


def conv(name, size=3, filters=WIDTH, activation=None, **arguments):
    return layers.Conv2D(
        filters, size, padding="same", activation=activation, name=name, **arguments
    )


def branches_of(model, *shapes, inputs=None):
    """The branches, on a random batch of these shapes."""
    if inputs is None:
        inputs = [batch(2, *shape) for shape in shapes]
        inputs = inputs[0] if len(inputs) == 1 else inputs
        if isinstance(model, Call):
            # To be built this way costs less than to be built in an eager pass.
            model(keras.Input(batch_shape=(2, *shapes[0])))
    return find_residuals(model, inputs).branches


def names(branch):
    return [each.layer.name for each in branch.layers]


def not_linear(branch):
    return [each.layer.name for each in branch.layers if not each.is_linear]


def last(branch):
    return [each.layer.name for each in branch.layers if each.is_last]


def told(branches):
    """The names and the depth of each branch."""
    return [(" ".join(names(branch)), branch.depth) for branch in branches]


class Call(keras.Model):
    """A subclassed model: a function of its layers and its inputs."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def call(self, inputs):
        return self.function(self, inputs)


# How an addition is written


ADDITIONS = {
    "x + h": lambda x, h: x + h,
    "h + x": lambda x, h: h + x,
    "ops.add": ops.add,
    "Add": lambda x, h: layers.Add()([x, h]),
    "Add of h and x": lambda x, h: layers.Add()([h, x]),
    "layers.add": lambda x, h: layers.add([x, h]),
    "x - h": lambda x, h: x - h,
    "h - x": lambda x, h: h - x,
    "Subtract": lambda x, h: layers.Subtract()([x, h]),
    "x + (-h)": lambda x, h: x + (-h),
    "0.5 * (x + h)": lambda x, h: 0.5 * (x + h),
    "0.7 * x + 0.3 * h": lambda x, h: 0.7 * x + 0.3 * h,
    "Add of three": lambda x, h: layers.Add()([x, h, x]),
}


@pytest.mark.parametrize("add", ADDITIONS.values(), ids=ADDITIONS)
def test_each_way_to_add(add):
    inputs = keras.Input((4,))
    x = dense("stem")(inputs)
    h = dense("last")(dense("first", "relu")(x))
    model = keras.Model(inputs, dense("head")(add(x, h)))
    found = find_residuals(model, batch(2, 4))
    assert told(found.branches) == [("first last", 2)]
    (branch,) = found.branches
    assert last(branch) == ["last"]
    assert not_linear(branch) == []
    assert not branch.is_projection
    assert not any([branch.has_gate, branch.has_attention, branch.is_cross])
    assert [layer.name for layer in found.heads] == ["head"]


def block(function, **parts):
    parts = parts or {"first": dense("first"), "last": dense("last")}
    return Call(function, **parts)


GAMMA = keras.Variable(np.full(WIDTH, 0.1, "float32"))

BODIES = {
    "x + f(x)": lambda m, x: x + m.last(ops.relu(m.first(x))),
    "f(x) + x": lambda m, x: m.last(ops.relu(m.first(x))) + x,
    "x + gamma f(x)": lambda m, x: x + GAMMA * m.last(ops.relu(m.first(x))),
    "x + f(x) gamma": lambda m, x: x + m.last(ops.relu(m.first(x))) * GAMMA,
    "relu(x + f(x))": lambda m, x: ops.relu(x + m.last(ops.relu(m.first(x)))),
    "x += f(x)": lambda m, x: _in_place(m, x),
    "keras.layers.add": lambda m, x: layers.add([x, m.last(ops.gelu(m.first(x)))]),
}


def _in_place(model, x):
    shortcut = x
    x = model.first(x)
    x = ops.silu(x)
    x = model.last(x)
    x += shortcut
    return x


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_subclassed_block_that_is_not_built(body):
    model = keras.Sequential([dense("stem"), block(body), block(body)])
    assert told(branches_of(model, (4,))) == [("first last", 2)] * 2


def test_nested_models():
    def functional(name):
        inputs = keras.Input((WIDTH,))
        h = dense(f"{name}_last")(dense(f"{name}_first", "relu")(inputs))
        return keras.Model(inputs, inputs + h, name=name)

    inputs = keras.Input((WIDTH,))
    inner = keras.Sequential([dense("c", "relu"), dense("d")], name="inner")
    x = keras.Sequential([functional("a"), functional("b")], name="outer")(inputs)
    model = keras.Model(inputs, x + inner(x), name="model")
    branches = branches_of(model, (WIDTH,))
    assert told(branches) == [("a_first a_last", 2), ("b_first b_last", 2), ("c d", 2)]
    assert [branch.parents[-1].name for branch in branches[:2]] != ["model"] * 2
    parents = [[layer.name for layer in branch.parents[:3]] for branch in branches]
    assert parents[0][:3] == ["model", "outer", "a"]
    assert parents[2][0] == "model"


def test_shared_blocks():
    shared = block(BODIES["x + f(x)"])
    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, shared(shared(inputs)))
    one, other = branches_of(model, (WIDTH,))
    assert [each.layer for each in one.layers] == [each.layer for each in other.layers]
    assert (one.depth, other.depth) == (2, 2)


def test_a_loop_over_many_blocks_has_as_many_nodes():
    def run(model, x, number):
        for _ in range(number):
            x = x + model.layer(x)
        return x

    for number in (3, 300):
        once = functools.partial(run, number=number)
        model = Call(once, layer=dense("layer"))
        model.layer.build((2, WIDTH))
        model.built = True
        found = find_residuals(model, batch(2, WIDTH))
        assert len(found.branches) == number
        # The input; and a layer and an addition for each block.
        assert len(found.graph.nodes) == 1 + 2 * number


# Inputs and outputs


def test_dicts_and_tuples():
    def run(model, inputs):
        x, (y, z) = inputs["x"], inputs["yz"]
        x = x + model.first(x)
        y = y + model.second(y + z)
        return {"both": (model.out(x), x), "y": model.other(y)}

    parts = ("first", "second", "out", "other")
    model = Call(run, **{name: dense(name) for name in parts})
    inputs = {"x": batch(2, WIDTH), "yz": (batch(2, WIDTH), batch(2, WIDTH))}
    found = find_residuals(model, inputs)
    assert told(found.branches) == [("first", 1), ("second", 1)]
    assert sorted(layer.name for layer in found.heads) == ["other", "out"]


def test_functional_model_of_a_dict():
    inputs = {name: keras.Input((WIDTH,), name=name) for name in ("left", "right")}
    x = inputs["left"] + dense("l")(inputs["left"])
    y = inputs["right"] + dense("r")(inputs["right"])
    model = keras.Model(inputs, {"x": dense("head")(x + y), "y": y})
    data = {"left": batch(2, WIDTH), "right": batch(2, WIDTH)}
    found = find_residuals(model, data)
    assert sorted(told(found.branches)) == [("l", 1), ("r", 1)]
    assert [layer.name for layer in found.heads] == ["head"]


# Attention


def attention(name, kind, **arguments):
    if kind is layers.MultiHeadAttention:
        return kind(2, 3, name=name, **arguments)
    return kind(3, 2, 1, name=name, **arguments)


KINDS = (layers.MultiHeadAttention, layers.GroupQueryAttention)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("flash", [None, False])
def test_self_attention(kind, is_causal, flash):
    inputs = keras.Input((5, WIDTH))
    layer = attention("attention", kind, flash_attention=flash)
    h = layer(inputs, inputs, use_causal_mask=is_causal)
    (branch,) = branches_of(keras.Model(inputs, inputs + h), (5, WIDTH))
    assert names(branch) == ["query", "key", "value", "attention_output"]
    assert not_linear(branch) == ["query", "key"]
    assert last(branch) == ["attention_output"]
    assert branch.depth == 2
    assert branch.has_attention
    assert not any([branch.has_gate, branch.is_cross])


@pytest.mark.parametrize("kind", KINDS)
def test_cross_attention(kind):
    source, target = keras.Input((7, WIDTH)), keras.Input((5, WIDTH))
    encoded = dense("stem")(source)
    encoded = encoded + attention("own", kind)(encoded, encoded)
    encoded = encoded + dense("e2")(dense("e1", "relu")(encoded))
    encoded = layers.LayerNormalization(name="encoder_norm")(encoded)
    x = target + attention("cross", kind)(target, encoded)
    x = x + dense("d2")(dense("d1", "relu")(x))
    model = keras.Model([source, target], x)
    branches = branches_of(model, (7, WIDTH), (5, WIDTH))
    four = "query key value attention_output"
    assert sorted(told(branches)) == sorted(
        [(four, 2), ("e1 e2", 2), (four, 2), ("d1 d2", 2)]
    )
    (cross,) = [branch for branch in branches if branch.is_cross]
    assert {each.layer.path.split("/")[0] for each in cross.layers} == {"cross"}
    assert not_linear(cross) == ["query", "key"]
    assert cross.has_attention
    assert cross.normalizations == []


def heads(x, count=2):
    _, steps, width = x.shape
    x = ops.reshape(x, (-1, steps, count, width // count))
    return ops.transpose(x, (0, 2, 1, 3))


def attend(q, k, v, mask=None):
    logits = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / np.sqrt(q.shape[-1])
    if mask is not None:
        logits = logits + mask
    y = ops.matmul(ops.softmax(logits), v)
    y = ops.transpose(y, (0, 2, 1, 3))
    return ops.reshape(y, (-1, y.shape[1], y.shape[2] * y.shape[3]))


QKV = ("q", "k", "v", "o")


@pytest.mark.parametrize("is_masked", [False, True])
def test_attention_by_hand(is_masked):
    def run(m, x):
        hidden = ops.convert_to_tensor(1 - np.tri(5, dtype="float32"))
        mask = -1e9 * hidden if is_masked else None
        return x + m.o(attend(heads(m.q(x)), heads(m.k(x)), heads(m.v(x)), mask))

    model = Call(run, **{name: dense(name) for name in QKV})
    (branch,) = branches_of(model, (5, WIDTH))
    assert names(branch) == list("qkvo")
    assert not_linear(branch) == ["q", "k"]
    assert branch.depth == 2
    assert branch.has_attention


@pytest.mark.parametrize("count", [1, 2])
def test_a_mask_of_the_shape_of_the_logits(count):
    # Made of the inputs, it is an addition of two operands with one ancestor.
    def run(m, x):
        unused = ops.cast(ops.abs(x[..., 0]) < 0, "float32")
        mask = -1e9 * ops.repeat(unused[:, None, None, :], 5, axis=2)
        mask = ops.repeat(mask, count, axis=1)
        q, k, v = (heads(each(x), count) for each in (m.q, m.k, m.v))
        return x + m.o(attend(q, k, v, mask))

    model = Call(run, **{name: dense(name) for name in QKV})
    assert told(branches_of(model, (5, WIDTH))) == [("q k v o", 2)]


def test_one_head_without_an_axis_for_it():
    # Queries, keys and logits: all of one shape.
    def run(m, x):
        logits = ops.matmul(m.q(x), ops.transpose(m.k(x), (0, 2, 1)))
        logits = logits + m.bias(x)
        return x + m.o(ops.matmul(ops.softmax(logits), m.v(x)))

    model = Call(run, **{name: dense(name) for name in (*QKV, "bias")})
    (branch,) = branches_of(model, (WIDTH, WIDTH))
    assert sorted(not_linear(branch)) == ["bias", "k", "q"]
    assert branch.depth == 2


SPLITS = {
    "split": lambda x: ops.split(x, 3, axis=-1),
    "slices": lambda x: [x[..., n * WIDTH : (n + 1) * WIDTH] for n in range(3)],
    "unstack": lambda x: ops.unstack(ops.reshape(x, (-1, 5, 3, WIDTH)), axis=2),
}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_fused_queries_keys_and_values(split):
    def run(m, x):
        q, k, v = (heads(each) for each in split(m.qkv(x)))
        return x + m.o(attend(q, k, v))

    model = Call(run, qkv=dense("qkv", units=3 * WIDTH), o=dense("o"))
    (branch,) = branches_of(model, (5, WIDTH))
    assert names(branch) == ["qkv", "o"]
    # The values are a part of it.
    assert not_linear(branch) == []
    assert branch.depth == 2


def transformer(x, is_first, n, mask=None):
    """One block, with the normalization first or last."""
    norm = [layers.LayerNormalization(name=f"norm{n}_{i}") for i in range(2)]
    layer = layers.MultiHeadAttention(2, 3, name=f"attention{n}")
    one, two = dense(f"one{n}", "gelu", 8), dense(f"two{n}")
    if is_first:
        h = norm[0](x)
        x = x + layer(h, h, attention_mask=mask)
        return x + two(one(norm[1](x)))
    x = norm[0](x + layer(x, x, attention_mask=mask))
    return norm[1](x + two(one(x)))


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("mask", ["none", "own", "zero"])
def test_a_transformer(is_first, mask):
    tokens = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, WIDTH, mask_zero=mask == "zero", name="tokens")(tokens)
    own = None if mask != "own" else (tokens != 0)[:, None, :]
    for n in range(2):
        x = transformer(x, is_first, n, own)
    model = keras.Model(tokens, dense("head")(x))
    branches = branches_of(model, inputs=np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 0]]))
    four = "query key value attention_output"
    expected = [(four, 2), ("one0 two0", 2), (four, 2), ("one1 two1", 2)]
    assert told(branches) == expected
    norms = [[layer.name for layer in branch.normalizations] for branch in branches]
    inside = [["norm0_0"], ["norm0_1"], ["norm1_0"], ["norm1_1"]]
    assert norms == (inside if is_first else [[]] * 4)


def test_attention_and_perceptron_side_by_side():
    inputs = keras.Input((5, WIDTH))
    h = layers.LayerNormalization(name="norm")(inputs)
    a = layers.MultiHeadAttention(2, 3, name="attention")(h, h)
    b = dense("two")(dense("one", "gelu")(h))
    for outputs in (inputs + a + b, inputs + (a + b), b + inputs + a, b + a + inputs):
        branches = branches_of(keras.Model(inputs, outputs), (5, WIDTH))
        four = "query key value attention_output"
        assert sorted(told(branches)) == [("one two", 2), (four, 2)]
        norms = [[layer.name for layer in each.normalizations] for each in branches]
        assert norms == [["norm"]] * 2


def test_positions_are_no_branch():
    class Positions(layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:], name="table")

        def call(self, x):
            return ops.broadcast_to(self.table, ops.shape(x))

    inputs = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, WIDTH, name="tokens")(inputs)
    x = x + Positions(name="positions")(x)
    x = x + dense("first")(x)
    assert told(
        branches_of(keras.Model(inputs, x), inputs=np.ones((2, 5), "int32"))
    ) == [("first", 1)]


def test_embedded_positions_are_no_branch():
    def run(m, tokens):
        places = ops.arange(tokens.shape[1])
        types = ops.zeros_like(tokens)
        x = m.tokens(tokens) + m.positions(places) + m.types(types)
        return x + m.first(x)

    sizes = {"tokens": 9, "positions": 5, "types": 2}
    parts = {name: layers.Embedding(n, WIDTH, name=name) for name, n in sizes.items()}
    model = Call(run, first=dense("first"), **parts)
    assert told(branches_of(model, inputs=np.ones((2, 5), "int32"))) == [("first", 1)]


# Gates and products


def test_swiglu_has_depth_three():
    def run(m, x):
        return x + m.down(ops.silu(m.gate(x)) * m.up(x))

    model = Call(run, gate=dense("gate"), up=dense("up"), down=dense("down"))
    (branch,) = branches_of(model, (5, WIDTH))
    assert sorted(names(branch)) == ["down", "gate", "up"]
    assert not_linear(branch) == []
    assert last(branch) == ["down"]
    assert branch.depth == 3


def test_a_sigmoid_is_a_gate():
    def run(m, x):
        return x + m.down(ops.sigmoid(m.gate(x)) * m.up(x))

    model = Call(run, gate=dense("gate"), up=dense("up"), down=dense("down"))
    (branch,) = branches_of(model, (5, WIDTH))
    assert not_linear(branch) == ["gate"]
    assert branch.depth == 2


def test_the_sigmoid_may_be_the_activation_of_a_layer():
    def run(m, x):
        return x + m.down(m.gate(x) * m.up(x))

    model = Call(run, gate=dense("gate", "sigmoid"), up=dense("up"), down=dense("down"))
    (branch,) = branches_of(model, (5, WIDTH))
    assert not_linear(branch) == ["gate"]
    assert branch.depth == 2


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid", "relu"])
def test_squeeze_and_excitation_does_not_count(gate):
    inputs = keras.Input((4, 4, WIDTH))
    h = conv("last")(conv("first", activation="relu")(inputs))
    s = layers.GlobalAveragePooling2D(keepdims=True)(h)
    s = conv("expand", 1, activation=gate)(conv("squeeze", 1, 2, "relu")(s))
    model = keras.Model(inputs, inputs + layers.multiply([h, s]))
    (branch,) = branches_of(model, (4, 4, WIDTH))
    assert not_linear(branch) == ["squeeze", "expand"]
    assert last(branch) == ["last"]
    assert branch.depth == 2
    assert branch.has_gate


def test_layer_scale_and_rezero():
    class ReZero(layers.Layer):
        def build(self, shape):
            self.alpha = self.add_weight(shape=(), initializer="zeros")

        def call(self, x):
            return x * self.alpha

    class LayerScale(layers.Layer):
        def build(self, shape):
            self.gamma = self.add_weight(shape=shape[-1:], initializer="ones")

        def call(self, x):
            return self.gamma * x

    for layer in (ReZero(name="s"), LayerScale(name="s"), Scale(name="s")):
        inputs = keras.Input((WIDTH,))
        h = layer(dense("last")(dense("first", "relu")(inputs)))
        (branch,) = branches_of(keras.Model(inputs, inputs + h), (WIDTH,))
        assert told([branch]) == [("first last", 2)]
        assert branch.scales == [layer]
        assert branch.normalizations == []


def test_a_highway():
    # A gated sum of two transforms of x. What goes around the kernels is the shortcut.
    def run(m, x):
        t = ops.sigmoid(m.gate(x))
        return t * m.transform(x) + (1 - t) * x

    model = Call(run, gate=dense("gate"), transform=dense("transform"))
    (branch,) = branches_of(model, (WIDTH,))
    assert "transform" in names(branch)
    assert not_linear(branch) == ["gate"]
    assert branch.depth == 1


# Convolutional networks


def test_a_bottleneck_with_a_projection():
    inputs = keras.Input((8, 8, 3))
    x = conv("stem")(inputs)

    def normed(x, name, *args, **arguments):
        x = conv(name, *args, use_bias=False, **arguments)(x)
        return layers.BatchNormalization(name=f"{name}_bn")(x)

    def unit(x, n, is_projected):
        strides = 2 if is_projected else 1
        h = layers.ReLU()(normed(x, f"a{n}", 1, 2, strides=strides))
        h = layers.PReLU(name=f"slope{n}")(normed(h, f"b{n}", 3, 2))
        h = normed(h, f"c{n}", 1, 8 if is_projected else WIDTH)
        if is_projected:
            x = normed(x, f"way{n}", 1, 8, strides=2)
        return layers.ReLU()(layers.Add()([x, h]))

    x = unit(unit(x, 0, False), 1, True)
    x = layers.GlobalAveragePooling2D()(x)
    found = find_residuals(keras.Model(inputs, dense("head")(x)), batch(2, 8, 8, 3))
    plain, projected = found.branches
    assert told(found.branches) == [("a0 b0 c0", 3), ("a1 b1 c1", 3)]
    assert (plain.is_projection, projected.is_projection) == (False, True)
    assert [layer.name for layer in projected.shortcut] == ["way1"]
    norms = [layer.name for layer in projected.normalizations]
    assert norms == ["a1_bn", "b1_bn", "c1_bn"]
    assert [layer.name for layer in projected.scales] == ["slope1"]
    assert [layer.name for layer in found.heads] == ["head"]


def test_a_pooled_and_padded_shortcut():
    def run(m, x):
        h = m.last(ops.relu(m.first(x)))
        x = ops.average_pool(x, 2, 2)
        return ops.pad(x, [[0, 0], [0, 0], [0, 0], [0, 2]]) + h

    first = conv("first", strides=2)
    model = Call(run, first=first, last=conv("last", filters=8))
    (branch,) = branches_of(model, (8, 8, WIDTH))
    assert told([branch]) == [("first last", 2)]
    assert not branch.is_projection


def test_residual_in_residual():
    inputs = keras.Input((4, 4, 3))
    x = stem = conv("stem")(inputs)
    for n in range(2):
        x = x + conv(f"last{n}")(conv(f"first{n}", activation="relu")(x))
    x = stem + conv("end")(x)
    found = find_residuals(keras.Model(inputs, conv("head")(x)), batch(2, 4, 4, 3))
    # The kernels of the inner branches are their own.
    assert told(found.branches) == [
        ("first0 last0", 2),
        ("first1 last1", 2),
        ("end", 1),
    ]


def test_an_additive_u_net():
    inputs = keras.Input((8, 8, 3))
    top = conv("top")(inputs)
    low = conv("low", activation="relu")(layers.MaxPooling2D()(top))
    up = layers.Conv2DTranspose(WIDTH, 2, strides=2, name="up")(low)
    found = find_residuals(
        keras.Model(inputs, conv("head")(layers.add([top, up]))), batch(2, 8, 8, 3)
    )
    assert told(found.branches) == [("low up", 2)]


def test_no_branches_where_nothing_is_added_to_its_own_input():
    inputs = keras.Input((WIDTH,))
    x = y = dense("stem")(inputs)
    for n in range(3):
        x = layers.concatenate([x, dense(f"d{n}", "relu")(x)])
    assert branches_of(keras.Model(inputs, x), (WIDTH,)) == []
    # Two transforms of one tensor, of as many kernels.
    both = dense("one")(y) + dense("two")(y)
    assert branches_of(keras.Model(inputs, both), (WIDTH,)) == []


# Layers of other kinds


def test_recurrent_layers():
    inputs = keras.Input((5, WIDTH))
    x = inputs + layers.GRU(WIDTH, return_sequences=True, name="gru")(inputs)
    half = layers.LSTM(WIDTH // 2, return_sequences=True, name="lstm")
    x = x + dense("after")(layers.Bidirectional(half, name="both")(x))
    x = x + layers.TimeDistributed(dense("inner"), name="timed")(x)
    one, two, three = branches_of(keras.Model(inputs, x), (5, WIDTH))
    assert names(one) == ["gru"]
    assert names(two) == ["forward_lstm", "backward_lstm", "after"]
    assert last(two) == ["after"]
    assert told([three]) == [("inner", 1)]
    assert [each.described is None for each in two.layers] == [True, True, False]


def test_a_layer_of_ones_own():
    class Own(layers.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], shape[-1]), name="matrix")

        def call(self, x):
            return ops.matmul(x, self.matrix)

    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, inputs + dense("last")(Own(name="own")(inputs)))
    (branch,) = branches_of(model, (WIDTH,))
    assert told([branch]) == [("own last", 2)]
    assert branch.layers[0].described is None


def test_dropout_and_noise_change_nothing():
    inputs = keras.Input((WIDTH,))
    h = layers.Dropout(0.5)(dense("first", "relu")(inputs))
    h = layers.GaussianNoise(0.1)(dense("last")(h))
    model = keras.Model(inputs, inputs + h)
    assert told(branches_of(model, (WIDTH,))) == [("first last", 2)]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_other_precisions(policy):
    inputs = keras.Input((5, WIDTH))
    norm = layers.LayerNormalization(dtype=policy, name="norm")
    layer = layers.MultiHeadAttention(2, 3, name="attention", dtype=policy)
    h = norm(inputs)
    x = layers.Add(dtype=policy)([inputs, layer(h, h)])
    h = dense("one", "relu", dtype=policy)(x)
    x = layers.Add(dtype=policy)([x, dense("two", dtype=policy)(h)])
    branches = branches_of(keras.Model(inputs, x), (5, WIDTH))
    four = "query key value attention_output"
    assert told(branches) == [(four, 2), ("one two", 2)]


def test_frozen_and_rematerialized_layers():
    with keras.RematScope(mode="full"):
        first, last_ = dense("first", "relu"), dense("last")
        layer = layers.MultiHeadAttention(2, 3, name="attention")
    first.trainable = False
    inputs = keras.Input((5, WIDTH))
    x = inputs + layer(inputs, inputs)
    x = x + last_(first(x))
    branches = branches_of(keras.Model(inputs, x), (5, WIDTH))
    four = "query key value attention_output"
    assert told(branches) == [(four, 2), ("first last", 2)]


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_the_bias_of_a_convolution_is_no_branch(data_format):
    # Its addition, and that of a batch normalization, looks like any other.
    shape = (WIDTH, 4, 4) if data_format == "channels_first" else (4, 4, WIDTH)
    axis = 1 if data_format == "channels_first" else -1
    inputs = keras.Input(shape)
    h = layers.DepthwiseConv2D(
        1, data_format=data_format, depth_multiplier=1, name="depthwise"
    )(inputs)
    h = layers.BatchNormalization(axis=axis)(h)
    h = layers.SeparableConv2D(WIDTH, 1, data_format=data_format, name="separable")(h)
    model = keras.Model(inputs, layers.Add()([inputs, h]))
    assert told(branches_of(model, shape)) == [("depthwise separable", 2)]


def test_summed_readouts_are_no_branches():
    # As in WaveNet: what is added was read before, and elsewhere.
    inputs = keras.Input((5, WIDTH))
    x, total = inputs, None
    for n in range(4):
        h = dense(f"filter{n}", "tanh")(x)
        out = dense(f"out{n}")(h)
        total = out if total is None else total + out
        x = x + dense(f"last{n}")(h)
    found = find_residuals(keras.Model(inputs, [x, total]), batch(2, 5, WIDTH))
    assert told(found.branches) == [(f"filter{n} last{n}", 2) for n in range(4)]


BODIES_OF_BRANCHES = {
    "gated": (
        lambda x: x + ops.sigmoid(dense("g")(x)) * dense("h")(x),
        [("g h", 1)],
    ),
    "modulated": (
        lambda x: x + dense("o")(dense("a")(x) * (1 + dense("s")(x))),
        [("a o s", 3)],
    ),
    "with a branch inside": (
        lambda x: x + dense("o")(_plus("p", dense("i")(x))),
        [("p", 1), ("i o", 2)],
    ),
    "after a branch inside": (
        lambda x: x + _plus("p", dense("i")(x)),
        [("p", 1), ("i", 1)],
    ),
    "halved": (lambda x: x + 0.5 * dense("a")(x), [("a", 1)]),
    "concatenated afterwards": (
        lambda x: ops.concatenate([x, _plus("p", x)], axis=-1),
        [("p", 1)],
    ),
    "of two levels": (
        lambda x: x + dense("u")(_plus("p", dense("v")(dense("b")(x)))),
        [("p", 1), ("b u v", 3)],
    ),
    "of several terms": (
        lambda x: x + (dense("a")(x) + (dense("b")(x) + dense("c")(x))),
        [("a", 1), ("b", 1), ("c", 1)],
    ),
    "reversible": (
        lambda x: _reversible(*ops.split(x, 2, axis=-1)),
        [("f", 1), ("g", 1)],
    ),
}


def _plus(name, x):
    return x + dense(name)(x)


def _reversible(one, other):
    one = one + dense("f", units=WIDTH // 2)(other)
    other = other + dense("g", units=WIDTH // 2)(one)
    return ops.concatenate([one, other], axis=-1)


@pytest.mark.parametrize(
    ("body", "expected"), BODIES_OF_BRANCHES.values(), ids=BODIES_OF_BRANCHES
)
def test_other_branches(body, expected):
    inputs = keras.Input((WIDTH,))
    branches = branches_of(keras.Model(inputs, body(inputs)), (WIDTH,))
    found = [(" ".join(sorted(names(each))), each.depth) for each in branches]
    # Layers that do not depend on each other may run in any order.
    assert sorted(found) == sorted(expected)


def test_a_softmax_that_is_the_activation_of_a_layer():
    # The logits of attention, in a layer of their own, with an activation.
    inputs = keras.Input((5, WIDTH))
    weights = dense("weights", "softmax", 5)(dense("hidden", "tanh")(inputs))
    h = dense("last")(ops.matmul(weights, dense("value")(inputs)))
    (branch,) = branches_of(keras.Model(inputs, inputs + h), (5, WIDTH))
    assert sorted(not_linear(branch)) == ["hidden", "weights"]
    assert branch.depth == 2
    assert branch.has_attention


def test_a_flat_affine_layer_has_no_kernel():
    class Affine(layers.Layer):
        def build(self, shape):
            self.factor = self.add_weight(shape=(1, 1, shape[-1]))

        def call(self, x):
            return x * self.factor

    inputs = keras.Input((5, WIDTH))
    h = Affine(name="affine")(dense("last")(inputs))
    h = layers.LayerNormalization(axis=(1, 2), name="norm")(h)
    (branch,) = branches_of(keras.Model(inputs, inputs + h), (5, WIDTH))
    assert told([branch]) == [("last", 1)]
    assert [layer.name for layer in branch.scales] == ["affine"]
    assert [layer.name for layer in branch.normalizations] == ["norm"]


# Known networks


def test_a_network_of_keras():
    model = keras.applications.ResNet50(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    branches = branches_of(model, (32, 32, 3))
    assert [branch.depth for branch in branches] == [3] * 16
    projections = [n for n, branch in enumerate(branches) if branch.is_projection]
    assert projections == [0, 3, 7, 13]
    assert {len(branch.normalizations) for branch in branches} == {3}
