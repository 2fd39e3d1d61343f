"""Several schemes on one architecture: what is drawn, put back, and shown."""

import json
import math

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, singular_values, to_numpy
from keras import layers, ops
from odd_layers import Restless

import keras_initx
from keras_initx import compare, lsuv, signal_report
from keras_initx.diagnostics import _report_of_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(16, 6)).astype("float32")
Y = RANDOM.normal(size=(16, 2)).astype("float32")


def small(seed=0):
    return keras.initializers.RandomNormal(stddev=0.05, seed=seed)


def mlp(depth=3, **options):
    """Kernels of equal shapes."""
    hidden = [
        layers.Dense(6, "tanh", name=f"hidden_{place}", **options)
        for place in range(depth)
    ]
    # A list is built once; `add` builds all that is there each time.
    steps = [keras.Input((6,)), *hidden, layers.Dense(2, name="head")]
    return keras.Sequential(steps, name="model")


def restless(**options):
    """Everything that a scheme could change, or a pass as in training."""
    inputs = keras.Input((6,))
    hidden = layers.Dense(6, name="a")(inputs)
    hidden = layers.BatchNormalization()(Restless()(hidden))
    hidden = layers.Dropout(0.5)(hidden)
    model = keras.Model(inputs, layers.Dense(2, name="b")(hidden))
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, **options)
    # A compiled step of JAX gives the arrays of the variables away.
    is_compiled = BACKEND == "jax"
    model.compile(optimizer, "mse", metrics=["mae"], jit_compile=is_compiled)
    return model


def train(model):
    model.fit(X, Y, batch_size=8, verbose=0)


def bits(model):
    """All variables of a model and its training, bit for bit."""
    variables = [
        *model.variables,
        *model.metrics_variables,
        *model.optimizer.variables,
    ]
    return [np.asarray(ops.convert_to_numpy(v)).tobytes() for v in variables]


def kernels(model):
    return {
        weight.path: to_numpy(weight)
        for weight in model.weights
        if weight.name.endswith("kernel")
    }


@pytest.fixture
def looked_at(monkeypatch):
    """The kernels of each model at the time when the report looks at it."""
    seen, look = [], _report_of_model.report_on_batch

    def watched(owner, model, *args, **kwargs):
        if owner == "compare":
            seen.append(kernels(model))
        return look(owner, model, *args, **kwargs)

    monkeypatch.setattr(_report_of_model, "report_on_batch", watched)
    return seen


# Schemes


def test_the_reports_are_those_of_the_models(looked_at):
    model, twin = mlp(), mlp()
    schemes = {"as it is": None, "small": small(), "lsuv": lambda m: lsuv(m, X)}
    comparison = compare(model, schemes, X, Y, "mse")
    assert list(comparison.reports) == list(schemes)
    assert len(comparison) == 3
    twin.set_weights(model.get_weights())
    for name, found in zip(schemes, looked_at, strict=True):
        for weight, kernel in zip(twin.weights[::2], found.values(), strict=True):
            weight.assign(kernel)
        expected = signal_report(twin, X, Y, "mse")
        assert comparison[name] is comparison.reports[name]
        assert comparison[name].to_dict() == expected.to_dict()
    stds = [comparison[name].rows[-1].pre_activation_std for name in schemes]
    assert stds[2] == pytest.approx(1, abs=0.01)
    assert stds[1] < 0.05 < stds[0]


@pytest.mark.parametrize(
    "scheme",
    [
        "haar_orthogonal",
        {"class_name": "haar_orthogonal", "config": {"seed": 3}},
        keras_initx.HaarOrthogonal,
        keras_initx.HaarOrthogonal(seed=3),
        keras_initx.HaarOrthogonal(seed=keras.random.SeedGenerator(3)),
    ],
    ids=["str", "dict", "class", "object", "generator"],
)
def test_an_initializer_may_be_given_in_any_form(scheme, looked_at):
    compare(mlp(), {"one": scheme}, X)
    *hidden, head = looked_at[0].values()
    for kernel in hidden:
        np.testing.assert_allclose(singular_values(kernel), 1, atol=1e-5)
    np.testing.assert_allclose(singular_values(head), 1, atol=1e-5)
    # Equal shapes, and another kernel in each layer.
    for place, kernel in enumerate(hidden):
        for other in hidden[:place]:
            assert np.abs(kernel - other).max() > 0.1


