"""Single layers that take the signal away: noise, normalization, embeddings."""

import math
import re

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, ops

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge import attention_verdicts
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.embeddings import EmbeddingScale
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES, STEPS, WORDS, SIZE = 8, 12, 50, 16
rng = np.random.default_rng(0)
X = rng.normal(size=(SAMPLES, 8)).astype("float32")
SEQUENCES = rng.normal(size=(SAMPLES, STEPS, 8)).astype("float32")
IDS = rng.integers(0, WORDS, (SAMPLES, STEPS))
NAMES = {"keras": keras, "keras_initx": keras_initx}


def chain(*steps, shape=(8,), dtype=None):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *steps])


def only(model, x=X):
    """The one verdict on a model."""
    (found,) = signal_report(model, x).verdicts
    return found


def lines(verdict):
    return re.findall("`([^`]+)`", verdict.text)


# Noise


@pytest.mark.parametrize(
    ("layer", "noise"),
    [
        (layers.Dropout(0.2), 0.5),
        (layers.SpatialDropout1D(0.5), 1.0),
        (layers.GaussianDropout(0.8), 2.0),
        (layers.AlphaDropout(0.1), 1 / 3),
        (layers.GaussianNoise(0.5), 0.5 / SEQUENCES.std()),
        (layers.LSTM(4, return_sequences=True, recurrent_dropout=0.5), 1.0),
        (layers.RNN(layers.GRUCell(4, dropout=0.2), return_sequences=True), 0.5),
        (layers.Dropout(0.0), None),
        (layers.LayerNormalization(), None),
    ],
)
def test_noise_is_measured_beside_the_signal(layer, noise):
    model = chain(layer, layers.Flatten(), layers.Dense(1), shape=(STEPS, 8))
    found = signal_report(model, SEQUENCES)[0].noise
    assert found == (None if noise is None else pytest.approx(noise, rel=1e-4))


def test_dropout_multiplies_by_a_number_of_this_deviation():
    """By hand: 0 with the probability p, and 1 / (1 - p) otherwise."""
    kept = rng.random(100_000) > 0.8
    assert np.std(kept / 0.2) == pytest.approx(math.sqrt(0.8 / 0.2), rel=0.02)


@pytest.mark.parametrize(("noise", "kind"), [(2.9, "healthy"), (3.0, "strong_noise")])
def test_noise_is_strong_from_a_rate_of_90_percent(noise, kind):
    row = LayerRow("a", "Dropout", std=1.0, noise=noise, dropped=0.9)
    assert verdicts(Seen([row]))[0].kind == kind


def test_the_line_for_a_rate():
    drop = layers.Dropout(0.95, name="drop")
    model = chain(layers.Dense(8, "relu"), drop, layers.Dense(1))
    found = only(model)
    assert (found.kind, found.layer) == ("strong_noise", "drop")
    assert found.text == (
        "in 'drop' (Dropout, row 2 of 3) 95 % of the signal is dropped: the noise has "
        "4.36 times its standard deviation; with more than 3 times little is learned. "
        "The rate is the share that is dropped, from 0 to 1, and not the share that is "
        'kept. Use `model.get_layer("drop").rate = 0.05`.'
    )
    exec(lines(found)[0], {"model": model})
    assert drop.rate == 0.05
    assert signal_report(model, X).is_healthy


def test_the_line_for_noise_of_gauss():
    noise = layers.GaussianNoise(1.0, name="noise")
    model = chain(layers.Rescaling(0.01), noise, layers.Dense(1))
    found = only(model)
    scale = 0.01 * X.std()
    assert found.text == (
        f"in 'noise' (GaussianNoise, row 2 of 3) the noise has {1 / scale:.3g} times "
        f"the standard deviation of the signal, which is {scale:.2g}; with more than 3 "
        "times little is learned. Use "
        f'`model.get_layer("noise").stddev = {0.3 * scale:.2g}`.'
    )
    exec(lines(found)[0], {"model": model})
    assert signal_report(model, X).is_healthy


