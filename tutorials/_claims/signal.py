"""Claims about what arrives after many linear layers, or with the right scale."""

import itertools
import math

import keras
import numpy as np

from _claims.claim import SEEDS, Measured, claim, drawn, number, text_of, verdict
from keras_initx import (
    ConvolutionOrthogonal,
    FanScaled,
    HaarOrthogonal,
    OrthogonalDelta,
)


def images(seed, channels=8, size=8):
    """Four images of random numbers."""
    shape = (4, size, size, channels)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def norm_after(kernels, x):
    """By how much convolutions with zero padding change the norm, all in all."""
    y = x
    for kernel in kernels:
        y = keras.ops.conv(y, kernel, padding="same")
    return float(np.linalg.norm(keras.ops.convert_to_numpy(y)) / np.linalg.norm(x))


def norm_after_circular(kernels, x):
    """The same with circular padding, by the Fourier transform."""
    spectrum = np.fft.fft2(x, axes=(1, 2))
    for kernel in kernels:
        symbol = np.fft.fft2(kernel, s=x.shape[1:3], axes=(0, 1))
        spectrum = np.einsum("bhwi,hwio->bhwo", spectrum, symbol)
    return float(
        np.linalg.norm(np.fft.ifft2(spectrum, axes=(1, 2))) / np.linalg.norm(x)
    )


@claim(
    "signal",
    "initializers.OrthogonalDelta",
    "Xiao et al. 2018",
    "A delta-orthogonal convolution keeps the norm, and so do any number of them",
)
def delta_isometry(quick):
    """The norm after linear convolutions, with zero padding."""
    depth = 50 if quick else 1000

    def after(initializer, seed):
        kernels = drawn(initializer, (depth, 3, 3, 8, 8)).astype("float32")
        return norm_after(kernels, images(seed))

    ours = [after(OrthogonalDelta(batch_axes=[0], seed=s), s) for s in SEEDS]
    glorot = FanScaled(mode="fan_avg", distribution="uniform", batch_axes=[0], seed=0)
    other = after(glorot, 0)
    return Measured(
        f"norm times {text_of(ours, '.5f')}; Glorot: times {number(other, '.0e')}",
        verdict(all(abs(ratio - 1) < 1e-3 for ratio in ours)),
        f"{depth} convolutions 3 x 3, 8 channels, 8 x 8 pixels, zero padding",
        {"orthogonal_delta": ours, "glorot": other},
    )


@claim(
    "signal",
    "initializers.ConvolutionOrthogonal",
    "Xiao et al. 2018",
    "A convolution with all taps can be orthogonal and keep the norm",
)
def convolution_isometry(quick):
    """The norm after linear convolutions, with circular and with zero padding."""
    depth = 10 if quick else 100
    circular, padded = [], []
    for seed in SEEDS:
        kernels = [
            drawn(ConvolutionOrthogonal(seed=1000 * seed + layer), (3, 3, 8, 8))
            for layer in range(depth)
        ]
        circular.append(norm_after_circular(kernels, images(seed)))
        padded.append(norm_after([k.astype("float32") for k in kernels], images(seed)))
    is_kept = [
        all(abs(ratio - 1) < 1e-3 for ratio in ratios) for ratios in (circular, padded)
    ]
    return Measured(
        f"norm times {text_of(circular, '.5f')} with circular padding, "
        f"times {text_of(padded, '.1e')} with zero padding",
        verdict(all(is_kept), any(is_kept)),
        f"{depth} convolutions 3 x 3, 8 channels, 8 x 8 pixels",
        {"circular": circular, "zero_padding": padded},
        why=""
        if all(is_kept)
        else "Zero padding takes away what leaves the image; "
        "the paper pads circularly.",
    )


@claim(
    "signal",
    "initializers.HaarOrthogonal",
    "Saxe et al. 2013",
    "A product of orthogonal matrices keeps all singular values at 1; of Gaussian ones "
    "nearly all vanish (sec. 3, fig. 6)",
)
def orthogonal_product(quick):
    """The singular values of a product of square matrices."""
    depth, width = (20, 16) if quick else (100, 256)

    def values(initializer):
        product = np.eye(width)
        for kernel in drawn(initializer, (depth, width, width)):
            product = product @ kernel
        return np.linalg.svd(product, compute_uv=False)

    ours = [values(HaarOrthogonal(batch_axes=[0], seed=seed)) for seed in SEEDS]
    smallest = [found.min() for found in ours]
    gaussian = [
        values(FanScaled(distribution="normal", batch_axes=[0], seed=seed))
        for seed in SEEDS
    ]
    below = [float(np.mean(found < 0.01 * found.max())) for found in gaussian]
    is_kept = all(np.abs(found - 1).max() < 1e-3 for found in ours)
    return Measured(
        f"smallest {text_of(smallest, '.5f')}; of Gaussian ones "
        f"{number(100 * np.mean(below), '.0f')} % below a hundredth of the largest",
        verdict(is_kept and min(below) > 0.5, is_kept),
        f"{depth} matrices of {width} x {width}",
        {"smallest": smallest, "gaussian_share_below": below},
    )


