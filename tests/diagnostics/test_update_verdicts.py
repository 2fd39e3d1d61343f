"""Where the verdicts on the first update begin, by rows made by hand; what repairs."""

import re

import keras
import numpy as np
import pytest
from diagnostics.healthy_row import dense_row
from keras import layers

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.first_update import FirstUpdate
from keras_initx.diagnostics._measure.known_losses import REGRESSION, SPARSE
from keras_initx.diagnostics._measure.merges import Merge, Part
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.task import Task

pytestmark = pytest.mark.same_on_each_backend(every=9)

BELOW, ABOVE = 0.95, 1.05
UNITS = 64
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(64, UNITS)).astype("float32")
Y = np.arange(64) % 10


def row(path, ratio=0.01, norm=8.0, **quantities):
    """A healthy dense layer, whose kernel an update changes by this ratio."""
    kernel = KernelRow(f"{path}/kernel", (UNITS, UNITS), fan_in=UNITS, norm=norm)
    kernel.gradient, kernel.update_ratio = 1.0, ratio
    return dense_row(path, kernel, **quantities)


def update(**quantities):
    defaults = {
        "optimizer": "Adam",
        "rate": 1e-3,
        "is_scheduled": False,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "loss_before": 2.0,
        "loss_after": 1.9,
        "predicted": -0.2,
        "output_change": 0.1,
    }
    return FirstUpdate(**{**defaults, **quantities})


def kinds(*rows, kind=SPARSE, merges=(), readers=None, **quantities):
    tasks = [Task(kind, Y, Y)]
    seen = Seen(list(rows), loss=2.0, tasks=tasks, first_update=update(**quantities))
    seen.merges, seen.readers = list(merges), readers or {}
    return [verdict.kind for verdict in verdicts(seen)]


def test_an_update_that_is_larger_than_most_kernels():
    for ratio, expected in ((ABOVE, "large_update"), (BELOW, "healthy")):
        assert kinds(row("a", ratio), row("b", ratio), row("c")) == [expected]
    # One kernel of three, or kernels that are small by design: a policy head.
    assert kinds(row("a", 2.0), row("b"), row("c")) == ["healthy"]
    assert kinds(row("a"), row("b", 2.0, norm=0.08)) == ["healthy"]


def test_a_normalization_takes_the_scale_of_a_kernel_away():
    norm = LayerRow("n", "BatchNormalization", std=1.0, output_gradient=1.0)
    assert kinds(row("a", 2.0), norm, row("b", 2.0)) == ["healthy"]
    assert kinds(row("a", 2.0), row("b", 2.0)) == ["large_update"]


@pytest.mark.parametrize(
    ("optimizer", "kind", "limit"),
    [("Adam", SPARSE, 2.0), ("SGD", SPARSE, 1.25), ("SGD", REGRESSION, 1.25)],
)
def test_an_update_that_raises_the_loss(optimizer, kind, limit):
    for factor, expected in ((ABOVE, "large_update"), (BELOW, "healthy")):
        quantities = {"optimizer": optimizer, "loss_after": 2.0 * limit * factor}
        assert kinds(row("a"), row("b"), kind=kind, **quantities) == [expected]


def test_adam_may_raise_a_squared_error_a_hundredfold():
    """A wide network does, and learns; a loss may be negative too."""
    assert kinds(row("a"), row("b"), kind=REGRESSION, loss_after=200.0) == ["healthy"]
    negative = {"optimizer": "SGD", "loss_before": -2.0, "loss_after": -1.0}
    assert kinds(row("a"), row("b"), kind=REGRESSION, **negative) == ["healthy"]


def test_a_loss_that_is_not_finite_after_the_step():
    nan = float("nan")
    assert kinds(row("a"), row("b"), loss_after=nan) == ["large_update"]
    assert kinds(row("a"), row("b"), loss_after=nan, loss_before=nan) == ["healthy"]
    assert kinds(row("a"), row("b"), loss_after=nan, rate=0.0) == ["healthy"]


def stream(count, share, is_normalized=True):
    """Sums with branches of this share of the variance, each before a normalization."""
    parts = (Part("x", (1 - share) ** 0.5), Part("b", share**0.5))
    norms = [
        LayerRow(f"n{n}", "LayerNormalization", std=1.0, output_gradient=1.0)
        for n in range(count)
    ]
    merges = [Merge(norm.path, "+", parts) for norm in norms]
    more = [] if is_normalized else ["b"]
    readers = {f"the sum before {norm.path}": [norm.path, *more] for norm in norms}
    return norms, merges, readers


def test_the_changes_of_normalized_sums_add_up():
    """12 sums of 1/4 make 3; times a ratio of 0.015 that is the limit of 0.045."""
    norms, merges, readers = stream(12, 0.25)
    for factor, expected in ((ABOVE, "large_update"), (BELOW, "healthy")):
        rows = [row("a", 0.015 * factor), *norms, row("b", 0.015 * factor)]
        assert kinds(*rows, merges=merges, readers=readers) == [expected]
    # Where a branch reads the sum too, it is a stream that grows.
    norms, merges, readers = stream(12, 0.25, is_normalized=False)
    rows = [row("a", 0.04), *norms, row("b", 0.04)]
    assert kinds(*rows, merges=merges, readers=readers) == ["healthy"]


def test_without_an_optimizer_only_many_normalized_sums_are_told():
    for count, expected in ((50, "large_update"), (46, "healthy")):
        norms, merges, readers = stream(count, 0.25)
        seen = Seen([row("a"), *norms, row("b")], loss=2.0)
        seen.merges, seen.readers = merges, readers
        assert [each.kind for each in verdicts(seen)] == [expected]
        seen.loss = None
        assert [each.kind for each in verdicts(seen)] == ["healthy"]


