"""CReLU: the two halves, on the right axis."""

import keras
import numpy as np
import pytest
from catalogue import refuses
from keras import ops

from keras_initx.layers import CReLU


def expected(x, axis):
    return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=axis)


@pytest.mark.parametrize(
    ("arguments", "shape", "axis"),
    [
        ({}, (2, 3), 1),
        ({}, (2, 4, 5, 3), 3),
        ({"data_format": "channels_last"}, (2, 4, 5, 3), 3),
        ({"data_format": "channels_first"}, (2, 4, 5, 3), 1),
        ({"axis": 2}, (2, 4, 5, 3), 2),
        ({"axis": -2, "data_format": "channels_first"}, (2, 4, 5, 3), 2),
    ],
)
def test_both_halves_stand_on_the_channel_axis(arguments, shape, axis):
    layer = CReLU(**arguments)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    y = ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(y, expected(x, axis))
    assert layer.compute_output_shape(shape) == y.shape
    symbolic = layer(keras.KerasTensor((None, *shape[1:])))
    assert tuple(symbolic.shape) == (None, *y.shape[1:])


@pytest.mark.parametrize(
    ("arguments", "axis"),
    [({}, 2), ({"data_format": "channels_first"}, 1), ({"axis": -2}, 1)],
)
def test_each_group_has_both_its_halves(arguments, axis):
    x = np.random.default_rng(0).normal(size=(2, 6, 6)).astype("float32")
    y = ops.convert_to_numpy(CReLU(groups=3, **arguments)(x))
    parts = [expected(part, axis) for part in np.split(x, 3, axis)]
    np.testing.assert_array_equal(y, np.concatenate(parts, axis))


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="needs `groups` to divide") as caught:
        CReLU(groups=4)(np.ones((2, 6), "float32"))
    assert (
        "`CReLU` needs `groups` to divide the number of channels. Received: groups=4, "
        "an input of shape (2, 6) with 6 channels. Pass the `groups` of the "
        "convolution that follows."
    ) in str(caught.value)


def test_an_unknown_size_stays_unknown():
    assert CReLU().compute_output_shape((None, None, None)) == (None, None, None)
    assert CReLU().compute_output_shape((None, None, 3)) == (None, None, 6)


def test_the_default_follows_the_image_data_format():
    before = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_first")
        layer = CReLU()
    finally:
        keras.config.set_image_data_format(before)
    assert layer.compute_output_shape((2, 3, 4, 5)) == (2, 6, 4, 5)


def test_a_mask_passes():
    x = np.ones((2, 3, 4), "float32")
    mask = np.array([[True, False, True]] * 2)
    y = keras.layers.Masking()(x * mask[..., None].astype("float32"))
    kept = CReLU()(y)._keras_mask
    np.testing.assert_array_equal(ops.convert_to_numpy(kept), mask)
    doubled = CReLU(axis=1)(y)._keras_mask
    np.testing.assert_array_equal(
        ops.convert_to_numpy(doubled), np.concatenate([mask, mask], axis=1)
    )


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_bfloat16"])
def test_low_precision(policy):
    layer = CReLU(dtype=policy)
    y = layer(np.array([[1.5, -2.0]], "float32"))
    assert keras.backend.standardize_dtype(y.dtype) == layer.compute_dtype
    values = ops.convert_to_numpy(ops.cast(y, "float32"))
    np.testing.assert_array_equal(values, [[1.5, 0, 0, 2]])


def test_the_config_is_the_constructors():
    layer = CReLU(axis=2, data_format="channels_first", groups=3, name="c")
    again = CReLU.from_config(layer.get_config())
    assert (again.axis, again.data_format, again.name) == (2, "channels_first", "c")
    assert again.groups == 3


@pytest.mark.parametrize("axis", [0, 1.5, "channels", True])
def test_a_bad_axis(axis):
    message = (
        "`CReLU` needs `axis` to be an integer other than 0, the batch axis. Received: "
        f"axis={axis!r}. Pass for example -1, or None for the channel axis."
    )
    with refuses(message):
        CReLU(axis=axis)


@pytest.mark.parametrize("axis", [3, -3, -4])
def test_an_axis_that_the_input_has_not(axis):
    with pytest.raises(ValueError, match="needs an input that has the axis") as caught:
        CReLU(axis=axis)(np.ones((2, 3, 4), "float32"))
    assert (
        f"`CReLU` needs an input that has the axis {axis} after its batch axis. "
        "Received: an input of rank 3. Pass another `axis`."
    ) in str(caught.value)


def test_an_unknown_data_format():
    message = (
        "`CReLU` needs a known `data_format`. Received: data_format='nhwc'. Choose one "
        "of: 'channels_last', 'channels_first'."
    )
    with refuses(message):
        CReLU(data_format="nhwc")
