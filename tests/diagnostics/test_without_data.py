"""`signal_report(model)`: the weights alone, of a model that does not run."""

import json
import math

import keras
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers

from keras_initx import FanScaled, HaarOrthogonal, OrthogonalDelta, signal_report

pytestmark = pytest.mark.same_on_each_backend

UNITS = 32
X = np.random.default_rng(0).normal(size=(16, UNITS)).astype("float32")
normal = keras.initializers.RandomNormal


def tiny():
    return normal(stddev=1e-5)


class Failing(layers.Layer):
    """A layer that must not run."""

    def call(self, inputs):
        raise AssertionError("it ran")

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, inputs.dtype)


def chain(*kernels, between=(), head="glorot_uniform"):
    steps = [
        layers.Dense(UNITS, "relu", kernel_initializer=kernel, name=f"d{n}")
        for n, kernel in enumerate(kernels)
    ]
    inputs = hidden = keras.Input((UNITS,))
    last = layers.Dense(1, kernel_initializer=head, name="head")
    for step in (*steps, *between, last):
        hidden = step(hidden)
    return keras.Model(inputs, hidden)


def told(model):
    return [(v.kind, v.layer) for v in signal_report(model).verdicts]


def test_the_weights_are_shown_and_the_model_does_not_run():
    model = chain("he_normal", "glorot_uniform", between=[Failing()])
    before = [to_numpy(weight) for weight in model.weights]
    report = signal_report(model, singular_values=True)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)
    assert report.is_healthy
    assert not report.has_signal
    assert str(report.verdicts[0]) == (
        "Looks healthy: only the weights were looked at, 3 kernels. Pass `x` to see "
        "the signal, and `y` and a loss to see the gradient too."
    )
    assert [row.path for row in report] == ["d0", "d1", "head"]
    assert [row.fan_in for row in report] == [UNITS] * 3
    assert [row.kernel.law.name for row in report] == [
        "he_normal",
        "glorot_uniform",
        "glorot_uniform",
    ]
    kernel = report["d0"].kernel
    assert kernel.law.std == pytest.approx(math.sqrt(2 / UNITS))
    assert kernel.std == pytest.approx(to_numpy(model.weights[0]).std())
    values = np.linalg.svd(to_numpy(model.weights[0]), compute_uv=False)
    assert kernel.largest_singular_value == pytest.approx(values[0], rel=1e-5)
    assert (report[0].mean, report[0].pre_activation_std) == (None, None)


def test_how_it_reads():
    report = signal_report(chain(FanScaled(2.0, distribution="uniform")))
    lines = str(report).splitlines()
    assert lines[0].split("  ")[0] == "layer"
    for head in ("type", "fan in", "fan out", "kernel std", "law", "law std"):
        assert f" {head}" in lines[0]
    assert "z std" not in lines[0]
    assert "FanScaled" in lines[2]
    assert "0.25" in lines[2]
    assert any(line.startswith("kernel std: the standard") for line in lines)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["has_signal"] is False
    assert data["layers"][0]["kernels"][0]["law"]["std"] == 0.25


def test_the_same_kernels_as_with_data():
    steps = [
        layers.Embedding(9, 8),
        layers.Dense(8, layers.LeakyReLU()),
        layers.LayerNormalization(),
        keras.Sequential([layers.Dense(6, "relu"), layers.Dense(4)]),
    ]
    model = keras.Sequential([keras.Input((7,), dtype="int32"), *steps])
    with_data = signal_report(model, np.ones((2, 7), "int32"))
    found = [
        [
            (row.path, kernel.path, kernel.norm)
            for row in report
            for kernel in row.kernels
        ]
        for report in (signal_report(model), with_data)
    ]
    assert found[0] == found[1]
    names = {row.path: row.activation for row in with_data if row.kernels}
    assert {
        row.path: row.activation for row in signal_report(model) if row.kernels
    } == (names)


def test_a_recurrent_layer_is_one_row():
    both = layers.Bidirectional(layers.LSTM(4))
    report = signal_report(keras.Sequential([keras.Input((7, 8)), both]))
    assert [row.type for row in report] == ["LSTM", "LSTM"]
    assert [kernel.fan_in for row in report for kernel in row.kernels] == [8, 4] * 2


def twice():
    he = keras.initializers.HeNormal(seed=3)
    return chain(he, he)


def strided():
    arguments = {"strides": 4, "kernel_initializer": OrthogonalDelta(), "name": "c"}
    steps = [layers.Conv2D(8, 5, **arguments), layers.Flatten(), layers.Dense(1)]
    return keras.Sequential([keras.Input((9, 9, 8)), *steps])


def depthwise():
    steps = []
    for n in range(2):
        he = {"depthwise_initializer": "he_normal", "name": f"dw{n}"}
        steps += [layers.DepthwiseConv2D(3, **he), layers.Conv2D(UNITS, 1)]
    return keras.Sequential([keras.Input((9, 9, UNITS)), *steps])