def layer_by_layer(initializer, activation, depth, width, seed):
    """The activations of each layer, for 64 inputs of variance 1."""
    x = np.random.default_rng(seed).normal(size=(64, width)).astype("float32")
    found = []
    for kernel in drawn(initializer, (depth, width, width)).astype("float32"):
        x = keras.ops.convert_to_numpy(activation(x @ kernel))
        found.append(x)
    return found


@claim(
    "signal",
    "initializers.FanScaled activations.gain",
    "He et al. 2015",
    "With rectifiers a variance of 2 / fan-in keeps the signal, Glorot's halves it in "
    "each layer (sec. 2.2)",
)
def rectifier_variance(quick):
    """The mean square of the signal after layers of rectifiers."""
    depth, width = (10, 256) if quick else (30, 256)

    def factor_each(scale, seed):
        kernels = FanScaled(scale, distribution="normal", batch_axes=[0], seed=seed)
        last = layer_by_layer(kernels, keras.ops.relu, depth, width, seed)[-1]
        # The inputs have the mean square 1, and what a rectifier gives has half of it.
        return float(2 * np.mean(last**2) / scale) ** (1 / (depth - 1))

    he = [factor_each(2.0, seed) for seed in SEEDS]
    glorot = [factor_each(1.0, seed) for seed in SEEDS]
    holds = [abs(f - 1) < 0.1 for f in he] + [abs(f - 0.5) < 0.05 for f in glorot]
    return Measured(
        f"mean square each layer times {text_of(he)}; Glorot: times {text_of(glorot)}",
        verdict(all(holds)),
        f"{depth} dense layers of {width}",
        {"he": he, "glorot": glorot},
    )


@claim(
    "signal",
    "initializers.FanScaled activations.gain",
    "Klambauer et al. 2017",
    "SELU with kernels of variance 1 / fan-in holds mean 0 and variance 1 in each "
    "layer",
)
def selu_fixed_point(quick):
    """Mean and variance of the activations of all layers."""
    depth, width = (20, 128) if quick else (100, 512)
    means, low, high = [], [], []
    for seed in SEEDS:
        kernels = FanScaled(distribution="normal", batch_axes=[0], seed=seed)
        found = layer_by_layer(kernels, keras.ops.selu, depth, width, seed)
        means.append(max(abs(float(x.mean())) for x in found))
        low.append(min(float(x.var()) for x in found))
        high.append(max(float(x.var()) for x in found))
    holds = max(means) < 0.15 and 0.75 < min(low) and max(high) < 1.33
    return Measured(
        f"mean within {number(max(means))} of 0, variance from {number(min(low))} to "
        f"{number(max(high))}",
        verdict(holds),
        f"{depth} dense layers of {width}",
        {"largest_mean": means, "lowest_variance": low, "highest_variance": high},
    )


@claim(
    "signal",
    "activations.lecun_tanh initializers.FanScaled",
    "LeCun et al. 1998",
    "1.7159 tanh(2x/3) and variance 1 / fan-in keep outputs near variance 1 (sec. 4.4)",
)
def lecun_variance(quick):
    """The variance of the activations of the last layer."""
    depth, width = (30, 128) if quick else (100, 512)
    activation = keras.activations.get("lecun_tanh")
    first, last = [], []
    for seed in SEEDS:
        kernels = FanScaled(distribution="normal", batch_axes=[0], seed=seed)
        found = layer_by_layer(kernels, activation, depth, width, seed)
        first.append(float(found[0].var()))
        last.append(float(found[-1].var()))
    return Measured(
        f"variance {text_of(first)} after 1 layer, {text_of(last)} after {depth}",
        verdict(min(last) > 0.8, min(last) > 0.1),
        f"{depth} dense layers of {width}",
        {"first": first, "last": last},
        why="The function maps 1 to 1, but a normal variable of variance 1 to one of "
        "variance 0.75: the fixed point is 0.38.",
    )


@claim(
    "signal",
    "initializers.HaarOrthogonal initializers.OrthogonalDelta",
    "Martens et al. 2021",
    "Orthogonal kernels times max(sqrt(out / in), 1) keep the mean square",
)
def scaled_uniform_orthogonal(quick):
    """The mean square after layers that get wider, with and without the factor."""
    widths = (16, 32, 64) if quick else (32, 64, 128, 256, 512)

    def after(scale, seed):
        x = np.random.default_rng(seed).normal(size=(64, widths[0]))
        for layer, shape in enumerate(itertools.pairwise(widths)):
            x = x @ drawn(HaarOrthogonal(scale=scale, seed=10 * seed + layer), shape)
        return float(np.mean(x**2))

    scaled = [after("variance", seed) for seed in SEEDS]
    plain = [after("isometry", seed) for seed in SEEDS]
    tolerance = 4 * math.sqrt(2 / (64 * widths[0]))
    return Measured(
        f"mean square {text_of(scaled)}; without the factor {text_of(plain, '.3f')}",
        verdict(all(abs(value - 1) < tolerance for value in scaled)),
        f"dense layers of {', '.join(map(str, widths))}",
        {"scaled": scaled, "plain": plain},
    )