def test_a_seed_gives_the_same_kernels_again(looked_at):
    for _ in range(2):
        compare(mlp(), {"one": small(seed=5), "other": small(seed=6)}, X)
    one, other, again, _ = looked_at
    for path in one:
        np.testing.assert_array_equal(one[path], again[path])
        assert (one[path] != other[path]).any()


def test_biases_stay(looked_at):
    model = mlp(bias_initializer="random_normal")
    biases = []
    schemes = {"one": "he_normal", "two": lambda m: biases.append(m.get_weights()[1])}
    compare(model, schemes, X)
    np.testing.assert_array_equal(biases[0], model.get_weights()[1])
    assert biases[0].any()


class ByAxes(keras.initializers.Initializer):
    """Fills a kernel with what it is told of its axes."""

    calls = []  # noqa: RUF012

    def __init__(self, input_axes=None, output_axes=None, batch_axes=None, groups=1):
        self.config = {
            "input_axes": input_axes,
            "output_axes": output_axes,
            "batch_axes": batch_axes,
            "groups": groups,
        }

    def __call__(self, shape, dtype=None):
        self.calls.append({**self.config, "shape": tuple(shape), "dtype": dtype})
        return ops.ones(shape, dtype)

    def get_config(self):
        return dict(self.config)


def test_kernels_are_drawn_by_the_axes_of_their_layers():
    inputs = keras.Input((8, 8, 4))
    hidden = layers.Conv2D(6, 3, groups=2, name="grouped")(inputs)
    hidden = layers.DepthwiseConv2D(3, name="depthwise")(hidden)
    hidden = layers.SeparableConv2D(5, 3, name="separable")(hidden)
    hidden = layers.Conv2DTranspose(4, 2, name="transposed")(hidden)
    hidden = layers.Reshape((9, 4))(hidden)
    hidden = layers.MultiHeadAttention(2, 3, name="mha")(hidden, hidden)
    hidden = layers.LSTM(3, name="recurrent")(hidden)
    model = keras.Model(inputs, layers.Dense(2, name="dense")(hidden))
    ByAxes.calls.clear()
    x = RANDOM.normal(size=(2, 8, 8, 4)).astype("float32")
    report = compare(model, {"one": ByAxes()}, x)["one"]
    names = ("shape", "input_axes", "output_axes", "batch_axes", "groups")
    expected = [
        ((3, 3, 2, 6), [2], [3], [], 2),
        ((3, 3, 6, 1), [], [3], [2], 1),
        ((3, 3, 6, 1), [], [3], [2], 1),
        ((1, 1, 6, 5), [2], [3], [], 1),
        ((2, 2, 4, 5), [3], [2], [], 1),
        ((3, 2), [0], [1], [], 1),
        *[((4, 2, 3), [0], [1, 2], [], 1)] * 3,
        ((2, 3, 4), [0, 1], [2], [], 1),
    ]
    seen = [tuple(call[name] for name in names) for call in ByAxes.calls]
    assert sorted(map(repr, seen)) == sorted(map(repr, expected))
    assert {call["dtype"] for call in ByAxes.calls} == {"float32"}
    # A recurrent layer keeps its own.
    assert not any(kernel.has_equal_units for kernel in report["recurrent"].kernels)


def test_shared_and_tied_kernels_are_drawn_once():
    inputs, shared = keras.Input((6,)), layers.Dense(6, name="shared")
    tied = layers.Dense(6, name="tied")
    model = keras.Model(inputs, tied(shared(5 * shared(inputs))))
    vars(tied)["_kernel"] = shared._kernel
    ByAxes.calls.clear()
    compare(model, {"one": ByAxes()}, X)
    assert len(ByAxes.calls) == 1


