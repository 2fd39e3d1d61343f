"""Verdicts on the data: where each begins, which data is healthy, and what helps."""

import math
import re

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.features import features_of
from keras_initx.diagnostics._measure.leaves import Leaf
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES = 64
HEALTHY = ["healthy"]
BELOW, ABOVE = 0.95, 1.05
RANDOM = np.random.default_rng(0)


def batch(*shape):
    """Columns of mean 0 and mean square 1, exactly."""
    values = RANDOM.normal(size=shape)
    values = values - values.mean(axis=0)
    return (values / values.std(axis=0)).astype("float32")


def network(*steps, inputs=(10,), dtype=None, units=1):
    hidden = (layers.Dense(16, "relu", name="first"), layers.Dense(units))
    return keras.Sequential([keras.Input(inputs, dtype=dtype), *steps, *hidden])


def flat(*steps, inputs):
    return network(*steps, layers.Flatten(), inputs=inputs)


def kinds(model, x):
    return [verdict.kind for verdict in signal_report(model, x).verdicts]


def the_verdict(model, x):
    (found,) = signal_report(model, x).verdicts
    return found


def follow(text, **names):
    """Runs the one line that a text has, as it is printed, and gives its names."""
    (code,) = re.findall("`([^`]+)`", text)
    names |= {"keras": keras, "keras_initx": keras_initx, "np": np}
    exec(code, names)
    return names


# What is measured


def test_features_by_numpy():
    x = RANDOM.normal(size=(20, 6)) * [1, 0, 3, 1e3, 1, 1] + [0, 2, 0, 0, 0, 5]
    x[:, 4] *= RANDOM.random(20) < 0.3
    found = features_of(x.astype("float32"), (1,))
    squares = np.mean(x**2, axis=0)
    sizes = np.sqrt(squares / np.mean(x != 0, axis=0))
    typical = np.sort(sizes[[0, 2, 3, 4, 5]])[2]
    expected = {
        "count": 6,
        "constant": 1,
        "rms": math.sqrt(squares.mean()),
        "smallest_rms": math.sqrt(squares.min()),
        "median_rms": np.median(np.sqrt(squares)),
        "largest_rms": math.sqrt(squares[3]),
        "largest": 3,
        "largest_share": squares[3] / squares.sum(),
        "dominant": 1,
        "dominant_share": squares[3] / squares.sum(),
        "typical_rms": typical,
        "variance_share": x.var(axis=0).sum() / squares.sum(),
        "minimum": x.min(),
        "maximum": x.max(),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-5), name
    assert not found.is_equal
    assert features_of(np.full((3, 2), np.nan, "float32"), (1,)) is None
    assert features_of(np.array(["a", "b"]), (0,)) is None


@pytest.mark.parametrize(
    ("steps", "inputs"),
    [
        ([], (8,)),
        ([layers.Rescaling(0.5), layers.Dropout(0.5)], (8,)),
        ([layers.Reshape((8,))], (2, 4)),
        ([layers.ZeroPadding1D(1), layers.Flatten()], (6, 2)),
    ],
)
def test_what_the_first_kernel_gets(steps, inputs):
    model = network(*steps, inputs=inputs)
    x = batch(SAMPLES, *inputs)
    report = signal_report(model, x)
    got = x
    for step in steps:
        got = ops.convert_to_numpy(step(got, training=False))
    found = report["first"].features
    assert found.count == got.shape[-1]
    assert found.rms == pytest.approx(math.sqrt(np.mean(got**2)), rel=1e-3)
    assert report.rows[-1].features is None
    assert report.inputs[0].features.rms == pytest.approx(1, rel=1e-3)
    assert report.to_dict()["inputs"][0]["features"]["constant"] == 0
    assert "\nInput: " in str(report)


def test_what_no_layer_has_made_is_not_known():
    start = keras.Input((10,))
    model = keras.Model(start, layers.Dense(4, name="first")(start * 1e-9))
    assert signal_report(model, batch(SAMPLES, 10))["first"].features is None
    # An output that equals the data is not the data.
    kernel = {"kernel_initializer": "identity"}
    model = network(layers.Dense(10, **kernel))
    assert signal_report(model, batch(SAMPLES, 10))["first"].features is None


def test_kernels_over_other_axes():
    start = keras.Input((5, 6))
    model = keras.Model(start, layers.EinsumDense("abc,bcd->ad", 3)(start))
    assert signal_report(model, batch(8, 5, 6)).rows[0].features.count == 30
    start = keras.Input((7, 7, 3))
    model = keras.Model(start, layers.Conv2D(4, 3)(start))
    assert signal_report(model, batch(8, 7, 7, 3)).rows[0].features.count == 3


# Where each begins, by rows made by hand


