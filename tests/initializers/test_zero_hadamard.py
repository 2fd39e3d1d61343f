"""ZerO: orthonormal where it can be, and no bound on what a deep network learns."""

import keras
import numpy as np
import pytest
import scipy.linalg
from catalogue import to_numpy
from keras import layers

from keras_initx.initializers import Dirac, ZerO


def of_the_authors(inputs, outputs):
    """Algorithm 1, as their code has it, for a kernel `(inputs, outputs)`."""
    if outputs <= inputs:
        return np.eye(inputs, outputs)
    power = int(np.ceil(np.log2(outputs)))
    hadamard = scipy.linalg.hadamard(2**power) / 2 ** (power / 2)
    weight = np.eye(outputs, 2**power) @ hadamard @ np.eye(2**power, inputs)
    return weight.T


SHAPES = [(1, 1), (5, 5), (7, 3), (3, 4), (1, 8), (4, 6), (6, 33), (32, 64)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_algorithm_of_the_paper(shape):
    kernel = to_numpy(ZerO()(shape))
    np.testing.assert_allclose(kernel, of_the_authors(*shape), atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_its_rows_are_orthonormal_if_the_size_is_a_power_of_2(shape):
    inputs, outputs = shape
    kernel = to_numpy(ZerO()(shape))
    is_power = outputs & (outputs - 1) == 0
    if outputs <= inputs:
        gram, size = kernel.T @ kernel, outputs
    else:
        gram, size = kernel @ kernel.T, inputs
    if outputs <= inputs or is_power:
        np.testing.assert_allclose(gram, np.eye(size), atol=1e-6)
    else:
        squares = np.diag(gram)
        np.testing.assert_allclose(squares, outputs / 2 ** outputs.bit_length())
        assert (squares > 0.5).all()


@pytest.mark.parametrize("kernel_size", [(3,), (4,), (3, 3), (2, 3, 1)])
@pytest.mark.parametrize("channels", [(4, 4), (6, 4), (4, 8)])
def test_a_convolution_has_it_at_the_tap_of_the_pixel(kernel_size, channels):
    ins, outs = channels
    layer = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[len(kernel_size)](
        outs, kernel_size, padding="same", kernel_initializer="zero_hadamard"
    )
    x = np.random.default_rng(0).normal(size=(2, *(5, 4, 3)[: len(kernel_size)], ins))
    y = to_numpy(layer(x.astype("float32")))
    np.testing.assert_allclose(y, x @ of_the_authors(ins, outs), atol=1e-5)


def test_each_group_has_its_own():
    layer = layers.Conv2D(
        16, 3, groups=2, padding="same", kernel_initializer=ZerO(groups=2)
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 8)).astype("float32")
    y = to_numpy(layer(x))
    expected = of_the_authors(4, 8)
    for group in range(2):
        np.testing.assert_allclose(
            y[..., 8 * group : 8 * group + 8],
            x[..., 4 * group : 4 * group + 4] @ expected,
            atol=1e-5,
        )


def test_a_depthwise_convolution_starts_as_the_identity():
    layer = layers.DepthwiseConv2D(
        3, padding="same", depthwise_initializer=ZerO(batch_axes=[-2])
    )
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 3)).astype("float32")
    np.testing.assert_array_equal(to_numpy(layer(x)), x)


def test_a_wide_layer_needs_little_memory():
    """The whole Hadamard matrix would have 4 GiB."""
    kernel = to_numpy(ZerO()((2, 2**16)))
    np.testing.assert_allclose(np.abs(kernel), 2.0**-8)
    assert (kernel[1] * kernel[0]).sum() == 0


def test_it_breaks_the_bound_of_identities():
    """Theorem 1: what a square layer learns has the rank of the inputs, at most.

    Eight inputs, layers of 32 rectifiers, some steps of training. With identities all
    signals lie in the space of the eight inputs.
    """
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 8)).astype("float32")
    y = generator.normal(size=(64, 1)).astype("float32")

    def rank_of_change(initializer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((8,)),
                *(
                    layers.Dense(
                        32, "relu", use_bias=False, kernel_initializer=initializer
                    )
                    for _ in range(3)
                ),
                layers.Dense(1, kernel_initializer="glorot_normal"),
            ]
        )
        before = to_numpy(model.layers[-2].kernel)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        model.fit(x, y, batch_size=16, epochs=3, verbose=0)
        change = to_numpy(model.layers[-2].kernel) - before
        return np.linalg.matrix_rank(change, tol=1e-6)

    assert rank_of_change(Dirac()) <= 8
    assert rank_of_change(ZerO()) > 8
