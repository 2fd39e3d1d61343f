"""The report on signal and gradient: judged by NumPy, and by what it leaves behind."""

import json
import math

import keras
import numpy as np
import pytest
from catalogue import BACKEND, refuses, to_numpy
from keras import layers, ops
from limits import rounding
from odd_layers import Compiled, Restless, picture

from keras_initx import signal_report
from keras_initx.diagnostics._judge.verdict import Verdict
from keras_initx.diagnostics._measure.rows import LayerRow
from keras_initx.diagnostics._measure.seen import Seen
from keras_initx.diagnostics._measure.statistics import cosine_and_spread
from keras_initx.diagnostics._show.report import SignalReport

RANDOM = np.random.default_rng(0)
STEP = 1e-5


def batch(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def dense(name, units=4, activation=None, **arguments):
    arguments.setdefault("bias_initializer", "random_normal")
    return layers.Dense(units, activation, name=name, **arguments)


def close(found, expected, relative=1e-3):
    """Equal, up to the rounding of small float32 networks and of differences."""
    np.testing.assert_allclose(found, expected, rtol=relative, atol=1e-6)


# A network in NumPy, of which every gradient is a difference of losses


class Judge:
    """A network as a list of functions of the previous output, in float64."""

    def __init__(self, model, steps, x, y):
        self.weights = {w.path: to_numpy(w) for w in model.weights}
        self.steps, self.x, self.y = steps, x.astype("float64"), y.astype("float64")

    def run(self, added=None):
        """All tensors by name; `added` is added to some of them."""
        values, tensor = {}, self.x
        for name, step in self.steps:
            tensor = step(self.weights, tensor)
            if added is not None and name in added:
                tensor = tensor + added[name]
            values[name] = tensor
        return values

    def loss(self, added=None):
        last = list(self.run(added).values())[-1]
        return np.mean((last - self.y) ** 2)

    def output_gradient(self, name):
        """The norm of the gradient with respect to a tensor, by differences."""
        shape, total = self.run()[name].shape, 0.0
        for place in np.ndindex(shape):
            change = np.zeros(shape)
            change[place] = STEP
            slope = self.loss({name: change}) - self.loss({name: -change})
            total += (slope / (2 * STEP)) ** 2
        return math.sqrt(total)

    def weight_gradient(self, path):
        value, total = self.weights[path], 0.0
        for place in np.ndindex(value.shape):
            before = value[place]
            value[place] = before + STEP
            above = self.loss()
            value[place] = before - STEP
            total += ((above - self.loss()) / (2 * STEP)) ** 2
            value[place] = before
        return math.sqrt(total)


def cosine(tensor):
    rows = tensor.reshape(len(tensor), -1)
    # A sample that is zero has no direction.
    rows = rows[np.any(rows != 0, axis=1)]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = rows @ rows.T
    return pairs[~np.eye(len(rows), dtype=bool)].mean()


def normalize(weights, tensor):
    axes = tuple(range(tensor.ndim - 1))
    deviation = tensor - tensor.mean(axes)
    return deviation / np.sqrt(tensor.var(axes) + 1e-3)


def matrix(name):
    return lambda weights, tensor: (
        tensor @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
    )


def convolution(name, stride):
    """A 3 x 3 convolution with valid padding, by its definition."""

    def function(weights, tensor):
        kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
        rows, columns = (
            (size - 3) // stride + 1 for size in (tensor.shape[1], tensor.shape[2])
        )
        output = np.zeros((len(tensor), rows, columns, kernel.shape[-1]))
        for row in range(rows):
            for column in range(columns):
                top, left = stride * row, stride * column
                patch = tensor[:, top : top + 3, left : left + 3]
                output[:, row, column] = np.tensordot(patch, kernel, 3)
        return output + bias

    return function


def relu(weights, tensor):
    return np.maximum(tensor, 0)


def tanh(weights, tensor):
    return np.tanh(tensor)


def mlp():
    """The model, and its steps: the names of outputs, and of pre-activations."""
    inputs = keras.Input((5,))
    hidden = dense("a", 6, "tanh", kernel_initializer="he_normal")(inputs)
    hidden = layers.BatchNormalization(name="b")(hidden)
    hidden = dense("c", 7, "relu")(hidden)
    model = keras.Model(inputs, dense("d", 3)(hidden))
    steps = [
        ("z of a", matrix("a")),
        ("a", tanh),
        ("b", normalize),
        ("z of c", matrix("c")),
        ("c", relu),
        ("d", matrix("d")),
    ]
    return model, steps, batch(8, 5), batch(8, 3)


def conv_net():
    inputs = keras.Input((7, 6, 2))
    hidden = layers.Conv2D(3, 3, 2, name="a", bias_initializer="random_normal")(inputs)
    hidden = layers.ReLU(name="b")(hidden)
    model = keras.Model(inputs, dense("c", 2)(layers.Flatten(name="f")(hidden)))
    steps = [
        ("z of b", convolution("a", 2)),
        ("a", lambda weights, tensor: tensor),
        ("b", relu),
        ("f", lambda weights, tensor: tensor.reshape(len(tensor), -1)),
        ("c", matrix("c")),
    ]
    return model, steps, batch(4, 7, 6, 2), batch(4, 2)


@pytest.mark.parametrize("network", [mlp, conv_net])
def test_signal_and_gradient_are_those_of_numpy(network):
    model, steps, x, y = network()
    judge = Judge(model, steps, x, y)
    values = judge.run()
    report = signal_report(model, x, y, "mse")
    assert [row.path for row in report] == [n for n, _ in steps if "z of" not in n]
    close(report.loss, judge.loss())
    for row in report:
        output = values[row.path]
        z = values.get(f"z of {row.path}", output)
        close(row.mean, output.mean())
        close(row.std, output.std())
        close(row.pre_activation_mean, z.mean())
        close(row.pre_activation_std, z.std())
        close(row.cosine, cosine(output))
        units = np.abs(output).reshape(-1, output.shape[-1]).max(0)
        assert row.dead == np.mean(units == 0)
        close(row.output_gradient, judge.output_gradient(row.path))
        if row.kernels:
            path = f"{row.path}/kernel"
            close(row.kernel.norm, np.linalg.norm(judge.weights[path]))
            close(row.gradient, judge.weight_gradient(path))
            close(row.gradient_ratio, row.gradient / row.kernel.norm)
    (start,) = report.inputs
    close([start.mean, start.std, start.cosine], [x.mean(), x.std(), cosine(x)])


def test_without_a_loss_there_is_no_gradient():
    model, _, x, _ = mlp()
    report = signal_report(model, x)
    assert report.loss is None
    assert {row.output_gradient for row in report} == {None}
    assert {row.gradient for row in report} == {None}


def test_in_inference_mode_normalization_uses_its_own_statistics():
    model, steps, x, y = mlp()
    report = signal_report(model, x, y, "mse", training=False)
    judge = Judge(model, steps, x, y)
    judge.steps[2] = ("b", lambda weights, tensor: tensor / np.sqrt(1.001))
    close(report["b"].std, judge.run()["b"].std())
    close(report["a"].gradient, judge.weight_gradient("a/kernel"))
    assert not report.training


# What it sees


@pytest.mark.parametrize(
    ("name", "lower", "upper"),
    [
        ("tanh", -1, 1),
        ("sigmoid", 0, 1),
        ("hard_sigmoid", 0, 1),
        ("softsign", -1, 1),
        ("relu6", -math.inf, 6),
    ],
)
@pytest.mark.parametrize("is_layer", [False, True])
def test_saturated_values_lie_within_3_percent_of_the_bounds(
    name, lower, upper, is_layer
):
    x = (60 if name == "softsign" else 4) * batch(50, 9)
    layer = layers.Activation(name, name="a")
    if not is_layer:
        layer = dense("a", 9, name, kernel_initializer="identity")
    model = keras.Sequential([keras.Input((9,)), layer])
    output = to_numpy(model(x))
    margin = 0.03 * (upper - max(lower, 0 if name == "relu6" else lower))
    expected = np.mean((output > upper - margin) | (output < lower + margin))
    assert 0.02 < expected < 0.98
    close(signal_report(model, x)["a"].saturated, expected, 1e-6)


@pytest.mark.parametrize("name", ["relu", "gelu", "linear", "softmax"])
def test_unbounded_activations_do_not_saturate(name):
    model = keras.Sequential([keras.Input((4,)), dense("a", 3, name)])
    assert signal_report(model, batch(5, 4))["a"].saturated is None


def test_dead_units_are_zero_at_all_positions():
    model = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(4, 3, activation="relu", name="a")]
    )
    bias = np.array([-100, 0, -100, 0], "float32")
    model.layers[0].bias.assign(bias)
    assert signal_report(model, batch(3, 6, 6, 2))["a"].dead == 0.5