def judged(values, *following, spatial=0, shape=None, is_raw=True, rank=2):
    """The verdicts on data that a dense layer gets."""
    features = features_of(np.asarray(values, "float32"), (-1,), spatial)
    features.leaves, features.is_raw = (0,), is_raw
    count = shape or features.count
    kernel = KernelRow("a/kernel", (count, 16), fan_in=count, norm=4.0)
    row = LayerRow("a", "Dense", pre_activation_std=1.0, std=1.0, units=16)
    row.kernels, row.features = [kernel], features
    start = LayerRow("input", "Input", std=1.0, features=features)
    leaf = Leaf("x", rank, features, start)
    return [v.kind for v in verdicts(Seen([row, *following], [start], leaves=[leaf]))]


@pytest.mark.parametrize(("limit", "outside"), [(100.0, ABOVE), (1.5e-2, BELOW)])
def test_where_a_scale_begins_to_be_wrong(limit, outside):
    # Four features: the length of a sample is twice their root mean square.
    limit = limit / 2 if limit < 1 else limit
    for factor, expected in ((outside, "unscaled_inputs"), (1 / outside, "healthy")):
        assert judged(factor * limit * batch(200, 4)) == [expected]


def last(std, **quantities):
    kernel = KernelRow("b/kernel", (16, 16), fan_in=16, norm=4.0)
    row = LayerRow("b", "Dense", pre_activation_std=std, std=std, units=16)
    row.kernels, row.saturated = [kernel], quantities.get("saturated")
    return row


def test_images_less_their_mean_whose_scale_a_deep_network_takes_away():
    black_or_white = np.where(RANDOM.random((200, 4)) < 0.5, -110.0, 145.0)
    assert judged(black_or_white, last(BELOW), rank=4) == HEALTHY
    for rank, end in ((4, last(ABOVE)), (2, last(BELOW))):
        assert judged(black_or_white, end, rank=rank) == ["unscaled_inputs"]
    assert judged(1.2 * black_or_white, last(BELOW), rank=4) == ["unscaled_inputs"]
    flat = last(0.5, saturated=0.1)
    found = judged(black_or_white, flat, last(BELOW), rank=4)
    assert found[0] == "unscaled_inputs"


def test_where_pixels_begin_to_be_too_large():
    pixels = np.where(RANDOM.random((50, 100)) < 0.1, 110.0, 0.0)
    scale = 32 / math.sqrt(np.mean(pixels**2))
    for factor, expected in ((ABOVE, "unscaled_inputs"), (BELOW, "healthy")):
        values = factor * scale * pixels
        values[0, 0] = 200
        assert judged(values) == [expected]
    # A table of so few columns has no pixels.
    assert judged(100 * RANDOM.random((50, 10))) == HEALTHY


@pytest.mark.parametrize("columns", [2, 10])
def test_where_a_feature_begins_to_dominate(columns):
    for factor, expected in ((ABOVE, "dominant_feature"), (BELOW, "healthy")):
        values = 0.01 * batch(200, columns)
        values[:, 1] *= 100 * factor
        assert judged(values) == [expected]
    # Where it is on, a rare feature is as large as the others.
    counts = RANDOM.poisson(30 / np.arange(1, 301), (100, 300))
    assert judged(counts) == HEALTHY


def test_where_data_is_off_its_center():
    share = 2.5e-3
    for factor, expected in ((BELOW, "uncentered_inputs"), (ABOVE, "healthy")):
        mean = math.sqrt(1 / (share * factor) - 1)
        assert judged(0.1 * (mean + batch(200, 5))) == [expected]


def test_what_a_normalization_takes_away():
    normalization = LayerRow("b", "BatchNormalization", std=1.0, activation="")
    assert judged(1e4 * batch(200, 5), normalization) == HEALTHY
    assert judged(30 + batch(200, 5), normalization) == HEALTHY
    # The mean of each sample is not that of each unit.
    others = LayerRow("b", "LayerNormalization", std=1.0)
    assert judged(1e4 * batch(200, 5), others) == HEALTHY
    assert judged(30 + batch(200, 5), others) == ["uncentered_inputs"]
    # Its epsilon was larger than what it got.
    small = LayerRow("b", "BatchNormalization", std=1e-3)
    assert judged(1e-5 * batch(200, 5), small) == ["unscaled_inputs"]
    # A saturated activation comes before it; a rectifier scales along.
    for activation, expected in (("tanh", ["unscaled_inputs"]), ("relu", HEALTHY)):
        between = LayerRow("c", "Activation", std=1.0, activation=activation)
        assert judged(1e4 * batch(200, 5), between, normalization) == expected
    # It does not make a feature visible beside a large one.
    values = batch(200, 5) * [1, 1, 1, 1, 1e4]
    assert judged(values, normalization) == ["dominant_feature"]


# The line that is printed, followed


