"""Initializers for plain networks."""

import keras_initx
from _panels.entry import Entry, redraw
from _panels.networks import plain
from _panels.spectrum import of_channels
from keras_initx import initializers

DEPTH = 32
CONVOLUTION_RATES = (1e-2, 3e-2)


def tanh_convolutions():
    """A deep network whose scale must be right."""
    return plain.convolutions("tanh", DEPTH, rates=CONVOLUTION_RATES)


def relu_convolutions():
    """With ReLU a network fails at a smaller depth."""
    return plain.convolutions("relu", 20, rates=CONVOLUTION_RATES)


def critical_gain():
    """That of tanh at this depth."""
    return keras_initx.critical_point("tanh", depth=DEPTH).sigma_w


def delta(network, seed):
    """Delta-orthogonal kernels at the critical gain."""
    kernel = initializers.OrthogonalDelta(gain=critical_gain())
    redraw({"hidden_*/kernel": kernel})(network, seed)


def convolution(network, seed):
    """Orthogonal convolutions at the critical gain, for images of 4 x 4 pixels."""
    kernel = initializers.ConvolutionOrthogonal(gain=critical_gain(), image_size=4)
    redraw({"hidden_*/kernel": kernel})(network, seed)


PLAIN = {
    "OrthogonalDelta": Entry(tanh_convolutions, delta, "hidden_12/kernel"),
    "ConvolutionOrthogonal": Entry(tanh_convolutions, convolution, "hidden_12/kernel"),
    "HaarOrthogonal": Entry(
        lambda: plain.dense(None, 40, 32, rates=(1e-4, 3e-4, 1e-3, 3e-3)),
        redraw({"hidden_*/kernel": "haar_orthogonal"}),
        "hidden_20/kernel",
    ),
    "LooksLinear": Entry(
        lambda: plain.concatenated(30, 16),
        redraw(
            {
                "hidden_1/kernel": "haar_orthogonal",
                "hidden_*/kernel": "looks_linear",
                "head/kernel": "looks_linear",
            }
        ),
        "hidden_12/kernel",
    ),
    "RandomWalk": Entry(
        lambda: plain.dense("relu", 30, 12, rates=(1e-3, 3e-3, 1e-2)),
        redraw({"hidden_*/kernel": "random_walk"}),
        "hidden_12/kernel",
    ),
    "FanScaled": Entry(
        lambda: plain.depthwise(8, 16),
        redraw({"*wise_*/kernel": initializers.FanScaled(gain="relu")}),
        "depthwise_4/kernel",
        spectrum=of_channels,
    ),
    "Sparse": Entry(
        lambda: plain.dense("sigmoid", 6, 64, rates=(1e-2, 3e-2, 1e-1)),
        redraw({"hidden_*/kernel": "sparse"}),
        "hidden_3/kernel",
    ),
    "Dirac": Entry(
        relu_convolutions,
        redraw({"hidden_*/kernel": "dirac"}),
        "hidden_12/kernel",
    ),
}
