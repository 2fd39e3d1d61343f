"""scale="variance": orthogonal kernels that keep the mean square in any shape."""

import itertools
import json
import math

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers

import keras_initx
from keras_initx._kernel.axes import KernelAxes
from keras_initx._kernel.with_axes import with_axes
from keras_initx._model.layer_kernel import embedding_axes
from keras_initx._model.redraw import Redraw
from keras_initx.initializers import (
    ConvolutionOrthogonal,
    FanScaled,
    HaarOrthogonal,
    LooksLinear,
    OrthogonalDelta,
)

TRANSPOSED = {"input_axes": [-1], "output_axes": [-2]}
DEPTHWISE = {"batch_axes": [-2]}
FAMILY = (HaarOrthogonal, OrthogonalDelta, ConvolutionOrthogonal)
every_class = pytest.mark.parametrize("cls", FAMILY)

# The shape, what the initializer is told, how many units there are, and the strides
# that a transposed convolution has.
KERNELS = {
    "wider": ((64, 512), {}, 512, 1),
    "narrower": ((512, 64), {}, 64, 1),
    "square": ((64, 64), {}, 64, 1),
    "convolution, wider": ((3, 3, 4, 100), {}, 100, 1),
    "convolution, between": ((3, 3, 4, 20), {}, 20, 1),
    "convolution, narrower": ((3, 2, 12, 5), {}, 5, 1),
    "groups": ((3, 2, 60), {"groups": 3}, 60, 1),
    "strides": ((3, 3, 4, 50), {"strides": 4}, 50, 1),
    "depthwise": ((3, 3, 4, 20), DEPTHWISE, 80, 1),
    "depthwise, strides": ((3, 4, 2), {"strides": 2, **DEPTHWISE}, 8, 1),
    "transposed": ((3, 3, 50, 4), TRANSPOSED, 50, 1),
    "transposed, strides": ((4, 4, 6, 8), {"strides": 4, **TRANSPOSED}, 6, 4),
    "transposed, wider": ((2, 2, 60, 8), {"strides": 4, **TRANSPOSED}, 60, 4),
    "transposed, one axis": ((5, 7, 9), {"strides": 3, **TRANSPOSED}, 7, 3),
    "attention": ((8, 4, 10), {"input_axes": [0], "output_axes": [1, 2]}, 40, 1),
    "experts": ((5, 8, 20), {"batch_axes": [0]}, 100, 1),
}
every_kernel = pytest.mark.parametrize("name", KERNELS)


@every_class
@every_kernel
@pytest.mark.same_on_each_backend
def test_each_unit_has_the_gain_as_its_norm(cls, name):
    """On average: a unit that sums inputs of mean square 1 then has that of gain^2."""
    shape, arguments, units, strides = KERNELS[name]
    kernel = to_numpy(cls(0.7, scale="variance", seed=1, **arguments)(shape))
    expected = 0.7**2 * units * strides
    assert (kernel**2).sum() == pytest.approx(expected, rel=limits.rounding(600))


@every_kernel
def test_the_variance_is_that_of_the_fan_rule(name):
    shape, arguments, _, _ = KERNELS[name]
    kernel = to_numpy(
        HaarOrthogonal("relu", scale="variance", seed=1, **arguments)(shape)
    )
    he = FanScaled(2.0, "fan_in", "normal", **arguments)
    axes = he.read(shape)
    sums = axes.fan_in / (axes.strides if axes.input > axes.output else 1)
    variance = 2.0 / sums
    assert (kernel**2).mean() == pytest.approx(variance, rel=limits.rounding(600))


@every_class
@every_kernel
@pytest.mark.same_on_each_backend
def test_it_is_a_multiple_of_the_isometry(cls, name):
    shape, arguments, _, strides = KERNELS[name]
    plain = to_numpy(cls(0.7, seed=1, **arguments)(shape))
    kernel = to_numpy(cls(0.7, scale="variance", seed=1, **arguments)(shape))
    factor = np.linalg.norm(kernel) / np.linalg.norm(plain)
    np.testing.assert_allclose(kernel, factor * plain, rtol=1e-5, atol=1e-6)
    axes = cls(**arguments).read(shape)
    inputs = axes.fan_in if cls is HaarOrthogonal else axes.count(axes.input)
    outputs = axes.count(axes.output) // axes.groups
    expected = max(math.sqrt(outputs / inputs), 1) * math.sqrt(strides)
    assert factor == pytest.approx(expected, rel=1e-5)


