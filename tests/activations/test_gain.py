"""The gain of an activation, and initializers that take it."""

import concurrent.futures
import contextlib
import inspect
import json
import math

import keras
import numpy as np
import pytest
import references
from catalogue import BACKEND, to_numpy, traced
from keras import layers, ops
from limits import EPSILON, assert_mean, rounding

import keras_initx
from keras_initx import activations, initializers
from keras_initx.activations import gain

pytestmark = pytest.mark.same_on_each_backend

# Keras rounds some constants and results to float32.
exactly = {"rel": EPSILON, "abs": 0}
# A difference quotient has half of the second derivative times its step as its error.
by_differences = {"rel": 1e-6, "abs": 0}

# Keras's names for what has no gain; `threshold` needs arguments.
NOT_ELEMENTWISE = ("log_softmax", "softmax", "sparsemax")

every_direction = pytest.mark.parametrize("backward", [False, True])


def expected_gain(name, backward=False):
    function, places = references.FORMULAS[name]
    function = references.derivative(function) if backward else function
    return references.expected_gain(function, places)


def kinked(x):
    """Continuous, with kinks where no grid has a point."""
    return np.where(
        x.real < -1.2345, -0.3 * x, np.where(x.real < 0.4321, x + 1.3 * 1.2345, 0.1)
    )


# Names


def test_every_name_of_keras_is_tested():
    functions = dict(inspect.getmembers(keras.activations, callable))
    names = {*functions} - {"get", "serialize", "deserialize"}
    names |= {"swish", "hard_swish", "lecun_tanh"}
    assert names == {*references.FORMULAS, *NOT_ELEMENTWISE, "glu", "threshold"}


@every_direction
@pytest.mark.parametrize("name", references.FORMULAS)
def test_gain_of_a_name(name, backward):
    expected = expected_gain(name, backward)
    assert gain(name, backward=backward) == pytest.approx(expected, **exactly)


@pytest.mark.parametrize("name", ["hard_sigmoid", "soft_shrink", "hard_tanh"])
def test_the_usual_rule_of_gauss_and_hermite_is_too_coarse(name):
    nodes, weights = np.polynomial.hermite_e.hermegauss(100)
    function, _ = references.FORMULAS[name]
    moment = (weights * function(nodes) ** 2).sum() / weights.sum()
    assert abs(1 / math.sqrt(moment) / expected_gain(name) - 1) > 1e-5


def test_linear_units_need_no_gain():
    assert gain(None) == gain("linear") == gain(None, backward=True) == 1.0


@every_direction
def test_gain_is_a_python_float(backward):
    assert type(gain("relu", backward=backward)) is float


def test_a_function_of_keras_is_the_same_as_its_name():
    assert gain(keras.activations.mish) == gain("mish")


# What PyTorch says

PYTORCH_AGREES = {
    ("linear", None): ("linear", 1.0),
    ("conv1d", None): ("linear", 1.0),
    ("conv2d", None): ("linear", 1.0),
    ("conv3d", None): ("linear", 1.0),
    ("conv_transpose1d", None): ("linear", 1.0),
    ("conv_transpose2d", None): ("linear", 1.0),
    ("conv_transpose3d", None): ("linear", 1.0),
    ("relu", None): ("relu", math.sqrt(2)),
    ("leaky_relu", None): (layers.LeakyReLU(0.01), math.sqrt(2 / (1 + 0.01**2))),
    ("leaky_relu", 0.2): ("leaky_relu", math.sqrt(2 / (1 + 0.2**2))),
    ("leaky_relu", 0.7): (layers.LeakyReLU(0.7), math.sqrt(2 / (1 + 0.7**2))),
}
PYTORCH_CONVENTIONS = {"sigmoid": 1.0, "tanh": 5 / 3, "selu": 3 / 4}


@pytest.mark.parametrize("nonlinearity", PYTORCH_AGREES, ids=str)
def test_pytorch_agrees(nonlinearity):
    activation, published = PYTORCH_AGREES[nonlinearity]
    assert gain(activation) == pytest.approx(published, **exactly)
    if BACKEND == "torch":
        import torch  # noqa: TID251

        theirs = torch.nn.init.calculate_gain(*nonlinearity)
        assert theirs == pytest.approx(published, **exactly)


@pytest.mark.parametrize("name", PYTORCH_CONVENTIONS)
def test_pytorch_has_a_convention(name):
    published = PYTORCH_CONVENTIONS[name]
    assert gain(name) != pytest.approx(published, rel=0.04)
    if BACKEND == "torch":
        import torch  # noqa: TID251

        assert torch.nn.init.calculate_gain(name) == pytest.approx(published)


# Functions


