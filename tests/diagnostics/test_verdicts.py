"""The verdicts: for each a network that has it, and networks that have not."""

import math

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers, ops
from limits import SIGMAS

from keras_initx import HaarOrthogonal, lsuv, signal_report
from keras_initx._report.documentation import DOCUMENTATION
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.statistics import statistics

pytestmark = pytest.mark.same_on_each_backend

UNITS, SAMPLES = 64, 64
HEALTHY = "healthy"
CROSS_ENTROPY = "categorical_crossentropy"
RANDOM = np.random.default_rng(0)


def batch(*shape):
    """Numbers with mean 0 and standard deviation 1, exactly."""
    values = RANDOM.normal(size=shape)
    return ((values - values.mean()) / values.std()).astype("float32")


X, Y = batch(SAMPLES, UNITS), batch(SAMPLES, UNITS)


def labels(samples, classes):
    return np.eye(classes, dtype="float32")[np.arange(samples) % classes]


def chain(*steps, inputs=(UNITS,), dtype=None):
    """A model of these layers, each after the one before."""
    start = hidden = keras.Input(inputs, dtype=dtype)
    for step in steps:
        hidden = step(hidden)
    return keras.Model(start, hidden)


def dense(name, gain=1.0, activation=None, units=UNITS, **arguments):
    """A layer that multiplies lengths by `gain`, exactly."""
    arguments.setdefault("kernel_initializer", HaarOrthogonal(gain))
    return layers.Dense(units, activation, name=name, **arguments)


def stack(depth, gain=1.0, activation=None, **arguments):
    """`depth` equal layers: d0, d1, ..."""
    return [dense(f"d{n}", gain, activation, **arguments) for n in range(depth)]


def rectified(depth, kernel="he_normal", units=UNITS, **arguments):
    return stack(
        depth, activation="relu", units=units, kernel_initializer=kernel, **arguments
    )


def constant(value):
    return keras.initializers.Constant(value)


def told(model, x=X, y=None, loss=None, **arguments):
    """Kind and layer of each verdict."""
    report = signal_report(model, x, y, loss, **arguments)
    return [(verdict.kind, verdict.layer) for verdict in report.verdicts]


def verdict_of(kind, model, x=X, y=None, loss=None):
    (found,) = (
        verdict
        for verdict in signal_report(model, x, y, loss).verdicts
        if verdict.kind == kind
    )
    return found


def kinds(*arguments):
    return [kind for kind, _ in told(*arguments)]


def is_healthy(*arguments):
    return told(*arguments) == [(HEALTHY, None)]


# A signal that vanishes or explodes: each layer multiplies its length by the gain


def test_vanishing_signal():
    """The gradient vanishes for the same reason, which is told once."""
    # 0.2^4 = 1.6e-3, 0.2^5 = 3.2e-4: the fifth from the front.
    model = chain(*stack(10, 0.2))
    assert told(model, X, Y, "mse") == [("vanishing_signal", "d0")]
    assert verdict_of("vanishing_signal", model).text == (
        "'d0' (Dense, row 1 of 10) multiplies the scale of its inputs by 0.2, where a "
        "linear layer needs 1, and 4 more layers do the same. "
        "From 'd4' (Dense, row 5 of 10) on, the standard deviation of the pre-"
        "activations is below 0.001; in the last layer it is 1e-07. On average the "
        "kernels have 0.04 times the variance that a linear layer needs. Use "
        '`kernel_initializer="haar_orthogonal"`, or `keras_initx.lsuv(model, x)`, '
        "which sets the scale of each kernel by the data."
    )
    lsuv(model, X)
    assert is_healthy(model, X, Y, "mse")


def test_one_factor_of_nearly_a_thousand_is_not_vanishing():
    # 0.2512^5 = 1.00e-3 as the tenth root of 1e-6; four layers of it are 4e-3.
    assert is_healthy(chain(*stack(4, 0.25)), X, Y, "mse")
    assert kinds(chain(*stack(5, 0.25))) == ["vanishing_signal"]


def test_small_inputs_are_not_vanishing_ones():
    assert is_healthy(chain(*stack(3)), 1e-2 * X)
    model = chain(*stack(10, 0.2))
    for factor, place in ((1.0, "d4"), (1e-2, "d4"), (25.0, "d6")):
        # Large ones hide nothing: a pre-activation below 1e-3 is small.
        (found,) = signal_report(model, factor * X).verdicts
        assert (found.kind, found.layer) == ("vanishing_signal", "d0")
        assert f". From '{place}' (Dense" in found.text


def test_a_signal_that_comes_back_has_not_vanished():
    steps = [dense("a", 1e-4), layers.LayerNormalization(epsilon=1e-12), dense("b")]
    assert is_healthy(chain(*steps), X, Y, "mse")


def test_vanishing_rectifiers_are_told_he_normal():
    """Keras's default initializer loses a factor of sqrt(2) in each rectifier."""
    model = chain(*rectified(30, "glorot_uniform"), dense("head", units=1))
    (found,) = signal_report(model, X, batch(SAMPLES, 1), "mse").verdicts
    assert (found.kind, found.layer) == ("vanishing_signal", "d0")
    assert "times the variance that 'relu' needs. Use " in found.text
    assert 'Use `kernel_initializer="he_normal"`, or ' in found.text
    # Without noise: sqrt(2)^-20 = 1e-3. The noise of 64 units is sqrt(5 * 20 / 64) / 2.
    place = int(found.text.partition("From 'd")[2].partition("'")[0])
    noise = SIGMAS * math.sqrt(5 * 20 / UNITS) / 2 / math.log(math.sqrt(2))
    assert abs(place - 20) < noise
    model = chain(*rectified(30), dense("head", units=1))
    assert is_healthy(model, X, batch(SAMPLES, 1), "mse")


