"""Claims about layers that change, keep or enlarge an image."""

import keras
import numpy as np

from _claims.claim import SEEDS, Measured, claim, number, text_of, verdict
from keras_initx import (
    ICNR,
    Bilinear,
    CReLU,
    Dirac,
    FanScaled,
)


def noise(seed, *shape):
    """Normal numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def array(tensor):
    """As float64."""
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def depth_to_space(x, scale=2):
    """Each pixel's channels as a block of pixels; the last channels are colours."""
    batch, height, width, channels = x.shape
    colours = channels // scale**2
    x = x.reshape(batch, height, width, scale, scale, colours)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, height * scale, width * scale, colours
    )


def checkerboard(y):
    """The share of the signal within blocks of 2 x 2 pixels."""
    means = y.reshape(len(y), y.shape[1] // 2, 2, y.shape[2] // 2, 2, -1)
    inside = means - means.mean(axis=(2, 4), keepdims=True)
    return float(np.sqrt(np.mean(inside**2) / np.mean(means**2)))


@claim(
    "kernels",
    "initializers.ICNR",
    "Aitken et al. 2017",
    "A sub-pixel convolution starts as nearest-neighbour resizing, without a "
    "checkerboard (sec. 3)",
)
def no_checkerboard(quick):
    """The signal within blocks of 2 x 2 pixels."""
    del quick
    ours, other = [], []
    for seed in SEEDS:
        x = noise(seed, 2, 8, 8, 6)
        for found, initializer in [
            (ours, ICNR(FanScaled(seed=seed))),
            (other, FanScaled(seed=seed)),
        ]:
            kernel = initializer((3, 3, 6, 12))
            found.append(
                checkerboard(
                    depth_to_space(array(keras.ops.conv(x, kernel, padding="same")))
                )
            )
    return Measured(
        f"{number(max(ours), '.0e')} of the signal is checkerboard; without: "
        f"{text_of(other)}",
        verdict(max(ours) < 1e-6),
        "one convolution 3 x 3, 6 channels to 12, blocks of 2 x 2",
        {"icnr": ours, "plain": other},
    )


@claim(
    "kernels",
    "initializers.Bilinear",
    "Long et al. 2015",
    "A transposed convolution can start as bilinear interpolation (sec. 3.3)",
)
def bilinear_upsampling(quick):
    """The difference from `keras.ops.image.resize`, away from the border."""
    del quick
    off = []
    for seed in SEEDS:
        x = noise(seed, 2, 8, 8, 3)
        layer = keras.layers.Conv2DTranspose(
            3, 4, 2, padding="same", kernel_initializer=Bilinear(), use_bias=False
        )
        y = array(layer(x))
        resized = array(keras.ops.image.resize(x, (16, 16), "bilinear"))
        off.append(float(np.abs(y - resized)[:, 2:-2, 2:-2].max()))
    return Measured(
        f"off by {text_of(off, '.0e')} at most",
        verdict(max(off) < 1e-4),
        "one transposed convolution 4 x 4, stride 2, 8 x 8 pixels",
        {"largest_difference": off},
    )


@claim(
    "kernels",
    "initializers.Dirac",
    "Zagoruyko and Komodakis 2017",
    "A convolution that starts as the identity hands its input on, at any depth",
)
def dirac_is_identity(quick):
    """The difference of input and output."""
    depth = 10 if quick else 1000
    kernel = Dirac()((3, 3, 8, 8))
    off = []
    for seed in SEEDS:
        x = y = noise(seed, 2, 8, 8, 8)
        for _ in range(depth):
            y = keras.ops.conv(y, kernel, padding="same")
        off.append(float(np.abs(array(y) - x).max()))
    return Measured(
        f"off by {number(max(off), '.0e')} at most",
        verdict(max(off) == 0),
        f"{depth} convolutions 3 x 3, 8 channels",
        {"largest_difference": off},
    )


@claim(
    "kernels",
    "layers.CReLU",
    "Shang et al. 2016",
    "Both halves together keep what a rectifier loses",
)
def nothing_is_lost(quick):
    """How far the input is from the difference of the halves."""
    del quick
    off, lost = [], []
    for seed in SEEDS:
        x = noise(seed, 64, 32)
        y = array(CReLU()(x))
        off.append(float(np.abs(y[:, :32] - y[:, 32:] - x).max()))
        lost.append(float(np.mean(y[:, :32] == 0)))
    return Measured(
        f"the input is their difference to {number(max(off), '.0e')}; ReLU sets "
        f"{number(100 * np.mean(lost), '.0f')} % to zero",
        verdict(max(off) == 0),
        "64 inputs of 32 numbers",
        {"largest_difference": off, "zeros": lost},
    )