def test_channels_may_come_first():
    if BACKEND == "tensorflow":
        pytest.skip("TensorFlow has no such convolution on the CPU")
    inputs = keras.Input((2, 6, 6))
    layer = layers.Conv2D(4, 3, name="a", data_format="channels_first")
    model = keras.Model(inputs, layers.ReLU(name="b")(layer(inputs)))
    layer.bias.assign(np.array([-100, 0, -100, 0], "float32"))
    report = signal_report(model, batch(3, 2, 6, 6))
    assert report["a"].units == report["b"].units == 4
    assert report["b"].dead == 0.5


def test_fans_follow_the_axes_of_each_layer():
    inputs = keras.Input((8, 8, 4))
    outputs = [
        layers.Conv2D(6, 3, groups=2, name="grouped")(inputs),
        layers.DepthwiseConv2D(3, name="depthwise")(inputs),
        layers.Conv2DTranspose(5, 3, name="transposed")(inputs),
        layers.SeparableConv2D(7, 3, name="separable")(inputs),
        layers.LSTM(3, name="lstm")(layers.Reshape((16, 16))(inputs)),
        layers.MultiHeadAttention(2, 3, name="attention")(
            *[layers.Reshape((16, 16))(inputs)] * 2
        ),
        layers.Embedding(9, 2, name="embedding")(layers.Flatten()(inputs)),
    ]
    report = signal_report(keras.Model(inputs, outputs), np.abs(batch(2, 8, 8, 4)))
    fans = {row.path: (row.fan_in, row.fan_out) for row in report if row.kernels}
    assert fans == {
        "grouped": (18, 27),
        "depthwise": (9, 9),
        "transposed": (36, 45),
        "separable": (4, 7),
        "lstm": (16, 3),
        "attention/query": (16, 6),
        "attention/key": (16, 6),
        "attention/value": (16, 6),
        "attention/attention_output": (6, 16),
        "embedding": (None, None),
    }
    others = {k.path: (k.fan_in, k.fan_out) for r in report for k in r.kernels[1:]}
    assert others == {
        "separable/depthwise_kernel": (9, 9),
        "lstm/lstm_cell/recurrent_kernel": (3, 3),
    }


