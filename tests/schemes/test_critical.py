"""The edge of chaos on whole models, judged by NumPy."""

import math

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from limits import SIGMAS, rounding
from references import FORMULAS, derivative, leaky_relu

import keras_initx
from keras_initx.schemes import critical

same_on_each_backend = pytest.mark.same_on_each_backend
RANDOM = np.random.default_rng(0)
Z = np.linspace(-12, 12, 100_001)
WEIGHTS = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()
GRID = Z[1] - Z[0]
UNITS = 24
FUNCTIONS = {name: formula for name, (formula, _) in FORMULAS.items()}
FUNCTIONS |= {"linear": lambda x: x, "leaky_relu": leaky_relu(0.2)}


def moments(name, q):
    """E[f^2] and E[f'^2] at the variance q, on a grid."""
    x = math.sqrt(q) * Z
    f, slope = FUNCTIONS[name], derivative(FUNCTIONS[name])
    return WEIGHTS @ f(x) ** 2, WEIGHTS @ slope(x) ** 2


def point(name, q, next_q=None):
    """The two standard deviations after an activation, by the formulas."""
    moment, slope = moments(name, q)
    scale = (next_q or q) / q
    return math.sqrt(scale / slope), math.sqrt(max(0, scale * (q - moment / slope)))


def slope_of_variance(name, q):
    """By how much a deviation from q is multiplied: a difference quotient."""
    step = 1e-4
    above, below = (moments(name, q * (1 + sign * step))[0] for sign in (1, -1))
    return (above - below) / (2 * step * q) / moments(name, q)[1]


def chain(*activations, units=UNITS, out=3, **arguments):
    model = keras.Sequential([keras.Input((units,))])
    for place, activation in enumerate(activations):
        model.add(layers.Dense(units, activation, name=f"d{place}", **arguments))
    model.add(layers.Dense(out, name="out"))
    return model


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def weights_of(model):
    return [to_numpy(weight).copy() for weight in model.weights]


def sigma_of(kernel, fan_in):
    """The root of the mean square times the fan-in."""
    return math.sqrt(np.mean(to_numpy(kernel) ** 2) * fan_in)


def pre_activations(model, x):
    """Those of a chain of dense layers, in NumPy."""
    found = []
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            x = x @ to_numpy(layer.kernel)
            x = x + to_numpy(layer.bias) if layer.use_bias else x
            found.append(x)
            x = FUNCTIONS[layer.activation.__name__](x)
    return found


# By the theory


@same_on_each_backend
@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "hard_silu", "elu", "tanh"])
def test_kernels_and_biases_of_one_activation(name):
    model = chain(name, name, name, units=200)
    report = critical(model, q=6.0, seed=0)
    sigma_w, sigma_b = point(name, 6.0)
    first, *hidden, last = report
    assert [row.q for row in report] == [6.0, 6.0, 6.0, 1.0]
    assert (first.sigma_w, first.sigma_b) == (pytest.approx(math.sqrt(6)), 0)
    for row in hidden:
        # The grid has an error of its step where a slope jumps.
        assert row.sigma_w == pytest.approx(sigma_w, rel=GRID)
        assert row.sigma_b == pytest.approx(sigma_b, rel=10 * GRID)
    assert last.sigma_w == pytest.approx(moments(name, 6.0)[0] ** -0.5, rel=1e-6)
    # The same stands in the variables.
    dense = model.layers
    for layer, row in zip(dense, report, strict=True):
        assert sigma_of(layer.kernel, 200) == pytest.approx(
            row.sigma_w, rel=rounding(1, layers=2)
        )
    assert not to_numpy(dense[0].bias).any()
    assert not to_numpy(dense[-1].bias).any()
    biases = np.concatenate([to_numpy(layer.bias) for layer in dense[1:-1]])
    assert biases.std() == pytest.approx(
        sigma_b, rel=SIGMAS / math.sqrt(2 * biases.size)
    )


@same_on_each_backend
@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "hard_silu"])
def test_the_variance_is_where_deviations_fall(name):
    stable = critical(chain(name, name), q="stable")[1].q
    assert slope_of_variance(name, stable) == pytest.approx(1, abs=1e-4)
    assert slope_of_variance(name, 1.1 * stable) < 1 < slope_of_variance(name, 1.0)
    most = critical(chain(name, name))[1].q
    slopes = [slope_of_variance(name, factor * most) for factor in (0.9, 1, 1.1)]
    assert slopes[1] == min(slopes) < 1


