"""looks_linear: whole models that start as linear functions, judged by NumPy."""

import json

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from scipy import special

from keras_initx import initializers, looks_linear
from keras_initx.layers import CReLU
from keras_initx.schemes._looks_linear.odd_part import activation_of, odd_factor

RANDOM = np.random.default_rng(0)
Dense, Conv = layers.Dense, layers.Conv1D


def sequential(*stack, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *stack])


def functional(build, shape=(6,)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, build(inputs))


def assert_affine(model, shape=None, output=None, tolerance=None, samples=16):
    """The definition: sums of any inputs, of any size, become sums of outputs."""
    shape = model.input_shape[1:] if shape is None else shape
    # As many as the scheme takes: JAX compiles each operation for each shape.
    zero, x, y = RANDOM.normal(size=(3, samples, *shape)) * 5
    call = model if output is None else output
    of_zero, of_x, of_y, of_sum = (
        to_numpy(ops.cast(call(each.astype("float32")), "float32"))
        for each in (zero, x, y, 2 * x - 3 * y + 2 * zero)
    )
    expected = 2 * of_x - 3 * of_y + 2 * of_zero
    size = max(np.abs(each).max() for each in (of_zero, of_x, of_y, expected))
    tolerance = limits.rounding(300, layers=8) if tolerance is None else tolerance
    np.testing.assert_allclose(of_sum, expected, atol=tolerance * size)
    assert np.ptp(of_x) > 0.01 * size, "the model is constant"


def rows_of(report):
    return [(row.mirror, row.period, row.groups) for row in report]


# The identity


def gelu(x):
    return x * special.ndtr(x)


CLOSED_FORMS = {
    "relu": (lambda x: np.maximum(x, 0), 1),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.2 * x), 1.2),
    "gelu": (gelu, 1),
    "silu": (lambda x: x * special.expit(x), 1),
    "hard_silu": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), 1),
    "softplus": (lambda x: np.logaddexp(0, x), 1),
    "squareplus": (lambda x: (x + np.sqrt(x**2 + 4)) / 2, 1),
    "log_sigmoid": (lambda x: -np.logaddexp(0, -x), 1),
}


class TestTheIdentity:
    @pytest.mark.parametrize("name", CLOSED_FORMS)
    def test_in_closed_form(self, name):
        function, factor = CLOSED_FORMS[name]
        x = np.linspace(-9, 9, 1001)
        odd = function(x) - function(-x)
        np.testing.assert_allclose(odd, factor * x, atol=1e-14)
        assert odd_factor(keras.activations.get(name)) == factor

    @pytest.mark.parametrize(
        "name",
        ["tanh", "elu", "selu", "mish", "relu6", "sigmoid", "hard_tanh", "softmax"],
    )
    def test_others_have_none(self, name):
        assert odd_factor(keras.activations.get(name)) is None

    def test_the_approximation_of_gelu_has_it_too(self):
        assert odd_factor(lambda x: keras.activations.gelu(x, approximate=True)) == 1

    def test_layers(self):
        assert odd_factor(layers.LeakyReLU(negative_slope=0.5)) == 1.5
        assert odd_factor(layers.ReLU(max_value=20)) is None
        assert odd_factor(layers.ReLU(threshold=0.5)) is None
        prelu = layers.PReLU(keras.initializers.Constant(0.25))
        prelu.build((None, 3))
        assert odd_factor(prelu) == 1.25

    def test_what_bends(self):
        twice = Dense(3, activation=lambda x: 2 * x)
        assert activation_of(twice) is None
        assert activation_of(layers.Activation("linear")) is None
        assert activation_of(layers.LSTM(3)) is None
        assert activation_of(Dense(3, "relu")) is keras.activations.relu


# Networks in which everything is known


def halves(kernel, *axes):
    kernel = np.asarray(kernel, "float64")
    for axis in axes:
        first, second = np.split(kernel, 2, axis=axis)
        np.testing.assert_array_equal(first, -second)
        kernel = first
    return kernel