def test_pixels_are_told_to_be_rescaled():
    images = RANDOM.integers(0, 256, (SAMPLES, 12, 12, 1))
    model = flat(inputs=(12, 12, 1))
    for x, place in (
        (images.astype("uint8"), "first"),
        (images.astype("float32"), "input"),
    ):
        found = the_verdict(model, x)
        assert (found.kind, found.layer.split("/")[-1]) == ("unscaled_inputs", place)
        assert found.text.split("'", 2)[2] == (
            " (Dense, row 2 of 3) gets pixels from 0 to 255 with a root mean square of "
            "1.5e+02. Initializers assume about 1. Use "
            "`x = keras.layers.Rescaling(1/255)(x)`, or put this layer first in the "
            "model, so that it is saved with it."
        )
        assert kinds(model, follow(found.text, x=x)["x"]) == HEALTHY
    for step in (
        layers.Rescaling(1 / 255),
        layers.BatchNormalization(),
        layers.LayerNormalization(axis=(1, 2, 3)),
        layers.Lambda(lambda tensor: tensor / 255),
    ):
        assert (
            kinds(flat(step, inputs=(12, 12, 1)), images.astype("float32")) == HEALTHY
        )


@pytest.mark.parametrize("scale", [1e6, 1e-6])
def test_other_scales_are_told_to_be_normalized(scale):
    x = scale * batch(SAMPLES, 10)
    found = the_verdict(network(), x)
    assert (found.kind, found.layer) == ("unscaled_inputs", "input")
    assert (
        "Use `norm = keras.layers.Normalization(); norm.adapt(x); x = norm(x)`, "
        in (found.text)
    )
    assert kinds(network(), follow(found.text, x=x)["x"]) == HEALTHY


def test_a_time_stamp_is_told_to_be_normalized():
    x = batch(SAMPLES, 10)
    x[:, 3] = 1.6e9 + 1e7 * RANDOM.random(SAMPLES)
    found = the_verdict(network(), x)
    assert (found.kind, found.layer) == ("dominant_feature", "input")
    assert found.text.split("'", 1)[0] == "feature 3 of the 10 that "
    assert kinds(network(), follow(found.text, x=x)["x"]) == HEALTHY


def test_years_are_told_to_be_normalized():
    x = 40 + batch(SAMPLES, 1)
    found = the_verdict(network(inputs=(1,)), x)
    assert found.kind == "uncentered_inputs"
    assert " have means of 40 times their deviations" in found.text
    assert kinds(network(inputs=(1,)), follow(found.text, x=x)["x"]) == HEALTHY


def test_one_input_of_several():
    inputs = {name: keras.Input((5,), name=name) for name in "ab"}
    branches = [layers.Dense(8, name=f"on_{name}")(inputs[name]) for name in "ab"]
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(branches)))
    x = {"a": batch(SAMPLES, 5), "b": 1e4 * batch(SAMPLES, 5)}
    found = the_verdict(model, x)
    assert (found.kind, found.layer) == ("unscaled_inputs", "input 2")
    assert found.text.startswith("'on_b'")
    assert kinds(model, follow(found.text, x=x)["x"]) == HEALTHY
    # Joined, one drowns the other; embeddings too.
    x = {"a": batch(SAMPLES, 5), "b": 1e4 * batch(SAMPLES, 5)}
    joined = layers.Concatenate()([inputs["a"], inputs["b"]])
    model = keras.Model(inputs, layers.Dense(4)(joined))
    found = the_verdict(model, x)
    assert (found.kind, found.layer) == ("dominant_feature", "input 2")
    assert kinds(model, follow(found.text, x=x)["x"]) == HEALTHY
    words = keras.Input((), dtype="int32", name="words")
    table = layers.Embedding(9, 8)(words)
    joined = layers.Concatenate()([inputs["a"], table])
    model = keras.Model([inputs["a"], words], layers.Dense(4)(joined))
    for scale, expected in ((1.0, HEALTHY), (1e5, ["dominant_feature"])):
        x = [scale * batch(SAMPLES, 5), np.arange(SAMPLES) % 9]
        assert kinds(model, x) == expected


