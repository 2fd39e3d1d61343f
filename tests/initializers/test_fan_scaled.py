"""FanScaled: its fans are those of the Jacobian of each layer, and its laws exact."""

import itertools
import math

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, refuses, to_numpy
from keras import layers

import keras_initx
from keras_initx import initializers
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.fan_rule import fan, fans
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.layer_kernel import embedding_axes, layer_kernel
from keras_initx._model.redraw import Redraw
from keras_initx.initializers import FanScaled

TRANSPOSED = {"input_axes": [-1], "output_axes": [-2]}
DEPTHWISE = {"batch_axes": [-2]}

# Each layer, the shape of one input, and what `FanScaled` must be told.
LAYERS = {
    "Dense": (layers.Dense(5), (3,), {}),
    "Conv1D": (layers.Conv1D(5, 3), (9, 2), {}),
    "Conv1D, even kernel, dilation": (
        layers.Conv1D(5, 2, dilation_rate=3),
        (14, 2),
        {},
    ),
    "Conv1D, strides": (layers.Conv1D(5, 5, strides=2), (19, 2), {"strides": 2}),
    "Conv1D, strides larger than the kernel": (
        layers.Conv1D(5, 2, strides=3),
        (15, 2),
        {"strides": 3},
    ),
    "Conv2D, unequal strides": (
        layers.Conv2D(3, (3, 2), strides=(2, 1)),
        (11, 6, 2),
        {"strides": 2},
    ),
    "Conv2D, groups and strides": (
        layers.Conv2D(6, 3, strides=2, groups=3),
        (11, 11, 6),
        {"groups": 3, "strides": 4},
    ),
    "Conv3D": (layers.Conv3D(2, 2), (4, 4, 4, 2), {}),
    "Conv1DTranspose": (layers.Conv1DTranspose(2, 3), (9, 5), TRANSPOSED),
    "Conv1DTranspose, strides": (
        layers.Conv1DTranspose(2, 5, strides=2),
        (9, 3),
        {"strides": 2, **TRANSPOSED},
    ),
    "Conv1DTranspose, strides larger than the kernel": (
        layers.Conv1DTranspose(2, 2, strides=3),
        (7, 3),
        {"strides": 3, **TRANSPOSED},
    ),
    "Conv2DTranspose, unequal strides": (
        layers.Conv2DTranspose(2, (3, 4), strides=(2, 3)),
        (5, 5, 3),
        {"strides": 6, **TRANSPOSED},
    ),
    "Conv3DTranspose": (
        layers.Conv3DTranspose(2, 2, strides=2),
        (3, 3, 3, 2),
        {"strides": 8, **TRANSPOSED},
    ),
    "DepthwiseConv1D, strides": (
        layers.DepthwiseConv1D(3, strides=2, depth_multiplier=3),
        (13, 4),
        {"strides": 2, **DEPTHWISE},
    ),
    "DepthwiseConv2D": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        (7, 7, 3),
        DEPTHWISE,
    ),
    "EinsumDense": (
        layers.EinsumDense("abc,cde->abde", (None, 2, 3)),
        (5, 4),
        {"input_axes": [0], "output_axes": [1, 2]},
    ),
    "EinsumDense, many inputs": (
        layers.EinsumDense("abcd,cde->abe", (None, 6)),
        (5, 4, 3),
        {"input_axes": [0, 1], "output_axes": [2]},
    ),
    "EinsumDense, groups": (
        layers.EinsumDense("bgi,gio->bgo", (2, 6)),
        (2, 4),
        {"input_axes": [1], "output_axes": [2], "batch_axes": [0]},
    ),
}
if BACKEND != "tensorflow":
    # On CPUs TensorFlow has no convolutions of this format.
    LAYERS["Conv2D, channels first"] = (
        layers.Conv2D(3, 3, strides=2, data_format="channels_first"),
        (2, 11, 11),
        {"strides": 4},
    )
every_layer = pytest.mark.parametrize("name", LAYERS)


def jacobian(layer, shape):
    """The outputs of a linear layer of ones for each input that is 1 in one place.

    Its shape is `(*input_shape, *output_shape)`.
    """
    layer.build((None, *shape))
    for weight in layer.weights:
        weight.assign(np.full(weight.shape, float("bias" not in weight.path)))
    one_hot = np.eye(math.prod(shape), dtype="float32").reshape(-1, *shape)
    outputs = to_numpy(layer(one_hot))
    return outputs.reshape(*shape, *outputs.shape[1:])