def test_exploding_signal():
    # 5^4 = 625, 5^5 = 3125.
    model = chain(*stack(10, 5.0))
    assert told(model, X, Y, "mse") == [("exploding_signal", "d0")]
    text = verdict_of("exploding_signal", model).text
    assert text.startswith(
        "'d0' (Dense, row 1 of 10) multiplies the scale of its inputs by 5, where a "
        "linear layer needs 1, and 4 more layers do the same. "
        "From 'd4' (Dense, row 5 of 10) on, the standard deviation of the pre-"
        "activations is above 1e+03, up to 9.8e+06. On average the kernels have 25 "
        "times the variance that a linear layer needs. Use `kernel_initializer="
    )
    lsuv(model, X)
    assert is_healthy(model, X, Y, "mse")


def test_large_inputs_are_not_exploding_ones():
    assert is_healthy(chain(*stack(3)), 50 * X)
    model = chain(*stack(10, 5.0))
    # Small ones do not count: 3e-3 * 5^7 = 234, 3e-3 * 5^8 = 1170.
    for factor, place in ((1.0, "d4"), (50, "d4"), (3e-3, "d7")):
        (found,) = signal_report(model, factor * X).verdicts
        assert (found.kind, found.layer) == ("exploding_signal", "d0")
        assert f". From '{place}' (Dense" in found.text


def test_what_a_normalization_takes_away_does_not_explode():
    steps = [dense("a", 1e5), layers.LayerNormalization(epsilon=1e-12), dense("b")]
    assert is_healthy(chain(*steps), X, Y, "mse")
    # Nor does the gradient before it, which is as large as the scale is small.
    steps = [dense("a", 1e-5), layers.LayerNormalization(epsilon=1e-12), dense("b")]
    assert is_healthy(chain(*steps), X, Y, "mse")


class Fork(layers.Layer):
    """Hands its input on, and multiplies the gradient."""

    def __init__(self, factor, name=None):
        super().__init__(name=name)
        self.factor = factor

    def call(self, inputs):
        rest = ops.stop_gradient(inputs) * (1 - self.factor)
        return self.factor * inputs + rest


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (0.9e-3, "vanishing_gradient"),
        (1.1e-3, HEALTHY),
        (0.9e4, HEALTHY),
        (1.1e4, "exploding_gradient"),
    ],
)
def test_the_limits_of_the_gradient(factor, kind):
    model = chain(dense("a"), Fork(factor), dense("b"))
    layer = None if kind == HEALTHY else "a"
    # A gradient of 1.1e4 in float32: the rest cancels to some 1e-3.
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert (found.kind, found.layer) == (kind, layer)
    starts = {
        "vanishing_gradient": "below 0.001 times its largest (",
        "exploding_gradient": "more than 10,000 times that of the last layer (",
        HEALTHY: "",
    }
    assert starts[kind] in found.text


def test_blocks_that_add_their_input_are_told_to_start_with_zeros():
    """Each adds twice what it gets: a factor of 3."""
    start = hidden = keras.Input((UNITS,))
    for place in range(12):
        branch = dense(f"d{place}", kernel_initializer="identity")(hidden)
        hidden = layers.Add(name=f"add{place}")([hidden, branch, branch])
    model = keras.Model(start, dense("head")(hidden))
    # The output of block k has 3^(k + 1); 3^7 = 2187.
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert (found.kind, found.layer) == ("exploding_signal", "d7")
    assert found.text.endswith(
        "Each block that adds its input makes the variance grow, twofold or more. "
        'Use `kernel_initializer="zeros"` for the last kernel of each block, or '
        "put `keras.layers.LayerNormalization()` before each block."
    )
    for place in range(12):
        kernel = model.get_layer(f"d{place}").kernel
        kernel.assign(0 * to_numpy(kernel))
    assert is_healthy(model, X, Y, "mse")


def test_batch_normalization_makes_the_gradient_grow():
    """Yang et al. (2019): by a factor of 1.2 in each rectified layer."""

    def network(is_residual, depth=50):
        start = hidden = keras.Input((32,))
        for place in range(depth):
            block = layers.Dense(32, kernel_initializer="he_normal")(hidden)
            block = layers.ReLU()(layers.BatchNormalization(name=f"b{place}")(block))
            hidden = layers.Add()([hidden, block]) if is_residual else block
        head = dense("head", units=4)(layers.LayerNormalization()(hidden))
        return keras.Model(start, head)

    x, y = batch(16, 32), batch(16, 4)
    found = verdict_of("exploding_gradient", network(False), x, y, "mse")
    assert found.text.endswith(
        "Each `BatchNormalization` makes the gradient grow on its way back, whatever "
        "the kernels are. Add the input of each block to its output, or use fewer "
        "layers."
    )
    assert "exploding_gradient" not in kinds(network(False, 12), x, y, "mse")
    assert "exploding_gradient" not in kinds(network(True, 16), x, y, "mse")


# NaN and infinity


def test_inputs_that_are_not_finite():
    x = X.copy()
    x[3, 4] = np.nan
    (found,) = signal_report(chain(*stack(2)), x, Y, "mse").verdicts
    assert (found.kind, found.layer) == ("non_finite_signal", None)
    assert found.text == "the inputs have NaN or infinity. Clean or scale the data."


def test_a_kernel_that_is_not_finite():
    model = chain(*stack(3))
    kernel = to_numpy(model.layers[2].kernel)
    kernel[0, 0] = np.nan
    model.layers[2].kernel.assign(kernel)
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert (found.kind, found.layer) == ("non_finite_signal", "d1")
    assert found.text == (
        "'d1' (Dense, row 2 of 3) is the first layer whose output has NaN or infinity. "
        "Its kernel has NaN or infinity: load or draw its weights again."
    )


