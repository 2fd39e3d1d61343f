"""What is added or joined: one part beside which another one is lost."""

import re

import keras
import numpy as np
import pytest
from keras import layers

import keras_initx
from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.merges import INPUT, Merge, Part
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

HEALTHY = [("healthy", None)]
UNITS = 16
RANDOM = np.random.default_rng(0)
BELOW, ABOVE = 0.95, 1.05


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


X, Y = batch(64, UNITS), batch(64, 4)


def dense(name, units=UNITS, **arguments):
    arguments.setdefault("kernel_initializer", "haar_orthogonal")
    return layers.Dense(units, name=name, **arguments)


def two_branches(merge, *after):
    start = keras.Input((UNITS,))
    one, other = dense("one")(start), dense("other")(start)
    for step in after:
        other = step(other)
    return keras.Model(start, dense("head", 4)(merge([one, other])))


def told(model):
    return [(v.kind, v.layer) for v in signal_report(model, X, Y, "mse").verdicts]


def add(tensors):
    return tensors[0] + tensors[1]


MERGES = [
    layers.Add,
    layers.Average,
    layers.Subtract,
    layers.Concatenate,
    lambda: add,
]


@pytest.mark.parametrize("merge", MERGES)
def test_a_branch_that_drowns_another(merge):
    large = layers.Rescaling(1e4, name="large")
    model = two_branches(merge(), large)
    assert told(model) == [("drowned_branch", "large")]
    (found,) = signal_report(model, X, Y, "mse").verdicts
    line = found.text.split("`")[1]
    repaired = two_branches(merge(), large, eval(line, {"keras": keras}))
    assert told(repaired) == HEALTHY
    assert told(two_branches(merge())) == HEALTHY


def test_what_the_text_says():
    model = two_branches(layers.Add(name="add"), layers.Rescaling(1e4, name="large"))
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert found.text.startswith("in 'add' (Add), 'one' has a standard deviation of ")
    before, factor, after = re.split(r"(?<=Rescaling\()(.*)(?=\)`)", found.text)
    assert before.endswith(
        ", so the layers after it do not see it. Put `keras.layers.Rescaling("
    )
    # Two random maps: how large each output is depends on the draw.
    assert 1e-4 / 2 < float(factor) < 1e-4 * 2
    assert after == ")` after 'large', before they are merged."
    model = two_branches(add, layers.Rescaling(1e4, name="large"))
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert found.text.startswith("in the sum in or before 'head', 'one' has a ")


@pytest.mark.parametrize("gain", [1e4, 1e-4])
def test_a_kernel_that_drowns_another_or_is_drowned(gain):
    kernel = keras_initx.HaarOrthogonal(gain)
    model = two_branches(layers.Add(), dense("odd", kernel_initializer=kernel))
    assert told(model)[0] == ("drowned_branch", "odd")
    text = signal_report(model, X, Y, "mse").verdicts[0].text
    assert " not see it. Use `keras_initx.lsuv(model, x)`, which" in text
    keras_initx.lsuv(model, X)
    assert told(model) == HEALTHY


class Block(layers.Layer):
    """Adds a multiple of its branch to its input."""

    def __init__(self, factor, name):
        super().__init__(name=name)
        self.factor = factor
        self.branch = dense("branch")

    def build(self, shape):
        self.branch.build(shape)

    def call(self, inputs):
        return inputs + self.factor * self.branch(inputs)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1e4, "drowned_branch"), (1.0, "healthy"), (1e-4, "healthy")],
)
def test_a_branch_may_be_small_and_the_shortcut_may_not(factor, expected):
    start = keras.Input((UNITS,))
    hidden = Block(factor, "block")(dense("first")(start))
    model = keras.Model(start, dense("head", 4)(hidden))
    assert [kind for kind, _ in told(model)] == [expected]


def test_each_channel_gets_its_own_scale_after_a_concatenation():
    def merge(tensors):
        return layers.BatchNormalization()(layers.Concatenate()(tensors))

    assert told(two_branches(merge, layers.Rescaling(1e4))) == HEALTHY


def test_a_mask_of_large_negative_numbers_before_a_softmax():
    start = keras.Input((UNITS,))
    mask = layers.Rescaling(-1e9)(dense("other")(start))
    masked = layers.Add()([dense("scores")(start), mask])
    for last, is_told in (
        (layers.Softmax(), False),
        (dense("last", activation="softmax"), True),
    ):
        found = signal_report(keras.Model(start, last(masked)), X).verdicts
        assert ("drowned_branch" in [each.kind for each in found]) == is_told


def row(path, **quantities):
    return LayerRow(path, "Dense", std=1.0, output_gradient=1.0, **quantities)


def kinds(small, large=1.0, paths=("a", "b"), readers=None, factor=1.0, lost=()):
    merge = Merge("c", "Add", (Part(paths[0], small), Part(paths[1], large)))
    rows = [row("a", factor=factor), row("b"), row("c")]
    seen = Seen(rows, loss=1.0, merges=[merge], readers=readers or {}, lost=list(lost))
    return [verdict.kind for verdict in verdicts(seen)]


def test_a_part_is_drowned_below_a_thousandth():
    assert kinds(1e-3 * BELOW) == ["drowned_branch"]
    assert kinds(1e-3 * ABOVE) == ["healthy"]


def test_what_is_small_by_design():
    assert kinds(0.0) == ["healthy"]
    assert kinds(1e-6, factor=1e-6) == ["healthy"]
    # The small one is a branch of the large one, or the large one is a raw input.
    assert kinds(1e-6, readers={"b": ["d"], "d": ["a"]}) == ["healthy"]
    assert kinds(1e-6, readers={"a": ["d"], "d": ["b"]}) == ["drowned_branch"]
    assert kinds(1e-6, paths=("a", INPUT)) == ["healthy"]
    assert kinds(1e-6, paths=("a", "")) == ["healthy"]


def test_a_branch_whose_way_is_hidden_by_a_function():
    later = {"small": 1e-6, "paths": ("b", "a")}
    assert kinds(**later) == ["drowned_branch"]
    assert kinds(**later, lost=["b"]) == ["healthy"]
    # What comes before the large one cannot have got it.
    assert kinds(1e-6, lost=["a"]) == ["drowned_branch"]


# Two factors of zero, one after the other


def residual(kernel, gamma):
    start = keras.Input((UNITS,))
    hidden = dense("first")(start)
    branch = dense("a", activation="relu")(hidden)
    branch = dense("b", kernel_initializer=kernel)(branch)
    norm = layers.BatchNormalization(gamma_initializer=gamma, name="norm")
    return keras.Model(start, dense("head", 4)(layers.Add()([hidden, norm(branch)])))


def test_silent_branches():
    model = residual("zeros", "zeros")
    assert told(model) == [("silent_branches", "norm")]
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert found.text == (
        "'norm' (BatchNormalization, row 4 of 6) multiplies by zero what is zero "
        "already. The gradient of each factor is zero because of the other one, so "
        'both stay zero for good. Draw one of them: `kernel_initializer="he_normal"` '
        'before it, or `gamma_initializer="ones"` in it.'
    )
    assert told(residual("he_normal", "zeros")) == HEALTHY
    assert told(residual("zeros", "ones")) == HEALTHY


def test_two_factors_of_zero_do_not_train():
    for gamma, is_still in (("zeros", True), ("ones", False)):
        model = residual("zeros", gamma)
        model.compile("sgd", "mse")
        model.fit(X, Y, epochs=1, verbose=0)
        kernel = keras.ops.convert_to_numpy(model.get_layer("b").kernel)
        assert (not kernel.any()) == is_still