def of_the_backend():
    """The function x sin(x) by the backend's own operations."""
    if BACKEND == "jax":
        import jax.numpy as jnp  # noqa: TID251

        return lambda x: x * jnp.sin(x)
    if BACKEND == "tensorflow":
        import tensorflow as tf  # noqa: TID251

        return lambda x: x * tf.sin(x)
    import torch  # noqa: TID251

    return lambda x: x * torch.sin(x)


def x_sin_x(x):
    return x * np.sin(x)


def x_sin_x_of_keras(x):
    return x * ops.sin(x)


@every_direction
@pytest.mark.parametrize(
    "function", [lambda x: x * ops.sin(x), of_the_backend()], ids=["keras", "backend"]
)
def test_gain_of_a_function_of_tensors(function, backward):
    judge = references.derivative(x_sin_x) if backward else x_sin_x
    expected = references.expected_gain(judge)
    assert gain(function, backward=backward) == pytest.approx(expected, **exactly)


@every_direction
@pytest.mark.parametrize("function", [x_sin_x, np.tanh, kinked])
def test_gain_of_a_function_of_numpy(function, backward):
    places = [-1.2345, 0.4321] if function is kinked else []
    judge = references.derivative(function) if backward else function
    expected = references.expected_gain(judge, places)
    limit = by_differences if backward else exactly
    assert gain(function, backward=backward) == pytest.approx(expected, **limit)


@pytest.mark.parametrize("place", [-2.0001, -1 / 3, 1e-7, math.pi / 10, 1.0, 2.71828])
def test_a_kink_and_a_jump_may_be_anywhere(place):
    place = float(place)

    def kink(x):
        return ops.maximum(x - place, 0.0)

    def jump(x):
        return ops.where(x > place, x, 0.5 * x)

    above = math.erfc(place / math.sqrt(2)) / 2
    density = math.exp(-(place**2) / 2) / math.sqrt(2 * math.pi)
    of_kink = (1 + place**2) * above - place * density
    assert gain(kink) == pytest.approx(1 / math.sqrt(of_kink), **exactly)
    assert gain(kink, backward=True) == pytest.approx(1 / math.sqrt(above), **exactly)
    of_jump = 1 / 4 + 3 / 4 * (above + place * density)
    assert gain(jump) == pytest.approx(1 / math.sqrt(of_jump), **exactly)


def test_the_derivative_of_a_jump_in_numpy_leaves_the_jump_out():
    shrink, places = references.FORMULAS["hard_shrink"]
    expected = references.expected_gain(references.derivative(shrink), places)
    found = gain(lambda x: np.where(np.abs(x) > 0.5, x, 0.0), backward=True)
    assert found == pytest.approx(expected, **by_differences)


def test_backward_uses_the_gradient_of_training():
    def straight_through(x):
        return x + keras.ops.stop_gradient(keras.ops.sign(x) - x)

    assert gain(straight_through) == pytest.approx(1.0, **exactly)
    assert gain(straight_through, backward=True) == pytest.approx(1.0, **exactly)


@pytest.mark.parametrize(
    ("function", "moment"),
    [
        # Of the powers |x|^(2 p): 2^p Gamma(p + 1/2) / sqrt(pi).
        (lambda x: ops.abs(x) ** -0.25, 2**-0.25 * math.gamma(1 / 4) / math.pi**0.5),
        (lambda x: ops.exp(x), math.exp(2)),
        (lambda x: ops.exp(x * x / 5), math.sqrt(5)),
        (lambda x: 1e-60 * x, 1e-120),
        (lambda x: x**9, math.prod(range(1, 18, 2))),
        (lambda x: x > 0, 1 / 2),
    ],
    ids=["pole", "exponential", "long tail", "small", "power", "boolean"],
)
def test_unusual_functions(function, moment):
    if BACKEND == "jax" and moment < 1e-100:
        pytest.skip("Keras multiplies in float32 there")
    # A pole is cut off at an interval of width 2^-52.
    assert gain(function) == pytest.approx(1 / math.sqrt(moment), rel=5e-7, abs=0)


# Layers

LAYERS = {
    "LeakyReLU": (layers.LeakyReLU(0.1), references.leaky_relu(0.1), [0]),
    "ReLU": (layers.ReLU(max_value=6), *references.FORMULAS["relu6"]),
    "ReLU with a slope": (
        layers.ReLU(negative_slope=0.5, threshold=0.3),
        lambda x: np.where(x.real >= 0.3, x, 0.5 * (x - 0.3)),
        [0.3],
    ),
    "ELU": (
        layers.ELU(0.5),
        lambda x: np.where(x.real > 0, x, 0.5 * (np.exp(x) - 1)),
        [0],
    ),
    "Activation": (layers.Activation("gelu"), *references.FORMULAS["gelu"]),
    "PReLU": (layers.PReLU(), *references.FORMULAS["relu"]),
    "PReLU with a slope": (
        layers.PReLU(keras.initializers.Constant(0.25), shared_axes=[1, 2]),
        references.leaky_relu(0.25),
        [0],
    ),
    "bfloat16": (
        layers.LeakyReLU(0.3, dtype="mixed_bfloat16"),
        references.leaky_relu(0.3),
        [0],
    ),
}