class TestTheProductOfTheKernels:
    """The model computes what NumPy makes of the halves."""

    def product(self, model, x, matrices):
        expected = np.asarray(x, "float64")
        for matrix in matrices:
            expected = expected @ matrix
        atol = limits.rounding(24, layers=20) * np.abs(expected).max()
        np.testing.assert_allclose(to_numpy(model(x)), expected, atol=atol)

    @pytest.mark.parametrize(
        ("activation", "factor"),
        [("relu", 1), ("gelu", 1), ("silu", 1), ("leaky_relu", 1.2), ("softplus", 1)],
    )
    def test_a_plain_network(self, activation, factor):
        depth = 10
        stack = [Dense(24, activation) for _ in range(depth)]
        model = sequential(*stack, Dense(5), shape=(12,))
        report = looks_linear(model, seed=1)
        assert rows_of(report) == [
            ("output", None, 1),
            *(depth - 1) * [("both", 24, 1)],
            ("input", 24, None),
        ]
        first, *hidden, last = (layer.kernel.numpy() for layer in model.layers)
        matrices = [halves(first, 1), *(halves(k, 0, 1) * factor for k in hidden)]
        for matrix in matrices:
            limits.assert_semi_orthogonal(matrix)
        x = RANDOM.normal(size=(8, 12)).astype("float32")
        self.product(model, x, [*matrices, halves(last, 0) * factor])

    def test_a_crelu_network(self):
        model = sequential(Dense(7), CReLU(), Dense(9), CReLU(), Dense(5))
        model.layers[0].bias.assign(np.ones(7))
        report = looks_linear(model, seed=1)
        assert rows_of(report) == [
            ("none", None, None),
            ("input", 14, None),
            ("input", 18, None),
        ]
        kernels = [layer.kernel.numpy() for layer in model.layers[::2]]
        assert to_numpy(model.layers[0].bias).tolist() == 7 * [1]
        model.layers[0].bias.assign(np.zeros(7))
        x = RANDOM.normal(size=(8, 6)).astype("float32")
        matrices = [kernels[0], *(halves(k, 0) for k in kernels[1:])]
        self.product(model, x, matrices)


# Models of each kind


def prelu(x):
    x = Dense(8)(x)
    return Dense(3)(layers.PReLU(keras.initializers.Constant(0.25))(x))


def channels_first(x):
    x = CReLU(data_format="channels_first")(layers.Reshape((3, 2, 2))(Dense(12)(x)))
    return Dense(3)(layers.Flatten()(x))


def permuted(x):
    x = CReLU()(layers.Reshape((2, 3))(Dense(6)(x)))
    return Dense(3)(layers.Flatten()(layers.Permute((2, 1))(x)))


def residual(x):
    x = Dense(8)(x)
    for _ in range(2):
        x = x + Dense(8)(Dense(10, "gelu")(layers.ReLU()(x)))
    return Dense(3)(x)


def crelu_residual(x):
    x = Dense(5)(x)
    for _ in range(2):
        x = layers.Add()([x, Dense(5)(CReLU()(x))])
    return Dense(3)(CReLU()(x))


def shared(x):
    dense, rectifier = Dense(8), layers.ReLU()
    x = rectifier(Dense(8)(x))
    return Dense(3)(rectifier(dense(rectifier(dense(x)))))


def two_outputs(x):
    x = Dense(8, "silu")(x)
    return layers.Concatenate()([Dense(3)(x), Dense(2)(x)])


