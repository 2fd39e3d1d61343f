"""The remedies: whoever pastes one gets a network in which the fault is gone."""

import math
import re

import keras
import numpy as np
import pytest
from keras import layers

import keras_initx
from keras_initx import HaarOrthogonal, critical, looks_linear, lsuv, signal_report
from keras_initx.diagnostics._judge.findings import Findings
from keras_initx.diagnostics._judge.remedies import scale_remedy, stabilize
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen

pytestmark = pytest.mark.same_on_each_backend

DEPTH, UNITS = 40, 32
X = np.random.default_rng(0).normal(size=(32, UNITS)).astype("float32")
NAMES = {"keras": keras, "keras_initx": keras_initx}
ELEMENTWISE = (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu "
    "linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus "
    "softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink"
).split()
OTHERS = ["log_softmax", "softmax", "sparsemax"]


class Deep:
    """Forty layers, whose kernels, activation and normalization can be changed."""

    def __init__(self):
        self.dense = [layers.Dense(UNITS, name=f"d{n}") for n in range(DEPTH)]
        head = layers.Dense(4, name="head")

        def chain(each):
            steps = [step for dense in self.dense for step in each(dense)]
            return keras.Sequential([keras.Input((UNITS,)), *steps, head])

        self.plain = chain(lambda dense: [dense])
        self.normalized = chain(lambda dense: [dense, layers.LayerNormalization()])

    def verdicts(self, activation, kernel, advice=""):
        keras.utils.set_random_seed(0)
        for dense in self.dense:
            dense.activation = keras.activations.get(activation)
            # Each has its own initializer: one would draw the same kernel each time.
            initializer = keras.initializers.get(eval(kernel, NAMES))
            dense.kernel.assign(initializer((UNITS, UNITS)))
            dense.bias.assign(np.zeros(UNITS))
        model = self.normalized if advice == "normalize" else self.plain
        if advice == "critical":
            critical(model, X, seed=0)
        elif advice == "looks_linear":
            looks_linear(model, seed=0)
        return signal_report(model, X).verdicts


@pytest.fixture(scope="module")
def deep():
    return Deep()


def follow(text, activation, kernel):
    """What a reader pastes from a verdict: activation, kernel, and what else to do."""
    if found := re.search(r"[Uu]se '(\w+)' with `kernel_initializer=(.+?)`", text):
        return found[1], found[2], ""
    if found := re.search(r"[Uu]se `kernel_initializer=(.+?)`(?:,|\.| with)", text):
        return activation, found[1], ""
    for scheme in ("critical(model, x)", "looks_linear(model)"):
        if f"`keras_initx.{scheme}`" in text:
            return activation, kernel, scheme.partition("(")[0]
    assert "`keras.layers.LayerNormalization()` after each of these layers" in text
    return activation, kernel, "normalize"


def remedies(verdicts):
    """The advice of each verdict: what follows on the numbers."""
    return [
        re.split(r"(?=\b[Uu]se |\bPut |\bCall )", each.text, maxsplit=1)[-1]
        for each in verdicts
    ]


@pytest.mark.parametrize(
    ("activation", "kernel"),
    [
        *((name, "'glorot_uniform'") for name in (*ELEMENTWISE, *OTHERS)),
        *((name, "'he_normal'") for name in "gelu mish selu sparse_sigmoid".split()),
    ],
)
def test_a_remedy_is_not_told_again(activation, kernel, deep):
    steps, told = (activation, kernel, ""), []
    while True:
        found = deep.verdicts(*steps)
        if found[0].kind == "healthy":
            return
        (advice, *_) = remedies(found)
        assert advice not in told
        told.append(advice)
        # Two faults may stand in one network, not three.
        assert len(told) < 3, told
        steps = follow(advice, *steps[:2])


@pytest.mark.parametrize("activation", ["gelu", "hard_silu"])
def test_what_amplifies_deviations_needs_more_than_a_gain(activation, deep):
    """With the kernels that its gain asks for, too."""
    for kernel in ("'he_normal'", f"keras_initx.HaarOrthogonal(gain={activation!r})"):
        for verdict in deep.verdicts(activation, kernel):
            assert verdict.kind == "healthy" or verdict.text.endswith(
                "Use `keras_initx.critical(model, x)`, or put "
                "`keras.layers.LayerNormalization()` after each of these layers."
            )
    for advice in ("normalize", "critical"):
        (found,) = deep.verdicts(activation, "'he_normal'", advice)
        assert found.kind == "healthy"


@pytest.mark.parametrize("activation", ["exponential", "tanh_shrink"])
def test_what_has_no_stable_point_needs_a_normalization(activation, deep):
    texts = [each.text for each in deep.verdicts(activation, "'he_normal'")]
    assert any(
        text.endswith(
            "Put `keras.layers.LayerNormalization()` after each of these layers."
        )
        for text in texts
    )
    assert not any("critical" in text for text in texts)