@every_class
@every_kernel
@pytest.mark.same_on_each_backend
def test_strides_change_nothing_of_an_isometry(cls, name):
    shape, arguments, _, _ = KERNELS[name]
    without = {key: value for key, value in arguments.items() if key != "strides"}
    kernels = [cls(0.7, seed=1, **told)(shape) for told in (without, arguments)]
    np.testing.assert_array_equal(*map(to_numpy, kernels))


@every_class
def test_from_64_to_512_units(cls):
    x = np.random.default_rng(0).normal(size=(5, 64))
    for scale, ratio in (("isometry", 0.125), ("variance", 1.0)):
        kernel = to_numpy(cls(scale=scale, seed=1)((64, 512)))
        ratios = ((x @ kernel) ** 2).mean(axis=1) / (x**2).mean(axis=1)
        np.testing.assert_allclose(ratios, ratio, rtol=limits.rounding(64))


@pytest.mark.parametrize(("scale", "moment"), [("isometry", 0.125), ("variance", 1.0)])
def test_the_second_moment_after_relu(scale, moment):
    initializer = HaarOrthogonal("relu", scale=scale, seed=1)
    layer = layers.Dense(512, kernel_initializer=initializer)
    x = np.maximum(np.random.default_rng(0).normal(size=(2000, 64)), 0)
    squares = (to_numpy(layer(x.astype("float32"))) ** 2).mean(axis=1)
    limits.assert_mean(squares, moment)
    with pytest.raises(AssertionError):
        limits.assert_mean(squares * 1.05, moment)


def test_a_network_that_widens_and_narrows_keeps_the_signal():
    """Twenty linear layers; an isometry loses what the widest layers spread."""
    widths = [32, 256, 64, 512, 16] * 4
    norms = {"isometry": [], "variance": []}
    for scale, found in norms.items():
        for seed in range(30):
            x = np.random.default_rng(seed).normal(size=32)
            x /= math.sqrt((x**2).mean())
            for layer, (one, other) in enumerate(itertools.pairwise(widths)):
                initializer = HaarOrthogonal(scale=scale, seed=100 * seed + layer)
                x = x @ to_numpy(initializer((one, other)))
            found.append((x**2).mean())
    limits.assert_mean(np.array(norms["variance"]), 1.0)
    assert max(norms["isometry"]) < 1e-3


@every_class
@pytest.mark.parametrize(
    ("strides", "kernel_size", "channels"),
    [(2, 4, (8, 8)), (2, 3, (4, 24)), (3, 4, (12, 6)), (2, 2, (8, 3)), (3, 2, (4, 4))],
)
def test_a_transposed_convolution_with_strides(cls, strides, kernel_size, channels):
    """All that the taps write, for each block of pixels that one input pixel owns."""
    inputs, outputs = channels
    ratios = []
    for seed in range(30):
        initializer = cls(scale="variance", strides=strides**2, seed=seed, **TRANSPOSED)
        layer = layers.Conv2DTranspose(
            outputs, kernel_size, strides=strides, kernel_initializer=initializer
        )
        x = np.random.default_rng(seed).normal(size=(1, 5, 5, inputs)).astype("float32")
        y = to_numpy(layer(x))
        of_inputs = (x.astype("float64") ** 2).mean()
        ratios.append((y**2).sum() / (25 * strides**2 * outputs) / of_inputs)
    if np.std(ratios) > 1e-5:
        limits.assert_mean(np.array(ratios), 1.0)
    else:
        # An isometry, up to the factor.
        np.testing.assert_allclose(ratios, 1.0, rtol=1e-5)
    assert abs(np.mean(ratios) - 1) < 0.05


# What draws the kernels of a whole model


def build_generator():
    x = keras.Input((4, 4, 8))
    up = layers.Conv2DTranspose(16, 4, strides=2, padding="same", name="up")
    return keras.Model(x, layers.Conv2D(64, 3, padding="same", name="image")(up(x)))


def energies(model):
    return [
        float((to_numpy(model.get_layer(name).kernel) ** 2).sum())
        for name in ("up", "image")
    ]


@every_class
def test_reinitialize_tells_the_strides(cls):
    model = build_generator()
    keras_initx.schemes.reinitialize(model, {"*kernel": cls(scale="variance")}, seed=1)
    np.testing.assert_allclose(energies(model), [16 * 4, 64], rtol=1e-4)
    # Without them an isometry would be drawn in the same way.
    keras_initx.schemes.reinitialize(model, {"*kernel": cls()}, seed=1)
    strided = [to_numpy(weight) for weight in model.weights]
    model.get_layer("up").strides = (1, 1)
    keras_initx.schemes.reinitialize(model, {"*kernel": cls()}, seed=1)
    for one, other in zip(strided, model.weights, strict=True):
        np.testing.assert_array_equal(one, to_numpy(other))


