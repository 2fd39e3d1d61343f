"""LSUV on whole models, judged by a second pass and by NumPy."""

import gc
import weakref

import hypothesis
import keras
import numpy as np
import pytest
from catalogue import OTHER_DTYPES, framework, matrix, refuses, to_numpy
from hypothesis import strategies
from keras import layers, ops

import keras_initx
from keras_initx._model.trace import Observer, trace
from keras_initx.schemes import lsuv

RANDOM = np.random.default_rng(0)


def batch(*shape, dtype="float32"):
    return RANDOM.normal(size=shape).astype(dtype)


class Measure(Observer):
    """The pre-activations of first calls, in float64."""

    def __init__(self):
        self.found = {}

    def pre_activation(self, call, tensor):
        if call.number == 1 and ops.is_tensor(tensor):
            self.found[call.layer.path] = to_numpy(tensor)
        return tensor


def measured(model, x):
    measure = Measure()
    trace(model, x, measure)
    return measure.found


def assert_unit_variance(model, x, report, target=1.0, tolerance=0.01):
    """Each layer that the report calls scaled has the target, measured again."""
    found = measured(model, x)
    assert report.scaled
    for row in report.scaled:
        assert found[row.path].std() == pytest.approx(target, rel=tolerance), row.path
        assert row.std_after == pytest.approx(found[row.path].std(), rel=2e-3)
        assert row.mean == pytest.approx(found[row.path].mean(), abs=0.02 * target)


def weights_of(model):
    return [np.asarray(weight).tobytes() for weight in model.get_weights()]


def perceptron(depth=4, width=8, activation="tanh", **arguments):
    return keras.Sequential(
        [keras.Input((width,))]
        + [
            layers.Dense(width, activation, name=f"d{i}", **arguments)
            for i in range(depth)
        ]
    )


# The algorithm


def numpy_lsuv(kernels, biases, x, activation, target=1.0):
    """The paper's loop, one whole forward pass for each trial, in float64.

    The kernel alone is scaled, until the variance with the bias is right.
    """
    kernels = [kernel.astype("float64") for kernel in kernels]
    for index in range(len(kernels)):
        hidden = x.astype("float64")
        for kernel, bias in zip(kernels[:index], biases, strict=False):
            hidden = activation(hidden @ kernel + bias)
        low, high = 0.0, 1e6
        for _ in range(80):
            middle = (low + high) / 2
            std = (middle * hidden @ kernels[index] + biases[index]).std()
            low, high = (middle, high) if std < target else (low, middle)
        kernels[index] = middle * kernels[index]
    return kernels


@hypothesis.settings(max_examples=8)
@hypothesis.given(
    seed=strategies.integers(0, 100),
    target=strategies.sampled_from([0.5, 1.0, 3.0]),
    bias=strategies.sampled_from([0.0, 0.2]),
)
def test_the_kernels_are_those_of_the_papers_loop(seed, target, bias):
    stddev = keras.initializers.RandomNormal(stddev=bias, seed=seed)
    model = perceptron(bias_initializer=stddev)
    x = np.random.default_rng(seed).normal(size=(50, 8)).astype("float32")
    kernels = [to_numpy(layer.kernel) for layer in model.layers]
    biases = [to_numpy(layer.bias) for layer in model.layers]
    expected = numpy_lsuv(kernels, biases, x, np.tanh, target)
    lsuv(model, x, initializer=None, target_std=target, tolerance=1e-6)
    for layer, kernel, old in zip(model.layers, expected, biases, strict=True):
        np.testing.assert_allclose(to_numpy(layer.kernel), kernel, rtol=1e-4, atol=1e-6)
        assert (to_numpy(layer.bias) == old).all()