class Residual(layers.Layer):
    """Adds its input to what its layer makes."""

    def __init__(self, name):
        super().__init__(name=name)
        self.inner = dense("inner", 4, "relu")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, inputs):
        return inputs + self.inner(inputs)


def test_the_bias_of_a_gru_is_no_kernel():
    model = keras.Sequential([keras.Input((4, 3)), layers.GRU(5, name="gru")])
    (row,) = signal_report(model, batch(6, 4, 3))
    assert [kernel.shape for kernel in row.kernels] == [(3, 15), (5, 15)]
    assert (row.fan_in, row.fan_out) == (3, 5)


def test_a_container_has_a_row_only_if_it_adds_something():
    inner = keras.Sequential([keras.Input((4,)), dense("first")], name="inner_model")
    block = Residual("block")
    model = keras.Sequential([keras.Input((4,)), inner, block, dense("last")])
    report = signal_report(model, batch(6, 4))
    assert [row.path.rsplit("/", 1)[-1] for row in report] == [
        "first",
        "inner",
        "block",
        "last",
    ]
    hidden = to_numpy(inner(batch(1, 4)))
    assert to_numpy(block(hidden)).shape == (1, 4)


def test_an_activation_layer_within_a_layer_is_no_row():
    layer = dense("a", 4, layers.LeakyReLU(name="leaky"))
    model = keras.Sequential([keras.Input((4,)), layer, layers.LeakyReLU(name="b")])
    report = signal_report(model, batch(6, 4))
    assert [row.path.split("/")[-1] for row in report] == ["a", "b"]
    assert report["a"].activation == "leaky_relu"
    assert report["a"].pre_activation_std > report["a"].std


def test_a_shared_layer_shows_its_first_call_and_its_whole_gradient():
    shared = dense("shared", 4, "tanh")
    model = keras.Sequential([keras.Input((4,)), shared, shared, dense("last", 2)])
    x, y = batch(6, 4), batch(6, 2)
    steps = [
        ("z", matrix("shared")),
        ("shared", tanh),
        ("z2", matrix("shared")),
        ("again", tanh),
        ("last", matrix("last")),
    ]
    judge = Judge(model, steps, x, y)
    judge.weights |= {
        "/".join(path.split("/")[-2:]): w for path, w in judge.weights.items()
    }
    report = signal_report(model, x, y, "mse")
    row = report["shared"]
    assert (row.calls, len(report)) == (2, 2)
    close(row.std, judge.run()["shared"].std())
    close(row.output_gradient, judge.output_gradient("shared"))
    close(row.gradient, judge.weight_gradient("shared/kernel"))


def test_noise_is_handed_on():
    noisy = [
        layers.Dropout(0.5),
        layers.GaussianDropout(0.5),
        layers.GaussianNoise(1.0),
        layers.AlphaDropout(0.5),
        layers.SpatialDropout1D(0.5),
    ]
    model = keras.Sequential([keras.Input((6, 4)), *noisy, dense("last", 2)])
    x = batch(5, 6, 4)
    report = signal_report(model, x, batch(5, 6, 2), "mse")
    assert {row.std for row in report.rows[:-1]} == {report.inputs[0].std}
    assert len({row.output_gradient for row in report.rows[:-1]}) == 1
    expected = to_numpy(model(x, training=False))
    close(report[-1].std, expected.std())
    # The gradient has none of it either.
    plain = keras.Sequential([keras.Input((6, 4)), model.layers[-1]])
    y = batch(5, 6, 2)
    one, two = (signal_report(each, x, y, "mse")[-1] for each in (model, plain))
    close(one.gradient, two.gradient)


def test_masked_positions_do_not_count():
    inputs = keras.Input((6,), dtype="int32")
    hidden = layers.Embedding(9, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, dense("a", 3, "tanh")(hidden))
    x = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 0, 0, 0, 0]])
    output = to_numpy(model(x))[x > 0]
    row = signal_report(model, x)["a"]
    close([row.mean, row.std], [output.mean(), output.std()])


def test_time_distributed_is_its_layer():
    wrapper = layers.TimeDistributed(dense("a", 3, "relu"))
    model = keras.Sequential([keras.Input((5, 4)), wrapper])
    x = batch(3, 5, 4)
    output = to_numpy(model(x))
    report = signal_report(model, x, batch(3, 5, 3), "mse")
    (row,) = report
    assert row.path.endswith("/a")
    close([row.std, row.cosine], [output.std(), cosine(output)])
    assert row.gradient > 0
    assert row.output_gradient > 0