def test_vectors_are_left(looked_at):
    """A scale of each unit, say, is no kernel, whatever its name."""

    class Scale(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=shape[-1:], name="kernel")

        def call(self, inputs):
            return inputs * self.kernel

    model = keras.Sequential([keras.Input((6,)), layers.Dense(6), Scale()])
    dense, vector = kernels(model).values()
    compare(model, {"one": "ones"}, X)
    drawn, left = looked_at[0].values()
    np.testing.assert_array_equal(drawn, np.ones_like(dense))
    np.testing.assert_array_equal(left, vector)


def test_frozen_kernels_are_left(looked_at):
    model = mlp()
    model.layers[0].trainable = False
    before = kernels(model)
    compare(model, {"one": "he_normal"}, X)
    path, *others = before
    np.testing.assert_array_equal(looked_at[0][path], before[path])
    for other in others:
        assert (looked_at[0][other] != before[other]).any()


def test_kernels_of_bfloat16(looked_at):
    model = mlp(dtype="bfloat16")
    report = compare(model, {"one": "haar_orthogonal"}, X)["one"]
    assert report.rows[0].dtype == "bfloat16"
    # Rounded to 8 bits.
    kernel = looked_at[0][model.weights[0].path]
    np.testing.assert_allclose(singular_values(kernel), 1, atol=0.02)


# What is put back


def trained(is_trained):
    model = restless()
    if is_trained:
        train(model)
        model(X)
    return model


@pytest.mark.parametrize("is_trained", [False, True])
def test_weights_are_put_back(is_trained):
    model = trained(is_trained)
    before = bits(model)
    schemes = {
        "drawn": small(),
        "lsuv": lambda m: lsuv(m, X),
        "called": lambda m: m(X, training=True),
        "zeros": lambda m: m.set_weights([0 * w for w in m.get_weights()]),
        "as it is": None,
    }
    reports = compare(model, schemes, X, Y)
    assert bits(model) == before
    # A scheme does not see what the one before it has left.
    assert compare(model, {"alone": None}, X, Y)["alone"].to_dict() == (
        reports["as it is"].to_dict()
    )
    assert bits(model) == before


def test_a_scheme_that_trains():
    """Also momentums and metrics are put back."""
    model = trained(True)
    before = bits(model)
    comparison = compare(model, {"trained": train, "as it is": None}, X, Y)
    assert bits(model) == before
    assert comparison["trained"].loss != comparison["as it is"].loss


@pytest.mark.parametrize("options", [{}, {"use_ema": True}])
def test_a_scheme_that_trains_first(options):
    """The optimizer that it builds is as if it had not made a step."""
    model, twin = (restless(**options) for _ in range(2))
    for variable, other in zip(twin.variables, model.variables, strict=True):
        variable.assign(ops.copy(other.value))
    compare(model, {"trained": train}, X, Y)
    assert model.optimizer.built
    twin.optimizer.build(twin.trainable_variables)
    for variable, other in zip(
        [*twin.variables, *twin.optimizer.variables],
        [*model.variables, *model.optimizer.variables],
        strict=True,
    ):
        np.testing.assert_array_equal(to_numpy(variable), to_numpy(other))


def test_an_optimizer_that_nobody_builds_is_not_built():
    model = restless()
    compare(model, {"as it is": None, "drawn": small()}, X, Y)
    assert not model.optimizer.built


def interrupts(model):
    model.layers[1].kernel.assign(np.ones((6, 6)))
    model.layers[1].bias.assign(np.ones(6))
    raise KeyboardInterrupt


