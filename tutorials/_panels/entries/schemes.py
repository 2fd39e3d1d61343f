"""Schemes, which set a whole model."""

import keras_initx
from _panels.entries.blocks import BLOCKS_COUNT, LAYERS
from _panels.entries.few import small
from _panels.entries.plain import relu_convolutions
from _panels.entry import Entry
from _panels.networks import few, plain
from _panels.networks.residual import residual
from _panels.networks.transformer import transformer


def gelu():
    """A deep network in which samples grow apart."""
    return plain.dense("gelu", 40, 32, rates=(3e-4, 1e-3, 3e-3))


def relu():
    """A deep plain network of ReLU."""
    return plain.dense("relu", 40, 32, rates=(1e-4, 1e-3, 1e-2))


def scheme(function, *arguments, **options):
    """A start by a scheme that needs no data, from Keras's weights of that seed."""

    def start(network, seed):
        keras_initx.reinitialize(network, seed=seed)
        function(network, *arguments, **options)

    return start


def by_data(function):
    """A start by a scheme that measures the training data."""

    def start(network, seed):
        x = plain.digits()[0][:256]
        keras_initx.reinitialize(network, seed=seed)
        function(network, x)

    return start


def looks_linear(network, seed):
    """The network starts as a linear function."""
    keras_initx.reinitialize(network, seed=seed)
    keras_initx.looks_linear(network, seed=seed)


def again(network, seed):
    """Other draws than those of Keras's default beside it."""
    keras_initx.reinitialize(network, seed=1000 + seed)


def warm(network, seed):
    """From a network of half the width that knows other digits."""
    keras_initx.reinitialize(network, seed=seed)
    keras_initx.warm_start(network, few.source(), seed=seed)


SCHEMES = {
    "lsuv": Entry(relu_convolutions, by_data(keras_initx.lsuv), "hidden_12/kernel"),
    "fixup": Entry(
        lambda: residual(BLOCKS_COUNT),
        scheme(keras_initx.fixup),
        "first_10/kernel",
        steps=3,
    ),
    "t_fixup": Entry(
        lambda: transformer(LAYERS), scheme(keras_initx.t_fixup), "feed_5/kernel"
    ),
    "depth_scale": Entry(
        lambda: residual(BLOCKS_COUNT),
        scheme(keras_initx.depth_scale, "gpt2"),
        "last_10/kernel",
    ),
    "critical": Entry(gelu, by_data(keras_initx.critical), "hidden_20/kernel"),
    "looks_linear": Entry(relu, looks_linear, "hidden_20/kernel"),
    "reinitialize": Entry(small, again, "hidden_2/kernel"),
    "warm_start": Entry(few.transfer, warm, "hidden_2/kernel"),
}
