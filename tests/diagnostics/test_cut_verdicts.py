"""What does not train: frozen, unused, cut off, or below what float16 can hold."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.fresh_weights import is_fresh
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

HEALTHY = [("healthy", None)]
UNITS = 16
RANDOM = np.random.default_rng(0)


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


X, Y = batch(32, UNITS), batch(32, 4)


def dense(name, units=UNITS, activation="relu", **arguments):
    arguments.setdefault("kernel_initializer", "he_normal")
    return layers.Dense(units, activation, name=name, **arguments)


def head():
    return dense("head", 4, None)


def chain(*steps, inputs=(UNITS,)):
    start = hidden = keras.Input(inputs)
    for step in steps:
        hidden = step(hidden)
    return keras.Model(start, hidden)


def told(model, x=X, y=Y, loss="mse"):
    found = signal_report(model, x, y, loss).verdicts
    return [(verdict.kind, verdict.layer) for verdict in found]


def text_of(model, x=X, y=Y, loss="mse"):
    (found,) = signal_report(model, x, y, loss).verdicts
    return found.text


def pasted(text, **names):
    """Runs the last line of a text that is between backticks and assigns."""
    (line,) = (part for part in text.split("`")[1::2] if " = " in part)
    exec(line, {"keras": keras, **names})


# Nothing trains


@pytest.mark.parametrize("is_whole", [True, False])
def test_nothing_trains(is_whole):
    model = chain(dense("a"), head())
    if is_whole:
        model.trainable = False
    else:
        freeze(model, "a", "head")
    assert told(model, y=None, loss=None) == [("nothing_trains", None)]
    text = text_of(model)
    assert text == (
        "none of the 340 weights is trainable, so nothing can learn. Write "
        "`model.trainable = False; model.trainable = True` before `model.compile`; "
        "then set `trainable=False` only for layers that have learned already."
    )
    pasted(text, model=model)
    assert told(model) == HEALTHY


def test_a_model_without_weights_has_nothing_to_train():
    assert told(chain(layers.Rescaling(2.0)), y=None, loss=None) == HEALTHY
    model = chain(layers.Normalization(mean=0.0, variance=1.0))
    assert told(model, y=None, loss=None) == HEALTHY


# Frozen


def freeze(model, *names):
    for name in names:
        model.get_layer(name).trainable = False
    return model


# The advice depends on how a backend sets `trainable`.
@pytest.mark.same_on_each_backend(every=1)
def test_frozen_layers():
    model = freeze(chain(dense("a"), dense("b"), head()), "a", "b")
    assert told(model) == [("frozen_layers", "a")]
    text = text_of(model)
    assert text == (
        "'a' (Dense) and 1 more are frozen, and the weights are as they were drawn at "
        "random: 544 numbers. The layers after them get features that nobody has "
        "learned. Load trained weights, or write `model.trainable = False; "
        "model.trainable = True` before `model.compile`."
    )
    pasted(text, model=model)
    assert told(model) == HEALTHY


def test_a_frozen_model_within_a_model():
    inner = chain(
        layers.Conv2D(8, 3, name="c"),
        layers.BatchNormalization(name="n"),
        layers.ReLU(),
        layers.Conv2D(8, 3, name="d"),
        inputs=(8, 8, 3),
    )
    inner.trainable = False
    model = chain(inner, layers.GlobalAveragePooling2D(), head(), inputs=(8, 8, 3))
    x = batch(32, 8, 8, 3)
    assert told(model, x, y=None, loss=None) == [("frozen_layers", "c")]
    # Statistics that have moved were learned, and so was the rest.
    mean = next(v for v in inner.weights if v.name == "moving_mean")
    mean.assign(0.1 + mean)
    assert told(model, x, y=None, loss=None) == HEALTHY


def test_a_frozen_embedding():
    words = RANDOM.integers(0, 50, size=(32, 6))

    def network(**arguments):
        table = layers.Embedding(50, 8, name="table", trainable=False, **arguments)
        return chain(table, layers.Flatten(), head(), inputs=(6,))

    assert told(network(), words) == [("frozen_layers", "table")]
    given = keras.initializers.Constant(batch(50, 8))
    assert told(network(embeddings_initializer=given), words) == HEALTHY
    loaded = network()
    loaded.get_layer("table").set_weights([batch(50, 8)])
    assert told(loaded, words) == HEALTHY


def test_what_is_frozen_by_design():
    # A fixed random map before what learns; a discriminator after it.
    assert told(freeze(chain(dense("a", 64), head()), "a")) == HEALTHY
    assert told(freeze(chain(dense("a"), dense("b"), head()), "b", "head")) == HEALTHY
    # A target network is a copy of what trains.
    online, target = (
        keras.Sequential([dense("a"), dense("b")], name=name) for name in "ot"
    )
    start = keras.Input((UNITS,))
    ends = online(start), target(start)
    model = keras.Model(start, head()(layers.Concatenate()(ends)))
    target.set_weights(online.get_weights())
    target.trainable = False
    assert told(model) == HEALTHY
    # Of a normalization nothing was drawn.
    steps = dense("a"), layers.BatchNormalization(name="n"), dense("b"), head()
    assert told(freeze(chain(*steps), "n")) == HEALTHY


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "orthogonal"])
def test_kernels_are_known_by_their_law(initializer):
    layer = dense("a", 64, kernel_initializer=initializer)
    layer.build((None, 64))
    assert is_fresh([layer])
    kernel = ops.convert_to_numpy(layer.kernel)
    # The statistic is at most the difference of the two laws, which is about a
    # quarter of the relative one of their scales, and 2.7 sqrt(2 / 4096) = 0.06.
    layer.kernel.assign(1.5 * kernel)
    assert not is_fresh([layer])
    layer.kernel.assign(kernel)
    layer.bias.assign(ops.add(layer.bias, 1e-3))
    assert not is_fresh([layer])


def test_a_look_at_frozen_layers_draws_nothing():
    model = freeze(chain(dense("a"), dense("b"), head()), "a", "b")
    keras.utils.set_random_seed(3)
    expected = RANDOM.random(), keras.random.normal(())
    keras.utils.set_random_seed(3)
    RANDOM.bit_generator.state = np.random.default_rng(1).bit_generator.state
    RANDOM.random()
    signal_report(model, X)
    assert float(keras.random.normal(())) == float(expected[1])


# Unused


@keras.saving.register_keras_serializable("test_cut_verdicts")
class Forgetful(keras.Model):
    """Has a layer that it does not call, or calls for nothing."""

    def __init__(self, is_called=False, is_used=False):
        super().__init__(name="net")
        self.first, self.extra, self.last = dense("a"), dense("extra"), head()
        self.is_called, self.is_used = is_called, is_used

    def call(self, inputs):
        hidden = self.first(inputs)
        extra = self.extra(hidden) if self.is_called else 0.0
        return self.last(hidden + extra if self.is_used else hidden)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_unused_layers():
    model = Forgetful()
    ((kind, layer),) = told(model)
    assert (kind, layer.rpartition("/")[2]) == ("unused_layers", "extra")
    text = text_of(model)
    assert text == (
        f"'{layer}' (Dense) does not run when the model is called, so it cannot learn. "
        "Use it in `call`, or remove it, or say that it shall not train: "
        "`model.extra.trainable = False`."
    )
    pasted(text, model=model)
    assert told(model) == HEALTHY
    assert told(Forgetful(True, True)) == HEALTHY
    # Without a loss a program of one's own may use it.
    assert told(Forgetful(), y=None, loss=None) == HEALTHY


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_layers_that_run_for_nothing():
    model = Forgetful(is_called=True)
    assert [kind for kind, _ in told(model)] == ["unused_layers"]
    assert "(Dense) runs, and does not reach an output" in text_of(model)


class Listed(keras.Model):
    """Has a list of layers, and calls all but the last."""

    def __init__(self):
        super().__init__(name="net")
        self.blocks, self.last = [dense(name) for name in "abc"], head()

    def call(self, inputs):
        for block in self.blocks[:-1]:
            inputs = block(inputs)
        return self.last(inputs)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_a_layer_of_a_list_has_its_name():
    model = Listed()
    assert [kind for kind, _ in told(model)] == ["unused_layers"]
    text = text_of(model)
    assert text.endswith(' train: `model.get_layer("c").trainable = False`.')
    pasted(text, model=model)
    assert told(model) == HEALTHY


class Trained(Forgetful):
    """Uses the layer where it trains."""

    def train_step(self, *arguments):
        return super().train_step(*arguments)


@pytest.mark.filterwarnings("ignore:`build..` was called on layer")
def test_what_a_training_step_may_use():
    assert told(Trained()) == HEALTHY


def test_one_of_several_outputs_may_be_left():
    start = keras.Input((UNITS,))
    hidden = dense("a")(start)
    inner = keras.Model(start, [hidden, dense("pooled")(dense("before")(hidden))])
    model = keras.Model(start, head()(inner(start)[0]))
    assert told(model) == HEALTHY


def test_outputs_without_a_loss_are_left():
    start = keras.Input((UNITS,))
    hidden = dense("a")(start)
    ends = [head()(hidden), dense("two", 4, None)(dense("before")(hidden))]
    model = keras.Model(start, ends)
    model.compile("sgd", loss=["mse", None])
    assert told(model, X, [Y, Y], None) == HEALTHY
    # But not all of them.
    stopped = keras.Model(start, [ops.stop_gradient(end) for end in ends])
    assert [kind for kind, _ in told(stopped, X, [Y, Y])] == ["no_gradient"]


# No gradient


def test_a_branch_without_a_gradient():
    start = keras.Input((UNITS,))
    hidden = dense("a")(start)
    branch = ops.stop_gradient(dense("c")(dense("b")(hidden)))
    model = keras.Model(start, head()(layers.Add(name="add")([hidden, branch])))
    assert told(model) == [("no_gradient", "c")]
    text = text_of(model)
    assert text.startswith(
        "the gradient does not reach 'c' (Dense, row 3 of 5) and the layers before it: "
        "it is exactly zero, so they cannot learn. "
    )
    # JAX returns the same tensor, and so it is seen which layer takes it.
    assert ("Look after this layer for" in text) != (
        "It ends at or before 'add' (Add, row 4 of 5). Look there for" in text
    )


def test_a_loss_without_a_slope():
    model = chain(dense("a"), head())

    def errors(y, outputs):
        wrong = ops.argmax(y, -1) != ops.argmax(outputs, -1)
        return ops.cast(wrong, "float32")

    assert told(model, loss=errors) == [("no_gradient", "head")]


def test_a_shared_layer_learns_by_another_call():
    start = keras.Input((UNITS,))
    shared, last = dense("shared"), head()
    fixed = ops.stop_gradient(shared(start))
    model = keras.Model(start, last(layers.Add()([fixed, shared(2 * start)])))
    assert told(model) == HEALTHY


def residual(gamma, kernel="he_normal"):
    start = keras.Input((UNITS,))
    hidden = start
    for name in "ab":
        branch = dense(f"{name}1")(hidden)
        branch = dense(f"{name}2", activation=None, kernel_initializer=kernel)(branch)
        norm = layers.BatchNormalization(gamma_initializer=gamma, name=f"{name}3")
        hidden = layers.Add(name=f"{name}4")([hidden, norm(branch)])
    return keras.Model(start, head()(hidden))


@pytest.mark.parametrize("gamma", ["ones", "zeros", keras.initializers.Constant(1e-6)])
def test_a_gamma_that_is_small_holds_the_gradient_back(gamma):
    """No layer is before the first branch, so that all first rows are in it."""
    report = signal_report(residual(gamma), X, Y, "mse")
    assert report.is_healthy
    assert (report["a1"].held_back < 1) == (gamma != "ones")
    assert (report["a1"].output_gradient == 0) == (gamma == "zeros")


# float16


def test_gradients_that_vanish_in_float16():
    steps = [dense(name, dtype="mixed_float16") for name in "abc"]
    model = chain(*steps, dense("head", 4, None, dtype="float32"))
    # Keras scales the loss by the policy of the model, which is float32.
    model.compile("sgd", "mse", loss_weights=[1e-7])
    assert told(model, loss=None) == [("float16_underflow", "a")]
    text = text_of(model, loss=None)
    assert text == (
        "in float16, 100 % of the gradient of the kernel of 'a' (Dense, row 1 of 4) is "
        "below the smallest number, 6e-8, and becomes zero; more than half of it "
        "in 3 kernels. Scale the loss: `model.optimizer = "
        "keras.optimizers.LossScaleOptimizer(model.optimizer)`, or use the policy "
        "'mixed_bfloat16'."
    )
    pasted(text, model=model)
    assert told(model, loss=None) == HEALTHY
    # A loss that is not small needs no scale.
    model.compile("sgd", "mse")
    assert told(model, loss=None) == HEALTHY


def test_half_of_a_gradient_is_lost():
    for share, expected in ((0.45, "float16_underflow"), (0.55, "healthy")):
        kernel = KernelRow("a/kernel", (4, 4), norm=2.0, gradient=1.0)
        kernel.float16_share = share
        row = LayerRow("a", "Dense", std=1.0, output_gradient=1.0, kernels=[kernel])
        assert [each.kind for each in verdicts(Seen([row], loss=1.0))] == [expected]