def test_an_update_that_changes_nothing():
    for ratio, expected in ((BELOW * 1e-6, "small_update"), (ABOVE * 1e-6, "healthy")):
        assert kinds(row("a", ratio), row("b", ratio), rate=1e-9) == [expected]
    tiny = row("a", 1e-9), row("b", 1e-9)
    # A schedule that begins at zero; a gradient that is small by itself.
    assert kinds(*tiny, rate=0.0, is_scheduled=True) == ["healthy"]
    assert kinds(*tiny, rate=1e-2) == ["healthy"]


def test_a_decay_is_strong_if_it_is_larger_than_half_of_what_is_learned():
    for factor, expected in ((ABOVE, "strong_weight_decay"), (BELOW, "healthy")):
        one = {"weight_decay": 10.0, "decay": 0.5 * factor}
        assert kinds(row("a"), row("b"), **one) == [expected]
        # Or if it is fast enough.
        other = {"weight_decay": 1.0 * factor, "decay": 5.0}
        assert kinds(row("a"), row("b"), **other) == [expected]


def test_a_momentum_counts_for_the_gradient_only():
    for decay, expected in ((5.5, "strong_weight_decay"), (4.5, "healthy")):
        found = {"weight_decay": 10.0, "momentum": 0.9, "decay": decay}
        assert kinds(row("a"), row("b"), optimizer="SGD", **found) == [expected]


@pytest.mark.parametrize("cause", ["exploding_signal", "vanishing_gradient"])
def test_what_is_wrong_with_the_gradient_explains_the_update(cause):
    fault = {
        "exploding_signal": {"pre_activation_std": 1e5},
        "vanishing_gradient": {"output_gradient": 1e-6},
    }[cause]
    rows = row("a", 2.0, **fault), row("b", 2.0)
    assert kinds(*rows) == [cause]


# The line to paste


def network(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((UNITS,))])
    model.add(layers.Dense(UNITS, "relu", kernel_initializer="he_normal"))
    model.add(layers.Dense(10, "softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def apply_advice(model, text):
    """Runs the last line in backticks as it stands."""
    line = re.findall("`([^`]*)`", text)[0]
    exec(line, {"keras": keras, "keras_initx": keras_initx, "model": model, "x": X})


@pytest.mark.parametrize(
    ("kind", "optimizer", "text"),
    [
        (
            "large_update",
            lambda: keras.optimizers.Adam(1.0),
            r"one step of Adam at a rate of 1 changes 2 of 2 kernels by more than "
            r"their own norm, up to [\d.]+ times, and takes the loss of this batch "
            r"from [\d.]+ to [\d.]+. Lower the rate: `model.optimizer.learning_rate = "
            r"0.001`.",
        ),
        (
            "large_update",
            lambda: keras.optimizers.SGD(
                keras.optimizers.schedules.ExponentialDecay(30.0, 10, 0.9)
            ),
            r"one step of SGD at a rate of 30 .* Lower the rate: "
            r"`model.compile\(keras.optimizers.SGD\([\d.]+\), loss=model.loss\)`.",
        ),
        (
            "small_update",
            lambda: keras.optimizers.Adam(1e-9),
            r"one step of Adam at a rate of 1e-09 changes no kernel by more than "
            r"[\d.e-]+ of its norm, so that millions of steps would be needed. Raise "
            r"the rate: `model.optimizer.learning_rate = 0.001`.",
        ),
        (
            "strong_weight_decay",
            lambda: keras.optimizers.AdamW(1e-3, weight_decay=10),
            r"AdamW takes [\d.]+ times as much off the kernels by its weight decay of "
            r"10 as it adds by their gradients. The kernels halve in 69 steps, and so "
            r"does what they have learned. Use a smaller one: "
            r"`model.optimizer.weight_decay = 0.004`.",
        ),
    ],
)
def test_the_line_repairs(kind, optimizer, text):
    model = network(optimizer())
    (found,) = signal_report(model, X, Y).verdicts
    assert (found.kind, found.layer) == (kind, None)
    assert re.fullmatch(text, found.text)
    apply_advice(model, found.text)
    assert signal_report(model, X, Y).is_healthy


def test_the_line_repairs_a_deep_normalized_stream():
    """A chain of sums with a normalization after each; the branches are copies."""
    keras.utils.set_random_seed(0)
    start = hidden = keras.Input((32,))
    for _ in range(24):
        branch = layers.Dense(32, "tanh")(hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, branch]))
    model = keras.Model(start, layers.Dense(10, "softmax")(hidden))
    model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    found = signal_report(model, X[:, :32], Y).verdicts[0]
    assert found.kind == "large_update"
    assert "the stream is normalized after each of 24 sums, from" in found.text
    apply_advice(model, found.text)
    assert signal_report(model, X[:, :32], Y).is_healthy


def test_the_line_repairs_a_collapse():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32,))])
    for _ in range(60):
        model.add(layers.Dense(32, "relu", kernel_initializer="he_normal"))
    model.add(layers.Dense(4))
    (found,) = signal_report(model, X[:, :32]).verdicts
    assert found.kind == "collapsed_inputs"
    apply_advice(model, found.text)
    assert signal_report(model, X[:, :32]).is_healthy


@pytest.mark.parametrize(("depth", "is_told"), [(3, False), (6, True)])
def test_a_few_sigmoids_are_no_collapse(depth, is_told):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((UNITS,))])
    for _ in range(depth):
        model.add(layers.Dense(UNITS, "sigmoid"))
    model.add(layers.Dense(10, "softmax"))
    kinds = [each.kind for each in signal_report(model, X).verdicts]
    assert ("collapsed_inputs" in kinds) is is_told