def test_a_signal_that_overflows():
    model = chain(*stack(3, 1e15, "relu"))
    found = verdict_of("non_finite_signal", model)
    assert found.layer == "d0"
    assert "first layer whose output has NaN or infinity. On average the " in found.text
    assert "'d2' (Dense, row 3 of 3) is the first layer" in found.text
    assert "kernels have 5e+29" in found.text
    assert 'Use `kernel_initializer="he_normal"`' in found.text
    lsuv(model, X)
    assert is_healthy(model)


def test_float16_ends_early():
    policy = keras.DTypePolicy("mixed_float16")
    model = chain(*stack(2, 1e4, dtype=policy))
    found = verdict_of("non_finite_signal", model)
    assert found.layer == "d1"
    assert found.text.endswith(
        "The largest number of float16 is 65504. Use 'mixed_bfloat16', or a smaller "
        "scale: `keras_initx.lsuv(model, x)`."
    )
    policy = keras.DTypePolicy("mixed_bfloat16")
    assert "non_finite_signal" not in kinds(chain(*stack(2, 1e4, dtype=policy)))


def test_a_loss_that_is_not_finite():
    model = chain(*stack(2))
    found = verdict_of("non_finite_gradient", model, X, Y, lambda y, p: ops.log(-p * p))
    assert found.layer is None
    assert found.text == (
        "the loss is nan. Check the targets, and what the loss does with outputs of 0: "
        "with `from_logits=True` it takes pre-activations."
    )


class Root(layers.Layer):
    """Has infinite slope at 0, where all negative inputs arrive."""

    def call(self, inputs):
        return ops.sqrt(inputs * ops.cast(inputs > 0, "float32"))


def test_a_gradient_that_is_not_finite():
    model = chain(*stack(2), Root(name="root"), dense("last"))
    assert told(model, X, Y, "mse") == [("non_finite_gradient", "d1")]
    assert verdict_of("non_finite_gradient", model, X, Y, "mse").text == (
        "'d1' (Dense, row 2 of 4) is the first layer, on the way back from the loss, "
        "whose output has a gradient of NaN or infinity. Check the operations after it "
        "for an infinite slope, such as that of `keras.ops.sqrt` or `keras.ops.log` at "
        "0: add a small constant to what they get, such as 1e-6."
    )
    model = chain(*stack(2), layers.ReLU(), dense("last"))
    assert is_healthy(model, X, Y, "mse")


# Activations that do not answer


def with_dead(dead, units=UNITS, activation="relu"):
    """The first `dead` units of the second of three layers have a large negative bias.

    The third layer starts from all of them, and so the signal stays healthy.
    """
    model = chain(
        dense("a", activation="relu", kernel_initializer="he_normal"),
        dense("b", math.sqrt(2), activation, units=units),
        dense("c"),
    )
    bias = np.zeros(units, "float32")
    bias[:dead] = -100
    model.get_layer("b").bias.assign(bias)
    return model


def test_dead_units():
    model = with_dead(64)
    assert told(model, X, Y, "mse") == [("dead_units", "b")]
    text = verdict_of("dead_units", model).text
    assert text.startswith(
        "in 'b' (Dense, row 2 of 3) 100 % of the rectified units are zero for the "
        "whole batch, and so is their gradient. The mean of the pre-activations is "
        "-1e+02, and their standard deviation is "
    )
    assert text.endswith(
        'Use zero biases with `kernel_initializer="he_normal"`, or '
        "`keras_initx.lsuv(model, x, center=True)`."
    )
    for remedy in (with_dead(0), with_dead(64, activation="leaky_relu")):
        assert "dead_units" not in kinds(remedy)
    lsuv(model, X, center=True)
    assert is_healthy(model, X, Y, "mse")


@pytest.mark.parametrize(("dead", "units"), [(47, 64), (40, 64), (15, 16), (3, 4)])
def test_half_of_the_units_and_four_standard_errors_may_be_dead(dead, units):
    # 0.5 + 4 * 0.5 / sqrt(64) = 0.75: 48 of 64. Of 16 units, all of them.
    assert "dead_units" not in kinds(with_dead(dead, units))
    assert "dead_units" in kinds(with_dead(dead + 1 if dead != 40 else 48, units))


def test_a_rectifier_with_a_layer_of_its_own():
    """The biases before it are what to change."""
    steps = [dense("a", bias_initializer=constant(-100)), layers.ReLU(name="b")]
    assert told(chain(*steps, dense("c")), X, Y, "mse")[0] == ("dead_units", "a")
    steps[1] = layers.LeakyReLU(name="b")
    assert "dead_units" not in kinds(chain(*steps, dense("c")))


def test_a_rectified_kernel_of_zeros_is_dead():
    steps = [dense("a", 1.0, "relu", kernel_initializer="zeros"), dense("b")]
    model = chain(*steps)
    assert told(model, X, Y, "mse") == [("dead_units", "a")]
    assert verdict_of("dead_units", model).text.endswith(
        "All pre-activations are equal. Draw the kernel at random: "
        '`kernel_initializer="he_normal"`.'
    )


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softsign", "relu6"])
def test_saturated(activation):
    """The first layer is healthy, the second is not, nor is the third."""
    gain = {"softsign": 300.0, "relu6": 100.0, "sigmoid": 30.0}.get(activation, 10.0)

    def network(gain):
        return chain(
            dense("a", 1.0, activation),
            dense("b", gain, activation, bias_initializer=constant(gain)),
            dense("c", gain, activation, bias_initializer=constant(gain)),
            dense("d"),
        )

    found = verdict_of("saturated_units", network(gain))
    assert found.layer == "b"
    assert f"% of the outputs of '{activation}' are within 3 % of its" in found.text
    assert ", and the same in 1 more layers. The mean of the" in found.text
    assert "The mean is the larger part. Use zero biases, or" in found.text
    assert "saturated_units" not in kinds(network(1.0))