def steps_of(layer):
    """The spatial axes of a batch, the first place that no border reaches, strides."""
    if not hasattr(layer, "strides"):
        return [], [], []
    axes = range(layer.rank)
    if layer.data_format == "channels_first":
        axes = range(1, 1 + layer.rank)
    reach = [
        (size - 1) * dilation + 1
        for size, dilation in zip(layer.kernel_size, layer.dilation_rate, strict=True)
    ]
    return axes, reach, layer.strides


def mean_inside(counts, axes, starts, lengths):
    """The mean of counts over whole periods of the strides, away from the border."""
    for axis, start, length in zip(axes, starts, lengths, strict=True):
        periods = (counts.shape[axis] - 2 * start) // length
        assert periods >= 1, "the input is too small"
        counts = counts.take(range(start, start + periods * length), axis)
    return counts.mean()


def counted_fans(layer, shape):
    """The entries of a row and of a column of the Jacobian that are not zero."""
    matters = jacobian(layer, shape) != 0
    inputs = tuple(range(len(shape)))
    outputs = tuple(range(len(shape), matters.ndim))
    axes, reach, strides = steps_of(layer)
    ones = [1] * len(reach)
    zeros = [0] * len(reach)
    is_transposed = "Transpose" in type(layer).__name__
    # With padding="valid" one of the two sides has no border.
    inside = {False: (zeros, ones), True: ([k - 1 for k in reach], strides)}
    fan_in = mean_inside(matters.sum(axis=inputs), axes, *inside[is_transposed])
    fan_out = mean_inside(matters.sum(axis=outputs), axes, *inside[not is_transposed])
    return fan_in, fan_out


@every_layer
@pytest.mark.same_on_each_backend
def test_the_fans_are_those_of_the_jacobian(name):
    layer, shape, arguments = LAYERS[name]
    counted = counted_fans(layer, shape)
    kernel = layer_kernel(layer).kernel
    assert fans(layer_kernel(layer).axes) == pytest.approx(counted)
    told = FanScaled(**arguments).read(tuple(kernel.shape))
    assert fans(told) == pytest.approx(counted)


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one():
    layer = layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2)
    layer.build((None, 11, 11, 3))
    (_, depthwise), (_, pointwise) = layer_kernel(layer).kernels
    of_depthwise = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2)
    assert fans(depthwise) == pytest.approx(counted_fans(of_depthwise, (11, 11, 3)))
    assert fans(pointwise) == counted_fans(layers.Conv2D(5, 1), (3, 3, 6)) == (6, 5)


def test_attention_is_made_of_projections():
    layer = layers.MultiHeadAttention(2, 3, value_dim=5, output_shape=7)
    layer.build((None, 4, 6), (None, 4, 6))
    for projection, expected in (
        (layer.query_dense, (6, 6)),
        (layer.value_dense, (6, 10)),
        (layer.output_dense, (10, 7)),
    ):
        assert fans(layer_kernel(projection).axes) == expected
        twin = layers.EinsumDense.from_config(projection.get_config())
        of_inputs = layer_kernel(projection).axes
        inputs = of_inputs.sizes(of_inputs.input)
        assert counted_fans(twin, (4, *inputs)) == expected


def test_an_embedding_looks_up_one_row():
    """A row of the Jacobian by the one-hot vector of a token has one entry, by one."""
    layer = layers.Embedding(50, 8)
    layer.build((None, 3))
    assert fans(embedding_axes(layer)) == (1.0, 8)
    told = FanScaled(batch_axes=[-2]).read((50, 8))
    assert fans(told) == (1.0, 8)
    layer.embeddings.assign(np.ones((50, 8)))
    # Each output sums one entry of the table, and each entry goes to one output.
    assert (to_numpy(layer(np.arange(50)[None])) == 1).all()


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "spectral"])
def test_a_lookup_changes_the_fans_and_not_the_axes(mode):
    """Those that are not made of fans read the table as they do in the layer."""
    layer = layers.Embedding(400, 80)
    layer.build((None, 3))
    axes, table = embedding_axes(layer), layer.embeddings
    n = {"fan_in": 1, "fan_out": 80, "spectral": 1}[mode]
    inner = FanScaled(mode=mode, distribution="normal", seed=1)
    for initializer, factor in (
        (inner, 1),
        (initializers.DepthScaled(inner, 8), 1 / 4),
        (initializers.DepthScaled(initializers.DepthScaled(inner, 8), 8), 1 / 16),
        (initializers.Blockwise(inner, 4), math.sqrt(4 if mode == "fan_out" else 1)),
    ):
        drawn = to_numpy(Redraw(initializer)(table, axes))
        limits.assert_stddev(drawn, factor / math.sqrt(n))
    if mode != "spectral":
        of_keras = keras.initializers.VarianceScaling(1.0, mode, "normal", seed=1)
        limits.assert_stddev(to_numpy(Redraw(of_keras)(table, axes)), 1 / math.sqrt(n))
    orthogonal = to_numpy(Redraw(initializers.HaarOrthogonal(seed=1))(table, axes))
    limits.assert_semi_orthogonal(orthogonal)