SMALL = {
    "prelu": (prelu, [("output", None, 1), ("input", 8, None)]),
    "channels_first": (channels_first, [("none", None, None), ("input", 24, None)]),
    "permuted": (permuted, [("none", None, None), ("input", 12, None)]),
    "residual": (
        residual,
        None,
    ),
    "crelu_residual": (crelu_residual, None),
    "shared": (shared, [("output", None, 1), ("both", 8, 1), ("input", 8, None)]),
    "two_outputs": (two_outputs, None),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.same_on_each_backend
def test_small_models(name):
    build, rows = SMALL[name]
    model = functional(build)
    report = looks_linear(model, seed=1)
    assert_affine(model)
    assert rows is None or rows_of(report) == rows


CONVOLUTIONAL = {
    "flatten": (
        [Conv(4, 3), CReLU(), layers.AveragePooling1D(2), layers.Flatten(), Dense(3)],
        [("none", None, None), ("input", 8, None)],
    ),
    "plain_flatten": (
        [Conv(6, 3, activation="gelu"), layers.Flatten(), Dense(4, "relu"), Dense(3)],
        [("output", None, 1), ("both", 6, 1), ("input", 4, None)],
    ),
    "pooled": (
        [
            Conv(4, 3, padding="same", activation="relu"),
            layers.ZeroPadding1D(2),
            layers.UpSampling1D(2),
            layers.Cropping1D(1),
            layers.Dropout(0.5),
            layers.GlobalAveragePooling1D(),
            Dense(3, "softmax"),
        ],
        [("output", None, 1), ("input", 4, None)],
    ),
    "grouped": (
        [Conv(6, 3), CReLU(groups=3), Conv(6, 3, groups=3), CReLU(), Dense(3)],
        [("none", None, None), ("input", 4, None), ("input", 12, None)],
    ),
    "grouped_flatten": (
        [Conv(6, 3), CReLU(groups=3), layers.Flatten(), Dense(3)],
        [("none", None, None), ("input", 4, None)],
    ),
    # The pairs lie within the groups of the layers before and after each rectifier.
    "grouped_plain": (
        [
            Conv(8, 3, activation="relu"),
            Conv(12, 3, groups=2, activation="relu"),
            Conv(12, 3, groups=3, activation="relu"),
            Conv(3, 1),
        ],
        [
            ("output", None, 2),
            ("both", 4, 6),
            ("both", 2, 3),
            ("input", 4, None),
        ],
    ),
    "depthwise": (
        [Conv(4, 3), CReLU(), layers.DepthwiseConv1D(3, depth_multiplier=2), Dense(3)],
        [("none", None, None), ("copied", 8, None), ("input", 16, None)],
    ),
    "depthwise_then_relu": (
        [Conv(4, 3), layers.DepthwiseConv1D(3, activation="relu"), Dense(3)],
        [("output", None, 1), ("copied", 4, None), ("input", 4, None)],
    ),
    "first_depthwise": (
        [layers.DepthwiseConv1D(3, depth_multiplier=4, activation="relu"), Dense(3)],
        [("output", None, 2), ("input", 4, None)],
    ),
    "separable": (
        [
            Conv(4, 3, activation="relu"),
            layers.SeparableConv1D(6, 3, depth_multiplier=3, activation="relu"),
            Dense(3),
        ],
        [("output", None, 1), ("both", 4, 1), ("input", 6, None)],
    ),
    "transposed": (
        [Conv(4, 3), CReLU(), layers.Conv1DTranspose(3, 3, strides=2)],
        [("none", None, None), ("input", 8, None)],
    ),
    "normalized": (
        [Conv(4, 3), layers.BatchNormalization(), layers.ReLU(), Dense(3)],
        [("output", None, 1), ("input", 4, None)],
    ),
    "heads": (
        [
            Dense(4),
            CReLU(),
            layers.EinsumDense("abc,cde->abde", (None, 2, 3)),
            CReLU(),
            layers.EinsumDense("abcd,cde->abe", (None, 5)),
        ],
        [("none", None, None), ("input", 8, None), ("input", 6, None)],
    ),
    "distributed": (
        [
            layers.TimeDistributed(Dense(8, "relu")),
            layers.TimeDistributed(Dense(3)),
        ],
        [("output", None, 1), ("input", 8, None)],
    ),
    # Random inputs of deviation 1 reach one side of each rectifier only.
    "offset": (
        [
            layers.Rescaling(1 / 127.5, -1),
            Conv(4, 3),
            CReLU(),
            layers.Flatten(),
            Dense(3),
        ],
        [("none", None, None), ("input", 8, None)],
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
@pytest.mark.same_on_each_backend
def test_convolutional_models(name):
    stack, rows = CONVOLUTIONAL[name]
    stack = [type(layer).from_config(layer.get_config()) for layer in stack]
    model = sequential(*stack, shape=(10, 2))
    report = looks_linear(model, seed=1)
    assert rows_of(report) == rows
    last = model.layers[-1]
    if name == "pooled":
        last.activation = keras.activations.linear
    # Of numbers around 1, where the inputs are small.
    assert_affine(model, tolerance=2e-3 if name == "offset" else None)


def test_convolutions_on_images():
    model = sequential(
        layers.Conv2D(6, 3, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Conv2D(8, 3, activation="gelu"),
        layers.Flatten(),
        Dense(4),
        CReLU(),
        Dense(3),
        shape=(12, 12, 3),
    )
    report = looks_linear(model)
    assert_affine(model)
    assert [row.period for row in report] == [None, 6, 8, 8]
    assert report.deviation < 1e-4


def test_a_nested_model():
    block = functional(lambda x: Dense(8)(layers.ReLU()(Dense(8)(x))))
    outer = functional(lambda x: Dense(3)(layers.ReLU()(block(x))))
    report = looks_linear(outer)
    assert_affine(outer)
    assert rows_of(report) == [("output", None, 1), ("both", 8, 1), ("input", 8, None)]


class Subclassed(keras.Model):
    def __init__(self, activation=layers.ReLU):
        super().__init__()
        self.first, self.second, self.last = Dense(8), Dense(8, "gelu"), Dense(3)
        self.rectifier = activation()

    def call(self, x):
        x = self.second(self.rectifier(self.first(x)))
        return ops.softmax(self.last(2 * x)) if self.is_bounded else self.last(2 * x)

    is_bounded = False


@pytest.mark.parametrize("is_bounded", [False, True])
def test_a_subclassed_model(is_bounded):
    model = Subclassed()
    model.is_bounded = is_bounded
    looks_linear(model, np.zeros((2, 6), "float32"))
    model.is_bounded = False
    assert_affine(model, (6,))


def test_several_inputs():
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((3,), name="b")}
    joined = layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, Dense(3)(Dense(8, "relu")(joined)))
    looks_linear(model)
    assert_affine(model, (7,), lambda x: model({"a": x[:, :4], "b": x[:, 4:]}))


def test_vgg_with_average_pooling():
    stack = []
    for filters in (8, 8, 8):
        stack += [
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.AveragePooling2D(2),
        ]
    model = sequential(
        *stack, layers.Flatten(), Dense(16, "relu"), Dense(4), shape=(8, 8, 3)
    )
    looks_linear(model)
    assert_affine(model)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16"])
def test_low_precision(policy):
    keep = {"dtype": policy}
    model = sequential(
        Dense(8, "gelu", **keep), Dense(8, "relu", **keep), Dense(3, **keep)
    )
    report = looks_linear(model, seed=1)
    kernel = to_numpy(ops.cast(model.layers[1].kernel, "float32"))
    halves(kernel, 0, 1)
    dtype = keras.backend.standardize_dtype(model.layers[1].kernel.dtype)
    assert dtype == ("bfloat16" if policy == "bfloat16" else "float32")
    epsilon = 2.0 ** (-10 if "float16" == policy[-7:] and "b" not in policy else -7)
    assert 0 < report.deviation < 8 * epsilon
    assert_affine(model, tolerance=16 * epsilon)


def test_a_saved_model_comes_back(tmp_path):
    model = sequential(Dense(8, "gelu"), Dense(6), CReLU(), Dense(3))
    looks_linear(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(one), to_numpy(other))
    assert_affine(again)


def test_a_trained_model_begins_again():
    """Biases before plain rectifiers become zero."""
    model = sequential(Dense(8, "relu"), Dense(8, "relu"), Dense(3))
    for layer in model.layers:
        layer.bias.assign(RANDOM.normal(size=layer.bias.shape))
    last = to_numpy(model.layers[-1].bias)
    looks_linear(model)
    assert_affine(model)
    assert not to_numpy(model.layers[0].bias).any()
    np.testing.assert_array_equal(to_numpy(model.layers[-1].bias), last)


def test_a_fixed_batch():
    inputs = keras.Input(batch_shape=(2, 6))
    model = keras.Model(inputs, Dense(3)(Dense(8, "relu")(inputs)))
    assert looks_linear(model).deviation < 1e-4


def test_a_model_that_is_not_built():
    model = keras.Sequential([Dense(8, "relu"), Dense(3)])
    looks_linear(model, np.zeros((2, 6), "float32"))
    assert_affine(model, (6,))


# Seeds and bases


def plain():
    return sequential(Dense(8, "relu"), Dense(8, "relu"), Dense(8, "relu"), Dense(3))


def kernels_of(model):
    return [to_numpy(layer.kernel) for layer in model.layers]


class TestSeeds:
    def test_the_same_seed_draws_the_same(self):
        one, other, third = plain(), plain(), plain()
        report = looks_linear(one)
        looks_linear(other, seed=report.seed)
        looks_linear(third, seed=report.seed + 1)
        for a, b, c in zip(*map(kernels_of, (one, other, third)), strict=True):
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c)

    def test_layers_differ(self):
        model = plain()
        looks_linear(model, base=initializers.HaarOrthogonal(seed=3), seed=0)
        _, second, third, _ = kernels_of(model)
        assert not np.array_equal(second, third)

    def test_a_generator_moves_on(self):
        generator = keras.random.SeedGenerator(3)
        one, other = plain(), plain()
        assert looks_linear(one, seed=generator).seed != (
            looks_linear(other, seed=generator).seed
        )


def test_the_base_sees_half_of_the_fan():
    model = sequential(Dense(240, "relu"), Dense(240, "relu"), Dense(3), shape=(5,))
    looks_linear(model, base="he_normal", seed=0)
    _, hidden, _ = kernels_of(model)
    limits.assert_stddev(halves(hidden, 0, 1), np.sqrt(2 / 120))


def test_a_base_that_returns_arrays():
    model = sequential(Dense(8, "relu"), Dense(3))
    looks_linear(model, base=lambda shape, dtype=None: RANDOM.normal(size=shape))
    assert_affine(model)


def test_what_is_frozen_is_left_alone():
    model = sequential(Dense(8), CReLU(), Dense(3))
    model.layers[0].trainable = False
    before = to_numpy(model.layers[0].kernel)
    report = looks_linear(model)
    assert report[0].note == "left alone: frozen"
    np.testing.assert_array_equal(to_numpy(model.layers[0].kernel), before)
    assert_affine(model)


# The report


def test_the_report():
    model = sequential(
        Dense(8, "leaky_relu", name="a"),
        Dense(8, name="b"),
        CReLU(),
        Dense(3, name="c"),
    )
    report = looks_linear(model, seed=3)
    path = model.layers[0].path
    assert len(report) == 3
    assert report[0].path == path
    assert json.loads(json.dumps(report.to_dict()))["rows"][1] == {
        "path": model.layers[1].path,
        "mirror": "input",
        "period": 8,
        "groups": None,
        "note": "divided by 1.2",
    }
    lines = str(report).splitlines()
    assert lines[0].split() == ["layer", "mirror", "period", "groups", "note"]
    assert lines[2].split() == [path, "output", "-", "1"]
    assert lines[-1] == (
        f"Linear up to {report.deviation:.1e} of the spread of the outputs, with "
        "seed=3."
    )
    assert "<table>" in report._repr_html_()


# What cannot be linear

ACTIVATIONS = (
    "`looks_linear` needs activations for which f(x) - f(-x) is proportional to x, "
    "such as 'relu', 'leaky_relu', 'gelu', 'silu' and 'softplus'. Received: the "
    "activation {} of bad. Change it. Only the last activation of a model may be any."
)
LAYERS = (
    "`looks_linear` needs layers that are linear, or that keep the pairs of units that "
    "a rectifier makes. Received: bad ({}), whose output is neither linear nor in such "
    "pairs. {}"
)
PAIRS = (
    "`looks_linear` needs both units of each pair among the inputs of one kernel. "
    "Received: bad ({}), whose inputs do not stand in halves of runs of one length. {}"
)
AVERAGE = "Use average pooling instead."
ELSEWHERE = "Remove it, or use the scheme on the part of the model without it."


def stacked(*stack):
    def build(x):
        for layer in stack:
            x = type(layer).from_config(layer.get_config())(x)
        return x

    return build


def after_the_rectifier(x):
    x = Dense(8, "relu")(x)
    return Dense(3)(layers.ReLU(name="bad")(x + Dense(8)(x)))


def two_halves(x):
    """One half of each pair goes elsewhere."""
    x = CReLU()(Dense(6)(x))
    return Dense(3, name="bad")(x[..., :9])


BAD = {
    "tanh": (stacked(Dense(8, "tanh", name="bad"), Dense(3)), ACTIVATIONS, ["tanh"]),
    "layer": (
        stacked(Dense(8), layers.ELU(name="bad"), Dense(3)),
        ACTIVATIONS,
        ["ELU"],
    ),
    "max_pooling": (
        stacked(
            Conv(8, 3, activation="relu"),
            layers.MaxPooling1D(2, name="bad"),
            layers.Flatten(),
            Dense(3),
        ),
        LAYERS,
        ["MaxPooling1D", AVERAGE],
    ),
    "global_max_pooling_at_the_end": (
        stacked(Conv(8, 3), layers.GlobalMaxPooling1D(name="bad")),
        LAYERS,
        ["GlobalMaxPooling1D", AVERAGE],
    ),
    "layer_normalization": (
        stacked(
            Dense(8), layers.LayerNormalization(name="bad"), layers.ReLU(), Dense(3)
        ),
        LAYERS,
        [
            "LayerNormalization",
            "Remove it, or use `BatchNormalization` before the rectifier.",
        ],
    ),
    "batch_normalization": (
        stacked(Dense(8, "relu"), layers.BatchNormalization(name="bad"), Dense(3)),
        "`looks_linear` needs no normalization between a rectifier and the next "
        "kernel. Received: bad (BatchNormalization). Put it between the kernel and the "
        "rectifier, or remove it.",
        [],
    ),
    "recurrent": (
        stacked(layers.LSTM(4, name="bad"), Dense(3)),
        LAYERS,
        ["LSTM", ELSEWHERE],
    ),
    "overflow": (
        stacked(layers.Rescaling(1e30), layers.Rescaling(1e30, name="bad"), Dense(3)),
        LAYERS,
        ["Rescaling", ELSEWHERE],
    ),
    "product": (
        lambda x: Dense(3)(layers.Multiply(name="bad")([Dense(4)(x), Dense(4)(x)])),
        LAYERS,
        ["Multiply", ELSEWHERE],
    ),
    "residual": (
        after_the_rectifier,
        LAYERS,
        [
            "ReLU",
            "What it gets is not in pairs z, -z: add nothing to them that comes from "
            "another rectifier, or use `CReLU`.",
        ],
    ),
    "parted": (
        two_halves,
        PAIRS,
        [
            "Dense",
            "Let no layer part the halves, or join them with what is not in pairs.",
        ],
    ),
    "groups": (
        stacked(Conv(8, 3), CReLU(), Conv(4, 3, groups=2, name="bad")),
        PAIRS,
        [
            "Conv1D",
            "Give `CReLU` the `groups` of the convolution, groups=2, so that each "
            "group has both halves.",
        ],
    ),
    "an_operation": (
        lambda x: Dense(3, name="bad")(ops.relu(Dense(8)(x))),
        PAIRS,
        [
            "Dense",
            "Something before it is not linear, and is no activation of a layer: use "
            "for example `keras.layers.ReLU`.",
        ],
    ),
    "odd": (
        stacked(Dense(7, "relu", name="bad"), Dense(3)),
        "`looks_linear` needs an even number of units before a rectifier other than "
        "`CReLU`. Received: bad (Dense) with 7 units. Double the units, or use `CReLU` "
        "and no activation.",
        [],
    ),
    "odd_groups": (
        stacked(Conv(6, 3, activation="relu", name="bad"), Conv(4, 3, groups=2)),
        "`looks_linear` needs an even number of units in each of 2 groups before a "
        "rectifier other than `CReLU`. Received: bad (Conv1D) with 6 units. Double the "
        "units, or use `CReLU` and no activation.",
        [],
    ),
    "depthwise": (
        stacked(
            Conv(8, 3, activation="relu"),
            layers.DepthwiseConv1D(3, activation="relu", name="bad"),
            Dense(3),
        ),
        "`looks_linear` needs no depthwise convolution between two rectifiers, as it "
        "has one input of each pair only. Received: bad (DepthwiseConv1D). Remove the "
        "activation before it or after it, or use a convolution with all channels.",
        [],
    ),
    "frozen": (
        stacked(Dense(8, "relu", name="bad", trainable=False), Dense(3)),
        LAYERS,
        ["Dense", "Its kernel stays as it is: frozen."],
    ),
    "frozen_at_the_end": (
        stacked(Dense(8), CReLU(), Dense(3, name="bad", trainable=False)),
        LAYERS,
        ["Dense", "Its kernel stays as it is: frozen."],
    ),
    "called_twice": (
        lambda x: (lambda d: d(layers.ReLU()(d(x))))(Dense(6, name="bad")),
        "`looks_linear` needs a shared layer whose inputs stand in the same pairs at "
        "each call. Received: bad, which gets inputs in pairs at one call, and others "
        "at another call. Use two layers.",
        [],
    ),
    "embedding": (
        stacked(layers.Embedding(9, 4, name="bad"), Dense(3)),
        "`looks_linear` needs inputs of a floating-point dtype, of which the model can "
        "be a linear function. Received: bad (Embedding), which looks its inputs up. "
        "Pass the part of the model after its embeddings; cast images to floats.",
        [],
    ),
    "no_kernel": (
        layers.Flatten(),
        "`looks_linear` needs a model that has layers with a kernel. Received: the "
        "model 'bad_model' without one. Pass the model that has the layers.",
        [],
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.same_on_each_backend
def test_what_cannot_be_linear(name):
    """The error names the layer; the weights are bit for bit what they were."""
    build, text, words = BAD[name]
    inputs = keras.Input((6,) if name in ("embedding", "called_twice") else (10, 6))
    outputs = build(inputs)
    before_it = name in ("max_pooling", "product")
    if before_it:
        # Something is drawn before the error.
        outputs = Dense(2)(outputs)
    model = keras.Model(inputs, outputs, name="bad_model")
    for variable in model.trainable_variables:
        variable.assign(RANDOM.normal(size=variable.shape))
    before = [to_numpy(variable) for variable in model.variables]
    with refuses(text.format(*words)):
        looks_linear(model, seed=1)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


def test_inputs_of_integers():
    model = keras.Sequential(
        [keras.Input((6,), dtype="int32"), layers.Rescaling(0.5), Dense(3)], name="m"
    )
    message = (
        "`looks_linear` needs inputs of a floating-point dtype, of which the model can "
        "be a linear function. Received: the model 'm' with inputs of dtype int32. "
        "Pass the part of the model after its embeddings; cast images to floats."
    )
    with refuses(message):
        looks_linear(model)


@pytest.mark.parametrize("base", ["zeros", "ones"])
def test_a_base_whose_units_are_equal(base):
    """Any halves of equal units cancel: the model would not depend on its inputs."""
    model = keras.Sequential([keras.Input((6,)), Dense(8, "relu"), Dense(3)], name="m")
    message = (
        "`looks_linear` needs random inputs that show how the units of a rectifier "
        "stand in pairs. Received: the model 'm', in which those up to a standard "
        "deviation of 4096 do not. Set the biases to zero, and take a `base` that "
        "draws different units."
    )
    with refuses(message):
        looks_linear(model, base=base)


def test_no_base():
    message = (
        "`looks_linear` needs a `base` initializer. Received: base=None. Pass for "
        "example 'haar_orthogonal' or 'he_normal'."
    )
    with refuses(message):
        looks_linear(plain(), base=None)


def test_no_inputs():
    with pytest.raises(ValueError, match="`looks_linear` needs a batch of inputs `x`"):
        looks_linear(Subclassed())


def test_the_weights_come_back_after_an_interrupt():
    class Interrupted(layers.Layer):
        is_on = False

        def call(self, x):
            if self.is_on and (x.shape[0] or 0) > 2:
                raise KeyboardInterrupt
            return x

    model = sequential(Dense(8, "relu"), Dense(8), Interrupted(), Dense(3))
    before = [to_numpy(variable) for variable in model.variables]
    model.layers[2].is_on = True
    with pytest.raises(KeyboardInterrupt):
        looks_linear(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), value)


def test_what_only_the_last_check_sees(monkeypatch):
    """A model that is not linear although each kernel seemed right."""
    from keras_initx.schemes._looks_linear import mirror_pass

    monkeypatch.setattr(mirror_pass.MirrorPass, "leave", lambda self, call, out: out)
    model = functional(lambda x: ops.square(Dense(3)(x)))
    before = to_numpy(model.weights[0])
    message = (
        "`looks_linear` needs layers that are linear, or that keep the pairs of units "
        f"that a rectifier makes. Received: {model.name} (Functional), whose output is "
        f"neither linear nor in such pairs. {ELSEWHERE}"
    )
    with refuses(message):
        looks_linear(model)
    np.testing.assert_array_equal(to_numpy(model.weights[0]), before)