@every_class
def test_layers_that_take_defaults_tell_the_strides(cls):
    with keras_initx.default_initializers(kernel=cls(scale="variance", seed=1)):
        model = build_generator()
    np.testing.assert_allclose(energies(model), [16 * 4, 64], rtol=1e-4)
    with keras_initx.default_initializers(kernel=cls(seed=1)):
        model = build_generator()
    kernel = model.get_layer("up").kernel
    expected = cls(seed=model.get_layer("up").kernel_initializer.seed, **TRANSPOSED)
    np.testing.assert_array_equal(
        to_numpy(kernel), to_numpy(expected(tuple(kernel.shape)))
    )


def test_an_embedding_looks_up_rows_of_the_gain():
    layer = layers.Embedding(50, 8)
    layer.build((None, 3))
    redraw = Redraw(HaarOrthogonal(0.5, scale="variance", seed=1))
    table = to_numpy(redraw(layer.embeddings, embedding_axes(layer)))
    assert (table**2).mean() == pytest.approx(0.5**2, rel=1e-5)
    told = HaarOrthogonal(0.5, scale="variance", batch_axes=[-2], seed=1)
    norms = (to_numpy(told((50, 8))) ** 2).mean(axis=1)
    np.testing.assert_allclose(norms, 0.5**2, rtol=1e-5)


def test_a_class_around_it_hands_the_strides_on():
    axes = KernelAxes.resolve("test", (4, 4, 6, 8), [-1], [-2], strides=4)
    base = HaarOrthogonal(scale="variance")
    told = with_axes(LooksLinear(base, seed=1), axes)
    # The base fills a half of the inputs: its units have the norm 1, mirrored sqrt(2).
    energy = (to_numpy(told((4, 4, 6, 8))) ** 2).sum()
    assert energy == pytest.approx(2 * 6 * 4, rel=1e-4)


# Arguments


@every_class
def test_the_config_has_them(cls, tmp_path):
    assert {"scale": "isometry", "strides": 1}.items() <= cls().get_config().items()
    initializer = cls("relu", scale="variance", strides=4, seed=1, **TRANSPOSED)
    config = json.loads(json.dumps(keras.initializers.serialize(initializer)))
    copy = keras.initializers.get(config)
    assert (copy.scale, copy.strides) == ("variance", 4)
    assert copy.get_config() == initializer.get_config()
    layer = layers.Conv2DTranspose(6, 4, strides=2, kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((5, 5, 3)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    kernel = loaded.kernel_initializer((4, 4, 6, 3))
    np.testing.assert_array_equal(to_numpy(kernel), to_numpy(layer.kernel))


@every_class
def test_a_config_from_before_is_an_isometry(cls):
    config = cls(0.7, seed=1).get_config()
    for name in ("scale", "strides", "image_size"):
        config.pop(name, None)
    kernels = [made((3, 4, 9)) for made in (cls.from_config(config), cls(0.7, seed=1))]
    np.testing.assert_array_equal(*map(to_numpy, kernels))


def test_attention_tells_its_axes():
    initializer = HaarOrthogonal(scale="variance", seed=1)
    layer = layers.MultiHeadAttention(4, 16, kernel_initializer=initializer)
    layer.build((None, 3, 8), (None, 3, 8))
    kernel = to_numpy(layer._query_dense.kernel)
    assert kernel.shape == (8, 4, 16)
    np.testing.assert_allclose((kernel**2).sum(), 64, rtol=1e-5)
    limits.assert_semi_orthogonal(kernel.reshape(8, 64), math.sqrt(8))


@every_class
@pytest.mark.parametrize("value", ["fan_in", None, 2.0, True, ["variance"]])
def test_an_unknown_scale(cls, value):
    message = (
        f"`{cls.__name__}` needs a known `scale`. Received: scale={value!r}. Choose "
        "one of: 'isometry', 'variance'."
    )
    with refuses(message):
        cls(scale=value)


@every_class
@pytest.mark.parametrize("value", [0, 2.0, (2, 2), None])
def test_strides_that_are_no_product(cls, value):
    message = (
        f"`{cls.__name__}` needs `strides` to be an integer of at least 1. Received: "
        f"strides={value!r}. Pass a positive int, for example 1."
    )
    with refuses(message):
        cls(strides=value)