@pytest.mark.parametrize("argument", ["dropout", "recurrent_dropout"])
def test_the_line_for_a_recurrent_layer(argument):
    def model(**arguments):
        return chain(layers.LSTM(4, **arguments), layers.Dense(1), shape=(STEPS, 8))

    found = only(model(**{argument: 0.95}), SEQUENCES)
    assert lines(found) == [f"{argument}=0.05"]
    assert only(model(**eval(f"dict({lines(found)[0]})")), SEQUENCES).kind == "healthy"


def test_the_line_for_a_layer_within_another():
    attention = layers.MultiHeadAttention(2, 4, dropout=0.95)
    start = keras.Input((STEPS, 8))
    hidden = layers.Flatten()(attention(start, start))
    found = only(keras.Model(start, layers.Dense(1)(hidden)), SEQUENCES)
    assert found.kind == "strong_noise"
    assert lines(found) == ["keras.layers.Dropout(0.05)", "dropout=0.05"]
    assert eval(lines(found)[0], NAMES).rate == 0.05


# Normalization


def one_channel(layer):
    return chain(layer, layers.Dense(8, "relu"), layers.Dense(2), shape=(1,))


@pytest.mark.parametrize(
    ("layer", "shape", "numbers"),
    [
        (layers.LayerNormalization(), (4, 3, 6), 6),
        (layers.LayerNormalization(axis=[1, 2]), (4, 3, 6), 18),
        (layers.RMSNormalization(), (4, 6), 6),
        (layers.UnitNormalization(axis=1), (4, 3, 6), 3),
        (layers.GroupNormalization(3), (4, 3, 6), 6),
        (layers.GroupNormalization(-1), (4, 3, 6), 3),
        (layers.BatchNormalization(), (4, 3, 6), 12),
        (layers.BatchNormalization(axis=1), (4, 3, 6), 24),
        (layers.BatchNormalization(trainable=False), (4, 3, 6), None),
    ],
)
def test_over_how_many_numbers(layer, shape, numbers):
    model = chain(layer, shape=shape[1:])
    assert signal_report(model, np.ones(shape))[0].normalized_over == numbers


def test_a_batch_normalization_that_does_not_train_uses_no_batch():
    model = chain(layers.BatchNormalization())
    assert signal_report(model, X, training=False)[0].normalized_over is None


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        (layers.LayerNormalization(name="norm"), "each number minus itself is 0"),
        (layers.RMSNormalization(name="norm"), "only their signs are left"),
        (layers.UnitNormalization(name="norm"), "only their signs are left"),
    ],
)
def test_the_line_for_a_normalization_of_one_channel(layer, left):
    found = only(one_channel(layer), X[:, :1])
    assert found.layer.endswith("norm")
    assert found.text == (
        f"'{found.layer}' ({type(layer).__name__}, row 1 of 3) normalizes each number "
        f"by itself: {left}, and the layers after it see nothing of the inputs. "
        "Normalize over the samples instead: `keras.layers.BatchNormalization()`, or "
        "leave it out."
    )
    repaired = eval(lines(found)[0], NAMES)
    assert only(one_channel(repaired), X[:, :1]).kind == "healthy"


def normalized(layer):
    return chain(layers.Dense(16), layer, layers.ReLU(), layers.Dense(2))


def test_the_line_for_groups_of_one():
    found = only(normalized(layers.GroupNormalization(16, name="norm")))
    assert found.kind == "normalization_of_one"
    assert lines(found) == ["keras.layers.LayerNormalization(axis=-1)"]
    assert only(normalized(eval(lines(found)[0], NAMES))).kind == "healthy"


def test_the_lines_for_a_batch_of_one():
    model = normalized(layers.BatchNormalization(name="norm"))
    found = only(model, X[:1])
    assert found.kind == "normalization_of_one"
    fit, layer = lines(found)
    assert fit == "model.fit(x, y, batch_size=32)"
    assert only(model, X).kind == "healthy"
    assert only(normalized(eval(layer, NAMES)), X[:1]).kind == "healthy"


# Embeddings


def embedding(std=0.05, name="tokens"):
    initializer = keras.initializers.RandomNormal(stddev=std, seed=1)
    return layers.Embedding(WORDS, SIZE, embeddings_initializer=initializer, name=name)