def test_a_batch_of_the_right_scale_may_have_samples_of_any(deep):
    """LSUV sets the deviation of the batch to 1, and that is all it can."""
    deep.verdicts("gelu", "'he_normal'")
    lsuv(deep.plain, X)
    (found,) = signal_report(deep.plain, X).verdicts
    assert found.kind == "uneven_samples"
    assert "40 layers of 'gelu' amplify each deviation of the scale." in found.text
    assert found.text.endswith(
        "`lsuv` sets the scale of the whole batch only. Use "
        "`keras_initx.critical(model, x)`, or put "
        "`keras.layers.LayerNormalization()` after each of these layers."
    )
    critical(deep.plain, X)
    assert signal_report(deep.plain, X).is_healthy


@pytest.mark.parametrize("kind", ["Dense", "Add"])
def test_a_residual_network_is_not_told_critical(kind):
    row = LayerRow("a", kind, std=1.0)
    advice = stabilize(Findings(Seen([row])), "gelu")
    assert advice.startswith("Use `keras_initx.critical" if kind == "Dense" else "Put")
    assert stabilize(Findings(Seen([row])), "exponential").startswith("Put")
    assert stabilize(Findings(Seen([row])), "hard_shrink").startswith("Put")


def dense(name, gain, activation=None):
    return layers.Dense(
        UNITS, activation, kernel_initializer=HaarOrthogonal(gain), name=name
    )


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        ("relu", '`kernel_initializer="he_normal"`, or '),
        ("gelu", '`kernel_initializer=keras_initx.HaarOrthogonal(gain="gelu")`, or '),
        ("selu", '`kernel_initializer="lecun_normal"`, or '),
        ("tanh", '`kernel_initializer="haar_orthogonal"`, or '),
        (None, 'that a linear layer needs. Use `kernel_initializer="haar_orthogonal"`'),
        ("sigmoid", "Use 'tanh' with `kernel_initializer=\"haar_orthogonal\"` instead"),
        ("softmax", "use 'relu' with `kernel_initializer=\"he_normal\"` before it"),
    ],
)
@pytest.mark.parametrize("place", ["own", "after", "after a normalization"])
def test_what_to_use_follows_the_activation(activation, words, place):
    steps = [dense("a", 1e-6, activation if place == "own" else None)]
    if place == "after a normalization":
        steps.append(layers.BatchNormalization(epsilon=1e-30))
    if place != "own":
        steps.append(layers.Activation(activation or "linear"))
    model = keras.Sequential([keras.Input((UNITS,)), *steps, dense("b", 1e-8)])
    findings = Findings(Seen(signal_report(model, X).rows))
    row = findings.linear[0]
    remedy = scale_remedy(findings, row, findings.linear, -1)
    if place != "after a normalization" or activation in ("sigmoid", "softmax"):
        assert words in remedy
    else:
        # The kernel has no say then.
        assert "LayerNormalization" in remedy or words in remedy


def test_an_activation_after_another_kernel_is_not_ones_own():
    steps = [dense("a", 1.0), dense("b", 1.0), layers.ReLU(name="c")]
    model = keras.Sequential([keras.Input((UNITS,)), *steps])
    findings = Findings(Seen(signal_report(model, X).rows))
    assert [findings.activation(row) for row in findings.linear] == ["", "relu"]


def test_an_unknown_activation_is_told_lsuv():
    def my_own(x):
        return 1e-6 * x

    model = keras.Sequential(
        [keras.Input((UNITS,)), dense("a", 1, my_own), dense("b", 1)]
    )
    (found,) = signal_report(model, X).verdicts
    assert found.kind == "vanishing_signal"


def test_kernels_of_the_right_scale_are_not_drawn_again():
    """What takes the signal away stands between them."""
    steps = [step for n in range(3) for step in (dense(f"d{n}", math.sqrt(2), "relu"),)]
    steps.insert(1, layers.Rescaling(1e-6, name="tiny"))
    model = keras.Sequential([keras.Input((UNITS,)), *steps, dense("head", 1.0)])
    (found,) = signal_report(model, X).verdicts
    assert found.layer.endswith("tiny")
    assert found.text.endswith(
        " Take that factor out, or put `keras.layers.LayerNormalization()` after it."
    )
    lsuv(model, X)
    assert signal_report(model, X).is_healthy


