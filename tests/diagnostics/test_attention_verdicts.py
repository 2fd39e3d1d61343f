"""Attention: the weights that a report sees, and queries that look at one key."""

import re
import threading

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, ops

import keras_initx
from keras_initx import signal_report
from keras_initx._keras import module_of_softmax
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.attention_weights import AttentionWeights
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES, STEPS, SIZE = 4, 8, 16
HEADS, DEPTH = 2, 8
X = np.random.default_rng(0).normal(size=(SAMPLES, STEPS, SIZE)).astype("float32")
KIND = "one_hot_attention"
NAMES = {"keras": keras, "keras_initx": keras_initx, "x": X}


def sharp(seed):
    return keras.initializers.RandomNormal(stddev=1.5, seed=seed)


def model_of(attend, shape=(STEPS, SIZE)):
    """A model whose attention gets its inputs as they are."""
    inputs = keras.Input(shape)
    hidden = layers.GlobalAveragePooling1D()(attend(inputs))
    return keras.Model(inputs, layers.Dense(1, name="head")(hidden))


def itself(layer, **arguments):
    return lambda hidden: layer(hidden, hidden, **arguments)


def pair(layer):
    return lambda hidden: layer([hidden, hidden])


class Own(layers.Layer):
    """Attention as people write it."""

    def __init__(self, factor=1.0, name="own"):
        super().__init__(name=name)
        self.factor = factor
        self.query, self.key = (
            layers.Dense(SIZE, kernel_initializer=sharp(seed), name=name)
            for seed, name in enumerate(("query", "key"))
        )

    def call(self, inputs):
        keys = ops.transpose(self.key(inputs), (0, 2, 1))
        scores = ops.matmul(self.query(inputs), keys) * self.factor
        return ops.matmul(ops.softmax(scores), inputs)


def seen(attend, x=X):
    """What is seen of the one layer that attends."""
    (found,) = signal_report(model_of(attend, x.shape[1:]), x).attention
    return found


def largest_and_deviation(scores):
    """By hand, where hidden scores are -inf: the mean over queries."""
    largest, deviations = [], []
    for each in scores.astype("float64").reshape(-1, scores.shape[-1]):
        shown = each[np.isfinite(each)]
        if len(shown) >= 4:
            weights = np.exp(shown - shown.max())
            largest.append(max(weights / weights.sum()))
            deviations.append(shown.std())
    return np.mean(largest), np.mean(deviations)