# Laws


def numbers_of(mode, fan_in, fan_out):
    """The n of each mode, as its paper writes it."""
    return {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
        "spectral": (math.sqrt(1 / fan_in) * min(1, math.sqrt(fan_out / fan_in))) ** -2,
    }[mode]


MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg", "spectral")
LAWS = {
    "normal": scipy.stats.norm(),
    "truncated_normal": scipy.stats.truncnorm(-2, 2),
    "uniform": scipy.stats.uniform(-1, 2),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(50, 400), (400, 50), (3, 3, 24, 100)])
def test_the_variance_of_each_mode(mode, shape):
    field = math.prod(shape[:-2])
    n = numbers_of(mode, field * shape[-2], field * shape[-1])
    kernel = to_numpy(FanScaled(3.0, mode, "normal", gain="relu", seed=1)(shape))
    limits.assert_stddev(kernel, math.sqrt(2 * 3.0 / n))
    limits.assert_mean(kernel.ravel(), 0.0)


@pytest.mark.parametrize("is_portable", [False, True])
@pytest.mark.parametrize("distribution", LAWS)
def test_each_distribution_has_its_law_and_the_exact_variance(
    distribution, is_portable, monkeypatch
):
    monkeypatch.setattr("keras_initx._kernel.portable._everywhere", is_portable)
    law = LAWS[distribution]
    kernel = to_numpy(FanScaled(2.0, "fan_in", distribution, seed=1)((40, 4000)))
    standard = kernel.ravel() / math.sqrt(2.0 / 40) * law.std()
    limits.assert_stddev(standard, law.std())
    limits.assert_distribution(standard, law.cdf)
    assert np.abs(standard).max() <= law.support()[1] * (1 + limits.EPSILON)
    with pytest.raises(AssertionError):
        limits.assert_distribution(1.05 * standard, law.cdf)


def test_a_truncated_distribution_that_is_not_corrected_is_too_narrow():
    """As in TensorFlow 1: its deviation is 12 % too small."""
    kernel = to_numpy(FanScaled(seed=1)((40, 800))) * LAWS["truncated_normal"].std()
    with pytest.raises(AssertionError):
        limits.assert_stddev(kernel, math.sqrt(1 / 40))


def test_no_number_is_beyond_two_deviations():
    """Of 4 million. Keras on PyTorch leaves some twenty there."""
    kernel = to_numpy(FanScaled(seed=1)((1, 2**22)))
    assert np.abs(kernel).max() <= 2 / LAWS["truncated_normal"].std() + 1e-6


@pytest.mark.parametrize("distribution", LAWS)
def test_portable_seeds(distribution):
    with keras_initx.portable_seeds():
        kernel = to_numpy(FanScaled(distribution=distribution, seed=3)((4, 60)))
    assert 0.1 < np.abs(kernel).max() < 2
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([3])))
    drawn = {
        "normal": lambda: generator.standard_normal(240),
        "uniform": lambda: math.sqrt(3) * (2 * generator.random(240, "float32") - 1),
        "truncated_normal": lambda: cut(generator),
    }[distribution]()
    np.testing.assert_allclose(kernel, drawn.reshape(4, 60) / 2, rtol=1e-5, atol=1e-6)


def cut(generator):
    """Draws again whatever lies beyond 2, one after the other."""
    numbers = generator.standard_normal(240)
    while (np.abs(numbers) > 2).any():
        for place in np.flatnonzero(np.abs(numbers) > 2):
            numbers[place] = generator.standard_normal()
    return numbers / LAWS["truncated_normal"].std()


@pytest.mark.parametrize("name", ["truncated_normal", "uniform"])
def test_traced_numbers_are_the_eager_ones(name):
    from catalogue import traced

    initializer = FanScaled(distribution=name, seed=3)
    np.testing.assert_allclose(
        to_numpy(traced(lambda: initializer((30, 40)))),
        to_numpy(initializer((30, 40))),
        atol=1e-6,
    )


