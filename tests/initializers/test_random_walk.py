"""RandomWalk: the formula, and the paper's claim about the log-norm of the gradient."""

import math

import limits
import numpy as np
import pytest
import scipy.special
import scipy.stats
from catalogue import refuses
from keras import ops

from keras_initx.initializers import RandomWalk


def draw(initializer, shape):
    return ops.convert_to_numpy(initializer(shape)).astype("float64")


def paper_gain(activation, n):
    """Sussillo and Abbott 2014, section 2."""
    if activation == "linear":
        return math.exp(1 / (2 * n))
    return math.sqrt(2) * math.exp(1.2 / (max(n, 6) - 2.4))


@pytest.mark.parametrize("n", [1, 3, 6, 10, 100])
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_scale_is_the_papers(activation, n):
    kernel = draw(RandomWalk(activation, seed=0), (n, 20_000))
    limits.assert_stddev(kernel, paper_gain(activation, n) / math.sqrt(n))
    limits.assert_mean(kernel.ravel(), 0.0)


def test_the_scale_for_tanh_is_1_13():
    kernel = draw(RandomWalk("tanh", seed=0), (50, 1000))
    limits.assert_stddev(kernel, 1.13 / math.sqrt(50))


def test_the_gain_overrides():
    kernel = draw(RandomWalk("tanh", gain=3.0, seed=0), (50, 1000))
    limits.assert_stddev(kernel, 3.0 / math.sqrt(50))


@pytest.mark.parametrize(
    ("mode", "axes", "n"),
    [
        ("fan_in", {}, 5 * 8),
        ("fan_out", {}, 5 * 400),
        ("fan_in", {"input_axes": [-1], "output_axes": [-2]}, 5 * 400),
        ("fan_in", {"batch_axes": [-2]}, 5),
        ("fan_out", {"input_axes": [0], "output_axes": [1, 2]}, 8 * 400),
    ],
)
def test_the_fan_of_a_convolution_counts_its_receptive_field(mode, axes, n):
    kernel = draw(RandomWalk("linear", mode=mode, seed=0, **axes), (5, 8, 400))
    limits.assert_stddev(kernel, paper_gain("linear", n) / math.sqrt(n))


class TestTheClaim:
    """The mean log-norm of the error, back-propagated through 200 random networks.

    Each network has 50 layers of 50 units. Per layer the log-norm has a variance of
    1 / (2 N) for linear units and 5 / (4 N) for ReLU, so that the standard error over
    the networks is 0.05 and 0.08. With g = 1 or sqrt(2) it should drift by -1 / (2 N)
    and -1.25 / N a layer: by 10 and 15 standard errors.
    """

    networks, depth, width = 200, 50, 50

    def log_norms(self, activation, gain=None):
        initializer = RandomWalk(activation, gain=gain, batch_axes=[0], seed=5)
        shape = (self.networks * self.depth, self.width, self.width)
        kernels = draw(initializer, shape).reshape(
            self.networks, self.depth, self.width, self.width
        )
        generator = np.random.default_rng(0)
        x = generator.normal(size=(self.networks, self.width))
        slopes = []
        for layer in range(self.depth):
            x = np.einsum("ni,nij->nj", x, kernels[:, layer])
            slopes.append(x > 0 if activation == "relu" else np.ones_like(x))
            x = x * slopes[-1]
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        error = generator.normal(size=(self.networks, self.width))
        error /= np.linalg.norm(error, axis=1, keepdims=True)
        logs = np.zeros(self.networks)
        for layer in reversed(range(self.depth)):
            error = np.einsum("nj,nij->ni", error * slopes[layer], kernels[:, layer])
            norms = np.linalg.norm(error, axis=1, keepdims=True)
            logs += np.log(norms[:, 0])
            error /= norms
        return logs

    def drift(self, *args):
        logs = self.log_norms(*args)
        return logs.mean() / (logs.std(ddof=1) / math.sqrt(self.networks))

    @pytest.mark.parametrize("activation", ["linear", "relu"])
    def test_it_does_not_drift(self, activation):
        assert abs(self.drift(activation)) < 2

    @pytest.mark.parametrize(
        ("activation", "gain"), [("linear", 1.0), ("relu", math.sqrt(2))]
    )
    def test_it_drifts_down_with_the_usual_gain(self, activation, gain):
        assert self.drift(activation, gain) < -limits.SIGMAS

    def test_its_variance_grows_as_the_paper_says(self):
        """Variance D / (2 N); the standard error of a variance is sqrt(2 / n) of it."""
        logs = self.log_norms("linear")
        expected = self.depth / (2 * self.width)
        tolerance = limits.SIGMAS * math.sqrt(2 / self.networks)
        assert abs(logs.var(ddof=1) / expected - 1) < tolerance