def test_the_cosine_of_samples_that_are_zero_is_not_taken():
    tensor = batch(5, 7, 3)
    tensor[[1, 4]] = 0
    tensor = ops.convert_to_tensor(tensor)
    norms = np.linalg.norm(to_numpy(tensor)[[0, 2, 3]].reshape(3, -1), axis=1)
    expected = cosine(to_numpy(tensor)[[0, 2, 3]]), norms.max() / norms.min()
    close(cosine_and_spread(tensor, 5), expected)
    assert cosine_and_spread(ops.zeros((4, 3)), 4) == (None, None)
    assert cosine_and_spread(ops.ones((1, 3)), 1) == (None, None)
    assert cosine_and_spread(ops.ones((5, 3)), 2) == (None, None)
    close(cosine_and_spread(ops.ones((4, 3)), 4), (1, 1))


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_the_cosine_of_any_scale(scale):
    x = batch(6, 50)
    found, _ = cosine_and_spread(ops.convert_to_tensor(x * np.float32(scale)), 6)
    close(found, cosine(x.astype("float64")), 1e-5)


def test_large_activations_are_compared_at_a_part_of_their_entries():
    x = batch(4, 300, 1000) + 0.5
    found, _ = cosine_and_spread(ops.convert_to_tensor(x), 4)
    # The cosine is 0.2; its standard error at 75,000 entries is below 1 / 250.
    assert abs(found - 0.2) < 4 / 250
    assert abs(found - cosine(x.astype("float64"))) > 1e-6


def test_at_most_16_samples_are_compared():
    x = batch(40, 8)
    found, _ = cosine_and_spread(ops.convert_to_tensor(x), 40)
    close(found, cosine(x[:16].astype("float64")), 1e-4)


class Counting(layers.Layer):
    """Counts its calls."""

    calls = 0

    def call(self, inputs):
        self.calls += 1
        return inputs


@pytest.mark.parametrize(("y", "most"), [(None, 1), (batch(4, 2), 2)])
def test_a_built_model_runs_once_and_once_more_for_the_gradient(y, most):
    counting = Counting()
    model = keras.Sequential([keras.Input((3,)), counting, dense("a", 2)])
    counting.calls = 0
    signal_report(model, batch(4, 3), y, None if y is None else "mse")
    assert counting.calls == most


def test_layers_in_a_compiled_function_are_named():
    if BACKEND == "torch":
        pytest.skip("PyTorch has no eager calls within compiled functions here")

    layer = Compiled(dense("inner"))
    layer.build((None, 4))
    report = signal_report(layer, batch(3, 4), batch(3, 4), "mse")
    inner, outer = report
    assert inner.note == "runs within a compiled function, where it cannot be seen"
    assert inner.std is None
    assert outer.output_gradient > 0


# What it is called with


def test_a_model_that_is_not_built_yet():
    model = keras.Sequential([dense("a", 3, "relu"), dense("b", 2)])
    report = signal_report(model, batch(5, 4), batch(5, 2), "mse")
    assert len(report) == 2
    assert report["a"].gradient > 0


def test_a_layer_is_a_model_too():
    layer = dense("alone", 3)
    (row,) = signal_report(layer, batch(5, 4), batch(5, 3), "mse")
    assert row.path == "alone"
    assert row.gradient > 0


def test_dicts_and_several_outputs():
    inputs = {"a": keras.Input((3,), name="a"), "b": keras.Input((3,), name="b")}
    hidden = layers.Add()([inputs["a"], dense("d", 3)(inputs["b"])])
    model = keras.Model(
        inputs, {"p": dense("p", 2)(hidden), "q": dense("q", 1)(hidden)}
    )
    x = {"a": batch(4, 3), "b": batch(4, 3)}
    y = {"p": batch(4, 2), "q": batch(4, 1)}
    report = signal_report(model, x, y, {"p": "mse", "q": "mae"})
    outputs = {name: to_numpy(value) for name, value in model(x).items()}
    expected = np.mean((outputs["p"] - y["p"]) ** 2) + np.mean(
        np.abs(outputs["q"] - y["q"])
    )
    close(report.loss, expected)
    assert [row.path for row in report.inputs] == ["input 1", "input 2"]
    both = signal_report(model, x, y, "mse")
    expected = sum(np.mean((outputs[name] - y[name]) ** 2) for name in "pq")
    close(both.loss, expected)


def test_targets_by_the_names_of_the_outputs():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [dense("p", 2)(inputs), dense("q", 1)(inputs)])
    x, y = batch(4, 3), {"q": batch(4, 1), "p": batch(4, 2)}
    by_name = signal_report(model, x, y, "mse").loss
    in_order = signal_report(model, x, [y["p"], y["q"]], ["mse", "mse"]).loss
    close(by_name, in_order)


def my_loss(y_true, y_pred):
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    "loss", ["mean_absolute_error", keras.losses.MeanAbsoluteError(), my_loss]
)
def test_a_loss_may_be_a_name_an_object_or_a_function(loss):
    model = keras.Sequential([keras.Input((3,)), dense("a", 2)])
    x, y, weights = batch(4, 3), batch(4, 2), np.array([0.5, 1, 2, 0], "float32")
    errors = np.abs(to_numpy(model(x)) - y).mean(1)
    close(signal_report(model, x, y, loss).loss, errors.mean())
    report = signal_report(model, x, y, loss, sample_weight=weights)
    close(report.loss, (weights * errors).mean())


def compiled_model():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            dense("a", 4, "tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
            dense("b", 2, activity_regularizer="l1"),
        ]
    )
    model.compile("adam", "mse", metrics=["mae"])
    return model