def test_more_than_half_of_the_values_are_saturated():
    # |tanh z| > 0.94 for |z| > 1.738: with a deviation of 1.738 / 0.6745 for half.
    half = math.atanh(0.94) / 0.67449
    for factor, kind in ((0.9, HEALTHY), (1.1, "saturated_units")):
        x = batch(4096, 32)
        model = chain(
            dense("a", factor * half, "tanh", units=32), dense("b"), inputs=(32,)
        )
        assert kinds(model, x) == [kind]
    found = verdict_of("saturated_units", model, x)
    assert found.text.endswith(
        "The kernel has 8 times the variance 1 / fan_in. Use "
        '`kernel_initializer="haar_orthogonal"`, or `keras_initx.lsuv(model, x)`, '
        "which sets the scale of each kernel by the data."
    )
    lsuv(model, x)
    assert is_healthy(model, x)


def test_a_sigmoid_may_start_with_the_share_of_rare_classes():
    """Lin et al. (2017), focal loss: a bias of -log(99)."""
    head = {"units": 20, "bias_initializer": constant(-math.log(99))}
    model = chain(*rectified(1), dense("head", 1.0, "sigmoid", **head))
    assert is_healthy(model, X, np.zeros((SAMPLES, 20)), "binary_crossentropy")
    # Within a network, and for tanh, it is a fault.
    steps = [dense("a", 1.0, "sigmoid", **head), dense("b", units=20)]
    assert "saturated_units" in kinds(chain(*steps))
    assert told(chain(dense("a", 20.0, "tanh"))) == [("saturated_units", "a")]


# Outputs that do not tell inputs apart


def test_constant_output():
    model = chain(
        dense("a", 1.0, "tanh"),
        dense("b", 1.0, "tanh", kernel_initializer="zeros"),
        dense("c", bias_initializer="ones"),
    )
    assert told(model, X) == [("constant_output", "b")]
    assert verdict_of("constant_output", model).text == (
        "from 'b' (Dense, row 2 of 3) on, all outputs are the same for all inputs. "
        "Check the kernels and biases there, and the data."
    )
    model.get_layer("b").kernel.assign(HaarOrthogonal()((UNITS, UNITS)))
    assert is_healthy(model, X)


@pytest.mark.filterwarnings("ignore:.*You are using a softmax over axis")
def test_a_softmax_of_one_unit_is_constant():
    model = chain(dense("a"), dense("b", 1.0, "softmax", units=1))
    assert told(model) == [("constant_output", "b")]
    assert verdict_of("constant_output", model).text.endswith(
        "A softmax over one unit is always 1. Use "
        '`model.get_layer("b").activation = keras.activations.sigmoid`.'
    )
    assert is_healthy(chain(dense("a"), dense("b", 1.0, "sigmoid", units=1)))
    assert is_healthy(chain(dense("a"), dense("b", 1.0, "softmax", units=2)))


def test_data_that_are_all_alike():
    x = np.repeat(X[:1], 8, axis=0)
    assert told(chain(*stack(3)), x) == [("constant_inputs", "input")]


def test_equal_samples_may_differ_by_rounding():
    """Matrix products need not round each row alike, and a unit may be nearly zero."""
    units = RANDOM.normal(size=UNITS)
    units[0] = 1e-4
    rounding = 1e-7 * RANDOM.uniform(-1, 1, size=(SAMPLES, UNITS))
    varying = rounding.copy()
    varying[:, 1] *= 100
    for deviation, is_constant in ((rounding, True), (varying, False)):
        tensor = ops.convert_to_tensor(units + deviation, "float32")
        assert statistics(tensor, (1,)).is_constant is is_constant


def test_collapsed_inputs():
    """A bias of 100 in the third layer, and all samples point the same way."""
    steps = stack(6)
    steps[2] = dense("d2", bias_initializer=constant(100))
    model = chain(*steps)
    assert told(model, X, Y, "mse") == [("collapsed_inputs", "d2")]
    assert verdict_of("collapsed_inputs", model).text == (
        "from 'd2' (Dense, row 3 of 6) on, the outputs for different inputs have a "
        f"mean cosine above 0.99; it was {signal_report(model, X).inputs[0].cosine:.2g}"
        " at first. The layers after it can hardly tell inputs apart. Use "
        '`bias_initializer="zeros"`, or `keras_initx.lsuv(model, x, center=True)`.'
    )
    model.get_layer("d2").bias.assign(np.zeros(UNITS))
    assert is_healthy(model, X, Y, "mse")


@pytest.mark.parametrize(("cosine", "is_told"), [(0.985, False), (0.995, True)])
def test_the_limit_of_the_cosine(cosine, is_told):
    # A common part b has the cosine b^2 / (b^2 + 1).
    bias = math.sqrt(cosine / (1 - cosine))
    model = chain(dense("a", bias_initializer=constant(bias)), dense("b"))
    assert kinds(model) == ["collapsed_inputs" if is_told else HEALTHY]


def test_inputs_that_are_alike_collapse_only_if_they_come_closer():
    # The cosine of inputs is 0.99, and so 0.999 is the limit.
    x = X + np.float32(10)
    for bias, is_told in ((10, False), (50, True)):
        model = chain(
            dense("a", kernel_initializer="identity", bias_initializer=constant(bias)),
            dense("b"),
        )
        assert ("collapsed_inputs", "a") in told(model, x) or not is_told
        assert "collapsed_inputs" not in kinds(model, x) or is_told


def test_the_rounding_of_a_cosine_is_no_collapse():
    """All inputs of one positive number point the same way, and so does the rest."""
    start = LayerRow("input", "Input", std=1.0, cosine=1.0)
    rows = [
        LayerRow(path, "Dense", std=1.0, units=64, cosine=1 + 1e-7) for path in "abc"
    ]
    for row in rows:
        row.kernels = [KernelRow(row.path, (64, 64), fan_in=64, norm=8.0)]
    assert [each.kind for each in verdicts(Seen(rows, [start]))] == [HEALTHY]
    start.cosine = 0.9
    assert verdicts(Seen(rows, [start]))[0].kind == "collapsed_inputs"