def everything():
    """A layer of each type, with biases that are not zero."""
    bias = {"bias_initializer": keras.initializers.RandomNormal(stddev=0.3)}
    image = keras.Input((8, 8, 3))
    hidden = layers.Conv2D(8, 3, activation="relu", **bias)(image)
    hidden = layers.DepthwiseConv2D(3, activation="tanh", **bias)(hidden)
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.SeparableConv2D(8, 3, activation="gelu", **bias)(hidden)
    hidden = layers.Conv2DTranspose(8, 3, **bias)(hidden)
    hidden = layers.Conv2D(8, 2, groups=4, activation="sigmoid", **bias)(hidden)
    hidden = layers.Reshape((-1, 8))(hidden)
    hidden = layers.Conv1D(8, 3, activation="swish", **bias)(hidden)
    hidden = layers.MultiHeadAttention(2, 4, **bias)(hidden, hidden)
    hidden = layers.GroupQueryAttention(4, 2, 2, **bias)(hidden, hidden)
    hidden = layers.EinsumDense("abc,cd->abd", (7, 6), bias_axes="d")(hidden)
    hidden = layers.TimeDistributed(layers.Dense(5, "elu", **bias))(hidden)
    hidden = layers.Flatten()(hidden)
    return keras.Model(image, layers.Dense(4, "softmax", **bias)(hidden))


@pytest.mark.parametrize("initializer", [None, "haar_orthogonal", "he_normal"])
def test_every_layer_type(initializer):
    model, x = everything(), batch(16, 8, 8, 3)
    report = lsuv(model, x, initializer=initializer)
    assert len(report.scaled) == len(report) == 17
    assert_unit_variance(model, x, report)


def test_three_dimensions():
    model = keras.Sequential(
        [keras.Input((4, 5, 5, 2)), layers.Conv3D(3, 2), layers.Conv3DTranspose(2, 2)]
    )
    x = batch(4, 4, 5, 5, 2)
    report = lsuv(model, x)
    assert len(report.scaled) == 2
    assert_unit_variance(model, x, report)


def test_a_second_time_nothing_changes():
    model, x = everything(), batch(16, 8, 8, 3)
    lsuv(model, x)
    before = weights_of(model)
    report = lsuv(model, x, initializer=None)
    assert {row.factor for row in report} == {1.0}
    assert weights_of(model) == before


def test_the_model_still_trains_and_is_saved(tmp_path):
    model, x = everything(), batch(16, 8, 8, 3)
    lsuv(model, x)
    output = to_numpy(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(loaded(x)), output, atol=1e-6)
    model.compile("sgd", "mse")
    model.fit(x, np.zeros((16, 4)), verbose=0)


@pytest.mark.parametrize("is_centered", [False, True])
def test_each_channel_on_its_own(is_centered):
    model, x = everything(), batch(16, 8, 8, 3)
    report = lsuv(model, x, per_channel=True, center=is_centered, tolerance=1e-4)
    found = measured(model, x)
    for row in report.scaled:
        values = found[row.path]
        # The channels of attention are its heads and their axes.
        heads = "attention" in row.path and values.ndim == 4
        over = tuple(range(values.ndim - (2 if heads else 1)))
        np.testing.assert_allclose(values.std(over), 1, rtol=1e-3)
        if is_centered:
            np.testing.assert_allclose(values.mean(over), 0, atol=1e-3)


def test_centering_by_the_bias():
    model, x = perceptron(activation="relu"), batch(64, 8) + 2
    report = lsuv(model, x, center=True, tolerance=1e-4)
    for row in report:
        values = measured(model, x)[row.path]
        assert abs(values.mean()) < 1e-3
        assert values.std() == pytest.approx(1, rel=1e-3)
    bias = to_numpy(model.layers[0].bias)
    assert bias.std() < 1e-6 < abs(bias.mean())


def test_without_a_bias_there_is_nothing_to_center():
    model = perceptron(use_bias=False)
    report = lsuv(model, batch(32, 8) + 3, center=True)
    assert {row.note for row in report} == {"no bias to center"}
    assert len(report.scaled) == 4


# New kernels


def test_kernels_are_orthonormal_by_their_own_axes():
    model, x = everything(), batch(16, 8, 8, 3)
    lsuv(model, x)
    cases = {
        "query": ((0,), (1, 2)),
        "attention_output": ((0, 1), (2,)),
        "conv2d_transpose": ((0, 1, 3), (2,)),
        "dense": ((0,), (1,)),
    }
    seen = 0
    for layer in model._flatten_layers():
        for name, (inputs, outputs) in cases.items():
            if layer.name.rstrip("_0123456789") == name:
                values = np.linalg.svd(
                    matrix(layer.kernel, inputs, outputs), compute_uv=False
                )
                np.testing.assert_allclose(values, values[0], rtol=1e-3)
                seen += 1
    assert seen == 2 + 2 + 1 + 2