@same_on_each_backend
def test_what_is_stable_anywhere_has_the_variance_of_the_depth():
    report = critical(chain("tanh", "tanh", "linear", "elu"))
    assert [row.q for row in report] == [pytest.approx(1 / 3)] * 4 + [1.0]


@same_on_each_backend
def test_rectifiers_are_set_as_by_he():
    report = critical(chain("relu", "leaky_relu"))
    assert [row.q for row in report] == [1, 1, 1]
    assert report[1].sigma_w == pytest.approx(math.sqrt(2))
    assert report[2].sigma_w == pytest.approx(math.sqrt(2 / (1 + 0.2**2)))
    assert [row.sigma_b for row in report] == [0, 0, 0]


@same_on_each_backend
def test_each_layer_by_its_own_activation():
    """Where the variance changes, both deviations change as units do."""
    report = critical(chain("tanh", "gelu", "linear", "mish"))
    gelu, mish = (critical(chain(name))[0].q for name in ("gelu", "mish"))
    # A linear layer takes the variance of the next one.
    assert [row.q for row in report] == [pytest.approx(1 / 3), gelu, mish, mish, 1]
    expected = [
        point("tanh", 1 / 3, gelu),
        point("gelu", gelu, mish),
        (1, 0),
        (moments("mish", mish)[0] ** -0.5, 0),
    ]
    for row, (sigma_w, sigma_b) in zip(report.rows[1:], expected, strict=True):
        assert row.sigma_w == pytest.approx(sigma_w, rel=1e-5)
        assert row.sigma_b == pytest.approx(sigma_b, rel=1e-4, abs=1e-9)


@same_on_each_backend
def test_what_any_variance_will_do_for_takes_that_of_others():
    gelu, mish = (critical(chain(name))[0].q for name in ("gelu", "mish"))
    report = critical(chain("relu", "gelu", "relu", "mish", "linear", "leaky_relu"))
    assert [row.q for row in report] == [gelu, gelu, mish, mish, mish, mish, 1.0]


@same_on_each_backend
def test_layers_without_a_bias():
    report = critical(chain("gelu", "gelu", use_bias=False), q=5.0)
    moment, slope = moments("gelu", 5.0)
    assert report[1].sigma_w == pytest.approx(math.sqrt(5 / moment), rel=1e-6)
    growth = 5 / moment * slope
    assert growth > 1.03
    assert report[1].note == f"no bias: the gradient's mean square times {growth:.3g}"
    assert [row.note for row in critical(chain("relu", use_bias=False))] == [
        "first layer: inputs of mean square 1 assumed",
        "output of variance 1",
    ]


@same_on_each_backend
@pytest.mark.parametrize("initializer", ["haar_orthogonal", "random_normal", None])
def test_each_initializer_gets_the_variance(initializer):
    """Also one that is semi-orthogonal, with more outputs than inputs."""
    model = keras.Sequential([keras.Input((4,))])
    model.add(layers.Dense(50, "gelu"))
    model.add(layers.Dense(7, "gelu"))
    model.add(layers.Dense(2))
    before = to_numpy(model.layers[0].kernel)
    report = critical(model, q=4.0, initializer=initializer)
    for layer, row in zip(model.layers, report, strict=True):
        fan_in = layer.kernel.shape[0]
        assert sigma_of(layer.kernel, fan_in) == pytest.approx(
            row.sigma_w, rel=rounding(1, layers=2)
        )
    ratio = to_numpy(model.layers[0].kernel) / before
    assert (np.ptp(ratio) < 1e-5) == (initializer is None)


def test_the_fans_of_convolutions():
    steps = [
        layers.Conv2D(8, 3, groups=2, activation="gelu"),
        layers.Conv2DTranspose(6, 4, strides=2, activation="gelu"),
        layers.DepthwiseConv2D(3, activation="gelu"),
        layers.SeparableConv2D(5, 3),
    ]
    model = keras.Sequential([keras.Input((8, 8, 4)), *steps])
    report = critical(model, q=4.0)
    kernels = [getattr(step, "pointwise_kernel", None) for step in steps]
    kernels = [
        own if own is not None else step.kernel
        for own, step in zip(kernels, steps, strict=True)
    ]
    fans = [9 * 2, 16 * 8 / 4, 9, 6]
    for kernel, fan_in, row in zip(kernels, fans, report, strict=True):
        assert sigma_of(kernel, fan_in) == pytest.approx(row.sigma_w, rel=1e-5)
    assert sigma_of(steps[3].depthwise_kernel, 9) == pytest.approx(1, rel=1e-5)


