"""KernelAxes: the role of each axis, and the fans that follow from it."""

import math

import numpy as np
import pytest
from catalogue import refuses
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from keras_initx._kernel.axes import KernelAxes


def resolve(shape, *axes):
    return KernelAxes.resolve("Owner", shape, *axes)


@pytest.mark.parametrize(
    ("shape", "axes", "fan_in", "fan_out"),
    [
        ((5, 7), (), 5, 7),
        ((3, 3, 5, 7), (), 9 * 5, 9 * 7),
        ((3, 3, 7, 5), ([-1], [-2]), 9 * 5, 9 * 7),
        ((3, 3, 5, 2), (None, None, [-2]), 9, 9 * 2),
        ((32, 4, 8), ([0], [1, 2]), 32, 4 * 8),
        ((4, 8, 32), ([0, 1], [2]), 4 * 8, 32),
        ((6, 5, 7), ([1], [0, 2], [0]), 5, 7),
        ((9,), ([0], []), 9, 1),
        ((3, 5, 8), (None, None, None, 4), 3 * 5, 3 * 2),
    ],
    ids=[
        "dense",
        "convolution",
        "transposed convolution",
        "depthwise convolution",
        "attention query",
        "attention output",
        "grouped einsum, whose group axis Keras counts as an output",
        "vector",
        "grouped convolution, whose output channels see their own inputs",
    ],
)
def test_fans(shape, axes, fan_in, fan_out):
    resolved = resolve(shape, *axes)
    assert (resolved.fan_in, resolved.fan_out) == (fan_in, fan_out)


@st.composite
def shapes_with_roles(draw):
    """A shape whose axes have random roles: batch, spatial, input, output."""
    rank = draw(st.integers(2, 6))
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank)))
    roles = draw(st.lists(st.integers(0, 3), min_size=rank, max_size=rank))
    negative = draw(st.lists(st.booleans(), min_size=rank, max_size=rank))
    axes = [[], [], [], []]
    for axis in draw(st.permutations(range(rank))):
        axes[roles[axis]].append(axis - rank if negative[axis] else axis)
    return shape, axes


@given(shapes_with_roles())
def test_the_kernel_of_an_ordered_tensor_is_its_transpose(case):
    shape, (batch, spatial, input, output) = case
    axes = resolve(shape, input, output, batch)
    assert set(axes.spatial) == {axis % len(shape) for axis in spatial}
    order = axes.batch + axes.spatial + axes.input + axes.output
    assert sorted(order) == list(range(len(shape)))
    assert axes.fan_in == math.prod(shape[axis] for axis in spatial + input)

    kernel = np.arange(math.prod(shape)).reshape(shape)
    matrices = kernel.transpose(order).reshape(
        axes.count(axes.batch), axes.fan_in, axes.count(axes.output)
    )
    back = ops.convert_to_numpy(axes.kernel(ops.convert_to_tensor(matrices), order))
    np.testing.assert_array_equal(back, kernel)


@pytest.mark.parametrize(
    ("shape", "axes", "message"),
    [
        (
            (3, 4),
            ([-3], None),
            "`Owner` needs a kernel that has the axes `input_axes`=[-3]. Received: "
            "shape=(3, 4) of rank 2. The axes of this kernel are numbered from -2 "
            "to 1.",
        ),
        (
            (4,),
            (),
            "`Owner` needs a kernel, with an axis of inputs and an axis of outputs. "
            "Received: shape=(4,) of rank 1. It is not for biases: give them another "
            "initializer, for example `bias_initializer='zeros'`.",
        ),
        (
            (3, 4),
            ([0, -2], None),
            "`Owner` needs each axis once in `input_axes`. Received: input_axes=[0, "
            "-2], shape=(3, 4). Remove the repeated axis; -1 is the last one.",
        ),
        (
            (3, 4),
            ([-1], None),
            "`Owner` needs different `input_axes` and `output_axes`. Received: "
            "input_axes=[-1], output_axes=None, shape=(3, 4), where axis 1 is both. "
            "The defaults are [-2] and [-1]: give both lists if one changes.",
        ),
        (
            (3, None),
            (),
            "`Owner` needs a shape of non-negative integers. Received: shape=(3, "
            "None). Build the layer on inputs whose channel axes are known.",
        ),
    ],
)
def test_axes_that_do_not_fit(shape, axes, message):
    with refuses(message):
        resolve(shape, *axes)


@pytest.mark.parametrize("value", [1, "-2", [1.0], [True], [None], [[0]]])
@pytest.mark.parametrize("name", ["input_axes", "output_axes", "batch_axes"])
def test_axes_that_are_no_lists_of_integers(name, value):
    from keras_initx.initializers import RandomWalk

    message = (
        f"`RandomWalk` needs `{name}` to be a list of integers or None. Received: "
        f"{name}={value!r}. Pass for example [-2]."
    )
    with refuses(message):
        RandomWalk(**{name: value})
