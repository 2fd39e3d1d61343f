"""RandomWalk with exact gains: no drift at any width, for any activation."""

import json
import math
import pickle

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from references import FORMULAS, derivative, normal_mean

from keras_initx.activations._log_norm_gain import log_norm_gain_for
from keras_initx.initializers import RandomWalk

same_on_each_backend = pytest.mark.same_on_each_backend


@keras.saving.register_keras_serializable("test_random_walk")
def registered_sine(x):
    return ops.sin(x)


def sine(x):
    return ops.sin(x)


def draw(initializer, shape):
    return to_numpy(initializer(shape)).astype("float64")


def steps(initializer, activation, inputs, outputs, count=30_000, q=1.0):
    """The steps of the log-norms of random gradients, each through a layer of its own.

    Gradients that are blocked as a whole are left out.
    """
    generator = np.random.default_rng(3)
    kernels = draw(initializer, (count, inputs, outputs))
    gradient = generator.normal(size=(count, outputs))
    z = math.sqrt(q) * generator.normal(size=(count, inputs))
    back = np.einsum("nio,no->ni", kernels, gradient)
    back *= derivative(FORMULAS[activation][0])(z)
    squares = (back**2).sum(axis=1) / (gradient**2).sum(axis=1)
    return np.log(squares[squares > 0]) / 2


@pytest.mark.parametrize(
    ("activation", "q"),
    [("linear", 1.0), ("relu", 1.0), ("tanh", 0.2), ("gelu", 1.0), ("gelu", 4.0)],
)
@pytest.mark.parametrize(("inputs", "outputs"), [(6, 6), (4, 9), (9, 4)])
def test_the_log_norm_does_not_drift(activation, q, inputs, outputs):
    """The standard error is at most 0.006, an eighth of an error of 5 % of the gain."""
    initializer = RandomWalk(activation, exact=True, q=q, batch_axes=[0], seed=1)
    found = steps(initializer, activation, inputs, outputs, q=q)
    assert found.std() / math.sqrt(found.size) < 0.05 / (2 * limits.SIGMAS)
    limits.assert_mean(found, 0.0)


def test_the_paper_drifts_in_narrow_layers():
    """Its fit for ReLU by 0.065 with six inputs, and without it by -0.27."""
    paper = steps(RandomWalk(batch_axes=[0], seed=1), "relu", 6, 6)
    he = RandomWalk(gain=math.sqrt(2), batch_axes=[0], seed=1)
    error = paper.std() / math.sqrt(paper.size)
    assert abs(paper.mean() - 0.065) < limits.SIGMAS * error < 0.065 / 2
    assert abs(steps(he, "relu", 6, 6).mean() + 0.268) < limits.SIGMAS * error


@pytest.mark.parametrize(("inputs", "outputs"), [(200, 20), (20, 200)])
def test_layers_that_are_not_square(inputs, outputs):
    """`fan_in` keeps the norm of the gradient, `fan_out` the size of its entries."""
    change = {"fan_in": 0.0, "fan_out": math.log(inputs / outputs) / 2}
    for mode, expected in change.items():
        initializer = RandomWalk(
            "linear", mode=mode, exact=True, batch_axes=[0], seed=2
        )
        found = steps(initializer, "linear", inputs, outputs, count=1000)
        limits.assert_mean(found, expected)


def test_a_convolution_is_exact_for_the_gradient_of_one_pixel():
    """Three taps of two channels: six entries come back from a single pixel.

    From many pixels comes a sum of more entries. Its logarithm varies less, so it is
    less below the logarithm of its mean: there the gain is too large.
    """
    initializer = RandomWalk("linear", exact=True, batch_axes=[0], seed=4)
    kernels = draw(initializer, (10_000, 3, 2, 5))
    generator = np.random.default_rng(0)
    for pixels, is_one in ((1, True), (12, False)):
        gradient = generator.normal(size=(10_000, pixels, 5))
        padded = np.zeros((10_000, pixels + 4, 5))
        padded[:, 2:-2] = gradient
        back = sum(
            np.einsum("npo,nio->npi", padded[:, 2 - tap :][:, : pixels + 2], kernel)
            for tap, kernel in enumerate(np.moveaxis(kernels, 1, 0))
        )
        norms = (back**2).sum(axis=(1, 2)) / (gradient**2).sum(axis=(1, 2))
        if is_one:
            limits.assert_mean(np.log(norms) / 2, 0.0)
        else:
            with pytest.raises(AssertionError):
                limits.assert_mean(np.log(norms) / 2, 0.0)