def test_a_compiled_model_knows_its_loss():
    model, x, y = compiled_model(), batch(4, 3), batch(4, 2)
    report = signal_report(model, x, y)
    # The first loss of a training, before its first step.
    close(report.loss, model.train_on_batch(x, y)[0])


def test_add_loss_alone_is_a_loss():
    class Own(layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.mean(inputs**2))
            return inputs

    model = keras.Sequential([keras.Input((3,)), dense("a", 2), Own()])
    model.compile("sgd")
    x = batch(4, 3)
    report = signal_report(model, x, x)
    close(report.loss, np.mean(to_numpy(model(x)) ** 2))
    assert report["a"].gradient > 0


def test_an_own_compute_loss_is_used():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = dense("dense", 2)

        def call(self, inputs):
            return self.dense(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return 3 * ops.mean(y_pred)

    model, x = Own(), batch(4, 3)
    model.compile("sgd")
    report = signal_report(model, x, batch(4, 2))
    close(report.loss, 3 * to_numpy(model(x)).mean())


def test_the_loss_of_a_model_is_that_of_training():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = dense("dense", 2)

        def call(self, inputs):
            return self.dense(inputs)

        def compute_loss(
            self, x=None, y=None, y_pred=None, sample_weight=None, training=True
        ):
            return ops.mean(y_pred**2) * (1 if training else 100)

    model, x = Own(), batch(4, 3)
    model.compile("sgd")
    report = signal_report(model, x, batch(4, 2))
    close(report.loss, np.mean(to_numpy(model(x)) ** 2))


def pieces(x, y):
    class Pieces(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x, y

    return Pieces()


@pytest.mark.parametrize("kind", ["generator", "PyDataset"])
def test_a_data_set_brings_its_targets(kind):
    model, x, y = compiled_model(), batch(4, 3), batch(4, 2)
    data = pieces(x, y) if kind == "PyDataset" else ((x, y) for _ in range(3))
    found, expected = signal_report(model, data), signal_report(model, x, y)
    assert found.to_dict() == expected.to_dict()
    if kind == "generator":
        assert len(list(data)) == 2


def test_targets_of_a_data_set_are_left_where_no_loss_is_known():
    model = keras.Sequential([keras.Input((3,)), dense("a", 2)])
    assert signal_report(model, iter([(batch(4, 3), batch(4, 2))])).loss is None
    model.compile("sgd")
    assert signal_report(model, iter([(batch(4, 3), batch(4, 2))])).loss is None


def test_frozen_kernels_have_no_gradient():
    model = keras.Sequential([keras.Input((3,)), dense("a", 4), dense("b", 2)])
    model.layers[0].trainable = False
    report = signal_report(model, batch(4, 3), batch(4, 2), "mse")
    assert report["a"].gradient is None
    assert report["a"].output_gradient > 0
    assert report["b"].gradient > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_precisions(policy):
    if policy == "float64" and BACKEND == "jax":
        pytest.skip("JAX has no float64 unless it is told to")
    inputs = keras.Input((6,), dtype="float32")
    hidden = inputs
    for index in range(4):
        # Smooth: near 0 a ReLU may have another slope after rounding.
        hidden = dense(f"d{index}", 6, "tanh", dtype=policy)(hidden)
    model = keras.Model(inputs, dense("last", 2, dtype=policy)(hidden))
    x, y = batch(8, 6), batch(8, 2)
    report = signal_report(model, x, y, "mse")
    assert report["d1"].dtype == policy.removeprefix("mixed_")
    wide = keras.Model.from_config(
        json.loads(json.dumps(model.get_config()).replace(policy, "float32"))
    )
    wide.set_weights(model.get_weights())
    expected = signal_report(wide, x, y, "mse")
    # In float16 the loss is scaled on its way, and shown as it is.
    close(report.loss, expected.loss, 2**-4)
    for found, row in zip(report, expected, strict=True):
        # bfloat16 has 8 bits.
        close(found.std, row.std, 2**-5)
        close(found.output_gradient, row.output_gradient, 2**-4)
        close(found.gradient, row.gradient, 2**-4)


def test_small_gradients_do_not_vanish_in_float16():
    model = keras.Sequential(
        [keras.Input((6,)), *(dense(f"d{i}", 6, dtype="mixed_float16") for i in "ab")]
    )
    x, y = batch(8, 6), batch(8, 6)
    large = signal_report(model, x, y, "mse")
    small = signal_report(model, x, y, lambda a, b: 1e-6 * (a - b) ** 2)
    assert small["da"].gradient > 0
    close(small["da"].gradient / large["da"].gradient * 1e6, 1, 0.02)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_shown(value):
    model = keras.Sequential([keras.Input((3,)), dense("a", 4), dense("b", 2)])
    model.layers[1].bias.assign([value, 0])
    report = signal_report(model, batch(4, 3), batch(4, 2), "mse")
    assert math.isfinite(report["a"].std)
    np.testing.assert_equal(report["b"].std, value)
    assert not math.isfinite(report.loss)
    assert not math.isfinite(report["a"].gradient)
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert f'"std": "{value}"' in text


# What it leaves


def restless_model(is_large=True):
    """Everything that a training step would change; or the quickest part of it."""
    inputs = keras.Input((4,))
    hidden = dense("a", 4, activity_regularizer="l2", kernel_regularizer="l2")(inputs)
    hidden = layers.BatchNormalization()(Restless()(hidden))
    if is_large:
        hidden = layers.SpectralNormalization(dense("spectral"))(hidden)
        hidden = layers.Dropout(0.5)(layers.Reshape((2, 2))(hidden))
        hidden = layers.MultiHeadAttention(2, 3, dropout=0.5)(hidden, hidden)
        hidden = layers.LSTM(2, recurrent_dropout=0.5)(hidden)
    model = keras.Model(inputs, [dense("p", 2)(hidden), dense("q", 1)(hidden)])
    model.compile("adam", ["mse", "mae"], metrics=["mae", "mse"])
    return model


def whole_picture(model):
    """What a report could disturb, with all that belongs to training."""
    values = [*model.optimizer.variables, *model.metrics_variables]
    return {
        "layers": picture(model),
        "training": [to_numpy(value).tolist() for value in values],
        "metrics": len(model.metrics),
        "trainable": [v.trainable for v in model.variables],
        "loss": model._compile_loss.built,
        "loss ids": [len(layer._loss_ids) for layer in model._flatten_layers()],
        "generator": global_state(),
        "grad": [v._value.grad for v in model.variables] if BACKEND == "torch" else [],
        "requires": [v._value.requires_grad for v in model.variables]
        if BACKEND == "torch"
        else [],
    }


def global_state():
    """That of PyTorch's own generator, from which Keras draws there too."""
    if BACKEND != "torch":
        return None
    import torch  # noqa: TID251

    return torch.get_rng_state().tolist()


def everything(model, x):
    y = [batch(len(x), 2), batch(len(x), 1)]
    return signal_report(model, x, y, jacobian=True, singular_values=True)


@pytest.mark.parametrize("is_trained", [False, True])
def test_the_model_is_what_it_was(is_trained):
    keras.utils.clear_session()
    model, x = restless_model(), batch(3, 4)
    if is_trained:
        model.fit(x, [batch(3, 2), batch(3, 1)], verbose=0)
        model(x)
        model.zero_grad() if BACKEND == "torch" else None
    before = whole_picture(model)
    report = everything(model, x)
    assert len(report) > 8
    assert whole_picture(model) == before
    # And it tells the same again.
    again = signal_report(model, x)
    assert again.to_dict() == signal_report(model, x).to_dict()
    assert whole_picture(model) == before


class Fragile(layers.Layer):
    """Raises at a given call."""

    fails_at = None
    calls = 0

    def call(self, inputs):
        self.calls += 1
        if self.calls == self.fails_at:
            raise RuntimeError("broken")
        return inputs


@pytest.mark.parametrize("fails_at", [1, 2, 3])
@pytest.mark.same_on_each_backend
def test_the_model_is_what_it_was_after_an_error(fails_at):
    keras.utils.clear_session()
    inner, fragile = restless_model(is_large=False), Fragile()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, fragile(inner(inputs)[0]))
    model.compile("adam", "mse")
    fragile.calls, fragile.fails_at = 0, fails_at
    before = whole_picture(model)
    with pytest.raises(RuntimeError, match="broken"):
        signal_report(model, batch(3, 4), batch(3, 2), jacobian=True)
    assert whole_picture(model) == before


def test_an_own_gradient_stays():
    if BACKEND != "torch":
        pytest.skip("only PyTorch keeps gradients on its parameters")
    model, x, y = compiled_model(), batch(4, 3), batch(4, 2)
    ops.sum(model(x)).backward()
    before = [v._value.grad.clone() for v in model.trainable_variables]
    signal_report(model, x, y)
    for variable, gradient in zip(model.trainable_variables, before, strict=True):
        assert (variable._value.grad == gradient).all()


def test_training_goes_on_as_without_a_report():
    x, y = batch(16, 3), batch(16, 2)

    def train(with_report):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [
                keras.Input((3,)),
                dense("a", 4, "tanh"),
                layers.Dropout(0.5),
                layers.BatchNormalization(),
                dense("b", 2),
            ]
        )
        model.compile("adam", "mse")
        for _ in range(2):
            if with_report:
                signal_report(model, x, y)
            model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        return model.get_weights()

    for one, other in zip(train(False), train(True), strict=True):
        assert np.array_equal(one, other)


