"""The cause and not the symptom: laws, fans, and the layer whose own gain is off."""

import math
import re

import keras
import numpy as np
import pytest
from diagnostics.healthy_row import dense_row
from keras import layers

import keras_initx
from keras_initx import DepthScaled, FanScaled, HaarOrthogonal, signal_report
from keras_initx.diagnostics._judge.verdicts import verdicts
from keras_initx.diagnostics._measure.laws import Law
from keras_initx.diagnostics._measure.rows import KernelRow, LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend(every=9)

RANDOM = np.random.default_rng(0)
NAMES = {"keras": keras, "keras_initx": keras_initx}
BELOW, ABOVE = 0.95, 1.05
UNITS = 64
X = RANDOM.normal(size=(64, UNITS)).astype("float32")
IMAGES = RANDOM.normal(size=(16, 8, 8, 3)).astype("float32")
normal = keras.initializers.RandomNormal


def pasted(text):
    """The argument and the initializer that a text tells to paste."""
    found = re.search(r"Use `(\w+_initializer)=(.+?)`(?:,|\.| there)", text)
    return found[1], eval(found[2], NAMES)


def mlp(kernels, activation="relu", **arguments):
    """A chain d0, d1, ... with these kernels, and a head."""
    steps = [
        layers.Dense(UNITS, activation, kernel_initializer=kernel, name=f"d{n}")
        for n, kernel in enumerate(kernels)
    ]
    for name, value in arguments.items():
        place, argument = name.split("_", 1)
        setattr(steps[int(place[1:])], argument, value)
    inputs = hidden = keras.Input((UNITS,))
    for step in (*steps, layers.Dense(8, name="head")):
        hidden = step(hidden)
    return keras.Model(inputs, hidden)


def told(model, x=X):
    return [(v.kind, v.layer) for v in signal_report(model, x).verdicts]


# Wrong fans