class TestWholeNetworks:
    """Log-norms of gradients that go back through many layers, in NumPy."""

    def log_norms(self, activation, gain, n, depth, networks, bias=0.0, start=1.0):
        """The mean step of each network, over layers far from both ends.

        Networks whose gradient is 0 are left out.
        """
        generator = np.random.default_rng(5)
        function, slope = FORMULAS[activation][0], derivative(FORMULAS[activation][0])
        z = math.sqrt(start) * generator.normal(size=(networks, n))
        kernels, slopes = [], []
        for _ in range(depth):
            kernel = gain / math.sqrt(n) * generator.normal(size=(networks, n, n))
            kernels.append(kernel)
            slopes.append(slope(z))
            z = np.einsum("ni,nij->nj", function(z), kernel)
            z += bias * generator.normal(size=z.shape)
        gradient = generator.normal(size=(networks, n))
        gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
        logs = []
        for kernel, at_units in zip(kernels[::-1], slopes[::-1], strict=True):
            gradient = at_units * np.einsum("nj,nij->ni", gradient, kernel)
            norms = np.linalg.norm(gradient, axis=1)
            gradient /= np.maximum(norms, 1e-300)[:, None]
            logs.append(norms)
        is_alive = np.all(logs, axis=0)
        middle = slice(depth // 4, depth - depth // 4) if depth > 20 else slice(None)
        return np.log(np.array(logs)[middle, is_alive]).mean(axis=0)

    def exact(self, activation, n, q=1.0):
        return draw(RandomWalk(activation, exact=True, q=q, seed=0), (n, 10**5)).std()

    @same_on_each_backend
    @pytest.mark.parametrize("activation", ["linear", "relu", "leaky_relu"])
    def test_without_drift_whatever_the_size_of_the_signal(self, activation):
        gain = self.exact(activation, 6) * math.sqrt(6)
        found = self.log_norms(activation, gain, 6, depth=10, networks=4000, start=9.0)
        limits.assert_mean(found, 0.0)

    @same_on_each_backend
    def test_tanh_with_the_biases_of_a_critical_point(self):
        """The exact gain takes at least 8 of 10 parts of the drift of the wide one."""
        slope = derivative(np.tanh)
        wide = normal_mean(lambda z: slope(z) ** 2) ** -0.5
        drifts = []
        for gain in (wide, self.exact("tanh", 20) * math.sqrt(20)):
            bias = math.sqrt(1 - gain**2 * normal_mean(lambda z: np.tanh(z) ** 2))
            drifts.append(self.log_norms("tanh", gain, 20, 60, 300, bias).mean())
        assert drifts[0] < -0.04
        assert abs(drifts[1]) < abs(drifts[0]) / 5

    @same_on_each_backend
    def test_the_papers_value_for_tanh_drifts(self):
        """By -0.047 a layer with N = 6; widest layers by what their variance says."""
        found = self.log_norms("tanh", 1.13, 6, depth=400, networks=400, start=0.05)
        error = found.std() / math.sqrt(found.size)
        assert abs(found.mean() + 0.047) < limits.SIGMAS * error < 0.047 / 2
        slope, q = derivative(np.tanh), 0.15
        for _ in range(100):
            q = 1.13**2 * normal_mean(lambda z, q=q: np.tanh(math.sqrt(q) * z) ** 2)
        square = normal_mean(lambda z: slope(math.sqrt(q) * z) ** 2)
        assert 0.005 < math.log(1.13**2 * square) / 2 < 0.01


class TestConfig:
    @pytest.mark.parametrize(
        ("activation", "written"),
        [
            ("gelu", "gelu"),
            (None, "linear"),
            (keras.activations.silu, "silu"),
            (registered_sine, keras.activations.serialize(registered_sine)),
            (
                layers.LeakyReLU(0.1, name="leaky"),
                keras.saving.serialize_keras_object(
                    layers.LeakyReLU(0.1, name="leaky")
                ),
            ),
        ],
    )
    def test_it_is_plain_json(self, activation, written):
        original = RandomWalk(activation, exact=True, q=2.0, seed=3)
        config = original.get_config()
        assert config["activation"] == written
        assert (config["exact"], config["q"]) == (True, 2.0)
        text = json.dumps(keras.initializers.serialize(original))
        copy = keras.initializers.get(json.loads(text))
        assert copy.get_config() == config
        for other in (copy, pickle.loads(pickle.dumps(original))):
            np.testing.assert_array_equal(draw(other, (4, 6)), draw(original, (4, 6)))

    def test_a_function_that_keras_does_not_know(self, tmp_path):
        """Attention clones it; a file needs to be told what it is."""
        inputs = keras.Input((3, 8))
        initializer = RandomWalk(sine, exact=True)
        attention = layers.MultiHeadAttention(2, 4, kernel_initializer=initializer)
        model = keras.Model(inputs, attention(inputs, inputs))
        model.save(tmp_path / "model.keras")
        copy = keras.saving.load_model(
            tmp_path / "model.keras", custom_objects={"sine": sine}
        )
        for layer in (attention, copy.layers[-1]):
            cloned = layer._output_dense.kernel_initializer
            assert cloned.exact
            assert cloned.activation is sine
            # Not only while Keras is told what it is.
            assert RandomWalk.from_config(cloned.get_config()).activation is sine

    def test_a_layer_that_is_built_later(self):
        layer = layers.PReLU(keras.initializers.Constant(0.25))
        initializer = RandomWalk(layer, exact=True, seed=0)
        before = initializer.get_config()
        layer.build((None, 3))
        assert initializer.get_config() == before
        copy = RandomWalk.from_config(json.loads(json.dumps(before)))
        np.testing.assert_array_equal(draw(copy, (4, 6)), draw(initializer, (4, 6)))

    def test_an_attention_kernel_has_the_gain_of_its_own_inputs(self):
        initializer = RandomWalk("relu", exact=True, seed=0)
        attention = layers.MultiHeadAttention(
            400, 10, kernel_initializer=initializer, output_shape=4
        )
        attention.build((1, 3, 4), (1, 3, 4))
        gains = log_norm_gain_for("test", "relu")
        for part, n in ((attention._query_dense, 4), (attention._output_dense, 4000)):
            kernel = to_numpy(part.kernel).ravel()
            limits.assert_stddev(kernel, gains(n) / math.sqrt(n))

    def test_a_model_that_fit_builds(self):
        """Attention clones the initializer where nothing has a value."""

        class Attention(keras.Model):
            def __init__(self):
                super().__init__()
                self.attention = layers.MultiHeadAttention(
                    2, 4, kernel_initializer=RandomWalk(sine, exact=True)
                )

            def call(self, x):
                return self.attention(x, x)

        model = Attention()
        model.compile(keras.optimizers.SGD(0.0), "mse")
        model.fit(np.ones((4, 3, 8)), np.ones((4, 3, 8)), verbose=0)
        query = to_numpy(model.attention._query_dense.kernel)
        gain = log_norm_gain_for("test", sine)(8)
        # Of 64 numbers, within 4 of their standard errors.
        error = limits.SIGMAS / math.sqrt(2 * query.size)
        assert query.std() == pytest.approx(gain / math.sqrt(8), rel=error)


@same_on_each_backend
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"gain": 1.2, "exact": True},
            "`RandomWalk` needs either a `gain` or `exact=True`. Received: gain=1.2, "
            "exact=True. The exact gain is computed: leave one of the two out.",
        ),
        (
            {"gain": "gelu", "exact": True},
            "`RandomWalk` needs either a `gain` or `exact=True`. Received: "
            "gain='gelu', exact=True. The exact gain is computed: leave one of the two "
            "out.",
        ),
        (
            {"q": 2},
            "`RandomWalk` needs `exact=True` for a `q`. Received: q=2.0, exact=False. "
            "The formulas of the paper have no q: leave it out, or pass `exact=True`.",
        ),
        (
            {"exact": True, "q": 0.0},
            "`RandomWalk` needs `q` to be a finite number above 0. Received: q=0.0. "
            "Pass a positive float, for example 1.0.",
        ),
        (
            {"activation": "no_such", "exact": True},
            "`RandomWalk` needs a known activation. Received: activation='no_such'. "
            "Pass the name of a Keras activation, a function or a layer.",
        ),
        (
            {"activation": "softmax", "exact": True},
            "`RandomWalk` needs an elementwise activation. Received: "
            "activation='softmax'. Pass the activation of single units, for example "
            "'relu'.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        RandomWalk(**arguments)


def test_a_layer_with_weights_is_refused():
    layer = layers.PReLU(name="slopes")
    layer.build((None, 3))
    with refuses(
        "`RandomWalk` needs an `activation` without weights for `exact=True`. "
        "Received: activation=<PReLU name=slopes, built=True>. Pass a layer that is "
        "not built, for example keras.layers.LeakyReLU(0.1)."
    ):
        RandomWalk(layer, exact=True)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_it_is_drawn_in_half_precision(dtype):
    initializer = RandomWalk("gelu", exact=True, seed=0)
    kernel = to_numpy(ops.cast(initializer((6, 4000), dtype), "float32"))
    limits.assert_stddev(kernel.astype("float64"), draw(initializer, (6, 4000)).std())