def reader(std, *between):
    head = layers.GlobalAveragePooling1D(), layers.Dense(1)
    return chain(embedding(std), *between, *head, shape=(STEPS,), dtype="int32")


def redrawn(verdict):
    """The standard deviation in the line of a verdict."""
    arguments = eval(f"dict({lines(verdict)[0]})", NAMES)
    return arguments["embeddings_initializer"].stddev


@pytest.mark.parametrize(
    ("std", "kind", "rest"),
    [
        (
            100.0,
            "large_embeddings",
            "0.02 to 1 is usual, and nothing scales them before the next kernel.",
        ),
        (
            1e-6,
            "small_embeddings",
            "0.02 to 1 is usual: the layers after it see hardly anything of the "
            "tokens.",
        ),
    ],
)
def test_embeddings_of_another_scale(std, kind, rest):
    model = reader(std)
    found, scale = only(model, IDS), signal_report(model, IDS).embeddings[0]
    values = to_numpy(model.layers[0](IDS))
    assert scale.std == pytest.approx(values.std(), rel=1e-4)
    assert (found.kind, found.layer) == (kind, model.layers[0].path)
    assert found.text == (
        f"in '{found.layer}' (Embedding, row 1 of 3) the embeddings have a standard "
        f"deviation of {scale.std:.2g}, where {rest} Use "
        "`embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02)`."
    )
    assert only(reader(redrawn(found)), IDS).kind == "healthy"


@pytest.mark.parametrize(
    ("std", "between"),
    [
        (1.0, []),
        (0.02, []),
        (100.0, [layers.LayerNormalization()]),
        (100.0, [layers.Rescaling(0.01)]),
        (1e-5, [layers.Rescaling(1e4)]),
    ],
)
def test_a_scale_that_is_usual_or_taken_away(std, between):
    assert only(reader(std, *between), IDS).kind == "healthy"


def limits_of(**quantities):
    scale = EmbeddingScale("a", WORDS, SIZE, **{"std": 1.0, **quantities})
    kernel = KernelRow("b/kernel", (SIZE, 4), fan_in=SIZE, norm=2.0)
    rows = [
        LayerRow("a", "Embedding", std=scale.std),
        LayerRow("b", "Dense", std=1.0, pre_activation_std=1.0, kernels=[kernel]),
    ]
    return verdicts(Seen(rows, embeddings=[scale]))[0].kind


@pytest.mark.parametrize(
    ("inside", "outside", "kind"),
    [
        ({"std": 4.9}, {"std": 5.1}, "large_embeddings"),
        ({"std": 1.1e-4}, {"std": 0.9e-4}, "small_embeddings"),
        ({"std": 0.0}, {"std": 1e-9}, "small_embeddings"),
        ({"logits_std": 4.9}, {"logits_std": 5.1}, "large_embeddings"),
        (
            {"positions_std": 7.9, "tokens_std": 1.0},
            {"positions_std": 8.1, "tokens_std": 1.0},
            "drowned_tokens",
        ),
        # Small positions are made up for in some hundred steps.
        (
            {"std": 1e-3, "positions_std": 0.09, "tokens_std": 1e-3},
            {"std": 1e-3, "positions_std": 0.11, "tokens_std": 1e-3},
            "drowned_tokens",
        ),
    ],
)
def test_the_limits_of_embeddings(inside, outside, kind):
    assert limits_of(**inside) == "healthy"
    assert limits_of(**outside) == kind


@pytest.mark.parametrize("kind", ["attention", "gates"])
def test_large_embeddings_explain_what_they_bring_about(kind):
    start = keras.Input((STEPS,), dtype="int32")
    hidden = embedding(100.0)(start)
    if kind == "attention":
        hidden = layers.MultiHeadAttention(2, 8)(hidden, hidden)
    out = layers.Dense(1)(layers.LSTM(4)(hidden))
    report = signal_report(keras.Model(start, out), IDS)
    assert [each.kind for each in report.verdicts] == ["large_embeddings"]
    if kind == "attention":
        assert report.attention[0].sharpness > attention_verdicts.SHARP