def depthwise(initializer, normalization=None, blocks=2, argument=None):
    inputs = hidden = keras.Input((8, 8, 3))
    for n in range(blocks):
        given = {argument or "depthwise_initializer": initializer(n)}
        steps = [
            layers.Conv2D(32, 1, kernel_initializer="he_normal", name=f"c{n}"),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same", name=f"dw{n}", **given),
            *([normalization()] if normalization else []),
            layers.ReLU(),
        ]
        for step in steps:
            hidden = step(hidden)
    hidden = layers.Dense(8)(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(inputs, hidden)


def test_wrong_fans():
    model = depthwise(lambda n: "he_normal")
    (found,) = signal_report(model, IMAGES).verdicts
    assert (found.kind, found.layer) == ("wrong_fans", "dw0")
    # Each is too small by the root of its 32 channels.
    assert found.text == (
        "the kernel of 'dw0' (DepthwiseConv2D, row 3 of 10) was drawn for a fan-in of "
        "288; it has 9 (so were 2 kernels). 'he_normal' sees only its shape, and makes "
        "it 5.7 times too small. Use `depthwise_initializer="
        "keras_initx.FanScaled(scale=2, batch_axes=[-2])`."
    )


def test_the_advice_on_wrong_fans():
    text = signal_report(depthwise(lambda n: "he_normal"), IMAGES).verdicts[0].text
    argument, _ = pasted(text)
    model = depthwise(lambda n: pasted(text)[1], argument=argument)
    assert told(model, IMAGES) == [("healthy", None)]


def test_no_initializer_draws_a_frozen_kernel_again():
    model = depthwise(lambda n: "he_normal")
    for layer in model.layers:
        layer.trainable = not layer.name.startswith("dw")
    assert "wrong_fans" not in [kind for kind, _ in told(model, IMAGES)]


def test_wrong_fans_do_not_matter_before_a_normalization():
    model = depthwise(lambda n: "he_normal", layers.BatchNormalization)
    assert told(model, IMAGES) == [("healthy", None)]
    assert [v.kind for v in signal_report(model).verdicts] == ["healthy"]


def test_one_depthwise_convolution_does_not_take_the_signal_away():
    assert told(depthwise(lambda n: "he_normal", blocks=1), IMAGES)[0][0] == "healthy"


def test_attention_by_orthogonal_kernels():
    """Keras's `Orthogonal` makes those of eight heads too small, by their root."""

    def model(initializer):
        inputs = hidden = keras.Input((6, 64))
        for _ in range(3):
            attention = layers.MultiHeadAttention(8, 8, kernel_initializer=initializer)
            hidden = attention(hidden, hidden)
        return keras.Model(inputs, hidden)

    (found,) = signal_report(model("orthogonal")).verdicts
    assert found.kind == "wrong_fans"
    assert "was drawn for a fan-in of 64; it has 64" not in found.text
    assert signal_report(model("haar_orthogonal")).is_healthy


def row(path="a", *, gain=1.0, shape=(UNITS, UNITS), law=None, own=None, **quantities):
    """A healthy dense layer, except for what is given."""
    norm = gain * math.sqrt(shape[-1])
    std = gain / math.sqrt(shape[0])
    kernel = KernelRow(f"{path}/kernel", shape, shape[0], shape[1], norm, 1.0, std=std)
    kernel.law = law
    made = dense_row(path, kernel, **{"input_rms": 1.0, **quantities})
    if own is not None:
        made.input_rms = made.rms / own
    return made


def normalization(path="n"):
    return LayerRow(path, "LayerNormalization", std=1.0)


def judged(*rows, scale=1.0, **arguments):
    start = LayerRow("input", "Input", std=scale, mean=0.0, cosine=0.1, spread=2.0)
    found = verdicts(Seen(list(rows), [start], **arguments))
    return [(verdict.kind, verdict.layer) for verdict in found]


def drawn_for(factor):
    """A law that draws with the deviation of `row`, so many times the right one."""
    std = 1 / math.sqrt(UNITS)
    return Law("he_normal", std=std, fan_in=9, right_std=std / factor, right_fan_in=9)


@pytest.mark.parametrize("sign", [1, -1])
def test_wrong_fans_matter_from_a_product_of_ten(sign):
    """In two kernels, where the signal is ten times off as well."""
    root = math.sqrt(10)
    for off, scale, is_told in (
        (ABOVE, ABOVE, True),
        (BELOW, ABOVE, False),
        (ABOVE, BELOW, False),
    ):
        law = drawn_for((off * root) ** sign)
        end = {"pre_activation_std": (10 * scale) ** sign}
        last = row("c", law=law, **end)
        found = judged(row("a", law=law), row("b"), last, row("d", **end))
        assert (("wrong_fans", "a") in found) == is_told
        # A normalization between them parts the product.
        rows = row("a", law=law), row("b"), normalization(), last
        assert ("wrong_fans", "a") not in judged(*rows, row("d", **end))


def test_weights_that_do_not_follow_their_law_are_not_told_its_fans():
    tolerance = 0.25 + 4 * math.sqrt(2 / UNITS**2)
    for factor, is_told in ((BELOW, True), (ABOVE, False)):
        gain = math.sqrt(1 + factor * tolerance)
        rows = [
            row("a", law=drawn_for(1 / 20), gain=gain),
            row("b", pre_activation_std=1e-2),
        ]
        assert (("wrong_fans", "a") in judged(*rows)) == is_told


# A variance that was meant as a deviation


@pytest.mark.parametrize(
    ("initializer", "words"),
    [
        (lambda: normal(stddev=2 / 64), "has `stddev=0.03125`, which is 2 / 64, and"),
        (lambda: normal(stddev=1 / 64), "has `stddev=0.01562`, which is 1 / 64, and"),
        (
            lambda: keras.initializers.TruncatedNormal(stddev=2 / 128),
            "has `stddev=0.01562`, which is 1 / 64, and",
        ),
        (
            lambda: keras.initializers.RandomUniform(-6 / 128, 6 / 128),
            "has `maxval=0.04688`, which is 3 / 64, and",
        ),
        (
            lambda: keras.initializers.VarianceScaling(2 / 64),
            "has `scale=0.03125`, which is 2 / 64, and so it is in 3 more layers. "
            "`scale` is divided by the fan-in already",
        ),
        (
            lambda: normal(stddev=(2 / 64) ** 0.25),
            "has `stddev=0.4204`, which is (2 / 64)^(1/4), and so it is in 3 more "
            "layers. That is the root of a deviation",
        ),
    ],
)
def test_variance_as_deviation(initializer, words):
    model = mlp([initializer() for _ in range(4)])
    (found,) = signal_report(model, X).verdicts
    assert (found.kind, found.layer) == ("variance_as_deviation", "d0")
    assert f"the kernel of 'd0' (Dense, row 1 of 5) {words}" in found.text
    assert "the deviation should be near 0.18." in found.text
    _, kernel = pasted(found.text)
    kernels = [keras.initializers.get(kernel) for _ in range(4)]
    assert told(mlp([type(each)() for each in kernels])) == [("healthy", None)]


def test_weights_that_were_computed_elsewhere():
    """Two fan-ins tell 1 / n from one deviation for all kernels."""

    def model(deviation):
        steps = [layers.Dense(n, "relu", name=f"d{n}") for n in (128, 32, 96)]
        built = keras.Sequential([keras.Input((UNITS,)), *steps, layers.Dense(1)])
        for step in steps:
            shape = step.kernel.shape
            step.kernel.assign(RANDOM.normal(size=shape) * deviation(shape[0]))
        return built

    found = told(model(lambda n: 2 / n))
    assert [kind for kind, _ in found] == ["variance_as_deviation"]
    assert found[0][1].endswith("d128")
    assert "variance_as_deviation" not in [
        kind for kind, _ in told(model(lambda n: 2 / 64))
    ]
    assert told(model(lambda n: math.sqrt(2 / n))) == [("healthy", None)]


def test_a_round_number_is_a_choice():
    """1 / 20 is 0.05, Keras's own default."""
    initializers = [normal(stddev=0.05) for _ in range(8)]
    steps = [layers.Dense(20, kernel_initializer=each) for each in initializers]
    model = keras.Sequential([keras.Input((20,)), *steps])
    kinds = [kind for kind, _ in told(model, X[:, :20])]
    assert kinds == ["vanishing_signal"]


def test_a_small_deviation_that_does_no_harm():
    steps = [
        layers.Dense(64, kernel_initializer=normal(stddev=1 / 64)),
        layers.LayerNormalization(epsilon=1e-9),
        layers.Dense(1, kernel_initializer=normal(stddev=1 / 64)),
    ]
    model = keras.Sequential([keras.Input((UNITS,)), *steps])
    assert told(model) == [("healthy", None)]


# DeepNorm


def transformer(blocks, kernel):
    """Its value, output and feed-forward kernels are drawn so."""
    inputs = hidden = keras.Input((4, 32))
    for n in range(blocks):
        attention = layers.MultiHeadAttention(
            2, 16, kernel_initializer=kernel(), name=f"attention{n}"
        )
        for branch in (
            lambda h, a=attention: a(h, h),
            lambda h: layers.Dense(32, kernel_initializer=kernel())(
                layers.Dense(64, "relu", kernel_initializer=kernel())(h)
            ),
        ):
            scaled = layers.Rescaling((2 * blocks) ** 0.25)(hidden)
            hidden = layers.LayerNormalization()(layers.Add()([scaled, branch(hidden)]))
    return keras.Model(inputs, layers.Dense(1)(hidden))


def scaling(scale):
    return lambda: keras.initializers.VarianceScaling(scale, "fan_avg", "uniform")


@pytest.mark.parametrize("blocks", [1, 3])
def test_deep_norm_gives_a_deviation(blocks):
    beta = (8 * blocks) ** -0.25
    (found,) = signal_report(transformer(blocks, scaling(beta))).verdicts
    assert found.kind == "variance_as_deviation"
    assert found.layer.startswith("attention0/")
    assert f"has `scale={beta:.4g}`. That is the factor of the" in found.text
    assert f"(8 * {blocks})^(-1/4) for {blocks} blocks" in found.text
    assert pasted(found.text)[1].scale == pytest.approx(beta**2, rel=1e-3)
    for right in (
        scaling(pasted(found.text)[1].scale),
        lambda: DepthScaled("glorot_uniform", blocks, "deepnorm"),
        lambda: "glorot_uniform",
    ):
        assert signal_report(transformer(blocks, right)).is_healthy


def test_a_scale_that_is_a_beta_for_other_blocks_is_none():
    """(8 * 1)^(-1/2) is the right scale for one block, and the beta for eight."""
    law = Law("VarianceScaling", "fan_avg", "scale", 8**-0.5)
    blocks = [row(f"{n}/value", law=law) for n in range(1)]
    rows = [*blocks, row("b", law=law), row("c", law=law), row("d", law=law)]
    assert judged(*rows) == [("healthy", None)]
    rows = [row(f"{n}/value", law=law) for n in range(8)]
    assert judged(*rows) == [("variance_as_deviation", "0/value")]


# The layer whose own gain is off


def one_off(factor, place=2, depth=5, activation="relu"):
    kernels = [HaarOrthogonal(gain=activation) for _ in range(depth)]
    kernels[place] = HaarOrthogonal(factor * math.sqrt(2))
    return mlp(kernels, activation)


@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        (1e-5, "vanishing_signal"),
        (2e-3, "vanishing_signal"),
        (0.05, "healthy"),
        (5.0, "healthy"),
        (20.0, "exploding_signal"),
        (1e5, "exploding_signal"),
    ],
)
def test_one_kernel_is_named_itself(factor, kind, place):
    report = signal_report(one_off(factor, place), X)
    found = report.verdicts[0]
    assert found.kind == kind
    if kind == "healthy":
        return
    assert [v.layer for v in report.verdicts] == [f"d{place}"]
    gain = factor * math.sqrt(2)
    start = (
        f"'d{place}' (Dense, row {place + 1} of 6) multiplies the scale of its inputs"
    )
    assert found.text.startswith(f"{start} by {report[place].own_gain:.2g}, where ")
    assert report[place].own_gain == pytest.approx(gain, rel=0.1)
    assert pasted(found.text) == ("kernel_initializer", "he_normal")