def test_layers_of_one_shape_get_different_kernels():
    for initializer in (
        "haar_orthogonal",
        keras_initx.HaarOrthogonal(),
        keras_initx.HaarOrthogonal(seed=1),
        keras.initializers.GlorotNormal(seed=1),
        keras_initx.HaarOrthogonal(seed=keras.random.SeedGenerator(1)),
    ):
        model = perceptron(2)
        lsuv(model, batch(32, 8), initializer=initializer)
        first, second = (to_numpy(layer.kernel) for layer in model.layers)
        assert (
            abs(first / np.linalg.norm(first) - second / np.linalg.norm(second)).max()
            > 0.01
        )


def test_an_integer_seed_can_be_repeated():
    kernels = []
    x = batch(32, 8)
    for _ in range(2):
        model = perceptron(2)
        lsuv(model, x, initializer=keras_initx.HaarOrthogonal(seed=7))
        kernels.append([to_numpy(layer.kernel) for layer in model.layers])
    np.testing.assert_array_equal(*kernels)


def test_the_axes_of_the_initializer_are_used():
    model = keras.Sequential([keras.Input((6, 6, 4)), layers.Conv2DTranspose(4, 2)])
    axes = {"input_axes": [-2], "output_axes": [-1], "batch_axes": [0, 1]}
    lsuv(model, batch(8, 6, 6, 4), initializer=keras_initx.HaarOrthogonal(**axes))
    # By the axes of the layer, the four taps together would be orthogonal.
    values = np.linalg.svd(to_numpy(model.layers[0].kernel), compute_uv=False)
    np.testing.assert_allclose(values, values[0, 0, 0], rtol=1e-3)


def test_an_initializer_may_be_a_function():
    model = perceptron(2)

    def ones_and_more(shape, dtype=None):
        return ops.reshape(ops.arange(int(np.prod(shape)), dtype=dtype), shape)

    lsuv(model, batch(32, 8), initializer=ones_and_more)
    kernel = to_numpy(model.layers[0].kernel)
    assert kernel[0, 0] == 0
    np.testing.assert_allclose(
        kernel / kernel[0, 1], np.arange(64).reshape(8, 8), rtol=1e-5
    )


# Which layers


def note_of(report, name):
    return next(row.note for row in report if row.path.split("/")[-1] == name)


def test_unknown_cells_and_embeddings_are_left_alone():
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            layers.Embedding(9, 4, name="words"),
            layers.RNN([layers.GRUCell(4), layers.GRUCell(3)], name="stacked"),
            layers.Dense(2, name="dense"),
        ]
    )
    before = weights_of(model)[:-2]
    x = RANDOM.integers(0, 9, (8, 6))
    report = lsuv(model, x)
    assert weights_of(model)[:-2] == before
    assert note_of(report, "words") == "an embedding: no sum over inputs"
    assert note_of(report, "stacked") == "recurrent, with a cell that is not known"
    assert [row.type for row in report.scaled] == ["Dense"]


def test_a_shared_layer_is_scaled_at_its_first_call():
    inputs = keras.Input((8,))
    shared = layers.Dense(8, "relu", name="shared")
    model = keras.Model(inputs, layers.Dense(3)(shared(5 * shared(inputs))))
    x = batch(64, 8)
    report = lsuv(model, x)
    assert next(row for row in report if row.path.endswith("shared")).calls == 2
    assert_unit_variance(model, x, report)


def test_a_tied_kernel_is_scaled_once():
    first, second = layers.Dense(8, name="first"), layers.Dense(8, name="second")
    model = keras.Sequential([keras.Input((8,)), first, layers.ReLU(), second])
    vars(second)["_kernel"] = first._kernel
    x = batch(64, 8)
    report = lsuv(model, x)
    assert note_of(report, "second").startswith("tied: its kernel belongs to ")
    assert_unit_variance(model, x, report)


