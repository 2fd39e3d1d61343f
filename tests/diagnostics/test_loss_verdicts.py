"""The loss, the last activation and the targets: each verdict, and its line tried."""

import functools
import math
import re

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, losses, ops
from limits import EPSILON

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.layer_code import codes_of
from keras_initx.diagnostics._measure.loss_facts import (
    expected_loss,
    logits_of,
    loss_at_start,
)
from keras_initx.diagnostics._measure.losses import shapes_as_in_keras
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.task import Task
from keras_initx.diagnostics._measure.tasks import tasks_of

pytestmark = pytest.mark.same_on_each_backend(every=9)

SAMPLES, FEATURES, CLASSES = 32, 8, 6
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(SAMPLES, FEATURES)).astype("float32")
LABELS = np.arange(SAMPLES) % CLASSES
ONE_HOT = np.eye(CLASSES, dtype="float32")[LABELS]
YES_OR_NO = (LABELS > 2).astype("float32")[:, None]
NUMBERS = RANDOM.normal(size=(SAMPLES, 1)).astype("float32")
SPARSE = "sparse_categorical_crossentropy"
HEALTHY = ["healthy"]


def network(*last, units=CLASSES, activation=None, **arguments):
    """A healthy network up to its last layers."""
    head = layers.Dense(units, activation, name="head", **arguments)
    first = layers.Dense(16, "relu", name="first", kernel_initializer="he_normal")
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((FEATURES,)), first, head, *last])


def kinds(*arguments, **more):
    return [each.kind for each in signal_report(*arguments, **more).verdicts]


def follow(text, model, y, loss):
    """The model, targets and loss after the last line in backticks has run."""
    names = {"model": model, "y": y, "loss": loss, "x": X}
    names |= {"keras": keras, "keras_initx": keras_initx}
    line = re.findall(r"`([^`]*)`", text)[-1]
    exec(line, names)
    return names["model"], names["y"], names["loss"]


