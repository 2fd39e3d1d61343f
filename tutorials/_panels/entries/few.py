"""Initializers that know something: of the classes, of the data, of another library."""

import keras
import numpy as np

from _panels.entry import Entry, redraw
from _panels.networks import few, plain
from _panels.spectrum import probability, sorted_values
from keras_initx import initializers

WIDTH = 32


def small():
    """Three layers."""
    return plain.dense("relu", 3, WIDTH, rates=(3e-3, 1e-2, 3e-2), epochs=4)


def prior(network, seed):
    """The output starts with the share of the rare class."""
    bias = initializers.PriorBias(few.RARE_SHARE, activation="sigmoid")
    redraw({"head/bias": bias})(network, seed)


def principal(network, seed):
    """The first layer starts with the principal components of the pixels."""
    x = plain.digits()[0].reshape(-1, 64)
    _, sizes, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    # Each unit gets the variance 1.
    kernel = directions[:WIDTH].T * np.sqrt(len(x)) / sizes[:WIDTH]
    redraw({"hidden_1/kernel": initializers.FromArray(kernel)})(network, seed)


def as_in_pytorch(network, seed):
    """Kernels and biases of one distribution."""
    kernel = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    rules = {
        "hidden_1/bias": initializers.TorchBias(64),
        "*/bias": initializers.TorchBias(WIDTH),
    }
    redraw({"*/kernel": kernel, **rules})(network, seed)


FEW = {
    "PriorBias": Entry(
        few.imbalanced, prior, "head/bias", default="zeros", spectrum=probability
    ),
    "FromArray": Entry(small, principal, "hidden_1/kernel"),
    "TorchBias": Entry(
        small, as_in_pytorch, "hidden_2/bias", default="zeros", spectrum=sorted_values
    ),
}