def test_words_are_told_to_be_embedded():
    x = RANDOM.integers(1, 5000, (SAMPLES, 20))
    found = the_verdict(network(inputs=(20,)), x)
    assert found.kind == "ids_as_numbers"
    (layer,) = re.findall("`([^`]+)`", found.text)
    made = eval(layer, {"keras": keras})
    assert kinds(network(made, inputs=(20,), dtype="int32"), x) == HEALTHY
    # Of words that are sorted by frequency most numbers are small.
    words = np.minimum(RANDOM.zipf(1.3, (SAMPLES, 40)), 9999)
    assert kinds(network(inputs=(40,)), words) == ["ids_as_numbers"]
    # As a sequence of numbers.
    model = keras.Sequential([keras.Input((20, 1)), layers.LSTM(8, name="rnn")])
    found = the_verdict(model, x[..., None].astype("float32"))
    layer, code = re.findall("`([^`]+)`", found.text)
    assert (found.kind, code) == ("ids_as_numbers", "x = x[..., 0]")
    start = keras.Input((20,), dtype="int32")
    embedded = eval(layer, {"keras": keras})(start)
    model = keras.Model(start, layers.LSTM(8)(embedded))
    assert kinds(model, x) == HEALTHY
    # A wave of large integers is one.
    wave = np.round(9000 * (1 + np.sin(0.1 * np.arange(400))))
    wave = wave * (1 + np.arange(SAMPLES)[:, None] % 3)
    assert kinds(network(inputs=(400,)), wave) == ["unscaled_inputs"]


def test_the_number_of_a_user_is_told_to_be_left_out():
    x = batch(SAMPLES, 6)
    x[:, 2] = RANDOM.permutation(50_000)[:SAMPLES]
    found = the_verdict(network(inputs=(6,)), x)
    assert (found.kind, found.layer) == ("ids_as_numbers", "input")
    first, _ = re.findall("`([^`]+)`", found.text)
    exec(first, {"x": x})
    assert kinds(network(inputs=(6,)), x) == HEALTHY


def test_data_that_is_constant():
    for x in (np.ones((SAMPLES, 10)), np.zeros((SAMPLES, 10))):
        found = the_verdict(network(), x.astype("float32"))
        assert (found.kind, found.layer) == ("constant_inputs", "input")
        (code,) = re.findall("`([^`]+)`", found.text)
        assert eval(code, {"np": np, "x": x}) == 0
    # It became so.
    model = network(layers.Rescaling(0.0, 1.0))
    found = the_verdict(model, batch(SAMPLES, 10))
    assert found.kind == "constant_inputs"
    assert "all samples are equal where they reach " in found.text
    # Some constant features do no harm, nor does a batch of one.
    x = np.concatenate([batch(SAMPLES, 5), np.ones((SAMPLES, 5), "float32")], axis=1)
    report = signal_report(network(), x)
    assert report.is_healthy
    assert report["first"].features.constant == 5
    assert kinds(network(), np.ones((1, 10), "float32")) != ["constant_inputs"]


def test_what_the_model_expects_instead():
    """A model with a layer that scales pixels, and data that has been scaled."""
    x = 0.3 * RANDOM.random((SAMPLES, 16))
    model = network(layers.Rescaling(1 / 255, name="own"), inputs=(16,))
    found = the_verdict(model, x)
    assert (found.kind, found.layer) == ("unscaled_inputs", f"{model.name}/own")
    assert found.text.endswith(
        "/own' (Rescaling) scales the data already: pass it pixels, `x = 255 * x`."
    )
    assert kinds(model, follow(found.text, x=x)["x"]) == HEALTHY


HEALTHY_DATA = {
    "digits": lambda: np.minimum(16, RANDOM.poisson(6, (SAMPLES, 64))),
    "digits as numbers of bytes": lambda: RANDOM.integers(0, 17, (SAMPLES, 64)),
    "one-hot": lambda: np.eye(500)[RANDOM.integers(0, 500, SAMPLES)],
    "frequencies": lambda: np.eye(500)[RANDOM.integers(0, 500, SAMPLES)] * 0.1,
    "white paper": lambda: 1.0 * (RANDOM.random((SAMPLES, 400)) > 0.02),
    "counts": lambda: RANDOM.poisson(20 / np.arange(1, 501), (SAMPLES, 500)),
    "coordinates": lambda: RANDOM.uniform(1, 2, (SAMPLES, 1)),
    "ages": lambda: RANDOM.uniform(18, 90, (SAMPLES, 3)),
    "returns": lambda: RANDOM.normal(size=(SAMPLES, 8)) * 0.01,
    "borders": lambda: np.pad(RANDOM.random((SAMPLES, 20)), ((0, 0), (9, 9))),
    "half": lambda: RANDOM.normal(size=(SAMPLES, 8)).astype("float16"),
}


@pytest.mark.parametrize("name", list(HEALTHY_DATA))
def test_data_that_is_not_accused(name):
    assert judged(HEALTHY_DATA[name]()) == HEALTHY


def test_gates_saturate_from_a_scale_of_32_on():
    model = keras.Sequential([keras.Input((20, 1)), keras.layers.LSTM(4)])
    x = np.random.default_rng(0).normal(size=(32, 20, 1)).astype("float32")
    x /= np.sqrt(np.mean(x**2))
    for scale, is_told in ((33.0, True), (31.0, False)):
        kinds = [each.kind for each in signal_report(model, scale * x).verdicts]
        assert ("unscaled_inputs" in kinds) == is_told