def test_frozen_layers_are_left_alone():
    model = perceptron()
    model.layers[1].trainable = False
    before = to_numpy(model.layers[1].kernel)
    x = batch(32, 8)
    report = lsuv(model, x)
    assert note_of(report, "d1") == "frozen"
    assert (to_numpy(model.layers[1].kernel) == before).all()
    assert len(report.scaled) == 3
    assert_unit_variance(model, x, report)


def test_layers_with_lora_are_frozen():
    model = perceptron()
    model.layers[0].enable_lora(2)
    report = lsuv(model, batch(32, 8))
    assert note_of(report, "d0") == "frozen by LoRA"


def test_quantized_layers_are_left_alone():
    model = perceptron()
    model.layers[1].quantize("int8")
    report = lsuv(model, batch(32, 8))
    assert note_of(report, "d1") == "quantized"
    assert len(report.scaled) == 3


def test_spectral_normalization_scales_itself():
    inner = layers.Dense(8, name="inner")
    model = keras.Sequential([keras.Input((8,)), layers.SpectralNormalization(inner)])
    report = lsuv(model, batch(32, 8))
    assert (
        note_of(report, "inner") == "SpectralNormalization sets the scale of its kernel"
    )


class Branches(keras.Model):
    def __init__(self):
        super().__init__()
        self.used = layers.Dense(8, name="used")
        self.unused = layers.Dense(8, name="unused")

    def build(self, shape):
        self.used.build(shape)
        self.unused.build(shape)

    def call(self, inputs):
        return self.used(inputs)


def test_layers_that_never_run_are_listed():
    model = Branches()
    model.build((None, 8))
    before = to_numpy(model.unused.kernel)
    report = lsuv(model, batch(32, 8))
    assert note_of(report, "unused") == "never ran"
    assert (to_numpy(model.unused.kernel) == before).all()


def test_a_model_that_is_not_built():
    model = keras.Sequential([layers.Dense(8, "relu"), layers.Dense(3)])
    x = batch(32, 8)
    report = lsuv(model, x)
    assert len(report.scaled) == 2
    assert_unit_variance(model, x, report)


def attention_model():
    inputs = keras.Input((5, 8))
    hidden = layers.Dense(8, name="before")(inputs)
    hidden = layers.MultiHeadAttention(2, 4, name="attention")(hidden, hidden)
    return keras.Model(inputs, layers.Dense(3, name="after")(hidden))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("after", {"after"}),
        (["before", "after"], {"before", "after"}),
        (layers.Dense, {"before", "after"}),
        ("attention", {"query", "key", "value", "attention_output"}),
        (layers.MultiHeadAttention, {"query", "key", "value", "attention_output"}),
        (lambda layer: layer.name in ("key", "after"), {"key", "after"}),
        (["after", lambda layer: layer.name == "key"], {"key", "after"}),
        ("attention/query", {"query"}),
    ],
)
def test_a_selection_of_layers(selection, expected):
    model = attention_model()
    if selection == "attention/query":
        selection = model.get_layer("attention").query_dense.path
    report = lsuv(model, batch(16, 5, 8), layers=selection)
    assert {row.path.split("/")[-1] for row in report.scaled} == expected
    assert {row.note for row in report.skipped} == {"not selected"}


# Layers of one's own


