"""Verdicts on the targets: where each begins, what is healthy, and what helps."""

import math
import re

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.known_losses import (
    BINARY,
    CATEGORICAL,
    REGRESSION,
    SPARSE,
)
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.targets import target_row
from keras_initx.diagnostics._measure.task import Task

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES = 64
HEALTHY = ["healthy"]
BELOW, ABOVE = 0.95, 1.05
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(SAMPLES, 10)).astype("float32")
LOSSES = {
    REGRESSION: "mean_squared_error",
    BINARY: "binary_crossentropy",
    CATEGORICAL: "categorical_crossentropy",
    SPARSE: "sparse_categorical_crossentropy",
}
ACTIVATIONS = {
    REGRESSION: "",
    BINARY: "sigmoid",
    CATEGORICAL: "softmax",
    SPARSE: "softmax",
}


def network(units=1, activation=None):
    steps = [layers.Dense(16, "relu"), layers.Dense(units, activation, name="head")]
    return keras.Sequential([keras.Input((10,)), *steps])


def task(kind, targets, outputs, **arguments):
    loss = arguments.pop("loss", LOSSES[kind])
    return Task(kind, np.asarray(targets), np.asarray(outputs), loss, **arguments)


def judged(*arguments, is_trainable=True, **others):
    """The verdicts on a task, with rows that are healthy."""
    kernel = KernelRow("head/kernel", (9, 9), fan_in=9, norm=3.0, gradient=1.0)
    kernel.is_trainable = is_trainable
    row = LayerRow("head", "Dense", pre_activation_std=1.0, std=1.0, units=2)
    row.kernels, row.output_gradient = [kernel], 1.0
    row.activation = ACTIVATIONS[arguments[0]]
    seen = Seen([row], [], 1.0, [task(*arguments, layer="head", **others)])
    return [verdict.kind for verdict in verdicts(seen)]


def one_hot(labels, classes):
    return np.eye(classes, dtype="float32")[labels]


def equal(shape, classes):
    """Outputs that give each class the same probability."""
    return np.full((*shape, classes), 1 / classes)


def normal(*shape):
    values = RANDOM.normal(size=shape)
    return (values - values.mean()) / values.std()


def follow(text, place=0, **names):
    """Runs one line that a text has, as it is printed, and gives its names."""
    code = re.findall("`([^`]+)`", text)[place]
    names |= {"keras": keras, "keras_initx": keras_initx, "np": np}
    exec(code, names)
    return names


# What is measured


def test_targets_by_numpy():
    y = RANDOM.normal(size=(20, 3))
    row = target_row(task(REGRESSION, y, y))
    found = (row.samples, row.count, row.mean, row.std, row.minimum, row.maximum)
    assert found == pytest.approx((20, 60, y.mean(), y.std(), y.min(), y.max()))
    labels = np.array([0, 0, 0, 1, 2, 2, 0, 0])
    p = np.array([5, 1, 2]) / 8
    entropy = -sum(p * np.log(p))
    for kind, targets in ((SPARSE, labels), (CATEGORICAL, one_hot(labels, 3))):
        row = target_row(task(kind, targets, equal((8,), 3)))
        assert row.frequencies == pytest.approx(p)
        assert row.entropy == pytest.approx(entropy)
        assert str(row) == (
            "Targets: 8 labels, 3 of 3 classes occur, the most frequent in 62.5 %; "
            f"entropy {entropy:.3g}."
        )
    row = target_row(task(BINARY, [[0], [1], [1], [1]], np.full((4, 1), 0.5)))
    assert row.frequencies == [0.25, 0.75]


def test_a_report_shows_the_targets():
    labels = np.arange(SAMPLES) % 4
    report = signal_report(network(4, "softmax"), X, labels, LOSSES[SPARSE])
    assert report.is_healthy
    assert report.targets[0].entropy == pytest.approx(math.log(4))
    assert report.to_dict()["targets"][0]["frequencies"] == [0.25] * 4
    assert "\nTargets: 64 labels, 4 of 4 classes occur" in str(report)
    assert signal_report(network(), X).targets == []


# Where each begins


@pytest.mark.parametrize("outputs", [0.0, 1.0, 10.0])
def test_where_targets_begin_to_be_too_far(outputs):
    made = outputs * normal(200, 1)
    for factor, expected in ((ABOVE, "unscaled_targets"), (BELOW, "healthy")):
        error = 300 * factor * max(outputs, 1) * normal(200, 1)
        assert judged(REGRESSION, made + error, made) == [expected]
    far = made + 1e6 * normal(200, 1)
    for loss in ("poisson", "mean_squared_logarithmic_error"):
        assert judged(REGRESSION, far, made, loss=loss) == HEALTHY