def test_a_signal_and_its_gradient_have_one_cause():
    for factor, kind in ((1e-5, "vanishing_signal"), (1e5, "exploding_signal")):
        (found,) = signal_report(one_off(factor), X, X[:, :8], "mse").verdicts
        assert (found.kind, found.layer) == (kind, "d2")


@pytest.mark.parametrize(
    "follows", [layers.LayerNormalization, layers.UnitNormalization]
)
def test_before_a_normalization_no_kernel_is_too_large_or_too_small(follows):
    for stddev in (1e-3, 10.0):
        steps = [
            layers.Dense(64, kernel_initializer=normal(stddev=stddev)),
            follows(epsilon=1e-12)
            if follows is layers.LayerNormalization
            else follows(),
            layers.Dense(64, "relu", kernel_initializer="he_normal"),
            layers.Dense(1),
        ]
        model = keras.Sequential([keras.Input((UNITS,)), *steps])
        assert told(model) == [("healthy", None)]


def test_a_last_kernel_may_be_small():
    model = mlp(["he_normal"] * 2)
    model.layers[-1].kernel.assign(0.01 * model.layers[-1].kernel)
    assert told(model) == [("healthy", None)]


def test_a_small_kernel_of_a_residual_branch():
    inputs = keras.Input((UNITS,))
    hidden = layers.Dense(64, "relu", kernel_initializer="he_normal")(inputs)
    branch = layers.Dense(64, kernel_initializer=normal(stddev=1e-5))(hidden)
    outputs = layers.Dense(1)(layers.Add()([hidden, branch]))
    assert told(keras.Model(inputs, outputs)) == [("healthy", None)]