def test_a_stateful_layer_keeps_its_state():
    inputs = keras.Input(batch_shape=(4, 5, 3))
    model = keras.Model(inputs, layers.LSTM(2, stateful=True)(inputs))
    x = batch(4, 5, 3)
    model(x)
    before = [to_numpy(state) for state in model.layers[-1].states]
    signal_report(model, x, batch(4, 2), "mse")
    for one, state in zip(before, model.layers[-1].states, strict=True):
        assert np.array_equal(one, to_numpy(state))


# Singular values


def test_singular_values_of_kernels():
    inputs = keras.Input((6, 6, 4))
    hidden = layers.Conv2D(6, 3, groups=2, name="grouped")(inputs)
    hidden = layers.DepthwiseConv2D(3, name="depthwise")(hidden)
    hidden = layers.Conv2DTranspose(5, 2, name="transposed")(hidden)
    hidden = layers.Reshape((-1, 15))(hidden)
    hidden = layers.MultiHeadAttention(2, 3, name="attention")(hidden, hidden)
    model = keras.Model(inputs, dense("last", 2)(hidden))
    report = signal_report(model, batch(2, 6, 6, 4), singular_values=True)

    def values(matrices):
        return np.concatenate([np.linalg.svd(m, compute_uv=False) for m in matrices])

    kernels = {w.path: to_numpy(w) for w in model.weights}
    grouped = kernels["grouped/kernel"].reshape(18, 6)
    depthwise = kernels["depthwise/kernel"].reshape(9, 6)
    transposed = kernels["transposed/kernel"].transpose(0, 1, 3, 2).reshape(-1, 5)
    query = kernels["attention/query/kernel"].reshape(15, 6)
    output = kernels["attention/attention_output/kernel"].reshape(6, 15)
    expected = {
        "grouped": values([grouped[:, :3], grouped[:, 3:]]),
        "depthwise": values(depthwise.T[..., None]),
        "transposed": values([transposed]),
        "attention/query": values([query]),
        "attention/attention_output": values([output]),
        "last": values([kernels["last/kernel"]]),
    }
    for path, found in expected.items():
        kernel = report[path].kernel
        close(kernel.largest_singular_value, found.max(), rounding(30))
        close(kernel.smallest_singular_value, found.min(), rounding(30) * 10)


