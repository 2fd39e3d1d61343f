"""ScaledWeightStandardization: kernels of mean 0 and a fixed scale, in training."""

import keras
import numpy as np
import pytest
from catalogue import refuses, to_numpy
from keras import layers, ops
from limits import SIGMAS

from keras_initx.activations import variance_gain
from keras_initx.layers import ScaledWeightStandardization, residual_deviations

RANDOM = np.random.default_rng(0)


def standardized(kernel, fan_in, gamma=1.0, gain=1.0, epsilon=1e-4):
    """Slow and obvious: one unit at a time."""
    kernel = kernel.astype("float64")
    moved = np.moveaxis(kernel, fan_in, range(len(fan_in)))
    shape = moved.shape
    moved = moved.reshape(np.prod(shape[: len(fan_in)]), -1)
    columns = []
    for column in moved.T:
        size = np.sqrt(max(len(column) * column.var(), epsilon))
        columns.append(gain * gamma * (column - column.mean()) / size)
    moved = np.stack(columns, axis=1).reshape(shape)
    return np.moveaxis(moved, range(len(fan_in)), fan_in)


CASES = {
    "Dense": (lambda: layers.Dense(5), (2, 4), (0,)),
    "EinsumDense": (
        lambda: layers.EinsumDense("abc,cde->abde", (3, 3, 2)),
        (2, 3, 4),
        (0,),
    ),
    "Conv1D": (lambda: layers.Conv1D(5, 3), (2, 6, 4), (0, 1)),
    "Conv2D": (lambda: layers.Conv2D(6, 3, groups=2), (2, 5, 5, 4), (0, 1, 2)),
    "Conv2DTranspose": (lambda: layers.Conv2DTranspose(5, 3), (2, 5, 5, 4), (0, 1, 3)),
    "DepthwiseConv2D": (lambda: layers.DepthwiseConv2D(3), (2, 5, 5, 4), (0, 1)),
}
every_layer = pytest.mark.parametrize("name", CASES)


def skip_without_groups(name):
    if name == "Conv2D" and keras.backend.backend() == "tensorflow":
        pytest.skip("TensorFlow has no grouped gradients on the CPU")


@every_layer
def test_what_the_layer_computes(name):
    make, shape, fan_in = CASES[name]
    wrapped = ScaledWeightStandardization(make(), gamma="relu")
    x = RANDOM.normal(size=shape).astype("float32")
    output = to_numpy(wrapped(x))
    plain = make()
    plain.build(shape)
    kernel = standardized(
        to_numpy(wrapped.layer.kernel), fan_in, gamma=variance_gain("relu")
    )
    plain.set_weights([kernel, *plain.get_weights()[1:]])
    np.testing.assert_allclose(output, to_numpy(plain(x)), rtol=1e-4, atol=1e-5)
    assert tuple(wrapped.compute_output_shape(shape)) == output.shape


@every_layer
def test_gradients_flow_through_the_standardization(name):
    """One step of SGD, beside difference quotients in NumPy."""
    skip_without_groups(name)
    make, shape, fan_in = CASES[name]
    inputs = keras.Input(shape[1:])
    wrapped = ScaledWeightStandardization(make())
    model = keras.Model(inputs, wrapped(inputs))
    x = RANDOM.normal(size=shape).astype("float32")
    y = RANDOM.normal(size=to_numpy(model(x)).shape).astype("float32")
    before = to_numpy(wrapped.layer.kernel)
    plain = make()
    plain.build(shape)
    bias = plain.get_weights()[1:]

    def loss(kernel):
        plain.set_weights([standardized(kernel, fan_in), *bias])
        return np.mean((to_numpy(plain(x)) - y) ** 2)

    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, y)
    gradient = before - to_numpy(wrapped.layer.kernel)
    for index in ((0,) * before.ndim, (-1,) * before.ndim):
        step = np.zeros_like(before)
        step[index] = 1e-2
        expected = (loss(before + step) - loss(before - step)) / 2e-2
        assert gradient[index] == pytest.approx(expected, rel=2e-2, abs=2e-3)
    assert abs(to_numpy(wrapped.unit_gain) - 1).max() > 1e-4


def test_the_gain_can_be_left_out():
    wrapped = ScaledWeightStandardization(layers.Dense(3), use_gain=False)
    wrapped.build((None, 4))
    assert len(wrapped.weights) == 2
    wrapped = ScaledWeightStandardization(layers.Conv2D(3, 2))
    wrapped.build((None, 5, 5, 4))
    assert wrapped.unit_gain.shape == (1, 1, 1, 3)