def test_an_operation_without_a_layer_between_kernels_of_the_right_scale():
    """No layer is to blame: any of the kernels may make up for it."""

    class Between(layers.Dense):
        def call(self, inputs):
            return super().call(1e-6 * inputs)

    arguments = {"kernel_initializer": HaarOrthogonal(math.sqrt(2))}
    steps = [dense("d0", math.sqrt(2), "relu")]
    steps += [Between(UNITS, "relu", name="d1", **arguments), dense("head", 1.0)]
    model = keras.Sequential([keras.Input((UNITS,)), *steps])
    (found,) = signal_report(model, X).verdicts
    assert found.layer.endswith("d1")
    assert found.text.endswith(
        "The kernels have the scale that 'relu' needs already. Put "
        "`keras.layers.LayerNormalization()` after each of these layers, or "
        "use `keras_initx.lsuv(model, x)`, which sets the scale of each kernel by the "
        "data."
    )


# Convolutions with strides


def convolution(layer, size=16):
    model = keras.Sequential([keras.Input((size, size, 4)), layer])
    x = np.random.default_rng(0).normal(size=(4, size, size, 4)).astype("float32")
    return signal_report(model, x)


def test_a_patch_embedding_that_reads_one_pixel_of_each_patch():
    arguments = {"filters": 8, "kernel_size": 16, "strides": 16, "name": "patches"}
    delta = layers.Conv2D(kernel_initializer="orthogonal_delta", **arguments)
    (found,) = convolution(delta).verdicts
    assert (found.kind, found.title) == ("zero_taps", "zero taps")
    assert found.layer.endswith("patches")
    assert found.text.partition(" is zero ")[2] == (
        "at most of its taps: with strides of (16, 16) it reads 0.39 % of its input. "
        'Use `kernel_initializer="haar_orthogonal"`, which draws every tap.'
    )
    haar = layers.Conv2D(kernel_initializer="haar_orthogonal", **arguments)
    assert convolution(haar).is_healthy


def test_a_transposed_convolution_that_writes_one_pixel_of_four():
    arguments = {"filters": 4, "kernel_size": 2, "strides": 2}
    delta = keras_initx.OrthogonalDelta(input_axes=[-1], output_axes=[-2])
    layer = layers.Conv2DTranspose(kernel_initializer=delta, **arguments)
    (found,) = convolution(layer).verdicts
    assert found.text.partition(" is zero ")[2] == (
        "at most of its taps: with strides of (2, 2) it writes 25 % of its output, and "
        "the rest is zero or its bias. Use `kernel_initializer=keras_initx."
        "HaarOrthogonal(gain=2, input_axes=[-1], output_axes=[-2])`, which draws every "
        "tap."
    )
    haar = HaarOrthogonal(gain=2, input_axes=[-1], output_axes=[-2], seed=0)
    report = convolution(layers.Conv2DTranspose(kernel_initializer=haar, **arguments))
    assert report.is_healthy
    # An orthogonal map of all pixels: the gain makes up for the strides, exactly.
    assert report[0].std == pytest.approx(report.inputs[0].std, rel=1e-2)


@pytest.mark.parametrize(
    ("kind", "size", "strides", "dilation", "shares"),
    [
        (layers.Conv2D, 3, 1, 1, None),
        (layers.Conv2D, 3, 2, 1, (1 / 4, 1)),
        (layers.Conv2D, 1, 2, 1, None),
        (layers.Conv2D, 3, 3, 1, (1 / 9, 1)),
        (layers.Conv2D, 3, (3, 1), 1, (1 / 3, 1)),
        (layers.Conv2DTranspose, 2, 3, 1, (1 / 9, 4 / 9)),
        (layers.DepthwiseConv2D, 4, 4, 1, (1 / 16, 1)),
        (layers.SeparableConv2D, 4, 4, 1, (1 / 16, 1)),
    ],
)
def test_the_share_of_the_positions_is_that_of_the_gradient(
    kind, size, strides, dilation, shares
):
    """Counted independently: the inputs that matter for the outputs, or the reverse."""
    size_in = 12
    arguments = {"strides": strides, "dilation_rate": dilation, "use_bias": False}
    if kind in (layers.Conv2D, layers.Conv2DTranspose, layers.SeparableConv2D):
        arguments["filters"] = 4
    layer = kind(kernel_size=size, **arguments)
    layer.build((None, size_in, size_in, 4))
    spatial = next(
        w for w in layer.weights if tuple(w.shape[:2]) == (size, size) and w.ndim == 4
    )
    delta = np.zeros(spatial.shape, "float32")
    delta[(size - 1) // 2, (size - 1) // 2] = 1 + np.arange(delta[0, 0].size).reshape(
        delta.shape[2:]
    )
    spatial.assign(delta)
    report = convolution(layer, size_in)
    reaches = [kernel.reach for row in report for kernel in row.kernels]
    (reach,) = [each for each in reaches if each is not None] or [None]
    assert (reach and (reach.share, reach.full_share)) == shares
