"""TorchBias: the law of PyTorch's own layers."""

import math

import keras
import limits
import numpy as np
import pytest
import scipy.stats
from catalogue import framework, refuses, to_numpy

from keras_initx.initializers import TorchBias


@pytest.mark.parametrize("fan_in", [1, 9, 128])
def test_the_law(fan_in):
    bias = to_numpy(TorchBias(fan_in, seed=1)((20_000,)))
    limit = 1 / math.sqrt(fan_in)
    limits.assert_distribution(bias, scipy.stats.uniform(-limit, 2 * limit).cdf)
    assert 0.999 * limit < np.abs(bias).max() <= limit


@pytest.mark.several_frameworks
def test_it_is_the_law_of_pytorch():
    torch = framework("torch")
    torch.manual_seed(1)
    made = {
        9 * 8: torch.nn.Conv2d(8, 5000, 3),
        9 * 4: torch.nn.Conv2d(8, 5000, 3, groups=2),
        16: torch.nn.Linear(16, 5000),
        4 * 3000: torch.nn.ConvTranspose1d(2, 3000, 4),
    }
    for fan_in, layer in made.items():
        theirs = layer.bias.detach().numpy()
        ours = to_numpy(TorchBias(fan_in, seed=1)(theirs.shape))
        found = scipy.stats.ks_2samp(ours, theirs)
        assert found.pvalue > limits.FALSE_ALARM
        wrong = to_numpy(TorchBias(4 * fan_in, seed=1)(theirs.shape))
        assert scipy.stats.ks_2samp(wrong, theirs).pvalue < limits.FALSE_ALARM


def test_any_bias_takes_it():
    layer = keras.layers.EinsumDense(
        "abc,cde->abde", (None, 2, 3), bias_axes="de", bias_initializer=TorchBias(4)
    )
    layer.build((None, 5, 4))
    assert tuple(layer.bias.shape) == (2, 3)
    layer = keras.layers.GRU(5, bias_initializer=TorchBias(5))
    layer.build((None, 3, 4))
    assert 0 < np.abs(to_numpy(layer.cell.bias)).max() <= 5**-0.5


@pytest.mark.parametrize("fan_in", [0, 2.5, None, True])
def test_a_bad_fan_in(fan_in):
    with refuses(
        "`TorchBias` needs `fan_in` to be an integer of at least 1. Received: "
        f"fan_in={fan_in!r}. Pass a positive int, for example 1."
    ):
        TorchBias(fan_in)