class Tied(layers.Layer):
    """A language model whose last kernel is its table."""

    def __init__(self, std):
        super().__init__()
        self.tokens = embedding(std)
        self.norm = layers.LayerNormalization()

    def call(self, ids):
        hidden = self.norm(self.tokens(ids))
        return ops.matmul(hidden, ops.transpose(self.tokens.embeddings))


def test_a_table_that_is_the_last_kernel_too():
    model = chain(Tied(3.0), shape=(STEPS,), dtype="int32")
    found = only(model, IDS)
    logits = to_numpy(model(IDS)).std()
    scale = signal_report(model, IDS).embeddings[0]
    assert scale.logits_std == pytest.approx(logits, rel=1e-3)
    assert found.kind == "large_embeddings"
    assert (
        f"the table is also the last kernel, and the logits have a standard deviation "
        f"of {logits:.2g}, where 1 or less is usual"
    ) in found.text
    repaired = Tied(redrawn(found))
    assert only(chain(repaired, shape=(STEPS,), dtype="int32"), IDS).kind == "healthy"


class Positions(layers.Layer):
    """Adds positions to tokens."""

    def __init__(self, std, factor=1.0):
        super().__init__(name="positions")
        self.table = std * np.random.default_rng(1).normal(size=(STEPS, SIZE))
        self.factor = factor

    def call(self, tokens):
        table = ops.convert_to_tensor(self.table.astype("float32"))
        return self.factor * tokens + table


def with_positions(tokens_std, *arguments):
    steps = embedding(tokens_std), Positions(*arguments), layers.Flatten()
    return chain(*steps, layers.Dense(1), shape=(STEPS,), dtype="int32")


@pytest.mark.parametrize("factor", [1.0, 4.0])
def test_positions_are_told_from_tokens(factor):
    model = with_positions(0.03, 0.5, factor)
    (found,) = signal_report(model, IDS).embeddings
    table = model.layers[1].table
    tokens = factor * to_numpy(model.layers[0](IDS))
    assert found.positions.endswith("positions")
    assert found.positions_std == pytest.approx(
        np.sqrt(np.mean((table - table.mean(axis=0)) ** 2)), rel=1e-3
    )
    expected = np.sqrt(np.mean((tokens - tokens.mean(axis=0)) ** 2))
    assert found.tokens_std == pytest.approx(expected, rel=1e-3)


def test_the_line_for_tokens_that_are_drowned():
    model = with_positions(0.03, 0.5)
    found, (scale,) = only(model, IDS), signal_report(model, IDS).embeddings
    assert found.kind == "drowned_tokens"
    assert found.text == (
        f"in '{scale.positions}' positions with a standard deviation of "
        f"{scale.positions_std:.2g} are added to tokens with one of "
        f"{scale.tokens_std:.2g}, from '{scale.path}' (Embedding, row 1 of 4): "
        f"{scale.drowning:.2g} times as much. All inputs look alike at first. Use "
        "`embeddings_initializer=keras.initializers.RandomNormal"
        f"(stddev={scale.std * scale.drowning:.2g})`."
    )
    assert only(with_positions(redrawn(found), 0.5), IDS).kind == "healthy"


def test_the_line_for_positions_that_are_large():
    found = only(with_positions(0.03, 3.0), IDS)
    code = lines(found)[0].removeprefix("positions = ")
    assert only(with_positions(0.03, eval(code, {"positions": 3.0})), IDS).kind == (
        "healthy"
    )


class Places(layers.Layer):
    """Learned positions."""

    def __init__(self):
        super().__init__()
        self.table = layers.Embedding(STEPS, SIZE, name="table")

    def call(self, ids):
        return self.table(ops.arange(STEPS))


def test_learned_positions_are_seen_too():
    """They are added between the layers: by who gets the sum."""
    start = keras.Input((STEPS,), dtype="int32")
    hidden = embedding(1e-3)(start) + Places()(start)
    out = layers.Dense(1)(layers.Flatten(name="flat")(hidden))
    report = signal_report(keras.Model(start, out), IDS)
    assert [each.positions for each in report.embeddings] == ["flat", ""]
    assert report.embeddings[0].drowning > 8
    assert report.is_healthy