def test_features_that_a_sine_takes_in():
    """Fourier features: large kernels, whose outputs no later kernel gets."""
    inputs = keras.Input((UNITS,))
    hidden = layers.Dense(64, kernel_initializer=normal(stddev=10.0))(inputs)
    hidden = layers.Dense(64, "relu")(keras.ops.sin(hidden))
    model = keras.Model(inputs, layers.Dense(1)(hidden))
    assert told(model) == [("healthy", None)]


def test_biases_are_named_as_such():
    """Those that differ from unit to unit, while the kernels are right."""
    last = row("c", own=1.0, pre_activation_std=5e3)
    biased = row("b", own=5e3, pre_activation_std=5e3, bias_rms=5e3)
    assert judged(row("a"), biased, last) == [("exploding_signal", "b")]
    start = LayerRow("input", "Input", std=1.0, cosine=0.1, spread=2.0)
    (told_one,) = verdicts(Seen([row("a"), biased, last], [start]))
    assert told_one.text.startswith(
        "the biases of 'b' (Dense, row 2 of 3) have a root mean square of 5e+03, "
        "beside inputs of 1. From 'b'"
    )
    assert told_one.text.endswith('Use `bias_initializer="zeros"` there.')


@pytest.mark.parametrize("direction", [1, -1])
def test_a_gain_is_off_by_a_factor(direction):
    """Below that the place is where the limit of a thousand is passed."""
    kind = "exploding_signal" if direction > 0 else "vanishing_signal"
    for factor, place in ((1.2 * ABOVE, "0"), (1.2 * BELOW, "passed")):
        gain = factor**direction
        rows = [row(str(n), gain=gain, own=gain) for n in range(60)]
        passed = math.ceil(math.log(1e3) / math.log(factor)) - 1
        for n, each in enumerate(rows):
            each.pre_activation_std = gain ** (n + 1)
            each.input_rms = gain**n
        rows += [row("end", own=1.0, pre_activation_std=gain**60)]
        (found,) = judged(*rows)
        assert found == (kind, str(passed) if place == "passed" else place)


