"""Claims about schemes that look at a model and its data."""

import _common
import keras
import lsuv
import numpy as np

import keras_initx
from _claims.claim import SEEDS, Measured, claim, number, verdict


@claim(
    "signal",
    "schemes.lsuv callbacks.LSUV",
    "Mishkin and Matas 2016",
    "Layer by layer, the output of each layer gets variance 1, whatever the activation",
    script="lsuv.py",
)
def lsuv_unit_variance(quick):
    """The deviations of all pre-activations after the scheme's one pass."""
    depth, x = 4 if quick else 30, _common.load_data()[0][:64]
    found = {}
    for activation in lsuv.ACTIVATIONS:
        network = lsuv.build(activation, "zeros", depth)
        keras_initx.lsuv(network, x, verbose=0)
        layers = [each.output for each in network.layers if each.weights]
        outputs = keras.Model(network.input, layers).predict(x, verbose=0)
        found[activation] = [float(np.std(output)) for output in outputs]
    off = max(abs(value - 1) for values in found.values() for value in values)
    return Measured(
        f"deviation within {number(off, '.4f')} of 1 in each layer",
        verdict(off < 0.02),
        f"{depth} convolutions of 16 channels with {', '.join(found)}",
        found,
        seeds=(0,),
    )


def small(width, classes=10):
    """A network whose layers are as wide as asked for."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(width, 3, activation="relu")(inputs)
    x = keras.layers.Conv2D(width, 3, activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes)(x))


@claim(
    "kernels",
    "schemes.warm_start",
    "Chen et al. 2016",
    "A wider network can start as the function of a narrower one",
)
def wider_is_equal(quick):
    """The outputs of both networks."""
    widths = (8, 16) if quick else (32, 128)
    off, x = [], _common.load_data()[0][:64]
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        source, wide = (small(width) for width in widths)
        keras_initx.warm_start(wide, source, seed=seed)
        expected, found = (model.predict(x, verbose=0) for model in (source, wide))
        off.append(float(np.abs(found - expected).max() / np.abs(expected).max()))
    return Measured(
        f"outputs differ by {number(max(off), '.0e')} of the largest",
        verdict(max(off) < 1e-4),
        f"convolutions of {widths[0]} and {widths[1]} channels",
        {"relative_difference": off},
    )