def squared(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def large(deviation):
    return keras.initializers.RandomNormal(stddev=deviation, seed=1)


RELU = {"activation": "relu"}
FAULTS = {
    "softmax as logits": (
        lambda: network(activation="softmax"),
        LABELS,
        losses.SparseCategoricalCrossentropy(from_logits=True),
        "probabilities_as_logits",
    ),
    "sigmoid as logit": (
        lambda: network(units=1, activation="sigmoid"),
        YES_OR_NO,
        losses.BinaryCrossentropy(from_logits=True),
        "probabilities_as_logits",
    ),
    "sigmoid of classes as logits": (
        lambda: network(activation="sigmoid"),
        ONE_HOT,
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
        "probabilities_as_logits",
    ),
    "logits": (network, LABELS, SPARSE, "logits_as_probabilities"),
    "logits of zero": (
        lambda: network(kernel_initializer="zeros"),
        LABELS,
        SPARSE,
        "logits_as_probabilities",
    ),
    "tanh": (
        lambda: network(units=1, activation="tanh"),
        YES_OR_NO,
        "binary_crossentropy",
        "logits_as_probabilities",
    ),
    "softmax of a softmax": (
        lambda: network(layers.Softmax(), activation="softmax"),
        LABELS,
        SPARSE,
        "double_softmax",
    ),
    "two layers of softmax": (
        lambda: network(layers.Softmax(), layers.Softmax()),
        LABELS,
        SPARSE,
        "double_softmax",
    ),
    "sigmoid of classes": (
        lambda: network(activation="sigmoid"),
        LABELS,
        SPARSE,
        "exclusive_sigmoid",
    ),
    "sigmoid and one-hot": (
        lambda: network(activation="sigmoid"),
        ONE_HOT,
        "binary_crossentropy",
        "exclusive_sigmoid",
    ),
    "logits and one-hot": (
        network,
        ONE_HOT,
        losses.BinaryCrossentropy(from_logits=True),
        "exclusive_sigmoid",
    ),
    "rectified logits": (
        lambda: network(activation="relu"),
        LABELS,
        losses.SparseCategoricalCrossentropy(from_logits=True),
        "unreachable_targets",
    ),
    "rectified probabilities": (
        lambda: network(activation="relu"),
        LABELS,
        SPARSE,
        "unreachable_targets",
    ),
    "rectifier before a softmax": (
        lambda: network(layers.ReLU(name="last"), layers.Softmax()),
        LABELS,
        SPARSE,
        "unreachable_targets",
    ),
    "rectified numbers": (
        lambda: network(units=1, activation="relu"),
        NUMBERS,
        "mse",
        "unreachable_targets",
    ),
    "a function that broadcasts": (
        lambda: network(units=1),
        NUMBERS[:, 0],
        squared,
        "broadcast_targets",
    ),
    "several outputs for one number": (
        lambda: network(units=3),
        NUMBERS,
        "mse",
        "broadcast_targets",
    ),
    "a large head": (
        lambda: network(kernel_initializer=large(10)),
        LABELS,
        losses.SparseCategoricalCrossentropy(from_logits=True),
        "large_logits",
    ),
    "a large head with softmax": (
        lambda: network(activation="softmax", kernel_initializer=large(10)),
        LABELS,
        SPARSE,
        "large_logits",
    ),
    "a softmax over one unit": (
        lambda: network(units=1, activation="softmax"),
        YES_OR_NO,
        "binary_crossentropy",
        "constant_output",
    ),
    "a softmax of one unit": (
        lambda: network(layers.Softmax(), units=1),
        YES_OR_NO,
        "binary_crossentropy",
        "constant_output",
    ),
    "a large number": (
        lambda: network(units=1, kernel_initializer=large(20)),
        NUMBERS,
        "mse",
        "large_outputs",
    ),
}


@pytest.mark.filterwarnings("ignore:.*softmax over axis -1")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_its_line_repairs_it(name):
    build, y, loss, kind = FAULTS[name]
    model = build()
    (found,) = signal_report(model, X, y, loss).verdicts
    assert found.kind == kind
    model, y, loss = follow(found.text, model, y, loss)
    assert kinds(model, X, y, loss) == HEALTHY


def test_a_large_policy_is_told_without_targets():
    model = network(activation="softmax", kernel_initializer=large(10))
    (found,) = signal_report(model, X).verdicts
    assert found.kind == "large_logits"
    follow(found.text, model, None, None)
    assert kinds(model, X) == HEALTHY


def test_a_strong_regularizer_is_told_and_a_popular_one_is_not():
    for factor, expected in ((1.0, ["dominant_regularization"]), (1e-2, HEALTHY)):
        penalty = keras.regularizers.L2(factor)
        model = network(activation="softmax", kernel_regularizer=penalty)
        model.get_layer("first").kernel.regularizer = penalty
        model.compile(loss=SPARSE)
        report = signal_report(model, X, LABELS)
        assert [each.kind for each in report.verdicts] == expected
        kernel = keras.ops.convert_to_numpy(model.get_layer("head").kernel)
        norm = 2 * factor * np.linalg.norm(kernel)
        assert report["head"].kernel.regularization == pytest.approx(norm, rel=1e-5)
        # A loss that is given has no regularization.
        assert kinds(model, X, LABELS, SPARSE) == HEALTHY
        if expected != HEALTHY:
            follow(report.verdicts[0].text, model, None, None)
            assert kinds(model, X, LABELS) == HEALTHY


class TiedModel(keras.Model):
    """Words in, words out, by one table."""

    def __init__(self, deviation):
        super().__init__()
        table = keras.initializers.RandomNormal(stddev=deviation, seed=1)
        self.table = layers.Embedding(20, 64, embeddings_initializer=table)
        self.block = layers.Dense(64)
        self.norm = layers.LayerNormalization()

    def call(self, words):
        hidden = self.norm(self.block(self.table(words)))
        return ops.matmul(
            hidden, ops.transpose(ops.convert_to_tensor(self.table.embeddings))
        )


def test_a_tied_embedding_is_the_cause_of_large_logits():
    words = RANDOM.integers(0, 20, (8, 5))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model = TiedModel(1.0)
    (found,) = signal_report(model, words, words, loss).verdicts
    assert (found.kind, found.layer) == ("large_embeddings", model.table.path)
    arguments = eval(
        f"dict({re.findall('`([^`]*)`', found.text)[-1]})", {"keras": keras}
    )
    model.table.embeddings.assign(
        arguments["embeddings_initializer"](model.table.embeddings.shape)
    )
    assert kinds(model, words, words, loss) == HEALTHY


# What a person would not call a fault


OTHERS = {
    "targets as a vector": (1, None, NUMBERS[:, 0], "mse"),
    "probabilities as a vector": (1, "sigmoid", YES_OR_NO[:, 0], "binary_crossentropy"),
    "several labels": (
        CLASSES,
        "sigmoid",
        np.maximum(ONE_HOT, ONE_HOT[::-1]),
        "binary_crossentropy",
    ),
    "a few classes": (3, "sigmoid", np.eye(3)[LABELS % 3], "binary_crossentropy"),
    "positive targets": (1, "softplus", NUMBERS**2, "mse"),
    "targets that tanh nearly reaches": (1, "tanh", NUMBERS / 2, "mse"),
    "hinge": (1, "tanh", 2 * YES_OR_NO - 1, "hinge"),
    "one-hot integers": (
        CLASSES,
        "softmax",
        ONE_HOT.astype("int64"),
        losses.CategoricalCrossentropy(label_smoothing=0.1),
    ),
    "what reads the shapes itself": (
        1,
        None,
        NUMBERS[:, 0],
        lambda y, p: ops.mean(
            ops.square(y[:, None] - y[None] - p + ops.transpose(p)), axis=-1
        ),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_told_of(name):
    units, activation, y, loss = OTHERS[name]
    assert kinds(network(units=units, activation=activation), X, y, loss) == HEALTHY


def task(outputs, targets, kind="sparse", **arguments):
    names = {
        "sparse": SPARSE,
        "categorical": "categorical_crossentropy",
        "binary": "binary_crossentropy",
        "regression": "mean_squared_error",
    }
    arguments = {"loss": names[kind], "layer": "head", **arguments}
    return Task(kind, np.asarray(targets), np.asarray(outputs, "float32"), **arguments)


def judged(one, activation="", **quantities):
    row = LayerRow("head", "Dense", activation=activation, std=1.0, is_output=True)
    row.kernels = [KernelRow("head/kernel", (8, 8), fan_in=8, norm=math.sqrt(8))]
    row.pre_activation_std = 1.0
    for name, value in quantities.items():
        setattr(row, name, value)
    return [each.kind for each in verdicts(Seen([row], loss=1.0, tasks=[one]))]


@pytest.mark.parametrize(("factor", "expected"), [(0.95, HEALTHY), (1.05, None)])
def test_logits_are_large_above_a_deviation_of_five(factor, expected):
    signs = np.where(np.arange(40) % 2, 1.0, -1.0)
    logits = 5.0 * factor * np.stack([signs, -signs], axis=-1)
    one = task(logits, np.arange(40) // 2 % 2, from_logits=True)
    assert judged(one) == (expected or ["large_logits"])
    # What is large and right has been learned.
    right = task(logits, (signs < 0).astype("int64"), from_logits=True)
    assert judged(right) == HEALTHY


@pytest.mark.parametrize(("factor", "expected"), [(0.95, HEALTHY), (1.05, None)])
def test_outputs_are_large_above_ten_times_the_targets(factor, expected):
    signs = np.where(np.arange(40) % 2, 1.0, -1.0)[:, None]
    one = task(10 * factor * signs, signs, "regression")
    assert judged(one) == (expected or ["large_outputs"])


@pytest.mark.parametrize(("factor", "expected"), [(0.95, HEALTHY), (1.05, None)])
def test_targets_are_out_of_reach_beyond_a_twentieth_of_their_variance(
    factor, expected
):
    """Of 0 and 1 + d, a bound of 1 leaves d^2 / 2 of a variance of (1 + d)^2 / 4."""
    root = math.sqrt(0.05 * factor / 2)
    targets = np.tile([0.0, 1 / (1 - root)], 20)[:, None]
    one = task(np.full((40, 1), 0.5), targets, "regression")
    assert judged(one, "sigmoid") == (expected or ["unreachable_targets"])
    assert judged(one, "softplus") == HEALTHY


@pytest.mark.parametrize(("factor", "expected"), [(0.89, HEALTHY), (0.91, None)])
def test_regularization_dominates_above_nine_tenths(factor, expected):
    kernel = KernelRow("a/kernel", (8, 8), 8, 8, math.sqrt(8), gradient=2.0)
    kernel.regularization = 2.0 * factor
    row = LayerRow("a", "Dense", std=1.0, pre_activation_std=1.0, kernels=[kernel])
    found = [each.kind for each in verdicts(Seen([row], loss=1.0))]
    assert found == (expected or ["dominant_regularization"])


@pytest.mark.parametrize(
    ("factor", "expected"), [(0.89, HEALTHY), (0.91, None), (1.01, HEALTHY)]
)
def test_so_does_that_of_outputs(factor, expected):
    """More than the whole loss: then it is no part of it."""
    row = LayerRow("a", "Dense", std=1.0, pre_activation_std=1.0, activity_loss=factor)
    found = [each.kind for each in verdicts(Seen([row], loss=1.0))]
    assert found == (expected or ["dominant_regularization"])


def test_the_line_for_a_regularizer_of_outputs():
    model = network(activation="softmax")
    first = model.get_layer("first")
    first.activity_regularizer = keras.regularizers.L2(10.0)
    model.compile(loss=SPARSE)
    report = signal_report(model, X, LABELS)
    squares = np.square(to_numpy(first(X))).sum() / len(X)
    assert report["first"].activity_loss == pytest.approx(10 * squares, rel=1e-5)
    (found,) = report.verdicts
    assert (found.kind, found.layer) == ("dominant_regularization", first.path)
    follow(found.text, model, LABELS, None)
    assert kinds(model, X, LABELS) == HEALTHY


# What is measured


def softmax(values):
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_loss_at_the_start_is_that_of_keras(from_logits):
    values = RANDOM.normal(size=(12, CLASSES)).astype("float32")
    labels = np.arange(12) % CLASSES
    outputs = values if from_logits else softmax(values)
    slow = -np.mean(np.log(softmax(values.astype("float64"))[range(12), labels]))
    one = task(outputs, labels, from_logits=from_logits)
    assert loss_at_start(one) == pytest.approx(slow, rel=20 * EPSILON)
    smooth = losses.CategoricalCrossentropy(from_logits, label_smoothing=0.2)
    hot = np.eye(CLASSES)[labels]
    other = task(
        outputs, hot, "categorical", from_logits=from_logits, label_smoothing=0.2
    )
    assert loss_at_start(other) == pytest.approx(
        float(smooth(hot, outputs)), rel=100 * EPSILON
    )
    centred = values - values.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(logits_of(one), centred, atol=1e-5)


def test_what_a_loss_should_be():
    values = RANDOM.normal(size=(64, 2))
    found = expected_loss([task(values, values, "regression")])
    assert found.value == pytest.approx(values.var(axis=0).mean())
    rare = (np.arange(64) == 0).astype("int64")
    found = expected_loss([task(values, rare)])
    share = 1 / 64
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert (found.value, found.entropy) == pytest.approx((math.log(2), entropy))
    text = f"log 2 = 0.6931; the entropy of the class frequencies = {entropy:.4g}"
    assert str(found) == text
    assert expected_loss([task(values, rare, weights=np.full(64, 0.5))]) is None
    assert expected_loss([]) is None


def test_hidden_positions_do_not_count():
    values = RANDOM.normal(size=(2, 3, CLASSES)).astype("float32")
    labels = np.array([[1, 2, 0], [3, 0, 0]])
    one = task(values, labels, from_logits=True, weights=(labels > 0).astype("float32"))
    logs = np.log(softmax(values.astype("float64")))
    slow = -np.mean([logs[0, 0, 1], logs[0, 1, 2], logs[1, 0, 3]])
    assert loss_at_start(one) == pytest.approx(slow, rel=20 * EPSILON)


@pytest.mark.parametrize(
    ("targets", "outputs", "expected"),
    [
        ((4,), (4, 1), ((4, 1), (4, 1))),
        ((4, 1), (4,), ((4, 1), (4, 1))),
        ((4, 3), (4, 3, 1), ((4, 3), (4, 3))),
        ((4, 3, 1), (4, 3), ((4, 3), (4, 3))),
        ((4, 3), (4, 1), ((4, 3), (4, 1))),
    ],
)
def test_shapes_are_those_that_keras_compares(targets, outputs, expected):
    assert shapes_as_in_keras(targets, outputs) == expected


def found_tasks(model, y, loss=None, sample_weight=None):
    labelled = (X, y, sample_weight)
    return tasks_of(model, loss, labelled, model(X), lambda tensor: None)


@pytest.mark.parametrize(
    ("loss", "kind", "from_logits"),
    [
        (SPARSE, "sparse", False),
        (losses.SparseCategoricalCrossentropy(from_logits=True), "sparse", True),
        (losses.sparse_categorical_crossentropy, "sparse", False),
        (
            functools.partial(losses.sparse_categorical_crossentropy, from_logits=True),
            "sparse",
            True,
        ),
        ("mse", "regression", False),
        (losses.Huber(), "regression", False),
        (losses.BinaryFocalCrossentropy(from_logits=True), "binary", True),
        (losses.CategoricalCrossentropy(axis=1), "", False),
        (losses.KLDivergence(), "", False),
        (squared, "", False),
    ],
)
def test_the_kind_of_a_loss(loss, kind, from_logits):
    model = network()
    (given,) = found_tasks(model, LABELS, loss)
    model.compile(loss=loss)
    (compiled,) = found_tasks(model, LABELS)
    for one in (given, compiled):
        assert (one.kind, one.from_logits) == (kind, from_logits)
        np.testing.assert_array_equal(one.targets, LABELS)
        assert one.shape == one.outputs.shape == (SAMPLES, CLASSES)


def test_each_output_has_its_targets():
    start = keras.Input((FEATURES,))
    heads = {name: layers.Dense(2, name=name)(start) for name in ("a", "b")}
    model = keras.Model(start, heads)
    y = {"a": LABELS % 2, "b": RANDOM.normal(size=(SAMPLES, 2))}
    model.compile(loss={"a": SPARSE, "b": "mse"})
    found = signal_report(model, X, y).verdicts
    assert [(each.kind, each.layer) for each in found] == [
        ("logits_as_probabilities", "a")
    ]
    assert found[0].text.endswith(
        "Use `keras.losses.SparseCategoricalCrossentropy(from_logits=True)` for this "
        "output."
    )
    assert [one.code for one in found_tasks(model, y)] == ['y["a"]', 'y["b"]']


class OwnLoss(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(1)

    def call(self, inputs):
        return self.head(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, **more):
        return ops.mean(ops.square(y_pred))


def test_a_loss_of_its_own_is_no_task():
    model = OwnLoss()
    model.compile(loss="mse")
    model(X)
    model.head.kernel.regularizer = keras.regularizers.L2(1.0)
    assert found_tasks(model, LABELS) == []
    assert kinds(model, X, LABELS) == HEALTHY
    assert found_tasks(network(), None, "mse") == []


def test_of_large_outputs_some_samples_are_looked_at():
    model = keras.Sequential([keras.Input((FEATURES,)), layers.Dense(50_000)])
    labels = np.arange(SAMPLES)
    (one,) = found_tasks(model, labels, SPARSE, np.ones(SAMPLES))
    assert one.outputs.shape == (16, 50_000)
    assert one.shape == (SAMPLES, 50_000)
    np.testing.assert_array_equal(one.compared, labels[::2])
    assert len(one.targets) == len(one.all_weights) == SAMPLES


def test_labels_out_of_range_have_no_gradient():
    labels = np.where(LABELS == 2, CLASSES, LABELS)
    (one,) = found_tasks(network(), labels, SPARSE)
    assert one.labels_out_of_range.tolist() == [CLASSES]
    report = signal_report(network(activation="softmax"), X, labels, SPARSE)
    assert report.loss is None
    (one,) = found_tasks(network(), labels, SPARSE, (LABELS != 2) * 1.0)
    assert one.labels_out_of_range.tolist() == []


def test_the_code_of_a_layer_gives_it():
    inner = keras.Sequential([layers.Dense(3, name="deep")], name="inner")
    model = keras.Sequential([keras.Input((FEATURES,)), inner])
    for layer, code in codes_of(model):
        assert eval(code, {"model": model}) is layer
    tied = TiedModel(1.0)
    assert 'model.get_layer("inner").get_layer("deep")' in [
        c for _, c in codes_of(model)
    ]
    assert len(codes_of(tied)) == 4


def test_all_steps_where_one_target_is_asked_for():
    model = keras.Sequential([keras.Input((5, 3))])
    model.add(layers.LSTM(4, return_sequences=True, name="lstm"))
    model.add(layers.Dense(1))
    x = RANDOM.normal(size=(SAMPLES, 5, 3))
    (found,) = signal_report(model, x, NUMBERS, "mse").verdicts
    assert found.kind == "broadcast_targets"
    assert found.text.endswith(
        'Use `model.get_layer("lstm").return_sequences = False`.'
    )


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_large_inputs_are_no_fault_of_the_logits(dtype):
    """Pixels of 0 to 16, as floats or integers, make the logits large, and train."""
    pixels = RANDOM.integers(0, 17, (SAMPLES, FEATURES)).astype(dtype)
    model = network(kernel_initializer="he_normal")
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert "large_logits" not in kinds(model, pixels, LABELS, loss)


def test_cosines_may_be_multiplied():
    """Face recognition multiplies cosines by 30; a factor of 1000 is a fault."""
    for factor, is_told in ((30.0, False), (1000.0, True)):
        norm, scale = layers.UnitNormalization(), layers.Rescaling(factor, name="scale")
        model = network(norm, scale)
        loss = losses.SparseCategoricalCrossentropy(from_logits=True)
        found = signal_report(model, X, LABELS, loss).verdicts
        assert ("large_logits" in [each.kind for each in found]) == is_told