@every_direction
@pytest.mark.parametrize("name", LAYERS)
def test_gain_of_a_layer(name, backward):
    layer, function, places = LAYERS[name]
    judge = references.derivative(function) if backward else function
    expected = references.expected_gain(judge, places)
    before = layer.built
    assert gain(layer, backward=backward) == pytest.approx(expected, **exactly)
    assert layer.built == before


@pytest.mark.parametrize(
    ("shape", "shared_axes"), [((None, 3), None), ((None, 5, None, 3), [1, 2])]
)
def test_gain_of_a_layer_whose_units_differ(shape, shared_axes):
    layer = layers.PReLU(shared_axes=shared_axes)
    layer.build(shape)
    slopes = np.array([0.1, 0.5, -2.0]).reshape(layer.alpha.shape)
    layer.set_weights([slopes])
    expected = math.sqrt(2 / (1 + (slopes**2).mean()))
    assert gain(layer) == pytest.approx(expected, **exactly)
    assert gain(layer, backward=True) == pytest.approx(expected, **exactly)
    np.testing.assert_array_equal(layer.get_weights()[0], slopes.astype("float32"))


@keras.saving.register_keras_serializable("test_gain")
class Swish(keras.Layer):
    """A layer of a user, with a weight for each unit."""

    def build(self, input_shape):
        self.beta = self.add_weight(shape=input_shape[-1:], initializer="ones")

    def call(self, x):
        return x * ops.sigmoid(self.beta * x)


def test_gain_of_a_layer_of_a_user():
    layer = Swish()
    assert gain(layer) == pytest.approx(expected_gain("silu"), **exactly)
    assert not layer.built
    layer(np.zeros((1, 2)))
    layer.set_weights([np.array([0.0, 2.0])])

    def judge(x):
        return x / (1 + np.exp(-2 * x))

    moment = (1 / 4 + references.second_moment(judge)) / 2
    assert gain(layer) == pytest.approx(1 / math.sqrt(moment), **exactly)


@pytest.mark.parametrize(
    "activation", [layers.LeakyReLU(0.1), Swish(), keras_initx.lecun_tanh]
)
def test_gain_of_a_config(activation):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(activation)))
    assert gain(config) == gain(activation)


# Anywhere


def test_gain_while_a_program_is_traced():
    """A number, as always: the program does not see how it was found."""
    seen = {}

    def program():
        seen["function"] = gain(lambda x: x * ops.sin(x))
        seen["backward"] = gain(lambda x: x * ops.sin(x), backward=True)
        seen["layer"] = gain(layers.PReLU(keras.initializers.Constant(0.25)))
        seen["initializer"] = initializers.HaarOrthogonal(gain=layers.ELU(0.7)).gain
        return ops.ones(())

    traced(program)
    assert seen["function"] == gain(lambda x: x * ops.sin(x))
    assert seen["backward"] == gain(lambda x: x * ops.sin(x), backward=True)
    assert seen["layer"] == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), **exactly)
    assert seen["initializer"] == gain(layers.ELU(0.7))


@contextlib.contextmanager
def no_gradients():
    if BACKEND == "torch":
        import torch  # noqa: TID251

        with torch.inference_mode():
            yield
    else:
        yield