def test_seventy_rectifiers_collapse():
    model = chain(*rectified(70))
    report = signal_report(model, X)
    (found,) = report.verdicts
    cosines = [row.cosine for row in report][:-1]
    # The limit grows with the square of the depth; at 50 layers it is 0.99.
    limit = 1 - 0.01 * (70 / 50) ** 2
    place = max(n for n, cosine in enumerate(cosines) if cosine <= limit) + 1
    assert (found.kind, found.layer) == ("collapsed_inputs", f"d{place}")
    # The arc-cosine kernel of Cho and Saul, once for each layer but the last.
    cosine = report.inputs[0].cosine
    for _ in range(69):
        angle = math.acos(cosine)
        cosine = (math.sin(angle) + (math.pi - angle) * cosine) / math.pi
    assert f"layer by layer (in theory to {cosine:.4f}). Call" in found.text


def test_the_layer_without_a_kernel_where_it_begins():
    steps = [dense("a"), layers.Rescaling(1.0, 100.0, name="b"), dense("c"), dense("d")]
    assert told(chain(*steps), X) == [("collapsed_inputs", "b")]
    beta = {"beta_initializer": constant(100.0)}
    steps = [layers.BatchNormalization(**beta, name="a"), *stack(3)]
    assert told(chain(*steps), X) == [("collapsed_inputs", "a")]
    assert verdict_of("collapsed_inputs", chain(*steps)).text.endswith(
        "No kernel comes before it: scale the data as the model expects them."
    )


# Kernels


def test_zero_initialization():
    """The case that gave initialization its name: nothing but biases ever learns."""
    model = chain(*stack(3, 1.0, "tanh", kernel_initializer="zeros"))
    assert told(model, X, np.tanh(Y), "mse") == [("symmetric_units", "d0")]
    assert verdict_of("symmetric_units", model).text == (
        "the kernel of 'd0' (Dense, row 1 of 3) is zero: its 64 units start as copies "
        "of one, and the kernel of 'd1' does not tell them apart. Draw the kernel at "
        'random: `kernel_initializer="he_normal"`, "glorot_uniform" or '
        '"haar_orthogonal".'
    )


@pytest.mark.parametrize("kernel", [0.0, 0.1])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_constant_kernels(kernel, activation):
    fixed = {"kernel_initializer": constant(kernel)}
    steps = [dense("a", 1.0, activation), dense("b", 1.0, activation, **fixed)]
    model = chain(*steps, dense("c", **fixed))
    assert told(model, X, Y, "mse") == [("symmetric_units", "b")]
    for remedy in ("he_normal", "glorot_uniform", "haar_orthogonal"):
        steps = [
            dense(name, 1.0, activation, kernel_initializer=remedy) for name in "ab"
        ]
        assert is_healthy(chain(*steps, dense("c")), X, Y, "mse")


def test_equal_columns_before_a_random_kernel_stay_equal_for_all_inputs():
    model = chain(dense("a", kernel_initializer=constant(0.1)), dense("b"))
    assert told(model, X, Y, "mse") == [("symmetric_units", "a")]
    text = verdict_of("symmetric_units", model).text
    assert "has equal columns: its 64 units start as copies of one. Draw" in text


def test_units_that_are_not_symmetric():
    fixed = {"kernel_initializer": constant(0.1)}
    # A last kernel, one unit, a kernel that does not train, a random recurrent kernel.
    for steps in (
        [dense("a"), dense("b", **fixed)],
        [dense("a", units=1, **fixed), dense("b", units=4)],
        [dense("a", **fixed, trainable=False), dense("b")],
    ):
        assert "symmetric_units" not in kinds(chain(*steps), X)
    steps = [layers.LSTM(8, name="a", **fixed), dense("b")]
    x = batch(32, 5, 4)
    assert is_healthy(chain(*steps, inputs=(5, 4)), x)
    fixed["recurrent_initializer"] = constant(0.1)
    steps = [layers.LSTM(8, name="a", **fixed), dense("b")]
    assert told(chain(*steps, inputs=(5, 4)), x)[0] == ("symmetric_units", "a")


def test_separable_convolutions_of_equal_columns():
    fixed = {"pointwise_initializer": constant(0.1)}
    steps = [layers.SeparableConv1D(8, 3, name="a", **fixed), dense("b")]
    x = batch(16, 5, 4)
    assert told(chain(*steps, inputs=(5, 4)), x)[0] == ("symmetric_units", "a")


def attention(*initializers):
    """Two layers of attention, with these initializers."""
    start = hidden = keras.Input((10, 16))
    for place, initializer in enumerate(initializers):
        layer = layers.MultiHeadAttention(
            2, 8, kernel_initializer=initializer, name=f"attention{place}"
        )
        hidden = layers.Add()([hidden, layer(hidden, hidden)])
    return keras.Model(start, hidden)


def glorot(seed=None):
    return keras.initializers.GlorotUniform(seed)


def test_duplicate_kernels():
    """Query equals key: the attention of each position is a maximum for itself."""
    x = batch(16, 10, 16)
    # Query, key and value of both layers, and both kernels of the outputs.
    model = attention(glorot(1), glorot(1))
    assert told(model, x) == [("duplicate_kernels", "attention0/key")]
    assert verdict_of("duplicate_kernels", model, x).text == (
        "the kernels 'attention0/query/kernel' and 'attention0/key/kernel' are equal "
        "bit for bit, and 5 more are. One initializer with an integer seed gives the "
        "same numbers each time, and a layer such as `MultiHeadAttention` uses it for "
        "several kernels. Leave `seed` out and call `keras.utils.set_random_seed`, or "
        "give each layer an initializer with a seed of its own."
    )
    assert is_healthy(attention(glorot(), glorot()), x)
    assert is_healthy(attention("glorot_uniform", "he_normal"), x)