class TestLayersThatAreNotSquare:
    """One layer from 40 inputs to 80 outputs, and the gradient that goes back."""

    def steps(self, mode):
        """The logarithms of the norm, and of the mean square, of 500 gradients."""
        initializer = RandomWalk("linear", mode=mode, batch_axes=[0], seed=1)
        kernels = draw(initializer, (500, 40, 80))
        gradient = np.random.default_rng(0).normal(size=(500, 80))
        back = np.einsum("nio,no->ni", kernels, gradient)
        norms = np.linalg.norm(back, axis=1) / np.linalg.norm(gradient, axis=1)
        return np.log(norms), (back**2).mean(1) / (gradient**2).mean(1)

    def test_fan_in_holds_the_norm(self):
        limits.assert_mean(self.steps("fan_in")[0], 0.0)

    def test_fan_out_holds_the_mean_square_of_the_entries(self):
        """Here g^2 = exp(1 / 80), and the norm has sqrt(40 / 80) of its size."""
        norms, squares = self.steps("fan_out")
        limits.assert_mean(squares, math.exp(1 / 80))
        # E log chi^2_40 is log(40) - 1 / 40 to first order.
        limits.assert_mean(norms, (math.log(40 / 80) - 1 / 40 + 1 / 80) / 2)


def drift_of_relu(n):
    """The mean step of the log-norm with g = sqrt(2), from sums over chi-squares.

    A gradient that comes back from a layer is Gaussian in its n entries; k of them are
    let through by ReLU, k being binomial. So the step is half the logarithm of
    2 / n chi^2_k, whose mean is psi(k / 2) + log(4 / n); k = 0 is left out.
    """
    k = np.arange(1, n + 1)
    weights = scipy.stats.binom.pmf(k, n, 0.5)
    logs = scipy.special.digamma(k / 2) + math.log(4 / n)
    return (weights * logs).sum() / weights.sum() / 2


def test_the_usual_gain_of_relu_loses_1_25_over_n():
    assert abs(-1000 * drift_of_relu(1000) - 1.25) < 0.01
    for n in (20, 50, 100, 1000):
        left = drift_of_relu(n) + math.log(paper_gain("relu", n) / math.sqrt(2))
        assert abs(left) < 0.05 * abs(drift_of_relu(n))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"activation": "gelu"},
            "`RandomWalk` needs an `activation` that the paper has a gain for. "
            "Received: activation='gelu'. Choose one of: 'linear', 'relu', 'tanh'. Or "
            "pass `exact=True`, which takes any elementwise activation.",
        ),
        (
            {"activation": None},
            "`RandomWalk` needs an `activation` that the paper has a gain for. "
            "Received: activation=None. Choose one of: 'linear', 'relu', 'tanh'. Or "
            "pass `exact=True`, which takes any elementwise activation.",
        ),
        (
            {"mode": "fan_avg"},
            "`RandomWalk` needs a known `mode`. Received: mode='fan_avg'. Choose one "
            "of: 'fan_in', 'fan_out'.",
        ),
        (
            {"mode": ["fan_in"]},
            "`RandomWalk` needs a known `mode`. Received: mode=['fan_in']. Choose one "
            "of: 'fan_in', 'fan_out'.",
        ),
        (
            {"gain": 0.0},
            "`RandomWalk` needs `gain` to be a finite number above 0, or an "
            "activation. Received: gain=0.0. Pass for example 1.0 or 'relu'.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        RandomWalk(**arguments)