class Squared(layers.Layer):
    """Its output grows with the square of its kernel."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def call(self, inputs):
        return ops.matmul(inputs, self.kernel * ops.abs(self.kernel))


class OwnDense(layers.Layer):
    def __init__(self, activation=None, **arguments):
        super().__init__(**arguments)
        self.activation = keras.activations.get(activation)

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
        self.bias = self.add_weight(shape=(4,), initializer="ones", name="bias")

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)


class Standardized(layers.Conv2D):
    """Weight standardization: the scale of the kernel has no effect."""

    def convolution_op(self, inputs, kernel):
        kernel = ops.convert_to_tensor(kernel)
        mean, variance = ops.moments(kernel, axes=[0, 1, 2], keepdims=True)
        kernel = (kernel - mean) / ops.sqrt(variance + 1e-12)
        return super().convolution_op(inputs, kernel)


@pytest.mark.parametrize("options", [{}, {"per_channel": True}, {"initializer": None}])
@pytest.mark.parametrize("cls", [Squared, OwnDense])
def test_a_layer_of_ones_own_is_tried(cls, options):
    model = keras.Sequential([keras.Input((8,)), cls(), layers.Dense(3)])
    x = batch(64, 8)
    report = lsuv(model, x, tolerance=1e-3, **options)
    assert len(report.scaled) == 2
    values = measured(model, x)[report[0].path]
    stds = values.std(0) if "per_channel" in options else values.std()
    np.testing.assert_allclose(stds, 1, rtol=2e-3)
    assert report[0].calls == 1


def test_its_activation_is_held_back():
    model = keras.Sequential([keras.Input((8,)), OwnDense("tanh")])
    x = batch(64, 8)
    report = lsuv(model, x, target_std=3.0, center=True)
    assert_unit_variance(model, x, report, target=3.0)
    assert abs(to_numpy(model(x))).max() <= 1
    assert abs(measured(model, x)[report[0].path].mean()) < 0.05


def test_a_layer_that_does_not_follow_its_kernel_is_given_up():
    convolution = Standardized(4, 3, name="standardized")
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), convolution, layers.Flatten(), layers.Dense(3)]
    )
    before = to_numpy(convolution.kernel)
    x = batch(8, 8, 8, 3)
    report = lsuv(model, x, initializer=None)
    note = "its standard deviation does not follow the scale of its kernel"
    assert note_of(report, "standardized") == note
    assert (to_numpy(convolution.kernel) == before).all()
    row = report[0]
    assert (row.std_after, row.factor) == (row.std_before, 1.0)
    assert_unit_variance(model, x, report)


class Vector(layers.Layer):
    """Its kernel has one axis, of which no initializer of matrices knows anything."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=shape[-1:], initializer="normal")

    def call(self, inputs):
        return inputs * self.kernel


def test_a_vector_is_scaled_and_not_drawn():
    model = keras.Sequential([keras.Input((8,)), Vector()])
    before = to_numpy(model.layers[0].kernel)
    report = lsuv(model, batch(64, 8), initializer="he_normal")
    kernel = to_numpy(model.layers[0].kernel)
    np.testing.assert_allclose(kernel, report[0].factor * before, rtol=1e-5)


def test_a_subclass_of_a_keras_layer_has_its_axes():
    class Own(layers.Conv2DTranspose):
        pass

    model = keras.Sequential([keras.Input((6, 6, 4)), Own(8, 2)])
    lsuv(model, batch(8, 6, 6, 4))
    kernel = matrix(model.layers[0].kernel, (0, 1, 3), (2,))
    values = np.linalg.svd(kernel, compute_uv=False)
    np.testing.assert_allclose(values, values[0], rtol=1e-3)


# Data


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8"])
def test_batches_of_any_dtype(dtype):
    model = perceptron(2)
    x = RANDOM.integers(0, 200, (32, 8)).astype(dtype)
    report = lsuv(model, x)
    assert_unit_variance(model, x, report)


@pytest.mark.parametrize("kind", ["dict", "list", "tuple"])
def test_several_inputs(kind):
    first, second = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    inputs = {"a": first, "b": second} if kind == "dict" else [first, second]
    hidden = layers.Concatenate()([layers.Dense(4)(first), layers.Dense(4)(second)])
    model = keras.Model(inputs, layers.Dense(2)(hidden))
    x = {"a": batch(32, 4), "b": 9 * batch(32, 4)}
    if kind != "dict":
        x = {"list": list, "tuple": tuple}[kind](x.values())
    report = lsuv(model, x)
    assert len(report.scaled) == 3
    assert_unit_variance(model, x, report)