def test_where_targets_begin_to_be_too_small():
    for factor, expected in ((BELOW, "unscaled_targets"), (ABOVE, "healthy")):
        targets = 1e-3 * factor * normal(200, 1)
        assert judged(REGRESSION, targets, normal(200, 1)) == [expected]
        # Outputs of zeros are as near to them as to any others.
        assert judged(REGRESSION, targets, np.zeros((200, 1))) == HEALTHY


def test_where_a_class_begins_to_be_rare():
    """A tenth of log 2 is the entropy of 1.25 %."""
    for ones, expected in ((12, "rare_classes"), (13, "healthy")):
        labels = (np.arange(1000) < ones).astype("int64")
        for kind, targets in ((SPARSE, labels), (CATEGORICAL, one_hot(labels, 2))):
            assert judged(kind, targets, equal((1000,), 2)) == [expected]
        targets = labels[:, None]
        assert judged(BINARY, targets, np.full((1000, 1), 0.5)) == [expected]
    # The outputs know it.
    for share, expected in ((0.01, "healthy"), (0.3, "rare_classes")):
        labels = (np.arange(1000) < 10)[:, None].astype("float32")
        assert judged(BINARY, labels, np.full((1000, 1), share)) == [expected]
    # A few labels of many classes.
    labels = np.arange(8) % 4
    assert judged(SPARSE, labels, equal((8,), 1000)) == HEALTHY


def test_when_targets_count_as_constant():
    for samples, expected in ((8, ["constant_targets"]), (7, HEALTHY)):
        same = np.full(samples, 1)
        assert judged(SPARSE, same, equal((samples,), 3)) == expected
        found = judged(CATEGORICAL, one_hot(same, 3), equal((samples,), 3))
        assert found == expected
        assert judged(REGRESSION, 3.0 * same, np.zeros(samples)) == expected
        outputs = np.full((samples, 1), 0.5)
        assert judged(BINARY, same[:, None], outputs) == expected
    # A generator, whose judge stays; a bias that knows; a residual that shall vanish.
    ones, outputs = np.ones((8, 1)), np.full((8, 1), 0.5)
    assert judged(BINARY, ones, outputs, is_trainable=False) == HEALTHY
    assert judged(BINARY, ones, np.full((8, 1), 0.99)) == HEALTHY
    assert judged(REGRESSION, np.zeros((8, 1)), outputs) == HEALTHY


def test_which_targets_are_in_range():
    wrong = ["labels_out_of_range"]
    for labels, expected in (([0, 2], HEALTHY), ([0, 3], wrong), ([-1, 2], wrong)):
        assert judged(SPARSE, labels, equal((2,), 3)) == expected
    assert judged(SPARSE, [0.5, 1.0], equal((2,), 3)) == wrong
    for labels, expected in (([0, 1], HEALTHY), ([-1, 1], wrong), ([0, 255], wrong)):
        column = np.array(labels, "float32")[:, None]
        assert judged(BINARY, column, np.full((2, 1), 0.5)) == expected
        assert judged(BINARY, column, np.full((2, 1), 0.5), loss="hinge") == HEALTHY
    for rows, expected in (
        ([[0, 1, 0], [0.2, 0.3, 0.5]], HEALTHY),
        ([[0, 1, 1], [0, 1, 0]], wrong),
        # Policy gradients weight them; a step of padding has none.
        ([[0, -2.5, 0], [0, 0, 0]], HEALTHY),
    ):
        assert (
            judged(CATEGORICAL, np.array(rows, "float32"), equal((2,), 3)) == expected
        )
    assert judged(REGRESSION, [[1.0], [np.nan]], np.zeros((2, 1))) == wrong
    # A class that is ignored, and a weight of zero.
    weights = dict.fromkeys(("weights", "all_weights"), np.array([1.0, 0.0]))
    assert judged(SPARSE, [0, 255], equal((2,), 3), **weights) == HEALTHY


# The line that is printed, followed


def verdict_and_model(y, *arguments, loss):
    model = network(*arguments)
    found = signal_report(model, X, y, loss).verdicts
    assert len(found) == 1
    return found[0], model


@pytest.mark.parametrize("place", [(5e4, 2e5), (1e-6, 0.0)])
def test_targets_are_told_to_be_standardized(place):
    deviation, mean = place
    y = mean + deviation * normal(SAMPLES, 1).astype("float32")
    found, model = verdict_and_model(y, loss="mse")
    assert found.kind == "unscaled_targets"
    assert found.layer.endswith("head")
    assert "`y = (y - y.mean(axis=0)) / (y.std(axis=0) + 1e-9)`" in found.text
    y = follow(found.text, y=y)["y"]
    assert signal_report(model, X, y, "mse").is_healthy
    np.testing.assert_allclose(y.std(), 1, rtol=1e-2)