# On data


def test_the_variances_are_those_of_the_batch():
    model = chain("gelu", "silu", "tanh", "linear", "relu")
    x = 5 * normal(64, UNITS) + 1
    report = critical(model, x)
    for z, row in zip(pre_activations(model, x), report, strict=True):
        # What has this relative error is left as it is.
        assert z.std() == pytest.approx(math.sqrt(row.q), rel=1.1e-3)
    for layer, row in zip(model.layers, report, strict=True):
        assert sigma_of(layer.kernel, UNITS) == pytest.approx(row.sigma_w, rel=1e-4)
    assert report.is_measured


def test_samples_of_different_scale_become_alike():
    """LSUV, which is right about the batch, drives them apart."""
    x = normal(32, 64)
    x *= np.geomspace(0.5, 2, 32)[:, None] / np.sqrt(np.mean(x**2, 1, keepdims=True))
    spreads = []
    for scheme in (critical, keras_initx.lsuv):
        model = chain(*["gelu"] * 30, units=64)
        scheme(model, x)
        z = pre_activations(model, x)[-2]
        sizes = np.sqrt(np.mean(z**2, axis=1))
        spreads.append(sizes.max() / sizes.min())
    start = 4.0
    assert spreads[0] < start
    assert spreads[1] > 100 * start


def test_borders_and_poolings_are_made_up_for():
    steps = [
        layers.Conv2D(8, 3, padding="same", activation="gelu"),
        layers.AveragePooling2D(2, name="pool"),
        layers.Conv2D(8, 3, padding="same", activation="gelu", name="c"),
        layers.Flatten(),
        layers.Dense(4, name="out"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 3)), *steps])
    assert critical(model)[1].note.endswith("pool changes the variance: pass `x`")
    x = normal(16, 6, 6, 3)
    report = critical(model, x)
    assert report[1].note == ""
    below = keras.Sequential(model.layers[:2])
    inner, conv = to_numpy(below(x)), model.get_layer("c")
    z = to_numpy(ops.conv(inner.astype("float32"), conv.kernel, padding="same"))
    assert (z + to_numpy(conv.bias)).std() == pytest.approx(
        math.sqrt(report[1].q), rel=2e-3
    )


# What follows a kernel