def fails(model):
    model.layers[1].kernel.assign(np.ones((6, 6)))
    raise ArithmeticError("no such luck")


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [
        (fails, ArithmeticError),
        (interrupts, KeyboardInterrupt),
        ("unknown", ValueError),
        # It is drawn for the first kernels, before it fails.
        (keras.initializers.Identity(), ValueError),
    ],
)
def test_weights_are_put_back_after_an_error_in_a_scheme(scheme, kind):
    if isinstance(scheme, keras.initializers.Initializer):
        inputs = keras.Input((6,))
        hidden = layers.Reshape((6, 1))(layers.Dense(6)(inputs))
        model = keras.Model(inputs, layers.Conv1D(2, 3)(hidden))
        model.compile("sgd", "mse")
    else:
        model = trained(True)
    before = bits(model)
    with pytest.raises(kind) as caught:
        compare(model, {"first": "he_normal", "second": scheme}, X)
    assert bits(model) == before
    if kind is not KeyboardInterrupt:
        assert caught.value.__notes__ == ["This happened in the scheme 'second'."]


def test_weights_are_put_back_after_an_error_in_the_report():
    class Fragile(layers.Layer):
        fails = False

        def call(self, inputs):
            if self.fails:
                raise RuntimeError("broken")
            return inputs

    def breaks(model):
        fragile.fails = True
        model.set_weights([w + 1 for w in model.get_weights()])

    inputs, fragile = keras.Input((6,)), Fragile()
    model = keras.Model(inputs, fragile(layers.Dense(2)(inputs)))
    model.compile("sgd", "mse")
    before = bits(model)
    with pytest.raises(RuntimeError, match="broken") as caught:
        compare(model, {"one": None, "other": breaks}, X)
    assert bits(model) == before
    assert caught.value.__notes__ == ["This happened in the scheme 'other'."]


def test_a_model_that_is_not_built_stays_built():
    """With its first weights."""
    model = keras.Sequential([layers.Dense(6, "tanh"), layers.Dense(2)])
    found = []

    def keep(model):
        found.append([to_numpy(w) for w in model.weights])

    compare(model, {"one": keep, "drawn": "he_normal", "again": keep}, X)
    assert model.built
    for weights in found:
        for kept, weight in zip(weights, model.weights, strict=True):
            np.testing.assert_array_equal(kept, to_numpy(weight))


def test_a_layer_is_a_model_too():
    layer = layers.Dense(3)
    comparison = compare(layer, {"as it is": None, "zeros": "zeros"}, X)
    assert comparison["zeros"].rows[0].std == 0
    assert to_numpy(layer.kernel).any()


def test_a_scheme_that_changes_the_layers():
    """They stay; the reports have different rows."""
    model = mlp(1)
    weights = [to_numpy(w) for w in model.weights]

    def more(model):
        model.layers[0].kernel.assign(np.ones((6, 6)))
        model.add(layers.Dense(2, name="more"))

    comparison = compare(model, {"as it is": None, "more": more}, X, Y, "mse")
    assert [len(report) for report in comparison.reports.values()] == [2, 3]
    assert len(model.layers) == 3
    for kept, weight in zip(weights, model.weights, strict=False):
        np.testing.assert_array_equal(kept, to_numpy(weight))
    lines = str(comparison).splitlines()
    assert lines[4].split()[:2] == [comparison["more"].rows[2].path, "Dense"]
    assert len(lines[4].split()) == 3
    one, other = comparison.plot().lines
    assert len(one.get_xdata()) == 2
    assert len(other.get_xdata()) == 3


def test_a_function_that_builds_is_called_once_for_each_scheme():
    built, given = [], []

    def build():
        built.append(mlp(len(built) + 1))
        return built[-1]

    schemes = {"a": given.append, "b": None, "c": given.append}
    comparison = compare(build, schemes, X)
    assert given == [built[0], built[2]]
    assert [len(report) for report in comparison.reports.values()] == [2, 3, 4]