def scores_of(layer):
    """`(samples, heads, queries, keys)`, from the projections of a layer."""
    query, key = (
        np.einsum("bsd,dhe->bhse", X, to_numpy(each.kernel))
        for each in (layer._query_dense, layer._key_dense)
    )
    key = np.repeat(key, query.shape[1] // key.shape[1], axis=1)
    return query @ key.swapaxes(2, 3) / np.sqrt(query.shape[-1])


PROJECTED = {
    "fused": (lambda: layers.MultiHeadAttention(HEADS, DEPTH, name="att"), False),
    "causal": (lambda: layers.MultiHeadAttention(HEADS, DEPTH, name="att"), True),
    "dropout": (lambda: layers.MultiHeadAttention(HEADS, DEPTH, dropout=0.1), True),
    "grouped": (lambda: layers.GroupQueryAttention(DEPTH, 4, 2), True),
}


@pytest.mark.parametrize("name", PROJECTED)
def test_the_weights_are_those_that_numpy_finds(name):
    make, is_causal = PROJECTED[name]
    layer = make()
    found = seen(itself(layer, use_causal_mask=is_causal))
    scores = scores_of(layer)
    if is_causal:
        scores = np.where(np.tri(STEPS, dtype=bool), scores, -np.inf)
    largest, deviation = largest_and_deviation(scores)
    assert found.path == layer.path
    assert found.type == type(layer).__name__
    assert found.keys == (np.mean([4, 5, 6, 7, 8]) if is_causal else STEPS)
    assert found.largest == pytest.approx(largest, rel=1e-3)
    assert found.score_std == pytest.approx(deviation, rel=1e-3)


def softmax_between(hidden):
    keys = ops.transpose(layers.Dense(SIZE, name="key")(hidden), (0, 2, 1))
    return ops.matmul(ops.softmax(ops.matmul(hidden, keys)), hidden)


@pytest.mark.parametrize(
    ("attend", "path"),
    [
        (pair(layers.Attention(name="a")), "a"),
        (pair(layers.AdditiveAttention(name="b")), "b"),
        (Own(), "own"),
        (lambda h: layers.Softmax(name="s")(layers.Dot((2, 2))([h, h])), "s"),
        (lambda h: layers.Softmax(1, name="p")(layers.Dense(1)(h)), "p"),
        # Not within a layer: the one that ran before.
        (softmax_between, "key"),
    ],
)
def test_attention_of_any_kind_is_seen(attend, path):
    assert seen(attend).path == path


def test_attention_over_images_is_seen():
    x = np.random.default_rng(0).normal(size=(2, 4, 4, SIZE)).astype("float32")
    layer = layers.MultiHeadAttention(HEADS, DEPTH, attention_axes=(1, 2))
    rows = layers.Reshape((16, SIZE))
    assert seen(lambda hidden: rows(layer(hidden, hidden)), x).keys == 16


def test_hidden_keys_do_not_count():
    """All samples but one have fewer than four keys: they tell nothing."""
    x = X.copy()
    x[:-1, 3:], x[-1, 5:] = 0, 0
    layer = layers.MultiHeadAttention(HEADS, DEPTH, kernel_initializer=sharp(0))
    found = seen(lambda hidden: itself(layer)(layers.Masking()(hidden)), x)
    assert found.keys == 5
    assert not signal_report(model_of(itself(layer), (3, SIZE)), X[:, :3]).attention


@pytest.mark.parametrize(
    "attend",
    [
        lambda hidden: ops.softmax(layers.Dense(5)(hidden)),
        layers.Dense(STEPS, "softmax"),
    ],
)
def test_a_softmax_over_units_is_no_attention(attend):
    assert not signal_report(model_of(attend), X).attention


def test_classes_at_each_position_are_no_attention():
    inputs = keras.Input((STEPS, SIZE))
    scores = layers.Dense(STEPS, name="classes")(100 * inputs)
    model = keras.Model(inputs, layers.Softmax(name="output")(scores))
    assert KIND not in [each.kind for each in signal_report(model, X).verdicts]


def test_another_thread_is_not_seen():
    module = module_of_softmax()
    before = module.softmax

    class Threaded(layers.Layer):
        def call(self, inputs):
            scores = np.ones((2, STEPS, STEPS), "float32")
            thread = threading.Thread(target=ops.softmax, args=(scores,))
            thread.start()
            thread.join()
            return inputs

    assert not signal_report(model_of(Threaded()), X).attention
    assert module.softmax is before


def test_the_backend_is_as_it_was_after_an_error():
    module = module_of_softmax()
    before = module.softmax, module.dot_product_attention

    class Broken(layers.Layer):
        def call(self, inputs):
            if module.softmax is not before[0]:
                raise ArithmeticError("broken")
            return inputs

    with pytest.raises(ArithmeticError):
        signal_report(model_of(Broken()), X)
    assert (module.softmax, module.dot_product_attention) == before


# How it is judged


@pytest.mark.parametrize("keys", [4, 100])
def test_one_hot_is_above_70_percent_of_the_way_from_uniform(keys):
    for share, expected in ((0.72, KIND), (0.68, "healthy")):
        largest = 1 / keys + share * (1 - 1 / keys)
        weights = AttentionWeights("a", "Own", keys, largest, 9.0)
        rows = [LayerRow("a", "Own", std=1.0)]
        assert verdicts(Seen(rows, attention=[weights]))[0].kind == expected


def verdict_on(attend):
    (found,) = signal_report(model_of(attend), X).verdicts
    return found


def lines(verdict):
    return re.findall("`([^`]+)`", verdict.text)


def test_what_is_printed():
    found = verdict_on(Own(2.0))
    weights = seen(Own(2.0))
    assert (found.kind, found.layer) == (KIND, "own")
    assert found.text == (
        f"in 'own' (Own) the largest weight of a query over {STEPS} keys is "
        f"{weights.largest:.2g} on average: each query looks at one key only, and the "
        f"others hardly learn. The scores have a standard deviation of "
        f"{weights.score_std:.2g}, where 1 or less is usual. Divide them by the square "
        "root of the size of a key, or by their standard deviation: "
        f"`scores = scores * {1 / weights.score_std:.2g}` before the softmax."
    )


def test_the_line_for_attention_written_by_hand():
    line = lines(verdict_on(Own(2.0)))[0]
    factor = eval(line.removeprefix("scores = "), {"scores": 2.0})
    assert verdict_on(Own(factor)).kind == "healthy"


def test_the_line_for_attention_without_a_scale():
    """No factor helps here: each query is most like the key at its own position."""
    found = verdict_on(pair(layers.Attention()))
    assert found.kind == KIND
    assert verdict_on(itself(eval(lines(found)[0], NAMES))).kind == "healthy"


@pytest.mark.parametrize("make", [PROJECTED["fused"][0], PROJECTED["grouped"][0]])
def test_the_lines_for_large_projections(make):
    """Both halves of the advice: another initializer, and `lsuv`."""
    keras.utils.set_random_seed(0)
    layer = make()
    config = {**layer.get_config(), "kernel_initializer": "glorot_uniform"}
    broken = type(layer).from_config(
        {**config, "kernel_initializer": keras.initializers.RandomNormal(stddev=1.5)}
    )
    model = model_of(itself(broken))
    (found,) = signal_report(model, X).verdicts
    assert (found.kind, found.layer) == (KIND, broken.path)
    _, initializer, code = lines(found)
    arguments = eval(f"dict({initializer})")
    repaired = type(layer).from_config({**config, **arguments})
    assert verdict_on(itself(repaired)).kind == "healthy"
    eval(code, {**NAMES, "model": model})
    assert signal_report(model, X).is_healthy