# Keras's own classes

OF_KERAS = {
    "glorot_uniform": (1.0, "fan_avg"),
    "glorot_normal": (1.0, "fan_avg"),
    "he_uniform": (2.0, "fan_in"),
    "he_normal": (2.0, "fan_in"),
    "lecun_uniform": (1.0, "fan_in"),
    "lecun_normal": (1.0, "fan_in"),
}
SCALED = [
    keras.initializers.VarianceScaling(3.0, mode, distribution, seed=2)
    for mode, distribution in itertools.product(
        ("fan_in", "fan_out", "fan_avg"),
        ("truncated_normal", "untruncated_normal", "uniform"),
    )
]


def of_keras(name):
    return keras.initializers.get({"class_name": name, "config": {"seed": 2}})


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7), (3, 2, 5, 7)])
def test_where_keras_is_right_its_numbers_stay(shape):
    axes = KernelAxes.resolve("test", shape)
    for initializer in (*map(of_keras, OF_KERAS), *SCALED):
        told = with_axes(initializer, axes)
        assert type(told) is type(initializer)
        expected = to_numpy(initializer(shape))
        np.testing.assert_array_equal(to_numpy(told(shape)), expected)


WRONG = {
    "transposed": ((3, 80, 100), {"strides": 2, **TRANSPOSED}),
    "depthwise": ((3, 3, 800, 2), DEPTHWISE),
    "groups": ((3, 40, 160), {"groups": 4}),
    "strides": ((3, 50, 100), {"strides": 2}),
    "einsum": ((80, 4, 40), {"input_axes": [0], "output_axes": [1, 2]}),
    "einsum, groups": (
        (4, 50, 80),
        {"input_axes": [1], "output_axes": [2], "batch_axes": [0]},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_where_keras_is_wrong_it_gets_the_fans_of_the_layer(name):
    shape, arguments = WRONG[name]
    axes = KernelAxes.resolve("test", shape, **arguments)
    for initializer in (*map(of_keras, OF_KERAS), *SCALED):
        kernel = to_numpy(with_axes(initializer, axes)(shape))
        n = numbers_of(initializer.mode, *fans(axes))
        limits.assert_stddev(kernel, math.sqrt(initializer.scale / n))
        ours = with_axes(FanScaled(initializer.scale, initializer.mode, seed=1), axes)
        assert fan(ours.mode, *fans(ours.read(shape))) == pytest.approx(n)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_told_reaches_the_initializer_within(name):
    """A class that hands its kernel on to another one hands on the strides too."""
    shape, arguments = WRONG[name]
    axes = KernelAxes.resolve("test", shape, **arguments)
    for inner in (FanScaled(2.0, "fan_avg", seed=1), of_keras("glorot_normal")):
        told = with_axes(initializers.DepthScaled(inner, num_layers=2, seed=5), axes)
        kernel = to_numpy(told(shape))
        n = numbers_of("fan_avg", *fans(axes))
        limits.assert_stddev(kernel, math.sqrt(inner.scale / n) / 2)
        again = with_axes(told, seed=5)
        np.testing.assert_array_equal(to_numpy(again(shape)), kernel)


def test_strides_that_the_initializer_names_stay():
    axes = KernelAxes.resolve("test", (3, 4, 6), strides=2)
    told = with_axes(FanScaled(strides=8), axes)
    assert told.get_config()["strides"] == 8
    assert with_axes(FanScaled(), axes).get_config()["strides"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"scale": 0.0},
            "`FanScaled` needs `scale` to be a finite number above 0. Received: "
            "scale=0.0. Pass a positive float, for example 1.0.",
        ),
        (
            {"mode": "fan_max"},
            "`FanScaled` needs a known `mode`. Received: mode='fan_max'. Choose one "
            "of: 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg', 'spectral'.",
        ),
        (
            {"distribution": "untruncated_normal"},
            "`FanScaled` needs a known `distribution`. Received: "
            "distribution='untruncated_normal'. Choose one of: 'normal', "
            "'truncated_normal', 'uniform'.",
        ),
        (
            {"strides": (2, 2)},
            "`FanScaled` needs `strides` to be an integer of at least 1. Received: "
            "strides=(2, 2). Pass a positive int, for example 1.",
        ),
        (
            {"gain": "softmax"},
            "`FanScaled` needs an elementwise activation. Received: gain='softmax'. "
            "Pass the activation of single units, for example 'relu'.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        FanScaled(**arguments)