def differences(judge, size):
    """The Jacobian of the first sample, by differences of NumPy's outputs."""

    def output():
        return list(judge.run().values())[-1][0].ravel().copy()

    columns = []
    for place in np.ndindex(judge.x[0].shape):
        before = judge.x[0][place]
        judge.x[0][place] = before + STEP
        above = output()
        judge.x[0][place] = before - STEP
        columns.append((above - output()) / (2 * STEP))
        judge.x[0][place] = before
    return np.array(columns).T


@pytest.mark.parametrize("network", [mlp, conv_net])
def test_singular_values_of_the_jacobian(network):
    model, steps, x, y = network()
    jacobian = signal_report(model, x, jacobian=True).jacobian
    expected = differences(Judge(model, steps, x, y), y.shape[1])
    values = np.linalg.svd(expected, compute_uv=False)
    assert jacobian.shape == expected.shape
    close(jacobian.singular_values, values)
    close([jacobian.largest, jacobian.smallest], [values[0], values[-1]])


def test_the_jacobian_of_several_inputs_and_outputs():
    inputs = [keras.Input((2,)), keras.Input((3,))]
    outputs = [dense("p", 4)(inputs[0]), dense("q", 2)(inputs[1])]
    model = keras.Model(inputs, outputs)
    jacobian = signal_report(model, [batch(5, 2), batch(5, 3)], jacobian=True).jacobian
    p, q = (np.linalg.svd(to_numpy(w), compute_uv=False) for w in model.weights[::2])
    assert jacobian.shape == (6, 5)
    close(jacobian.singular_values, [*sorted([*p, *q], reverse=True), 0])


def test_where_there_is_no_jacobian():
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layers.Embedding(9, 2)])
    with refuses(
        "`signal_report` needs inputs of floats where `jacobian=True`. Received: "
        "inputs of integers only. Leave `jacobian` out, or pass the part of the model "
        "after its embedding."
    ):
        signal_report(model, np.ones((2, 3), "int32"), jacobian=True)
    model = keras.Sequential([keras.Input((3,)), dense("a", 1025)])
    with refuses(
        "`signal_report` needs at most 1024 outputs for each sample where "
        "`jacobian=True`. Received: a model of 1025 outputs. Leave `jacobian` out, or "
        "pass a part of the model."
    ):
        signal_report(model, batch(2, 3), jacobian=True)


# What it refuses


def test_a_loss_needs_targets_and_targets_need_a_loss():
    model = keras.Sequential([keras.Input((3,)), dense("a", 2)])
    with refuses(
        "`signal_report` needs `y` where there is a loss. Received: y=None, "
        "loss='mse'. Pass the targets."
    ):
        signal_report(model, batch(4, 3), loss="mse")
    with refuses(
        "`signal_report` needs a loss where there is `y`. Received: loss=None, a model "
        "that is not compiled. Pass for example loss='mse', or compile the model."
    ):
        signal_report(model, batch(4, 3), batch(4, 2))
    with refuses(
        "`signal_report` needs one loss for a model of one output. Received: "
        "loss=['mse', 'mae']. Pass the loss itself."
    ):
        signal_report(model, batch(4, 3), batch(4, 2), ["mse", "mae"])


def test_it_needs_a_model_and_a_batch():
    with refuses(
        "`signal_report` needs a Keras model or layer. Received: model='model'. Pass "
        "the model itself."
    ):
        signal_report("model", batch(4, 3))
    model = keras.Sequential([keras.Input((3,)), dense("a", 2)])
    with refuses(
        "`signal_report` needs a batch of inputs: an array or tensor whose first axis "
        "counts the samples, or a dict, tuple or list of these. Received: x of type "
        "float with an element of type float. Pass for example np.asarray(x, "
        "'float32')."
    ):
        signal_report(model, 1.0)


# What it shows


@pytest.fixture(scope="module")
def report():
    inputs = keras.Input((4, 3))
    hidden = layers.LSTM(3, name="lstm")(inputs)
    model = keras.Model(inputs, dense("head", 2, "tanh")(hidden), name="m")
    return signal_report(
        model,
        batch(6, 4, 3),
        np.tanh(batch(6, 2)),
        "mse",
        jacobian=True,
        singular_values=True,
    )


