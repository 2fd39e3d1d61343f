"""HaarOrthogonal: semi-orthogonal by the right axes, and Haar-random."""

import keras
import limits
import numpy as np
import pytest
from catalogue import refuses
from keras import ops

from keras_initx.initializers import HaarOrthogonal


def draw(initializer, shape):
    return ops.convert_to_numpy(initializer(shape))


@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (40, 7), (7, 40), (1, 5), (5, 1)])
@pytest.mark.parametrize("gain", [1.0, 0.3, 2.0])
def test_matrices_are_semi_orthogonal(shape, gain):
    kernel = draw(HaarOrthogonal(gain, seed=1), shape)
    limits.assert_semi_orthogonal(kernel, gain)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 2, 4, 50), (2, 3, 2, 4, 5)])
def test_the_receptive_field_of_a_convolution_counts_as_input(shape):
    kernel = draw(HaarOrthogonal(seed=1), shape)
    limits.assert_semi_orthogonal(kernel.reshape(-1, shape[-1]))


def test_each_group_of_a_convolution_is_semi_orthogonal():
    kernel = draw(HaarOrthogonal(groups=4, seed=1), (3, 2, 20))
    blocks = [kernel[..., start : start + 5] for start in range(0, 20, 5)]
    for block in blocks:
        limits.assert_semi_orthogonal(block.reshape(6, 5))
    assert not np.allclose(blocks[0], blocks[1])


def test_each_channel_of_a_depthwise_convolution_is_semi_orthogonal():
    kernel = draw(HaarOrthogonal(batch_axes=[-2], seed=1), (3, 3, 5, 4))
    for channel in range(5):
        limits.assert_semi_orthogonal(kernel[:, :, channel].reshape(9, 4))


def test_axes_may_stand_in_any_order():
    initializer = HaarOrthogonal(
        input_axes=[3, 0], output_axes=[1], batch_axes=[2], seed=1
    )
    kernel = draw(initializer, (3, 4, 5, 2))
    for batch in range(5):
        limits.assert_semi_orthogonal(
            kernel[:, :, batch].transpose(2, 0, 1).reshape(6, 4)
        )


def test_a_vector_is_a_matrix_with_one_output():
    kernel = draw(HaarOrthogonal(input_axes=[0], output_axes=[], seed=1), (9,))
    limits.assert_semi_orthogonal(kernel.reshape(9, 1))


class TestLaw:
    """The moments of the Haar law, over many independent matrices at once.

    The popular wrong version takes the Q of a Gaussian matrix as the library returns
    it. For 4 x 4 matrices its trace has mean -0.8, and its determinant is always -1.
    """

    samples = 20_000

    def matrices(self, rows, columns, seed=3):
        initializer = HaarOrthogonal(batch_axes=[0], seed=seed)
        return draw(initializer, (self.samples, rows, columns)).astype("float64")

    @pytest.mark.parametrize("n", [1, 2, 4])
    def test_trace(self, n):
        trace = np.trace(self.matrices(n, n), axis1=1, axis2=2)
        limits.assert_mean(trace, 0.0)
        if n > 1:
            limits.assert_mean(trace**2, 1.0)
        if n > 2:
            limits.assert_mean(trace**4, 3.0)

    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    def test_both_signs_of_the_determinant_are_equally_likely(self, n):
        limits.assert_mean(np.linalg.det(self.matrices(n, n)), 0.0)

    @pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6)])
    def test_each_entry_has_mean_0_and_variance_1_over_the_longer_side(self, shape):
        matrices = self.matrices(*shape)
        for entry in np.ndindex(shape):
            samples = matrices[(slice(None), *entry)]
            limits.assert_mean(samples, 0.0)
            limits.assert_mean(samples**2, 1 / max(shape))

    def test_the_signs_of_the_library_are_no_haar_matrix(self):
        gaussian = np.random.default_rng(0).normal(size=(self.samples, 4, 4))
        wrong = np.linalg.qr(gaussian)[0]
        with pytest.raises(AssertionError, match="standard errors off"):
            limits.assert_mean(np.trace(wrong, axis1=1, axis2=2), 0.0)
        with pytest.raises(AssertionError, match="standard errors off"):
            limits.assert_mean(wrong[:, 0, 0], 0.0)


def test_a_degenerate_draw_still_gives_an_orthogonal_matrix(monkeypatch):
    def with_a_zero_column(shape, dtype, seed):
        normal = np.array(keras.random.normal(shape, dtype=dtype, seed=1))
        normal[..., 0] = 0
        return ops.convert_to_tensor(normal)

    monkeypatch.setattr("keras_initx._random.normal", with_a_zero_column)
    for shape in [(5, 5), (7, 3), (3, 7)]:
        limits.assert_semi_orthogonal(draw(HaarOrthogonal(seed=1), shape))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"gain": 0},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0. Received: "
            "gain=0. Pass a positive float, for example 1.0.",
        ),
        (
            {"gain": float("nan")},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0. Received: "
            "gain=nan. Pass a positive float, for example 1.0.",
        ),
        (
            {"gain": float("inf")},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0. Received: "
            "gain=inf. Pass a positive float, for example 1.0.",
        ),
        (
            {"gain": True},
            "`HaarOrthogonal` needs `gain` to be a finite number above 0. Received: "
            "gain=True. Pass a positive float, for example 1.0.",
        ),
        (
            {"groups": 0},
            "`HaarOrthogonal` needs `groups` to be an integer of at least 1. Received: "
            "groups=0. Pass a positive int, for example 1.",
        ),
        (
            {"groups": 2.0},
            "`HaarOrthogonal` needs `groups` to be an integer of at least 1. Received: "
            "groups=2.0. Pass a positive int, for example 1.",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with refuses(message):
        HaarOrthogonal(**arguments)


def test_groups_must_divide_the_output_channels():
    message = (
        "`HaarOrthogonal` needs `groups` to divide the number of output channels. "
        "Received: groups=3, shape=(3, 3, 2, 8) with 8 output channels. Pass the "
        "`groups` of the convolution."
    )
    with refuses(message):
        HaarOrthogonal(groups=3)((3, 3, 2, 8))