def test_layers_that_share_an_initializer():
    shared = keras.initializers.HeNormal(seed=3)
    model = chain(*rectified(2, shared), *rectified(0), dense("c"))
    assert told(model) == [("duplicate_kernels", "d1")]
    assert (
        "are equal bit for bit. One initializer"
        in verdict_of("duplicate_kernels", model).text
    )
    own = [keras.initializers.HeNormal(seed=seed) for seed in (3, 4)]
    steps = [dense(f"d{n}", kernel_initializer=each) for n, each in enumerate(own)]
    assert is_healthy(chain(*steps, dense("c")))
    # A layer that runs twice, and kernels that are equal by design, are none.
    layer = dense("a")
    assert is_healthy(chain(layer, layer, dense("b")))
    assert is_healthy(chain(*stack(3, kernel_initializer="identity")))


def test_selu_without_lecun_normal():
    def network(*kernels, behind=()):
        steps = []
        for place, kernel in enumerate(kernels):
            activation = None if behind else "selu"
            arguments = {"units": 256, "kernel_initializer": kernel}
            steps.append(dense(f"d{place}", 1.0, activation, **arguments))
            steps += [make() for make in behind]
        return chain(*steps, dense("head", units=4))

    kind = "selu_without_lecun_normal"
    model = network("lecun_normal", "he_normal", "he_normal")
    assert told(model) == [(kind, "d1")]
    text = verdict_of(kind, model).text
    assert text.startswith(
        "the kernel of 'd1' (Dense, row 2 of 4) has 2 times the variance 1 / fan_in "
        "with which SELU keeps mean 0 and variance 1; its pre-activations have a "
        "standard deviation of 1."
    )
    assert text.endswith('Use `kernel_initializer="lecun_normal"`.')
    assert is_healthy(network(*["lecun_normal"] * 3))
    # On equal widths this is the same variance; and so is an orthogonal kernel's.
    assert is_healthy(network("lecun_normal", "glorot_uniform", "haar_orthogonal"))
    selu = [lambda: layers.Activation("selu")]
    assert told(network("he_normal", behind=selu)) == [(kind, "d0")]
    # A normalization takes the scale away.
    assert is_healthy(network("he_normal", behind=[layers.BatchNormalization, *selu]))
    # A scale that the data set is none of the initializer's.
    model = network("he_normal", "he_normal")
    lsuv(model, X)
    assert is_healthy(model)
    root = math.sqrt(2)
    assert is_healthy(chain(dense("a", root, "selu"), dense("head")), X / root)
    # Large inputs are no fault of the kernel's.
    assert is_healthy(network("lecun_normal"), 3 * X)
    # Nor is it one of other activations.
    assert is_healthy(chain(*rectified(3)))


@pytest.mark.parametrize(("variance", "is_told"), [(1.4, False), (1.8, True)])
def test_the_limit_of_selu(variance, is_told):
    # 1.4 is above a quarter more than 1, but its root is not; 1.8 is for both.
    gain = math.sqrt(variance)
    model = chain(dense("a", gain, "selu"), dense("head"))
    assert (kinds(model) != [HEALTHY]) == is_told


def selu(z):
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def moment(function):
    """The mean of a function of a standard normal number."""
    z = np.linspace(-12, 12, 200_001)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float((function(z) * density).sum() * (z[1] - z[0]))


def test_selu_with_lecun_normal_keeps_mean_0_and_variance_1():
    """Klambauer et al. (2017), over 50 layers of 256 units.

    Given the mean square q of a layer's inputs, its pre-activations are normal with the
    variance q over the draws of its kernel. The mean square of its outputs is then
    F(q) = E selu(sqrt(q) z)^2 with F(1) = 1, and an error of at most
    sd(selu(z)^2) / sqrt(units): that of samples which are all alike. With the slope
    F'(1) = c < 1 these errors add up to 1 / sqrt(1 - c^2) of it in each layer, and to
    1 / (1 - c) / sqrt(layers) in the mean over all layers.
    """
    units, depth, step = 256, 50, 1e-4
    square = lambda q: moment(lambda z: selu(math.sqrt(q) * z) ** 2)  # noqa: E731
    mean = lambda q: moment(lambda z: selu(math.sqrt(q) * z))  # noqa: E731
    assert square(1) == pytest.approx(1, abs=1e-6)
    assert mean(1) == pytest.approx(0, abs=1e-6)
    slope = (square(1 + step) - square(1 - step)) / (2 * step)
    tilt = abs(mean(1 + step) - mean(1 - step)) / (2 * step)
    assert 0 < slope < 1
    error = math.sqrt((moment(lambda z: selu(z) ** 4) - 1) / units)
    of_layer = SIGMAS * error / math.sqrt(1 - slope**2)
    of_all = SIGMAS * error / (1 - slope) / math.sqrt(depth)
    mean_of_layer = SIGMAS / math.sqrt(units) + tilt * of_layer
    mean_of_all = SIGMAS / math.sqrt(units * depth) + tilt * of_all

    def moments_of(scale):
        steps = []
        for place in range(depth):
            # Each has its own initializer: one would draw the same kernel each time.
            kernel = keras.initializers.VarianceScaling(scale)
            arguments = {"units": units, "kernel_initializer": kernel}
            steps.append(dense(f"d{place}", 1.0, "selu", **arguments))
        report = signal_report(chain(*steps, inputs=(units,)), batch(64, units))
        means = np.array([row.mean for row in report])
        squares = np.array([row.std for row in report]) ** 2 + means**2
        return report, means, squares

    report, means, squares = moments_of(1.0)
    assert report.is_healthy
    assert np.abs(squares - 1).max() < of_layer
    assert np.abs(means).max() < mean_of_layer
    assert abs(squares.mean() - 1) < of_all
    assert abs(means.mean()) < mean_of_all
    # They bite: 5 % more in the deviation of the kernels.
    _, means, squares = moments_of(1.05**2)
    assert abs(squares.mean() - 1) > of_all


