"""The laws of kernels, and what a layer does to the scale of its input."""

import math
import re

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers
from limits import EPSILON, SIGMAS, rounding

import keras_initx
from keras_initx import FanScaled, HaarOrthogonal, signal_report

pytestmark = pytest.mark.same_on_each_backend(every=9)

RANDOM = np.random.default_rng(0)
NAMES = {"keras": keras, "keras_initx": keras_initx}


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def report_on(layer, x):
    return signal_report(keras.Sequential([keras.Input(x.shape[1:]), layer]), x)


def kernels_of(layer, shape):
    """What a report says of the kernels of a layer that does not run."""
    layer.build((None, *shape))
    return [kernel for row in signal_report(layer) for kernel in row.kernels]


def standard_error(kernel):
    """Four of them: the relative error of the deviation of so many numbers."""
    return SIGMAS / math.sqrt(2 * math.prod(kernel.shape))


# Counted by hand: the layer, its input, the fan-ins that an initializer counts by the
# shape of the kernel and that the layer has, and the same for the fan-outs.
CASES = {
    "dense": (lambda i: layers.Dense(96, kernel_initializer=i), (64,), 64, 64, 96, 96),
    "convolution": (
        lambda i: layers.Conv2D(32, 3, strides=2, kernel_initializer=i),
        (4, 4, 64),
        9 * 64,
        9 * 64,
        9 * 32,
        9 * 32,
    ),
    "grouped": (
        lambda i: layers.Conv2D(64, 3, groups=8, kernel_initializer=i),
        (4, 4, 64),
        9 * 8,
        9 * 8,
        9 * 64,
        9 * 8,
    ),
    "depthwise": (
        lambda i: layers.DepthwiseConv2D(
            3, depth_multiplier=4, depthwise_initializer=i
        ),
        (4, 4, 64),
        9 * 64,
        9,
        9 * 4,
        9 * 4,
    ),
    # An output of a transposed convolution sums a quarter of the taps.
    "transposed": (
        lambda i: layers.Conv2DTranspose(16, 4, strides=2, kernel_initializer=i),
        (4, 4, 64),
        16 * 16,
        16 * 64 / 4,
        16 * 64,
        16 * 16,
    ),
    # `EinsumDense` counts the axis that both share as one of outputs.
    "experts": (
        lambda i: layers.EinsumDense("bgi,gio->bgo", (4, 64), kernel_initializer=i),
        (4, 32),
        32,
        32,
        4 * 64,
        64,
    ),
}
RULES = {
    "he_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "glorot_uniform": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "lecun_normal": lambda fan_in, fan_out: math.sqrt(1 / fan_in),
}


# Each case with some rule: an initializer does not know in which layer it is.
PAIRS = list(zip(CASES, [*RULES, *RULES], strict=True))
EVERY_PAIR = [(case, rule) for case in CASES for rule in RULES]


@pytest.mark.parametrize(("case", "rule"), EVERY_PAIR)
def test_the_fans_that_were_counted_and_those_of_the_layer(case, rule):
    make, shape, *fans = CASES[case]
    layer = make("zeros")
    layer.build((None, *shape))
    name = "depthwise_initializer" if case == "depthwise" else "kernel_initializer"
    setattr(layer, name, keras.initializers.get(rule))
    law = signal_report(layer)[0].kernel.law
    assert law.name == rule
    assert [law.fan_in, law.right_fan_in, law.fan_out, law.right_fan_out] == fans
    assert law.std == pytest.approx(RULES[rule](fans[0], fans[2]))
    assert law.right_std == pytest.approx(RULES[rule](fans[1], fans[3]))


@pytest.mark.parametrize(("case", "rule"), PAIRS)
def test_a_kernel_is_drawn_by_its_law(case, rule):
    make, shape, *_ = CASES[case]
    (kernel,) = kernels_of(make(rule), shape)
    assert kernel.std == pytest.approx(kernel.law.std, rel=standard_error(kernel))


@pytest.mark.parametrize(
    ("case", "rule"),
    [*PAIRS, ("depthwise", "orthogonal"), ("transposed", "haar_orthogonal")],
)
def test_the_remedy_of_a_law_draws_with_the_right_deviation(case, rule):
    make, shape, *_ = CASES[case]
    law = kernels_of(make(rule), shape)[0].law
    argument, code = law.remedy.split("=", 1)
    argument = argument.removesuffix("_initializer")
    assert argument == ("depthwise" if case == "depthwise" else "kernel")
    (kernel,) = kernels_of(make(eval(code, NAMES)), shape)
    assert kernel.std == pytest.approx(law.right_std, rel=standard_error(kernel))
    assert kernel.law.factor == pytest.approx(1)


