"""Redraw: each kernel by the axes of its layer, and from a seed of its own."""

import random

import keras
import limits
import numpy as np
import pytest
from catalogue import to_numpy
from keras import layers

from keras_initx import initializers
from keras_initx._kernel.axes import KernelAxes
from keras_initx._model.layer_kernel import layer_kernel
from keras_initx._model.redraw import Redraw

AXES = KernelAxes.resolve("test", (4, 6))


def variable(dtype="float32"):
    return keras.Variable("zeros", shape=(4, 6), dtype=dtype)


# Each layer, the shape of its inputs, its fan-in and its fan-out. The fans say how many
# inputs one output value sums, and in how many sums an input value stands.
FANS = {
    "Dense": (layers.Dense(200), (80,), 80, 200),
    "Conv2D": (layers.Conv2D(80, 3), (5, 5, 20), 9 * 20, 9 * 80),
    "Conv2D, groups": (
        layers.Conv2D(160, 3, groups=4),
        (5, 5, 40),
        9 * 10,
        9 * 40,
    ),
    "Conv2DTranspose": (layers.Conv2DTranspose(20, 3), (5, 5, 80), 9 * 80, 9 * 20),
    "Conv1DTranspose": (layers.Conv1DTranspose(80, 4), (5, 50), 4 * 50, 4 * 80),
    "Conv2D, strides": (layers.Conv2D(80, 3, 3), (9, 9, 20), 9 * 20, 80),
    "Conv1DTranspose, strides": (
        layers.Conv1DTranspose(80, 4, strides=2),
        (5, 50),
        2 * 50,
        4 * 80,
    ),
    "DepthwiseConv2D": (
        layers.DepthwiseConv2D(3, depth_multiplier=2),
        (5, 5, 800),
        9,
        9 * 2,
    ),
    "attention": (
        layers.EinsumDense("abc,cde->abde", (None, 5, 40)),
        (7, 80),
        80,
        5 * 40,
    ),
    "EinsumDense, groups": (
        layers.EinsumDense("bgi,gio->bgo", (4, 80)),
        (4, 50),
        50,
        80,
    ),
}


@pytest.mark.parametrize("name", FANS)
def test_initializers_of_keras_have_the_fans_of_the_layer(name):
    """Their formulas: Var = scale / fan, of the input, the output, or the mean."""
    layer, shape, fan_in, fan_out = FANS[name]
    layer.build((None, *shape))
    kernel, axes = layer_kernel(layer).kernels[-1]
    variances = {
        "he_normal": 2 / fan_in,
        "lecun_uniform": 1 / fan_in,
        "glorot_normal": 2 / (fan_in + fan_out),
        "glorot_uniform": 2 / (fan_in + fan_out),
    }
    for initializer, variance in variances.items():
        config = {"class_name": initializer, "config": {"seed": 1}}
        drawn = to_numpy(Redraw(config)(kernel, axes))
        limits.assert_stddev(drawn, np.sqrt(variance))
    scaled = keras.initializers.VarianceScaling(3.0, "fan_out", "normal", seed=1)
    drawn = to_numpy(Redraw(scaled)(kernel, axes))
    limits.assert_stddev(drawn, np.sqrt(3 / fan_out))


@pytest.mark.parametrize("name", FANS)
def test_the_fan_in_of_the_table_is_the_sum_of_a_layer_of_ones(name):
    layer, shape, fan_in, _ = FANS[name]
    outputs = layer(np.ones((1, *shape), "float32"))
    layer.kernel.assign(np.ones(layer.kernel.shape))
    outputs = to_numpy(layer(np.ones((1, *shape), "float32")))
    assert outputs.max() == fan_in


class Recorded(keras.initializers.Initializer):
    """Notes its arguments at each call."""

    calls = []  # noqa: RUF012

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        self.seed = seed
        self.axes = (input_axes, output_axes)

    def __call__(self, shape, dtype=None):
        self.calls.append((self.seed, self.axes, dtype))
        return keras.ops.ones(shape, dtype)

    def get_config(self):
        input_axes, output_axes = self.axes
        return {
            "seed": self.seed,
            "input_axes": input_axes,
            "output_axes": output_axes,
        }


@pytest.fixture
def calls():
    Recorded.calls.clear()
    return Recorded.calls


def test_axes_that_the_user_named_stay(calls):
    Redraw(Recorded(1, input_axes=[-1], output_axes=[-2]))(variable(), AXES)
    Redraw(Recorded(1))(variable(), AXES)
    assert [axes for _, axes, _ in calls] == [([-1], [-2]), ([0], [1])]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_kernel_is_drawn_in_the_dtype_of_its_variable(calls, dtype):
    Redraw(Recorded(1))(variable(dtype), AXES)
    assert calls[0][2] == dtype


def test_no_seed_is_used_twice_also_not_by_a_neighbour(calls):
    for seed in range(20):
        draws = Redraw(Recorded(seed))
        for _ in range(5):
            draws(variable(), AXES)
    seeds = [seed for seed, _, _ in calls]
    assert len(seeds) == len(set(seeds)) == 100
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    "initializer",
    [
        initializers.HaarOrthogonal(),
        initializers.LooksLinear(initializers.HaarOrthogonal(seed=7)),
        keras.initializers.Orthogonal(),
        keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(7)),
    ],
    ids=["no seed", "the seed of a base", "no seed, Keras", "a generator"],
)
def test_kernels_of_one_shape_differ(initializer):
    draws, of_python = Redraw(initializer), random.getstate()
    first, second = (to_numpy(draws(variable(), AXES)) for _ in range(2))
    assert np.abs(first - second).max() > 0.01
    # The batches of a data set may come from Python's generator.
    assert random.getstate() == of_python