# The gradient stops


class Round(layers.Layer):
    def call(self, inputs):
        return ops.round(4 * inputs) / 4


class Stop(layers.Layer):
    def call(self, inputs):
        return ops.stop_gradient(inputs)


@pytest.mark.parametrize("obstacle", [Round, Stop])
def test_no_gradient(obstacle):
    model = chain(*stack(3), obstacle(name="obstacle"), dense("last"))
    assert told(model, X, Y, "mse") == [("no_gradient", "d2")]
    assert verdict_of("no_gradient", model, X, Y, "mse").text == (
        "the gradient does not reach 'd2' (Dense, row 3 of 5) and the layers before "
        "it: it is exactly zero, so they cannot learn. It ends at or before 'obstacle' "
        f"({obstacle.__name__}, row 4 of 5). Look there for an operation without a "
        "slope, such as `keras.ops.round`, `keras.ops.argmax` or "
        "`keras.ops.stop_gradient`, and use one with a slope, such as a softmax "
        "instead of `argmax`. Where nothing shall learn, set `trainable=False`."
    )
    freeze(model)
    assert is_healthy(model, X, Y, "mse")
    model = chain(*stack(3), Fork(1.0), dense("last"))
    assert is_healthy(model, X, Y, "mse")


def test_a_gradient_that_underflows_has_vanished():
    model = chain(*[step for n in range(6) for step in (dense(f"d{n}"), Fork(1e-12))])
    assert told(model, X, Y, "mse") == [("vanishing_gradient", "d5")]
    assert signal_report(model, X, Y, "mse")["d0"].output_gradient == 0


def test_the_gradient_behind_a_last_kernel_of_zeros_comes_later():
    steps = [dense("a", 1.0, "tanh"), dense("b", kernel_initializer="zeros")]
    assert is_healthy(chain(*steps), X, Y, "mse")


# Which verdict follows from which, and their order


def test_causes_are_told_before_effects():
    """In one network, as many faults as go together."""
    twice = keras.initializers.HeNormal(seed=3)
    steps = [
        dense("a", 1.0, "selu", kernel_initializer=twice),
        dense("b", 1.0, "selu", kernel_initializer=twice),
        dense("c", 1.0, "tanh", bias_initializer=constant(6)),
        dense("d", 1e5),
        Fork(1e-7),
        dense("e", 1.0),
        dense("f", 1.0),
    ]
    assert told(chain(*steps), X, Y, "mse") == [
        ("duplicate_kernels", "b"),
        ("selu_without_lecun_normal", "a"),
        ("saturated_units", "c"),
        ("exploding_signal", "d"),
        ("collapsed_inputs", "c"),
        ("vanishing_gradient", "b"),
    ]


def test_what_is_not_finite_is_told_first():
    fixed = {"kernel_initializer": constant(0.1)}
    model = chain(dense("a", **fixed), dense("b", kernel_initializer=constant(np.nan)))
    assert told(model) == [("non_finite_signal", "b"), ("symmetric_units", "a")]


def test_how_a_verdict_reads():
    assert str(Verdict("dead_units", "a", "in 'a'.")) == "Dead units: in 'a'."
    verdict = Verdict("selu_without_lecun_normal", None, "text")
    assert verdict.to_dict() == {
        "kind": "selu_without_lecun_normal",
        "title": "SELU without lecun_normal",
        "layer": None,
        "text": "text",
        "url": verdict.url,
    }
    assert verdict.url == f"{DOCUMENTATION}verdicts/#selu_without_lecun_normal"


def test_a_healthy_network():
    model = chain(dense("a"), dense("b", 0.5))
    (found,) = signal_report(model, X, Y, "mse").verdicts
    assert (found.kind, found.layer) == (HEALTHY, None)
    assert found.text == (
        "the standard deviations of the pre-activations lie between 0.5 and 1."
    )
    (found,) = signal_report(model, X).verdicts
    assert found.text.endswith(" and 1. Pass `y` and a loss to see the gradient too.")
    (found,) = signal_report(chain(dense("a", kernel_initializer="zeros")), X).verdicts
    assert "lie between 0 and 0." in found.text
    (found,) = signal_report(chain(layers.Flatten()), X).verdicts
    assert found.kind == HEALTHY
    assert verdicts(Seen([], loss=1.0)) == [
        Verdict(HEALTHY, None, "no layer was seen.")
    ]


# Networks of which nothing is to tell


def curve(activation):
    """A function of one number."""
    x = np.linspace(0, 1, 64, dtype="float32")[:, None]
    steps = [layers.Dense(64, activation) for _ in range(2)]
    return chain(*steps, layers.Dense(1), inputs=(1,)), x, np.sin(6 * x), "mse"


def digits():
    pixels = RANDOM.random((64, 64)) * (RANDOM.random((64, 64)) < 0.5)
    steps = [layers.Dense(64, "relu"), layers.Dense(64, "relu")]
    model = chain(*steps, layers.Dense(10, "softmax"))
    return model, pixels.astype("float32"), labels(64, 10), CROSS_ENTROPY


def images():
    model = chain(
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, "softmax"),
        inputs=(20, 20, 1),
    )
    x = RANDOM.random((16, 20, 20, 1)) * (RANDOM.random((16, 20, 20, 1)) < 0.2)
    return model, x.astype("float32"), labels(16, 10), CROSS_ENTROPY


def words(*steps):
    model = chain(
        layers.Embedding(100, 16),
        *steps,
        layers.Dense(1, "sigmoid"),
        inputs=(12,),
        dtype="int32",
    )
    y = RANDOM.integers(0, 2, (32, 1))
    return model, RANDOM.integers(0, 100, (32, 12)), y, "binary_crossentropy"


