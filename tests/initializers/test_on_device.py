"""Kernels that are drawn on an accelerator: the route, forced on the CPU."""

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import BACKEND, to_numpy

import keras_initx
from keras_initx import _backend, initializers
from keras_initx._backend import drawing

SHAPE = (3, 4, 12)
DRAWN = {
    "haar": initializers.HaarOrthogonal("relu", seed=5),
    "wide": initializers.HaarOrthogonal(
        groups=2, seed=5, input_axes=[2], output_axes=[0, 1]
    ),
    "delta": initializers.OrthogonalDelta(seed=5, scale="variance"),
    "normal": initializers.FanScaled(distribution="normal", seed=5),
    "truncated": initializers.FanScaled(seed=5),
    "uniform": initializers.FanScaled(distribution="uniform", seed=5),
    "blocks": initializers.Blockwise(blocks=3, seed=5),
}


@pytest.fixture
def on_device(monkeypatch):
    """Every kernel is large, and the CPU an accelerator; what was drawn there."""
    drawn, draw = [], drawing.draw

    def watched(*arguments, **keywords):
        drawn.append(draw(*arguments, **keywords))
        return drawn[-1]

    monkeypatch.setattr(drawing, "draws_on_device", lambda size: True)
    monkeypatch.setattr(drawing, "draw", watched)
    return drawn


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", DRAWN)
def test_a_kernel_has_the_numbers_of_the_host(name, dtype, monkeypatch, request):
    initializer = DRAWN[name]
    expected = to_numpy(initializer(SHAPE, dtype))
    drawn = request.getfixturevalue("on_device")
    if name != "blocks":
        # Nothing is computed in NumPy on the way.
        monkeypatch.delattr(_backend, "to_tensor")
    kernel = initializer(SHAPE, dtype)
    assert drawn
    assert not any(isinstance(numbers, np.ndarray) for numbers in drawn)
    tolerance = limits.rounding(12) if dtype == "float32" else 2.0**-7
    np.testing.assert_allclose(to_numpy(kernel), expected, atol=tolerance)


def test_a_generator_moves_on_as_on_the_host(on_device):
    generators = [keras.random.SeedGenerator(5) for _ in range(2)]
    first = initializers.HaarOrthogonal(seed=generators[0])
    kernels = [to_numpy(first(SHAPE)) for _ in range(2)]
    assert not np.allclose(*kernels)
    second = initializers.HaarOrthogonal(seed=generators[1])
    np.testing.assert_array_equal(to_numpy(second(SHAPE)), kernels[0])


def test_the_law_is_that_of_haar(on_device):
    """An entry of an 8 x 8 matrix is a coordinate of a uniform point of the sphere."""
    initializer = initializers.HaarOrthogonal(batch_axes=[0], seed=5)
    kernels = to_numpy(initializer((4000, 8, 8)))
    limits.assert_mean(np.trace(kernels, axis1=1, axis2=2) ** 2, 1.0)
    limits.assert_mean(np.linalg.det(kernels), 0.0)
    law = scipy.stats.beta(3.5, 3.5)
    for index in ((0, 0), (0, 7), (7, 0), (3, 5)):
        limits.assert_distribution((1 + kernels[:, *index]) / 2, law.cdf)


def test_portable_kernels_are_drawn_on_the_host(on_device):
    with keras_initx.portable_seeds():
        kernel = to_numpy(DRAWN["haar"](SHAPE))
    assert not on_device
    limits.assert_semi_orthogonal(kernel.reshape(12, 12) / 2**0.5)


def test_the_host_is_no_accelerator():
    assert not drawing.draws_on_device(2**30)


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch names its devices")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "xpu"])
def test_only_a_large_kernel_goes_there(device, monkeypatch):
    module = "keras_initx._backend.drawing.torch.torch_device"
    monkeypatch.setattr(module, lambda: device)
    assert drawing.draws_on_device(512 * 512)
    assert not drawing.draws_on_device(64 * 64)