@pytest.mark.parametrize("is_built", [False, True])
def test_a_function_may_build_a_model_without_weights(is_built):
    class Lazy(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    comparison = compare(Lazy if is_built else lambda: Lazy(), {"z": "zeros"}, X)
    assert comparison["z"].rows[0].std == 0


# Data


def pairs():
    yield X, Y
    raise AssertionError("One batch is enough.")


def test_a_generator_is_asked_once():
    model = mlp()
    model.compile("sgd", "mse")
    comparison = compare(model, {"one": None, "other": None}, pairs())
    expected = signal_report(model, X, Y).to_dict()
    assert expected["loss"] is not None
    assert comparison["one"].to_dict() == comparison["other"].to_dict() == expected


def test_sample_weights_and_the_mode_are_handed_on():
    model = mlp(1)
    weights = np.linspace(0, 1, len(X))
    arguments = {"sample_weight": weights, "training": False}
    report = compare(model, {"one": None}, X, Y, "mse", **arguments)["one"]
    assert report.to_dict() == signal_report(model, X, Y, "mse", **arguments).to_dict()
    assert report.training is False
    assert report.loss != signal_report(model, X, Y, "mse").loss


def test_several_inputs():
    inputs = {"a": keras.Input((2,), name="a"), "b": keras.Input((4,), name="b")}
    hidden = layers.Concatenate()(list(inputs.values()))
    model = keras.Model(inputs, layers.Dense(2)(hidden))
    x = {"a": X[:, :2], "b": X[:, 2:]}
    report = compare(model, {"zeros": "zeros"}, x)["zeros"]
    assert len(report.inputs) == 2
    assert report.rows[-1].std == 0


# Bad input


@pytest.mark.parametrize("schemes", [{}, None, ["he_normal"], {1: None}])
def test_it_needs_named_schemes(schemes):
    with refuses(
        "`compare` needs `schemes` to be a dict of at least one scheme, by its name. "
        f"Received: schemes={schemes!r}. Pass for example "
        '{"as it is": None, "he": "he_normal"}.'
    ):
        compare(mlp(), schemes, X)


def test_a_scheme_must_be_one():
    called = []
    with refuses(
        "`compare` needs each scheme to be an initializer, a function of the model, or "
        "None. Received: schemes={'b': 3}. Pass for example \"he_normal\"."
    ):
        compare(mlp(), {"a": called.append, "b": 3}, X)
    assert called == []


@pytest.mark.parametrize("model", [None, 3, [mlp()]])
def test_it_needs_a_model(model):
    with refuses(
        "`compare` needs a Keras model, or a function that builds one. Received: "
        f"{model!r}. Pass the model itself, or a function without arguments."
    ):
        compare(model, {"one": None}, X)


def test_a_function_must_build_a_model():
    with refuses(
        "`compare` needs a Keras model, or a function that builds one. Received: a "
        "function that returns 'none'. Pass the model itself, or a function without "
        "arguments.\nThis happened in the scheme 'one'."
    ):
        compare(lambda: "none", {"one": None}, X)


def test_a_loss_needs_targets():
    with refuses(
        "`compare` needs `y` where there is a loss. Received: y=None, loss='mse'. Pass "
        "the targets.\nThis happened in the scheme 'one'."
    ):
        compare(mlp(), {"one": None}, X, loss="mse")


# What it shows

FIVE = {
    "as it is": None,
    "small": small(),
    "zeros": "zeros",
    "infinite": lambda m: m.layers[-1].bias.assign([math.inf] * 2),
    "lsuv": lambda m: lsuv(m, X),
}


@pytest.fixture(scope="module")
def comparison():
    return compare(mlp(), FIVE, X, Y, "mse")


def test_it_prints_as_a_table(comparison):
    head, rule, *lines = str(comparison).splitlines()
    assert head.split("  ")[0] == "layer"
    assert [name in head for name in FIVE] == [True] * 5
    assert set(rule) == {"-"}
    for place, row in enumerate(comparison["lsuv"].rows):
        stds = [report.rows[place].std for report in comparison.reports.values()]
        assert lines[place].split() == [row.path, "Dense", *(f"{s:.3g}" for s in stds)]
    losses = [f"{report.loss:.3g}" for report in comparison.reports.values()]
    assert lines[4].split() == ["loss", *losses]
    for name, place, line in (("first", 0, lines[5]), ("last", 3, lines[6])):
        norms = [r.rows[place].gradient for r in comparison.reports.values()]
        assert line.split() == [
            *f"gradient of the {name} kernel".split(),
            *(f"{norm:.3g}" for norm in norms),
        ]
    verdicts = [report.verdicts for report in comparison.reports.values()]
    assert lines[7].startswith("verdict ")
    for (first, *_), name in zip(verdicts, FIVE, strict=True):
        assert first.title in lines[7]
        assert f"{name}: {first}" in lines
    links = [line for line in lines if line.startswith("  https://")]
    assert lines[-len(links) :] == links
    faults = {v.url for each in verdicts for v in each if v.kind != "healthy"}
    assert sorted(links) == sorted(f"  {url}" for url in faults)
    assert str(comparison) == repr(comparison)
    assert "The standard deviation of each layer's output." in lines


def test_the_table_without_a_loss():
    lines = str(compare(mlp(1), {"one": None}, X)).splitlines()
    assert not [line for line in lines if line.startswith(("loss", "gradient"))]
    assert lines[4].split() == ["verdict", "looks", "healthy"]


def test_it_shows_in_a_notebook(comparison):
    html = comparison._repr_html_()
    table, _, _ = str(comparison).partition("\nThe standard")
    # All lines but the rule.
    assert html.count("<tr>") == table.count("\n")
    assert "<th>as it is</th>" in html
    odd = compare(mlp(1), {"<b>": None}, X)._repr_html_()
    assert "<th>&lt;b&gt;</th>" in odd


def test_to_dict_is_strict_json(comparison):
    data = comparison.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data == {n: report.to_dict() for n, report in comparison.reports.items()}
    assert data["infinite"]["layers"][3]["std"] == "inf"


def test_the_plot_has_one_line_for_each_scheme(comparison):
    ax = comparison.plot()
    assert [line.get_label() for line in ax.lines] == list(FIVE)
    for line, report in zip(ax.lines, comparison.reports.values(), strict=True):
        stds = [row.std for row in report]
        expected = [std if math.isfinite(std) else math.nan for std in stds]
        np.testing.assert_array_equal(line.get_ydata(), expected)
        assert list(line.get_xdata()) == [1, 2, 3, 4]
    # The scale is logarithmic, and has room for exact zeros.
    assert ax.get_yscale() == "symlog"
    assert 0 in ax.lines[2].get_ydata()
    assert np.isnan(ax.lines[3].get_ydata()).any()
    assert ax.get_ylabel() == "standard deviation of the output"
    assert ax.get_xlabel() == "layer"
    names = [label.get_text() for label in ax.get_xticklabels()]
    assert names == ["hidden_0", "hidden_1", "hidden_2", "head"]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == list(FIVE)
    assert comparison.plot(ax) is ax
    assert compare(mlp(), {"one": None}, X).plot().get_yscale() == "log"


def test_the_lines_differ_without_their_colours():
    schemes = {str(number): None for number in range(10)}
    lines = compare(mlp(1), schemes, X).plot().lines
    looks = {(line.get_linestyle(), line.get_marker()) for line in lines}
    assert len(looks) == 10
    # Neighbours by the stroke alone.
    assert len({line.get_linestyle() for line in lines[:4]}) == 4
    # In black and white.
    for line in lines:
        gray = float(line.get_color())
        assert 0 <= gray <= 0.6


def test_the_plot_of_a_deep_network():
    """Its layers are numbered, and its markers are fewer than its layers."""
    comparison = compare(mlp(42), {"one": None, "other": None}, X[:4])
    ax = comparison.plot()
    assert ax.get_xlabel() == "layer, in order of execution"
    one, other = ax.lines
    assert len(one.get_xdata()) == 43
    assert one.get_markevery() == (0, 2)
    assert other.get_markevery() == (1, 2)
    assert compare(mlp(1), {"one": None}, X).plot().lines[0].get_markevery() == (0, 1)