def test_activations_that_are_layers_or_operations():
    inputs = keras.Input((UNITS,))
    x = layers.Dense(UNITS)(inputs)
    x = layers.LeakyReLU(0.3)(x)
    x = layers.Dropout(0.5)(layers.Activation("tanh")(layers.Dense(UNITS)(x)))
    x = ops.silu(layers.Dense(UNITS)(x))
    x = ops.reshape(x, (-1, UNITS // 2, 2))
    x = ops.elu(layers.Flatten()(x))
    x = layers.PReLU()(layers.Dense(UNITS)(x))
    nested = keras.Sequential([keras.Input((UNITS,)), layers.Dense(UNITS, "selu")])
    x = ops.softmax(layers.Dense(3)(nested(x)))
    report = critical(keras.Model(inputs, x))
    assert [row.activation for row in report] == [
        "LeakyReLU", "tanh", "silu, elu", "PReLU", "selu", "linear",
    ]  # fmt: skip
    assert report[-1].note == "output of variance 1"


def test_a_layer_that_two_activations_follow():
    inputs = keras.Input((UNITS,))
    x = layers.Dense(UNITS)(inputs)
    both = [layers.Dense(UNITS, "mish")(f(x)) for f in (ops.tanh, ops.elu)]
    heads = [ops.softmax(layers.Dense(3)(each)) for each in both]
    report = critical(keras.Model(inputs, heads), q=2.0)
    by_sigma = sorted(report.rows, key=lambda row: row.sigma_b)[-2:]
    expected = sorted((point("tanh", 2.0), point("elu", 2.0)), key=lambda p: p[1])
    for row, (sigma_w, sigma_b) in zip(by_sigma, expected, strict=True):
        assert (row.sigma_w, row.sigma_b) == pytest.approx((sigma_w, sigma_b), rel=1e-3)
    # Both heads make outputs, through an operation that is not known.
    assert [row.note for row in report].count("output of variance 1") == 2


def test_layers_side_by_side():
    inputs = keras.Input((UNITS,))
    one, other = layers.Dense(UNITS, name="one"), layers.Dense(UNITS, name="other")
    a, b = one(inputs), other(inputs)
    heads = [layers.Dense(UNITS)(f(x)) for f, x in ((ops.tanh, a), (ops.elu, b))]
    report = critical(keras.Model(inputs, heads), q=2.0)
    assert (report["one"].activation, report["other"].activation) == ("tanh", "elu")


def test_a_hidden_layer_that_is_an_output_too():
    inputs = keras.Input((UNITS,))
    x = layers.Dense(UNITS, "gelu", name="hidden")(inputs)
    model = keras.Model(inputs, [x, layers.Dense(2, name="out")(x)])
    report = critical(model, q=2.0)
    assert (report["hidden"].q, report["out"].q) == (2.0, 1.0)


class Snake(layers.Layer):
    """An activation of somebody's own."""

    def call(self, x):
        return x + ops.sin(x) ** 2


def test_activations_of_ones_own():
    model = keras.Sequential([keras.Input((8,)), layers.Rescaling(1 / 255)])
    for step in (Snake(), layers.Activation(lambda x: ops.tanh(3 * x)), Snake()):
        model.add(layers.Dense(8))
        model.add(step)
    model.add(layers.Rescaling(2.0))
    model.add(layers.Dense(2))
    report = critical(model, q=2.0)
    names = ["Snake", "<lambda>", "Snake, Rescaling", "linear"]
    assert [row.activation for row in report] == names
    assert report[0].sigma_w == pytest.approx(math.sqrt(2))
    x = math.sqrt(2) * Z
    slope = WEIGHTS @ (1 + np.sin(2 * x)) ** 2
    assert report[1].sigma_w == pytest.approx(slope**-0.5, rel=1e-6)


class Own(keras.Model):
    """A model that says nothing about itself."""

    def __init__(self, function):
        super().__init__(name="own")
        self.function = function
        self.dense = [layers.Dense(16) for _ in range(3)]
        self.head = layers.Dense(2)

    def call(self, x):
        for dense in self.dense:
            x = self.function(dense(x))
        return self.head(x)


@same_on_each_backend
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
@pytest.mark.parametrize("name", ["silu", "gelu", "hard_silu"])
def test_a_subclassed_model_that_is_not_built(name, dtype):
    keras.config.set_dtype_policy(dtype)
    try:
        model = Own(getattr(ops, name))
        report = critical(model, normal(8, 5))
    finally:
        keras.config.set_dtype_policy("float32")
    assert [row.activation for row in report.rows[1:-1]] == [name] * 2
    assert not any("shared" in row.note for row in report)
    digits = 1e-3 if dtype == "float32" else 2e-2
    for layer, row in zip(model.dense[1:], report.rows[1:], strict=False):
        sigma = sigma_of(layer.kernel, 16)
        assert sigma == pytest.approx(row.sigma_w, rel=digits)


def test_an_operation_that_is_not_known_needs_data():
    model = Own(lambda x: ops.sign(x) * ops.sqrt(ops.abs(x)))
    x = normal(64, 5)
    report = critical(model, x)
    assert report[1].note == "after an operation in the model: only its variance is set"
    z = x
    for layer, row in zip((*model.dense, model.head), report, strict=True):
        z = z @ to_numpy(layer.kernel) + to_numpy(layer.bias)
        assert z.std() == pytest.approx(math.sqrt(row.q), rel=1.1e-3)
        z = np.sign(z) * np.sqrt(np.abs(z))


# What is left alone


def test_frozen_tied_and_unselected_layers():
    model = chain("gelu", "gelu", "gelu", "gelu")
    model.get_layer("d1").trainable = False
    before = weights_of(model)
    report = critical(model, normal(8, UNITS), layers=["d0", "d1", "d2"])
    assert [row.note for row in report] == [
        "first layer",
        "left alone: frozen",
        f"after {model.get_layer('d1').path}: only its variance is set",
        "left alone: not selected",
        "left alone: not selected",
    ]
    after = weights_of(model)
    for place in (2, 3, 6, 7, 8, 9):
        np.testing.assert_array_equal(before[place], after[place])
    assert not np.array_equal(before[4], after[4])


@same_on_each_backend
def test_a_shared_layer_is_set_for_its_first_call():
    shared = layers.Dense(UNITS, "gelu", name="shared")
    model = keras.Sequential([keras.Input((UNITS,)), shared, shared, layers.Dense(2)])
    report = critical(model)
    assert report[0].note.endswith("assumed; shared: set for its first call")
    assert len(report) == 2


def test_attention_and_recurrent_layers_are_left_alone():
    inputs = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 4, name="a")(inputs, inputs)
    x = layers.LSTM(8, name="r")(layers.Dense(8, "tanh", name="d")(x))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    before = weights_of(model)
    report = critical(model, normal(6, 5, 8))
    *inside, dense, out = report
    assert {row.note for row in inside} == {"left alone: in an attention layer"}
    assert (len(inside), dense.path, out.path) == (4, "d", "out")
    assert out.note == "output of variance 1; after r: only its variance is set"
    kept = [w.path.startswith(("a/", "r/")) for w in model.weights]
    for is_kept, one, other in zip(kept, before, weights_of(model), strict=True):
        assert np.array_equal(one, other) == is_kept or not one.any()


@same_on_each_backend
def test_normalization_is_warned_of():
    steps = [layers.Dense(8), layers.LayerNormalization(name="norm")]
    steps += [layers.Activation("gelu"), layers.Dense(2, name="out")]
    model = keras.Sequential([keras.Input((8,)), *steps])
    path = model.layers[1].path
    with pytest.warns(UserWarning, match="normalization") as seen:
        report = critical(model)
    (found,) = [each for each in seen if each.category is UserWarning]
    assert found.filename == __file__
    assert str(found.message) == (
        "`critical` is for models without normalization, which undoes the scale of the "
        f"kernels before it. There are: {path}. Keep them and do not call `critical`, "
        "or remove them."
    )
    assert report[1].note == "output of variance 1; after a normalization"
    assert report[1].sigma_w == pytest.approx(moments("gelu", 1)[0] ** -0.5, rel=1e-6)


# Seeds, reports, files


def test_seeds():
    model = chain("gelu", "gelu", "gelu")
    critical(model, seed=3)
    first = weights_of(model)
    critical(model, seed=4)
    assert not np.array_equal(first[0], weights_of(model)[0])
    critical(model, seed=3)
    for one, other in zip(first, weights_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    # No two draws are the same, and those of other layers do not change them.
    assert not np.array_equal(first[0], first[2])
    assert not np.array_equal(first[2], first[4])
    assert not np.array_equal(first[3], first[5])
    critical(model, seed=3, layers=["d0", "d1"])
    np.testing.assert_array_equal(first[2], weights_of(model)[2])


@same_on_each_backend
def test_the_report():
    model = keras.Sequential([keras.Input((4,))])
    model.add(layers.Dense(4, "relu", name="a"))
    model.add(layers.Dense(4, "softmax", name="b"))
    model.build()
    report = critical(model)
    a, b = (layer.path for layer in model.layers)
    wide, line = len(a), "first layer: inputs of mean square 1 assumed"
    assert str(report).splitlines() == [
        f"{'layer'.ljust(wide)}  activation  q  sigma_w  sigma_b  note",
        "-" * (wide + 2 + 10 + 2 + 1 + 2 + 7 + 2 + 7 + 2 + len(line)),
        f"{a}  relu        1        1        0  {line}",
        f"{b}  softmax     1    1.414        0  output of variance 1",
        "2 of 2 layers are set: pre-activations of variance q, by the theory.",
    ]
    assert "<table>" in report._repr_html_()
    assert report[a] is report[0]
    assert report.to_dict()["layers"][0]["activation"] == "relu"


def test_a_model_that_is_saved(tmp_path):
    model, x = chain("gelu", "gelu"), normal(4, UNITS)
    critical(model, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(to_numpy(model(x)), to_numpy(loaded(x)))


# Errors


def no_point(path, activation, reason):
    return (
        "`critical` needs activations that have a critical point in all hidden layers. "
        f"Received: the layer {path!r} with {activation!r}, {reason}. Use another "
        "activation there, for example 'gelu' or 'tanh', or leave the layer out of "
        "`layers`."
    )


@same_on_each_backend
@pytest.mark.parametrize(
    ("activation", "q", "reason"),
    [
        ("softplus", "stable", "which has none"),
        ("softplus", 2.0, "which has none at q=2"),
        ("softmax", "most_stable", "which is not an elementwise activation"),
    ],
)
def test_activations_without_a_critical_point(activation, q, reason):
    model = chain("tanh", activation)
    path = model.layers[1].path
    before = weights_of(model)
    with refuses(no_point(path, activation, reason)):
        critical(model, normal(4, UNITS), q=q)
    for one, other in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    # As an output each will do.
    critical(chain("tanh", out=2), q=q)


@same_on_each_backend
def test_residual_branches_are_refused():
    inputs = keras.Input((8,))
    x = layers.Dense(8, "gelu", name="a")(inputs)
    x = x + layers.Dense(8, name="c")(layers.Dense(8, "gelu", name="b")(x))
    model = keras.Model(inputs, layers.Dense(2, name="out")(x))
    with refuses(
        "`critical` needs a model whose layers follow one after the other. Received: "
        "the layer 'b' in a residual branch. Use `depth_scale` or `fixup` for residual "
        "networks."
    ):
        critical(model)


@same_on_each_backend
def test_what_the_theory_does_not_tell():
    model = keras.Sequential([keras.Input((5, 4)), layers.LSTM(3, name="r")])
    model.add(layers.Dense(2, name="out"))
    model.build()
    r, out = (layer.path for layer in model.layers)
    with refuses(
        "`critical` needs a batch of inputs `x`, where the theory does not tell what a "
        f"kernel gets. Received: x=None, and the layer {out!r} after {r}. Pass a batch "
        "of real data. If it is an activation, put it into a layer, such as "
        '`keras.layers.Activation("gelu")`.'
    ):
        critical(model)
    with refuses(
        "`critical` needs a batch of inputs `x`, unless the model is a Functional or "
        "Sequential one that is built. Received: x=None, the model 'own' of class Own. "
        "Pass a few samples: only their shapes matter."
    ):
        critical(Own(ops.gelu))


@same_on_each_backend
def test_arguments():
    model = chain("gelu")
    with refuses(
        "`critical` needs `q` to be a finite number above 0, 'stable' or "
        "'most_stable'. Received: q='all'. Pass for example 'most_stable' or 10.0."
    ):
        critical(model, q="all")
    with refuses(
        "`critical` needs kernels that are finite and not zero. Received: the kernel "
        f"{model.layers[0].kernel.path!r} of mean square 0. Use an `initializer` that "
        "draws at random, for example 'haar_orthogonal'."
    ):
        critical(model, initializer="zeros")
    with refuses(
        "`critical` needs `seed` to be an integer. Received: seed=1.5. Pass for "
        "example -1."
    ):
        critical(model, seed=1.5)
    empty = keras.Sequential([keras.Input((3,)), layers.ReLU()], name="empty")
    with refuses(
        "`critical` needs a model with layers that have a kernel and run. Received: "
        "the model 'empty', which has none. Pass a model with dense layers or "
        "convolutions."
    ):
        critical(empty)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_all_or_nothing(error):
    class Breaks(layers.Layer):
        runs = 0

        def call(self, x):
            # In the pass that measures, after kernels were drawn and scaled.
            self.runs += 1
            if self.is_armed and not np.allclose(to_numpy(dense.bias), 0):
                raise error
            return x + 0

    breaks, dense = Breaks(), layers.Dense(UNITS, "gelu")
    breaks.is_armed = False
    steps = [layers.Dense(UNITS, "gelu"), dense, breaks, layers.Dense(2)]
    model = keras.Sequential([keras.Input((UNITS,)), *steps])
    before, x = weights_of(model), normal(4, UNITS)
    breaks.is_armed = True
    with pytest.raises(type(error)):
        critical(model, x)
    for one, other in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    with refuses(
        "`critical` needs a batch of finite numbers. Received: NaN or infinity in the "
        f"batch, found at layer {model.layers[0].path!r} (`Dense`). Clean or scale the "
        "data."
    ):
        critical(model, np.full_like(x, np.nan))
    for one, other in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