SCOPES = {
    "stateless": keras.StatelessScope,
    "no gradients": no_gradients,
    "no values": lambda: keras.device("meta" if BACKEND == "torch" else "cpu"),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_gain_within_a_scope_of_keras(scope):
    with SCOPES[scope]():
        found = gain(lambda x: x * ops.sin(x), backward=True)
        of_layer = gain(layers.PReLU(keras.initializers.Constant(0.25)))
    assert found == gain(lambda x: x * ops.sin(x), backward=True)
    assert of_layer == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), **exactly)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gain_where_keras_computes_in_low_precision(dtype):
    """Besides constants, which have its precision where a function makes them of it."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    tried = [x_sin_x_of_keras, keras.activations.hard_silu, layers.LeakyReLU(0.1)]
    expected = [gain(activation) for activation in tried]
    try:
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(f"mixed_{dtype}")
        tried[-1] = layers.LeakyReLU(0.1)
        found = [gain(activation) for activation in tried]
        of_layer = gain(layers.PReLU(keras.initializers.Constant(0.25)))
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
    assert found == pytest.approx(expected, **exactly)
    assert of_layer == pytest.approx(math.sqrt(2 / (1 + 0.25**2)), **exactly)


def test_gain_from_several_threads():
    def both(_):
        return gain(x_sin_x_of_keras), gain(x_sin_x_of_keras, backward=True)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = set(pool.map(both, range(8)))
    assert found == {both(0)}


def test_gain_of_a_function_is_never_an_old_one():
    factor = 1.0

    def scaled(x):
        return factor * x

    assert gain(scaled) == pytest.approx(1.0, **exactly)
    factor = 2.0
    assert gain(scaled) == pytest.approx(0.5, **exactly)
    assert gain(scaled, backward=True) == pytest.approx(0.5, **exactly)


def test_gain_leaves_the_precision_of_jax_alone():
    gain(lambda x: x * ops.sin(x))
    assert ops.convert_to_tensor([1.0]).dtype == ops.ones((1,)).dtype


# What it is for


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "selu", "hard_silu"])
def test_a_layer_keeps_the_second_moment(name):
    """The mean of n independent numbers f(z)^2 has the standard error s / sqrt(n)."""
    f = references.FORMULAS[name][0]
    kernel = to_numpy(initializers.HaarOrthogonal(gain=name, seed=1)((256, 256)))
    signal = f(np.random.default_rng(0).normal(size=(1024, 256)))
    assert_mean((signal @ kernel).ravel() ** 2, 1.0)


@every_direction
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_a_kernel_of_this_variance_keeps_it(name, backward):
    """Each number is a sum over the fan, with weights of its own."""
    fan = 64
    f = references.FORMULAS[name][0]
    f = references.derivative(f) if backward else f
    rng = np.random.default_rng(0)
    weights = gain(name, backward=backward) / math.sqrt(fan)
    kernels = weights * rng.normal(size=(20_000, fan))
    z = rng.normal(size=(20_000, fan))
    if backward:
        # f' of a unit is a factor of the whole sum, and the gradients are random.
        sums = f(z[:, 0]) * (kernels * rng.normal(size=z.shape)).sum(axis=1)
    else:
        sums = (kernels * f(z)).sum(axis=1)
    assert_mean(sums**2, 1.0)


@every_direction
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 512), (512, 64)])
def test_what_an_orthogonal_kernel_keeps(inputs, outputs, backward):
    """Between 64 and 512 units it loses all but 1/8 in the direction of the 512."""
    factor = gain("tanh", backward=backward)
    kernel = initializers.HaarOrthogonal(gain=factor, seed=1)((inputs, outputs))
    kernel = to_numpy(kernel).astype("float64")
    variance = factor**2 / max(inputs, outputs)
    assert (kernel**2).mean() == pytest.approx(variance, rel=rounding(512))

    z, gradient = (
        np.random.default_rng(seed).normal(size=(1024, size))
        for seed, size in enumerate((inputs, outputs))
    )
    if backward:
        result, kept = (gradient @ kernel.T) / np.cosh(z) ** 2, min(1, outputs / inputs)
    else:
        result, kept = np.tanh(z) @ kernel, min(1, inputs / outputs)
    # Units of one sample depend on each other, samples do not.
    assert_mean((result**2).mean(axis=1), kept)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("relu", 1.0),
        ("gelu", 1.144),
        ("silu", 1.173),
        ("mish", 1.076),
        ("hard_silu", 1.224),
        *((name, None) for name in ("tanh", "sigmoid", "elu", "selu", "softplus")),
    ],
)
def test_whether_the_moment_goes_to_1(name, slope):
    step = 1e-3
    above, below = (
        activations.variance_map(name, 1 + s, gain(name)) for s in (step, -step)
    )
    found = (above - below) / (2 * step)
    if slope is None:
        assert abs(found) < 0.9
    else:
        assert found == pytest.approx(slope, abs=0.0005)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_scaling_the_batch_does_not_bring_its_samples_together(name):
    """Two samples, whose mean is set to 1 in each layer; and at a stable q without."""
    function, places = references.FORMULAS[name]
    start = np.array([0.8, 1.2])
    scaled, stable = start, start * 20
    _, sigma_w, sigma_b = activations.critical_point(name, q=20.0)
    for _ in range(10):
        scaled = [references.second_moment(function, places, q**0.5) for q in scaled]
        scaled /= np.mean(scaled)
        stable = [
            activations.variance_map(name, float(q), sigma_w, sigma_b) for q in stable
        ]
    assert scaled[1] / scaled[0] > 2 > 1.5 > stable[1] / stable[0]