@pytest.mark.parametrize("y", [22 + 9 * normal(SAMPLES, 1), 0.01 * normal(SAMPLES, 1)])
def test_prices_and_returns_are_healthy(y):
    assert signal_report(network(), X, y, "mse").is_healthy


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (1 + np.arange(SAMPLES) % 4, "y = y - 1"),
        (np.arange(SAMPLES) % 4 - 1, "y = y + 1"),
        (3 * (np.arange(SAMPLES) % 4) - 3, "y = np.unique(y, return_inverse=True)[1]"),
    ],
)
def test_class_numbers_are_told_to_be_changed(labels, code):
    found, model = verdict_and_model(labels, 4, "softmax", loss=LOSSES[SPARSE])
    assert found.kind == "labels_out_of_range"
    assert f"`{code}`" in found.text
    y = follow(found.text, y=labels)["y"]
    assert signal_report(model, X, y, LOSSES[SPARSE]).is_healthy


def test_more_classes_than_units():
    labels = np.arange(SAMPLES) % 6
    found, _ = verdict_and_model(labels, 4, "softmax", loss=LOSSES[SPARSE])
    assert found.text == (
        "the targets have the class numbers 4, 5; the 4 outputs stand for the classes "
        "0 to 3. Give the last layer 6 units, one for each class."
    )


def test_class_numbers_for_one_unit():
    labels = np.arange(SAMPLES) % 2
    found, model = verdict_and_model(labels, 1, "sigmoid", loss=LOSSES[SPARSE])
    assert found.kind == "labels_out_of_range"
    names = follow(found.text, y=labels)
    assert signal_report(model, X, names["y"], names["loss"]).is_healthy


def test_other_labels_are_told_to_be_changed():
    signs = 2.0 * (np.arange(SAMPLES)[:, None] % 2) - 1
    loss = LOSSES[BINARY]
    for y in (signs, 2 + signs, 127.5 + 127.5 * signs):
        found, model = verdict_and_model(y, 1, "sigmoid", loss=loss)
        assert found.kind == "labels_out_of_range"
        y = follow(found.text, y=y)["y"]
        assert set(np.unique(y)) == {0, 1}
        assert signal_report(model, X, y, loss).is_healthy
    many = (RANDOM.random((SAMPLES, 4)) < 0.5).astype("float32")
    loss = LOSSES[CATEGORICAL]
    found, model = verdict_and_model(many, 4, "softmax", loss=loss)
    assert found.kind == "labels_out_of_range"
    y = follow(found.text, 1, y=many)["y"]
    assert signal_report(model, X, y, loss).is_healthy
    loss = follow(found.text, 0)["loss"]
    assert signal_report(network(4, "sigmoid"), X, many, loss).is_healthy
    y = normal(SAMPLES, 1)
    y[3] = np.nan
    found, model = verdict_and_model(y, loss="mse")
    names = follow(found.text, x=X, y=y)
    assert signal_report(model, names["x"], names["y"], "mse").is_healthy


def test_sorted_samples_are_told_to_be_shuffled():
    labels = np.repeat(np.arange(4), SAMPLES)
    x = RANDOM.normal(size=(len(labels), 10)).astype("float32")
    found, model = verdict_and_model(
        labels[:SAMPLES], 4, "softmax", loss=LOSSES[SPARSE]
    )
    assert found.kind == "constant_targets"
    names = follow(found.text, x=x, y=labels)
    x, y = names["x"][:SAMPLES], names["y"][:SAMPLES]
    assert signal_report(model, x, y, LOSSES[SPARSE]).is_healthy


@pytest.mark.parametrize("kind", [BINARY, SPARSE, CATEGORICAL])
def test_rare_classes_are_told_to_start_from_their_frequencies(kind):
    labels = np.arange(200) % 100 // 99
    x = RANDOM.normal(size=(200, 10)).astype("float32")
    y = {BINARY: labels[:, None] * 1.0, SPARSE: labels}.get(kind, one_hot(labels, 2))
    units, activation = (1, "sigmoid") if kind == BINARY else (2, "softmax")
    model = network(units, activation)
    (found,) = signal_report(model, x, y, LOSSES[kind]).verdicts
    assert (found.kind, found.layer.split("/")[-1]) == ("rare_classes", "head")
    follow(found.text, model=model, y=y)
    assert signal_report(model, x, y, LOSSES[kind]).is_healthy
    expected = math.log(1 / 99) if kind == BINARY else math.log(0.01)
    assert to_numpy(model.layers[-1].bias)[-1] == pytest.approx(expected, rel=1e-3)


def test_an_autoencoder_is_healthy():
    x = RANDOM.random((SAMPLES, 10)).astype("float32")
    for activation, loss in (("sigmoid", LOSSES[BINARY]), (None, "mse")):
        assert signal_report(network(10, activation), x, x, loss).is_healthy