def test_nested_inputs():
    class Nested(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def build(self, shape):
            self.dense.build((None, 4))

        def call(self, inputs):
            return self.dense(inputs["a"][0] + inputs["b"]["c"])

    model = Nested()
    x = {"a": (batch(32, 4),), "b": {"c": batch(32, 4)}}
    assert_unit_variance(model, x, lsuv(model, x))


class Pieces(keras.utils.PyDataset):
    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def __len__(self):
        return len(self.pieces)

    def __getitem__(self, index):
        return self.pieces[index]


def loader(pieces):
    torch = framework("torch")
    return torch.utils.data.DataLoader(pieces, batch_size=None)


def dataset(pieces):
    tf = framework("tensorflow")
    return tf.data.Dataset.from_generator(
        lambda: iter(pieces),
        output_signature=tuple(tf.TensorSpec((None, 8)) for _ in pieces[0]),
    )


@pytest.mark.several_frameworks
@pytest.mark.parametrize("kind", [iter, Pieces, loader, dataset])
@pytest.mark.parametrize("count", [1, 3])
def test_the_first_batches_of_a_data_set(kind, count):
    pieces = [(index * batch(16, 8), batch(16, 8)) for index in (1, 5, 2, 100)]
    model = perceptron(2)
    report = lsuv(model, kind(pieces), batches=count, tolerance=1e-4)
    x = np.concatenate([piece[0] for piece in pieces[:count]])
    assert_unit_variance(model, x, report, tolerance=1e-3)


def test_masked_positions_do_not_count():
    inputs = keras.Input((6,), dtype="int32")
    embedded = layers.Embedding(9, 8, mask_zero=True)(inputs)
    hidden = layers.Dense(32, "relu", name="dense")(embedded)
    output = layers.MultiHeadAttention(4, 8, name="attention")(hidden, hidden)
    model = keras.Model(inputs, output)
    x = RANDOM.integers(1, 9, (32, 6))
    x[:, 3:] = 0
    model.layers[1].embeddings.assign(
        np.concatenate([100 * np.ones((1, 8)), batch(8, 8)])
    )
    report = lsuv(model, x)
    found = measured(model, x)
    for name in ("dense", "query"):
        (path,) = (row.path for row in report if row.path.endswith(name))
        assert found[path][:, :3].std() == pytest.approx(1, rel=0.01)
        assert found[path].std() > 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = keras.Sequential([keras.Input((32,))])
    for _ in range(4):
        model.add(layers.Dense(32, "relu", dtype=policy, bias_initializer="ones"))
    x = batch(256, 32)
    before = to_numpy(model.layers[0].kernel)
    report = lsuv(model, x, initializer=None)
    # bfloat16 has eight bits; the errors of many numbers even out.
    assert_unit_variance(model, x, report, tolerance=0.012)
    # The kernels are float32, and are not rounded to what the layers compute in.
    kernel = to_numpy(model.layers[0].kernel)
    np.testing.assert_allclose(kernel / before, report[0].factor, rtol=1e-6)


def test_what_is_drawn_in_mixed_precision_stays():
    """New kernels and shifted biases, on the variables that the optimizer sees."""
    model = perceptron(3, 32, dtype="mixed_bfloat16")
    model.layers[0].bias.assign(np.ones(32))
    report = lsuv(model, batch(256, 32), initializer="haar_orthogonal", center=True)
    kernel = to_numpy(model.layers[0].kernel) / report[0].factor
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(32), atol=1e-5)
    assert np.abs(to_numpy(model.layers[0].bias)).max() < 0.5


@pytest.mark.parametrize("dtype", OTHER_DTYPES)
def test_kernels_of_other_dtypes(dtype):
    model = perceptron(3, 32, dtype=dtype)
    x = batch(256, 32)
    report = lsuv(model, x)
    assert keras.backend.standardize_dtype(model.layers[0].kernel.dtype) == dtype
    assert_unit_variance(model, x, report, tolerance=0.012)


# Failures


def failing(model, x, message, **options):
    before = weights_of(model)
    with refuses(message):
        lsuv(model, x, **options)
    assert weights_of(model) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_batch_that_is_not_finite(value):
    model, x = perceptron(), batch(32, 8)
    x[3, 4] = value
    path = model.layers[0].path
    failing(
        model,
        x,
        "`lsuv` needs a batch of finite numbers. Received: NaN or infinity in the "
        f"batch, found at layer '{path}' (`Dense`). Clean or scale the data.",
    )