def test_it_prints_as_a_table(report):
    head, rule, *lines = str(report).splitlines()
    assert head.split("  ")[0] == "layer"
    assert set(rule) == {"-"}
    assert [line.split()[0] for line in lines[:4]] == [
        "input",
        "lstm",
        "lstm/lstm_cell/recurrent_kernel",
        "head",
    ]
    for column in ("fan in", "z std", "saturated", "cosine", "kernel grad", "ratio"):
        assert f"  {column}" in head
    expected = f"the variance of the targets = {report.expected_loss:.4g}"
    assert f"Loss: {report.loss:.4g} ({expected})." in lines
    assert str(report.jacobian) in lines
    assert lines[-1] == str(report.verdicts[0])
    assert str(report) == repr(report)


def test_each_fault_has_its_address_below_it():
    """Code finds the address of the healthy; a reader does not need it."""
    faults = [Verdict(kind, "a", "in 'a'.") for kind in ("dead_units", "forgets")]
    *_, first, below_first, second, below_second = str(
        SignalReport(Seen([LayerRow("a", "Dense")]), faults)
    ).splitlines()
    assert (first, second) == tuple(map(str, faults))
    assert [below_first, below_second] == [f"  {fault.url}" for fault in faults]
    healthy = SignalReport(Seen([]), [Verdict("healthy", None, "nothing.")])
    assert "https://" not in str(healthy)
    assert healthy.to_dict()["verdicts"][0]["url"].endswith("#healthy")


def test_a_column_of_nothing_is_left_out():
    model = keras.Sequential([keras.Input((3,)), dense("a", 2)])
    head, *_ = str(signal_report(model, batch(4, 3))).splitlines()
    for column in ("saturated", "kernel grad", "output grad", "largest sv"):
        assert column not in head


def test_it_shows_in_a_notebook(report):
    html = report._repr_html_()
    assert html.count("<tr>") == 5
    assert "<td>lstm</td>" in html
    assert "Looks healthy" in html


def test_html_shows_each_text_as_it_is():
    """The names of layers, in the table and in the verdicts, are no tags."""
    row = LayerRow("<b>", "Dense", std=1.0)
    verdict = Verdict("dead_units", "<b>", "in '<b>' & more.")
    html = SignalReport(Seen([row]), [verdict])._repr_html_()
    assert "<td>&lt;b&gt;</td>" in html
    assert "<p>Dead units: in &#x27;&lt;b&gt;&#x27; &amp; more.</p>" in html
    assert f'<p><a href="{verdict.url}">{verdict.url}</a></p>' in html
    assert "<b>" not in html


def test_rows_are_found_by_path_by_its_end_and_by_place(report):
    assert report["lstm"] is report[0] is report.rows[0]
    assert len(report) == 2
    assert [row.type for row in report] == ["LSTM", "Dense"]
    with pytest.raises(KeyError, match="other"):
        report["other"]


def test_to_dict_is_strict_json(report):
    data = report.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["loss"] == report.loss
    assert data["expected_loss"] == report.expected_loss
    assert data["layers"][1]["kernels"][0]["fan_in"] == 3
    assert data["verdicts"][0]["kind"] == "healthy"


def test_to_pandas_has_a_line_for_each_layer(report):
    table = report.to_pandas()
    assert list(table.index) == ["lstm", "head"]
    assert table.loc["head", "fan_in"] == 3
    assert table["gradient"].tolist() == [row.gradient for row in report]
    assert table["std"].tolist() == [row.std for row in report]
    assert table.loc["lstm", "largest_singular_value"] > 0


def test_the_plot_shows_the_signal_and_the_gradient(report):
    signal, gradient = report.plot()
    output, before = signal.lines
    stds = [report.inputs[0].std, *(row.std for row in report)]
    assert list(output.get_ydata()) == stds
    # Shown where it differs from the output.
    assert np.isnan(before.get_ydata()[0])
    assert before.get_ydata()[1] == report["head"].pre_activation_std
    of_outputs, of_kernels = gradient.lines
    assert list(of_outputs.get_ydata()) == [row.output_gradient for row in report]
    assert list(of_kernels.get_ydata()) == [row.gradient for row in report]
    for axes in (signal, gradient):
        one, other = axes.lines
        # Readable without colours.
        assert one.get_linestyle() != other.get_linestyle()
        assert one.get_marker() != other.get_marker()
        assert axes.get_ylabel()
    assert gradient.get_xlabel() == "layer"
    names = [label.get_text() for label in gradient.get_xticklabels()]
    assert names == ["input", "lstm", "head"]
    assert report.plot(signal) is signal


def test_the_plot_without_a_gradient_and_with_gaps():
    model = keras.Sequential([keras.Input((3,)), dense("a", 4), dense("b", 2)])
    model.layers[0].bias.assign([math.inf] * 4)
    report = signal_report(model, batch(4, 3))
    axes = report.plot()
    assert np.isnan(axes.lines[0].get_ydata()).tolist() == [False, True, True]
    (text,) = axes.texts
    assert text.get_text() == "non-finite signal"
    # Above the axes, and within the width of the figure.
    assert text.get_va() == "baseline"
    assert text.xyann[1] > 0
    assert len(axes.lines) == 2