def test_the_worst_layer_is_meant_and_not_one_that_is_a_little_off():
    """A layer that is off by less than the square root of the worst one."""
    for factor, place in ((BELOW * 100, "b"), (ABOVE * 100, "a")):
        first = row("a", gain=1 / factor, own=1 / factor)
        worst = row("b", gain=1e-4, own=1e-4, pre_activation_std=1e-4 / factor)
        last = row("c", own=1.0, pre_activation_std=1e-4 / factor)
        assert judged(first, worst, last) == [("vanishing_signal", place)]


def test_a_kernel_with_the_right_gain_is_not_to_blame():
    """It got a signal that was small; or its inputs all point one way."""
    for own, gain in ((1.0, 1.0), (1e-4, 1.0), (1.0, 1e-4)):
        rows = [
            row("a", gain=1e-4, own=1e-4, pre_activation_std=1e-4),
            row("b", gain=gain, own=own, pre_activation_std=1e-5),
            row("c", own=1.0, pre_activation_std=1e-5),
        ]
        assert judged(*rows) == [("vanishing_signal", "a")]


def test_what_saturates_is_the_layer_that_made_its_inputs_large():
    steps = [
        layers.Dense(64, kernel_initializer=normal(stddev=5.0), name="large"),
        layers.Dense(64, kernel_initializer="haar_orthogonal", name="flat"),
        layers.Activation("tanh", name="tanh"),
        layers.Dense(1),
    ]
    inputs = hidden = keras.Input((UNITS,))
    for step in steps:
        hidden = step(hidden)
    (found,) = signal_report(keras.Model(inputs, hidden), X).verdicts
    assert (found.kind, found.layer) == ("saturated_units", "large")
    assert "The inputs of the layer are large, because 'large' (Dense, " in found.text
    steps[1].kernel.assign(5 * RANDOM.normal(size=(64, 64)))
    steps[0].kernel.assign(HaarOrthogonal()((64, 64)))
    (found,) = signal_report(keras.Model(inputs, hidden), X).verdicts
    assert (found.kind, found.layer) == ("saturated_units", "flat")


@pytest.mark.parametrize(
    "initializer",
    [
        lambda: "glorot_uniform",
        lambda: "he_normal",
        lambda: "orthogonal",
        lambda: FanScaled(gain="relu"),
        lambda: normal(stddev=0.1),
    ],
)
def test_ordinary_kernels_are_healthy(initializer):
    model = mlp([initializer() for _ in range(3)])
    assert told(model) == [("healthy", None)]
    assert told(model, 20 * np.abs(X)) == [("healthy", None)]
    assert signal_report(model).is_healthy


def test_a_normalization_that_multiplies_by_zero():
    """The kernels before it are not to blame."""
    flat = {"pre_activation_std": 0.0, "dead": 1.0, "activation": "relu"}
    for before, words in (
        ([row("a"), normalization()], 'Use `gamma_initializer="ones"` there.'),
        ([row("a"), row("b")], '`kernel_initializer="he_normal"`.'),
    ):
        activation = row("relu", **flat, kernels=[])
        activation.type = "ReLU"
        (found, *_) = verdicts(Seen([*before, activation, row("c")], []))
        assert found.kind == "dead_units"
        assert found.text.endswith(words)