def test_a_layer_without_a_kernel_that_makes_nan():
    logarithm = layers.Activation(lambda tensor: ops.log(tensor - 1e9))
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(8), logarithm, layers.Dense(8, name="late")]
    )
    failing(
        model,
        batch(32, 8),
        "`lsuv` needs finite inputs of each layer. Received: NaN or infinity in the "
        f"inputs of layer '{model.layers[-1].path}' (`Dense`). Check the layers before "
        "it that have no kernel.",
    )


def test_weights_that_are_not_finite():
    model = perceptron()
    model.layers[2].bias.assign(np.full(8, np.nan))
    failing(
        model,
        batch(32, 8),
        "`lsuv` needs finite pre-activations. Received: NaN or infinity from layer "
        f"'{model.layers[2].path}' (`Dense`), whose inputs are finite. Check its "
        "weights.",
    )


def test_an_overflow_of_float16_is_named():
    model = perceptron(dtype="mixed_float16", kernel_initializer="ones")
    failing(
        model,
        1e4 * np.ones((32, 8), "float32") * np.arange(1, 5).repeat(8)[:, None] / 4,
        "`lsuv` needs pre-activations below 65504, the largest float16. Received: an "
        f"overflow in layer '{model.layers[0].path}' (`Dense`). Scale the data, or use "
        "'mixed_bfloat16'.",
        initializer=None,
    )


def dead_model():
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8, name="fine"),
            layers.Dense(8, kernel_initializer="zeros", name="dead"),
            layers.Dense(8, bias_initializer="normal", name="behind"),
        ]
    )


def test_a_dead_layer_is_left_alone_with_a_warning():
    model, x = dead_model(), batch(32, 8)
    path = model.layers[1].path
    with pytest.warns(UserWarning, match=f"layer '{path}' alone .dead: "):
        report = lsuv(model, x, initializer=None, layers=["fine", "dead"])
    assert note_of(report, "dead") == "dead: its pre-activation does not vary"
    assert [row.path for row in report.scaled] == [model.layers[0].path]
    assert report[1].std_before == report[1].std_after == 0
    assert not to_numpy(model.layers[1].kernel).any()


def test_strictly_a_dead_layer_is_an_error():
    model = dead_model()
    failing(
        model,
        batch(32, 8),
        "`lsuv` needs pre-activations that vary, because of `strict`. Received: layer "
        f"'{model.layers[1].path}' (dead: its pre-activation does not vary). Look at "
        "its inputs and at its kernel.",
        initializer=None,
        strict=True,
    )


def test_a_bias_that_varies_too_much_is_named():
    model = perceptron(2, bias_initializer=keras.initializers.RandomNormal(stddev=9))
    with pytest.warns(UserWarning, match="its bias alone varies too much") as caught:
        report = lsuv(model, batch(32, 8))
    assert sum(warning.category is UserWarning for warning in caught) == 2
    assert not report.scaled


def test_dead_channels_are_counted():
    model = perceptron(1)
    kernel = to_numpy(model.layers[0].kernel)
    kernel[:, :3] = 0
    model.layers[0].kernel.assign(kernel)
    report = lsuv(model, batch(32, 8), initializer=None, per_channel=True)
    assert report[0].note == "3 of 8 units do not vary"


class Broken(layers.Layer):
    def __init__(self, error, **arguments):
        super().__init__(**arguments)
        self.error, self.is_broken = error, False

    def call(self, inputs):
        if self.is_broken:
            raise self.error
        return inputs


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_whatever_is_raised_the_weights_are_as_before(error, place):
    stack = [layers.Dense(8, "relu"), OwnDense("relu"), layers.BatchNormalization()]
    broken = Broken(error)
    stack.insert(place, broken)
    model = keras.Sequential([keras.Input((8,)), *stack, layers.Dense(8)])
    before, x = weights_of(model), batch(32, 8)
    broken.is_broken = True
    with pytest.raises(type(error)):
        lsuv(model, x)
    assert weights_of(model) == before
    broken.is_broken = False
    assert_unit_variance(model, x, lsuv(model, x))