def test_an_orthogonal_kernel_of_a_depthwise_convolution():
    """One column of 576 numbers has length 1, where each of 64 columns of 9 should."""
    layer = layers.DepthwiseConv2D(3, depthwise_initializer="orthogonal")
    (kernel,) = kernels_of(layer, (4, 4, 64))
    assert (kernel.law.std, kernel.law.right_std) == pytest.approx((1 / 24, 1 / 3))
    assert kernel.std == pytest.approx(1 / 24, rel=0.05)


def test_attention_knows_its_axes():
    layer = layers.MultiHeadAttention(4, 16, kernel_initializer="he_normal")
    layer.build((None, 5, 64), (None, 5, 64))
    laws = [kernel.law for row in signal_report(layer) for kernel in row.kernels]
    assert [law.fan_in for law in laws] == [64] * 4
    assert [law.factor for law in laws] == [1] * 4


@pytest.mark.parametrize(
    ("initializer", "std"),
    [
        (keras.initializers.RandomNormal(stddev=0.3), 0.3),
        # The variance of a normal variable between -2 and 2 is 0.7737.
        (keras.initializers.TruncatedNormal(stddev=0.3), 0.3 * math.sqrt(0.7737)),
        (keras.initializers.RandomUniform(-0.1, 0.5), 0.6 / math.sqrt(12)),
        (keras.initializers.VarianceScaling(3.0, "fan_out"), math.sqrt(3 / 96)),
        (FanScaled(3.0, "spectral", gain=2.0), 2 * math.sqrt(3 / 64)),
        (HaarOrthogonal(2.0), 2 / math.sqrt(96)),
    ],
)
def test_the_deviation_of_a_law(initializer, std):
    layer = layers.Dense(96, kernel_initializer=initializer)
    (kernel,) = kernels_of(layer, (64,))
    assert kernel.law.std == pytest.approx(std, rel=1e-4)
    assert kernel.std == pytest.approx(std, rel=standard_error(kernel))


@pytest.mark.parametrize(
    "initializer", ["zeros", "identity", "siren", HaarOrthogonal(scale="variance")]
)
def test_a_law_that_is_not_known_has_a_name_only(initializer):
    layer = layers.Dense(64, kernel_initializer=initializer)
    law = kernels_of(layer, (64,))[0].law
    assert re.fullmatch(r"\w+", law.name)
    assert (law.std, law.right_std, law.factor) == (None, None, 1.0)


def test_kernels_of_cells_and_of_separable_convolutions():
    names = [kernel.law.name for kernel in kernels_of(layers.LSTM(8), (3, 8))]
    assert names == ["glorot_uniform", "Orthogonal"]
    layer = layers.SeparableConv2D(8, 3, depthwise_initializer="he_normal")
    found = {k.law.name: k.law.right_fan_in for k in kernels_of(layer, (4, 4, 16))}
    assert found == {"glorot_uniform": 16, "he_normal": 9}


# What is measured


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_deviation_own_gain_and_biases(dtype):
    normal = keras.initializers.RandomNormal(mean=0.2, stddev=0.5)
    layer = layers.Dense(64, bias_initializer=normal, kernel_initializer=normal)
    layer.dtype_policy = keras.DTypePolicy(dtype)
    x = batch(32, 16) + 1
    (row,) = report_on(layer, x).rows
    kernel, bias = (to_numpy(w).astype("float64") for w in layer.weights)
    half = 2.0**-8 if dtype == "bfloat16" else rounding(kernel.size)
    assert row.kernel.std == pytest.approx(kernel.std(), rel=half)
    assert row.bias_rms == pytest.approx(math.sqrt((bias**2).mean()), rel=half)
    assert row.input_rms == pytest.approx(math.sqrt((x.astype("f8") ** 2).mean()), half)
    z = x @ kernel + bias
    gain = math.sqrt((z**2).mean() / (x.astype("f8") ** 2).mean())
    assert row.own_gain == pytest.approx(gain, rel=2 * half)


def test_the_input_of_a_layer_is_what_the_one_before_puts_out():
    steps = [layers.Dense(32, "relu", kernel_initializer="he_normal") for _ in range(2)]
    model = keras.Sequential([keras.Input((5, 16)), *steps, layers.Dense(4)])
    rows = signal_report(model, batch(8, 5, 16)).rows
    before = [math.hypot(row.mean, row.std) for row in rows]
    found = [row.input_rms for row in rows[1:]]
    assert found == pytest.approx(before[:-1], rel=64 * EPSILON)


def test_a_layer_without_floats_gets_no_input():
    steps = [layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,), dtype="int32"), *steps])
    rows = signal_report(model, np.ones((2, 3), "int32")).rows
    assert (rows[0].input_rms, rows[0].own_gain, rows[0].bias_rms) == (None,) * 3
    assert rows[1].bias_rms is None
    assert rows[2].bias_rms == 0


def test_a_kernel_that_is_not_finite_has_no_deviation():
    layer = layers.Dense(4, kernel_initializer=keras.initializers.Constant(np.nan))
    assert math.isnan(kernels_of(layer, (4,))[0].std)