def not_finite():
    model = chain("he_normal", "he_normal")
    model.get_layer("d1").kernel.assign(np.full((UNITS, UNITS), np.nan))
    return model


@pytest.mark.parametrize(
    ("model", "kind", "layer"),
    [
        (twice, "duplicate_kernels", "d1"),
        (lambda: chain("zeros", "zeros"), "symmetric_units", "d0"),
        (lambda: chain("he_normal", "ones"), "symmetric_units", "d1"),
        (strided, "zero_taps", "c"),
        (depthwise, "wrong_fans", "dw0"),
        (not_finite, "non_finite_signal", "d1"),
        (
            lambda: chain(*[normal(stddev=2 / UNITS) for _ in range(3)]),
            "variance_as_deviation",
            "d0",
        ),
        (
            lambda: chain("he_normal", normal(stddev=1e-4), "he_normal"),
            "vanishing_signal",
            "d1",
        ),
        (
            lambda: chain("he_normal", normal(stddev=20.0), "he_normal"),
            "exploding_signal",
            "d1",
        ),
        (
            lambda: chain(*[normal(stddev=1.0) for _ in range(6)]),
            "exploding_signal",
            "d0",
        ),
    ],
)
def test_what_the_weights_tell(model, kind, layer):
    (found,) = signal_report(model()).verdicts
    assert found.kind == kind
    assert found.layer.split("/")[-1] == layer


def test_what_is_predicted_says_so():
    model = chain("he_normal", normal(stddev=1e-4), "he_normal")
    (found,) = signal_report(model).verdicts
    assert found.text.startswith(
        "'d1' (Dense, row 2 of 4) multiplies the scale of its "
    )
    assert "No normalization follows. This is predicted from the weights" in found.text
    assert 'Use `kernel_initializer="he_normal"`, or `keras_initx.lsuv(' in found.text


def residual(kernel):
    inputs = keras.Input((UNITS,))
    branch = layers.Dense(UNITS, "relu", kernel_initializer=kernel)(inputs)
    hidden = layers.Add()([inputs, layers.Dense(UNITS)(branch)])
    return keras.Model(inputs, layers.Dense(1)(layers.Dense(8)(hidden)))


class Residual(keras.Model):
    """A model whose additions only its code knows."""

    def __init__(self, kernel):
        super().__init__()
        self.branch = layers.Dense(UNITS, kernel_initializer=kernel)
        self.hidden, self.head = layers.Dense(UNITS), layers.Dense(1)

    def call(self, inputs):
        return self.head(self.hidden(inputs + self.branch(inputs)))


def subclassed(kernel):
    model = Residual(kernel)
    model(X)
    return model


@pytest.mark.parametrize(
    "model",
    [
        lambda: chain("he_normal", HaarOrthogonal(0.02)),
        lambda: chain(
            "he_normal", normal(stddev=1e-5), between=[layers.LayerNormalization()]
        ),
        lambda: residual(tiny()),
        lambda: subclassed(tiny()),
        lambda: chain("zeros", "he_normal"),
        # Nobody knows what a layer of one's own does.
        lambda: chain("he_normal", tiny(), between=[Failing()]),
        lambda: keras.Sequential(
            [keras.Input((4,)), layers.Dense(2, kernel_initializer=normal(stddev=1e-4))]
        ),
    ],
)
def test_what_data_would_have_to_tell(model):
    assert told(model()) == [("healthy", None)]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"y": X}, "y"),
        ({"loss": "mse"}, "loss"),
        ({"sample_weight": X}, "sample_weight"),
        ({"jacobian": True}, "jacobian"),
    ],
)
def test_what_needs_data(arguments, name):
    with pytest.raises(ValueError, match="needs") as caught:
        signal_report(chain("he_normal"), **arguments)
    assert str(caught.value) == (
        f"`signal_report` needs `x` where there is `{name}`. Received: x=None. Pass a "
        "batch of inputs; or the model alone, to look at its weights."
    )


def test_a_model_that_is_not_built():
    with pytest.raises(ValueError, match="built") as caught:
        signal_report(keras.Sequential([layers.Dense(2)]))
    assert str(caught.value) == (
        "`signal_report` needs a built model where there is no `x`. Received: a model "
        "of class Sequential that is not built. Pass `x`, or call the model on a batch "
        "before."
    )


def test_what_is_no_model():
    with pytest.raises(ValueError, match="needs a Keras model or layer"):
        signal_report(3)


def test_there_is_nothing_to_plot():
    with pytest.raises(ValueError, match="plot") as caught:
        signal_report(chain("he_normal")).plot()
    assert str(caught.value) == (
        "`plot` needs a report with a signal. Received: one of the weights alone. Pass "
        "`x` to `signal_report`."
    )


def test_what_does_not_train_needs_no_data():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    model.trainable = False
    (found,) = signal_report(model).verdicts
    assert found.kind == "nothing_trains"