def masked_words():
    _, x, y, loss = words(layers.LSTM(16))
    x[:, 8:] = 0
    embedding = layers.Embedding(100, 16, mask_zero=True)
    steps = [embedding, layers.LSTM(16), layers.Dense(1, "sigmoid")]
    return chain(*steps, inputs=(12,), dtype="int32"), x, y, loss


def series(cell):
    return (
        chain(cell(16), layers.Dense(1), inputs=(20, 3)),
        batch(32, 20, 3),
        None,
        None,
    )


def transformer():
    start = keras.Input((12,), dtype="int32")
    hidden = layers.Embedding(100, 16)(start)
    for _ in range(3):
        branch = layers.MultiHeadAttention(2, 8)(hidden, hidden)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, branch]))
        branch = layers.Dense(16)(layers.Dense(32, "gelu")(hidden))
        hidden = layers.LayerNormalization()(layers.Add()([hidden, branch]))
    head = layers.Dense(2, "softmax")(layers.GlobalAveragePooling1D()(hidden))
    x = RANDOM.integers(0, 100, (32, 12))
    return keras.Model(start, head), x, labels(32, 2), CROSS_ENTROPY


def residual(last_gamma="ones", last_kernel="he_normal", normalizes=True):
    start = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(16, 3, padding="same")(start)
    for _ in range(6):
        branch = hidden
        for kernel, gamma in (("he_normal", "ones"), (last_kernel, last_gamma)):
            if branch is not hidden:
                branch = layers.ReLU()(branch)
            arguments = {"padding": "same", "kernel_initializer": kernel}
            branch = layers.Conv2D(16, 3, **arguments)(branch)
            if normalizes:
                branch = layers.BatchNormalization(gamma_initializer=gamma)(branch)
        hidden = layers.ReLU()(layers.Add()([hidden, branch]))
    hidden = layers.GlobalAveragePooling2D()(hidden)
    model = keras.Model(start, layers.Dense(10, "softmax")(hidden))
    return model, batch(16, 8, 8, 3), labels(16, 10), CROSS_ENTROPY


def normalized():
    steps = []
    for _ in range(10):
        steps += [layers.Dense(32, use_bias=False), layers.BatchNormalization()]
        steps += [layers.Activation("relu")]
    model = chain(*steps, layers.Dense(4, "softmax"))
    return model, X, labels(SAMPLES, 4), CROSS_ENTROPY


def heads(*kernels):
    start = keras.Input((UNITS,))
    hidden = layers.Dense(32, "relu")(start)
    outputs = [layers.Dense(4, kernel_initializer=kernel)(hidden) for kernel in kernels]
    return keras.Model(start, outputs), X, [batch(SAMPLES, 4)] * 2, ["mse", "mse"]


def freeze(model):
    """Freezes the first layers, as after a training: the biases are not zero."""
    for layer in model.layers[:4]:
        layer.trainable = False
        for bias in layer.weights[1:]:
            bias.assign(0.01 * batch(*bias.shape))


def frozen():
    model = chain(*rectified(3), dense("head", units=4))
    freeze(model)
    return model, X, batch(SAMPLES, 4), "mse"


def trained():
    model = chain(*rectified(3), layers.Dense(4, "softmax"))
    model.compile("adam", CROSS_ENTROPY)
    model.fit(X, labels(SAMPLES, 4), epochs=20, verbose=0)
    return model, X, labels(SAMPLES, 4), None


def bottleneck(units, activation):
    sizes = (32, units, 32)
    steps = [layers.Dense(size, activation) for size in sizes]
    return chain(*steps, layers.Dense(UNITS)), X, X, "mse"


def single(kernel="glorot_uniform", units=1, activation=None, loss="mse"):
    y = labels(SAMPLES, units) if units > 1 else (X[:, :1] > 0).astype("float32")
    layer = layers.Dense(units, activation, kernel_initializer=kernel)
    return chain(layer), X, y, loss


def plain(steps, *, classes=4):
    y = labels(SAMPLES, classes)
    return chain(*steps, layers.Dense(classes, "softmax")), X, y, CROSS_ENTROPY


@pytest.mark.parametrize(
    "network",
    [
        lambda: curve("relu"),
        lambda: curve("tanh"),
        digits,
        images,
        lambda: words(layers.GlobalAveragePooling1D(), layers.Dense(16, "relu")),
        lambda: words(layers.LSTM(16)),
        lambda: words(layers.Bidirectional(layers.GRU(16))),
        masked_words,
        lambda: series(layers.LSTM),
        lambda: series(layers.GRU),
        lambda: series(layers.SimpleRNN),
        transformer,
        residual,
        lambda: residual(last_gamma="zeros"),
        lambda: residual(last_kernel="zeros", normalizes=False),
        normalized,
        lambda: heads("glorot_uniform", "zeros"),
        lambda: heads("zeros", "glorot_uniform"),
        lambda: heads("zeros", "zeros"),
        frozen,
        trained,
        lambda: bottleneck(1, "relu"),
        lambda: bottleneck(2, "tanh"),
        single,
        lambda: single("zeros", 1, "sigmoid", "binary_crossentropy"),
        lambda: single("zeros", 4, "softmax", CROSS_ENTROPY),
        lambda: single("ones", 4),
        lambda: plain(rectified(30, units=128)),
        lambda: plain(stack(30, 1.0, "tanh")),
        lambda: plain(stack(10, 1.0, "selu", kernel_initializer="lecun_normal")),
        lambda: plain([layers.Dense(64, "elu") for _ in range(10)]),
        lambda: plain([layers.Dense(64, "gelu") for _ in range(5)]),
        lambda: plain([layers.Dense(64, "relu") for _ in range(10)]),
    ],
)
def test_nothing_is_to_tell_of(network):
    model, x, y, loss = network()
    arguments = (x,) if y is None else (x, y, loss)
    assert told(model, *arguments) == [(HEALTHY, None)]