def test_a_kernel_of_equal_numbers_is_no_reason_to_divide_by_zero():
    wrapped = ScaledWeightStandardization(layers.Dense(3, kernel_initializer="ones"))
    assert not to_numpy(wrapped(np.ones((2, 4), "float32"))).any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains(policy):
    layer = layers.Dense(3, dtype=policy)
    inputs = keras.Input((4,))
    model = keras.Model(
        inputs, ScaledWeightStandardization(layer, dtype=policy)(inputs)
    )
    model.compile("sgd", "mse")
    x = RANDOM.normal(size=(8, 4)).astype("float32")
    before = to_numpy(layer.kernel)
    model.fit(x, x[:, :3], verbose=0)
    assert keras.backend.standardize_dtype(model(x).dtype) == policy.split("_")[1]
    assert layer.kernel.dtype == "float32"
    assert np.abs(to_numpy(layer.kernel) - before).max() > 1e-5


def test_a_saved_model_comes_back(tmp_path):
    inputs = keras.Input((4,))
    x = ScaledWeightStandardization(layers.Dense(6, "relu"))(inputs)
    x = ScaledWeightStandardization(layers.Dense(3), "relu", epsilon=1e-3)(x)
    x = ScaledWeightStandardization(layers.Dense(3), 1.5, use_gain=False)(x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    data = RANDOM.normal(size=(8, 4)).astype("float32")
    model.fit(data, data[:, :3], verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(to_numpy(again(data)), to_numpy(model(data)), rtol=1e-6)
    configs = [each.layers[2].get_config() for each in (model, again)]
    assert configs[0]["gamma"] == configs[1]["gamma"] == "relu"


def test_a_frozen_layer_stays():
    inputs = keras.Input((4,))
    wrapped = ScaledWeightStandardization(layers.Dense(3))
    model = keras.Model(inputs, layers.Dense(2)(wrapped(inputs)))
    wrapped.trainable = False
    model.compile("sgd", "mse")
    before = [to_numpy(weight) for weight in wrapped.weights]
    model.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    for old, new in zip(before, wrapped.weights, strict=True):
        np.testing.assert_array_equal(old, to_numpy(new))


BLOCKS, WIDTH, SAMPLES = 50, 128, 64
ALPHA = 0.2
# Before the first block, and after each of them.
EXPECTED = np.square(residual_deviations(BLOCKS + 1, ALPHA, transitions=(20,)))


def variances(make):
    """The variance after each block of a residual network, over all else."""
    x = ops.convert_to_tensor(RANDOM.normal(size=(SAMPLES, 4, 4, WIDTH)), "float32")
    found = [1.0]
    for beta in residual_deviations(BLOCKS, ALPHA, transitions=(20,)):
        h = ops.relu(x / beta)
        branch = make(layers.Conv2D(WIDTH, 1), "relu")(h)
        is_transition = len(found) == 21
        if is_transition:
            x = make(layers.Conv2D(WIDTH, 1), "relu")(h)
        x = x + ALPHA * branch
        found.append(float(to_numpy(x).var()))
    return np.array(found)


def test_the_variance_follows_the_closed_form():
    """50 blocks without normalization, to 5 %.

    Each block adds 4 % with an error of its own: that of a variance over 128 units of
    16 * 64 positions, whose kernels are drawn once.
    """
    found = variances(ScaledWeightStandardization)
    # The transition draws the whole signal anew, from which all goes on.
    assert SIGMAS * np.sqrt(2 / (WIDTH * WIDTH)) < 0.05
    np.testing.assert_allclose(found, EXPECTED, rtol=0.05)


def test_without_the_gain_of_relu_it_does_not():
    """A block adds 1.4 %: the variance of a rectified normal variable is .34."""
    found = variances(lambda layer, _: ScaledWeightStandardization(layer))
    assert found[20] < 0.8 * EXPECTED[20]


def test_deviations_of_the_closed_form():
    found = residual_deviations(5, 0.5, transitions=[1, 3])
    assert found == pytest.approx(np.sqrt([1, 1.25, 1.25, 1.5, 1.25]))
    assert residual_deviations(2, 0.0) == [1.0, 1.0]
    with refuses(
        "`residual_deviations` needs `blocks` to be an integer of at least 1. "
        "Received: blocks=0. Pass a positive int, for example 1."
    ):
        residual_deviations(0)


def test_bad_layers_are_refused():
    for layer, kind in (
        (layers.ReLU(name="a"), "of another kind"),
        (layers.SeparableConv1D(3, 2, name="a"), "of another kind"),
    ):
        name = type(layer).__name__
        with refuses(
            "`ScaledWeightStandardization` needs a `Dense`, `EinsumDense` or "
            "convolution layer of Keras with one kernel. Received: layer='a' of class "
            f"{name}, which is {kind}. Wrap each such layer on its own."
        ):
            ScaledWeightStandardization(layer).build((None, 5, 4))
    with refuses(
        "`ScaledWeightStandardization` needs `gamma` to be a finite number above 0. "
        "Received: gamma=0.0. Pass a positive float, for example 1.0."
    ):
        ScaledWeightStandardization(layers.Dense(3), 0.0)