def test_the_rest_of_the_model_is_as_before():
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(8, activity_regularizer="l2"),
        ]
    )
    others = [v for v in model.variables if "kernel" not in v.path]
    before = [to_numpy(variable).tolist() for variable in others]
    lsuv(model, batch(32, 8))
    assert [to_numpy(variable).tolist() for variable in others] == before
    assert not model.layers[-1]._losses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"target_std": 0},
            "`lsuv` needs `target_std` to be a finite number above 0. Received: "
            "target_std=0. Pass a positive float, for example 1.0.",
        ),
        (
            {"tolerance": -1},
            "`lsuv` needs `tolerance` to be a finite number above 0. Received: "
            "tolerance=-1. Pass a positive float, for example 1.0.",
        ),
        (
            {"batches": 0},
            "`lsuv` needs `batches` to be an integer of at least 1. Received: "
            "batches=0. Pass a positive int, for example 1.",
        ),
        (
            {"batches": 2},
            "`lsuv` needs a data set where `batches` is above 1. Received: batches=2, "
            "x of type ndarray. Pass a generator, `tf.data.Dataset`, `DataLoader` or "
            "`PyDataset`; or one larger batch.",
        ),
        (
            {"layers": "d9"},
            "`lsuv` needs `layers` to select layers that have a kernel and run. "
            "Received: layers='d9', which selects none. The model has: {paths}.",
        ),
        (
            {"layers": [3]},
            "`lsuv` needs `layers` to be names, layers, layer classes, a predicate, "
            'or None. Received: layers=3. Pass for example ["dense_1"], '
            "keras.layers.Conv2D, or a function of a layer. None selects all.",
        ),
    ],
)
def test_bad_arguments(options, message):
    model = perceptron(2)
    paths = ", ".join(layer.path for layer in model.layers)
    failing(model, batch(32, 8), message.replace("{paths}", paths), **options)


def test_what_is_no_model():
    with refuses(
        "`lsuv` needs a Keras model or layer. Received: model='model'. Pass the model "
        "itself."
    ):
        lsuv("model", batch(3, 4))


def test_an_empty_data_set():
    with pytest.raises(ValueError, match="`lsuv` needs at least one batch"):
        lsuv(perceptron(), iter([]))


def test_batches_that_cannot_be_joined():
    model = keras.Sequential([keras.Input((None, 4)), layers.Dense(3)])
    pieces = [batch(8, 5, 4), batch(8, 6, 4)]
    with pytest.raises(ValueError, match=r"the shapes \[\(8, 5, 4\), \(8, 6, 4\)\]"):
        lsuv(model, iter(pieces), batches=2)


# Cost


def test_one_pass_is_enough():
    calls = []

    class Count(layers.Layer):
        def call(self, inputs):
            calls.append(1)
            return inputs

    stack = [layer for _ in range(5) for layer in (layers.Dense(8, "relu"), Count())]
    model = keras.Sequential([keras.Input((8,)), *stack])
    calls.clear()
    lsuv(model, batch(32, 8))
    assert len(calls) == 5


@pytest.fixture
def quick_collection():
    """`gc.collect` looks only at what the test makes."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_no_activation_is_kept(quick_collection):
    """The output of a layer is gone before the layer after the next one runs."""
    alive = []
    seen = []

    class Look(layers.Layer):
        def call(self, inputs):
            gc.collect()
            alive.append(sum(reference() is not None for reference in seen))
            result = inputs + 1
            seen.append(weakref.ref(result))
            return result

    class Loop(keras.Model):
        def __init__(self):
            super().__init__()
            pairs = [(Look(), layers.Dense(8, "relu")) for _ in range(4)]
            self.stack = [layer for pair in pairs for layer in pair]

        def build(self, shape):
            for layer in self.stack:
                layer.build(shape)

        def call(self, inputs):
            for layer in self.stack:
                inputs = layer(inputs)
            return inputs

    lsuv(Loop(), batch(32, 8))
    assert max(alive) <= 1


def test_a_progress_bar(capsys):
    small, large = perceptron(2), perceptron(51, 2)
    lsuv(small, batch(32, 8), verbose=1)
    assert "2/2" in capsys.readouterr().out
    lsuv(large, batch(32, 2))
    assert "51/51" in capsys.readouterr().out
    lsuv(large, batch(32, 2), verbose=0)
    lsuv(small, batch(32, 8))
    assert capsys.readouterr().out == ""
