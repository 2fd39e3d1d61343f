"""Claims about wide random networks: where correlations and gradients go."""

import math

import keras
import numpy as np

from _claims.claim import SEEDS, Measured, claim, drawn, number, text_of, verdict
from keras_initx import (
    FanScaled,
    HaarOrthogonal,
    correlation_map,
    critical_point,
    fixed_point,
    shaped,
    variance_map,
)


def correlations(activation, kernels, biases, pairs, c):
    """The mean cosine of pairs of inputs of correlation c, layer by layer.

    The mean square of each input is 1; a cosine is that of pre-activations.
    """
    width = kernels.shape[1]
    random = np.random.default_rng(0)
    x = random.normal(size=(pairs, width))
    y = c * x + math.sqrt(1 - c**2) * random.normal(size=(pairs, width))
    both = np.concatenate([x, y])
    both /= np.sqrt(np.mean(both**2, axis=1, keepdims=True))
    found = []
    for kernel, bias in zip(kernels, biases, strict=True):
        z = both @ kernel + bias
        found.append(mean_cosine(z[:pairs], z[pairs:]))
        both = keras.ops.convert_to_numpy(activation(z.astype("float32")))
        both = both.astype("float64")
    return np.array(found)


def mean_cosine(x, y):
    """Of the rows of two matrices."""
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return float(np.mean(np.sum(x * y, axis=1) / norms))


def orthogonal_kernels(depth, width, seed):
    """One matrix for each layer."""
    return drawn(HaarOrthogonal(batch_axes=[0], seed=seed), (depth, width, width))


def no_biases(depth, width):
    """Zeros, one vector for each layer."""
    return np.zeros((depth, width))


@claim(
    "maps",
    "activations.correlation_map activations.variance_map",
    "Poole et al. 2016",
    "In wide networks the correlation of two inputs follows a map of one number "
    "(sec. 2)",
)
def correlation_follows_map(quick):
    """Measured and computed correlations after each of some layers of tanh."""
    depth, width = (3, 128) if quick else (10, 512)
    sigma_w, sigma_b = 2.0, 0.3
    # The first layer sees inputs of mean square 1 and correlation 0.6.
    q = sigma_w**2 + sigma_b**2
    expected = [(0.6 * sigma_w**2 + sigma_b**2) / q]
    for _ in range(depth - 1):
        expected.append(correlation_map("tanh", expected[-1], q, sigma_w, sigma_b))
        q = variance_map("tanh", q, sigma_w, sigma_b)
    errors = []
    for seed in SEEDS:
        initializer = FanScaled(
            sigma_w**2, distribution="normal", batch_axes=[0], seed=seed
        )
        kernels = drawn(initializer, (depth, width, width))
        biases = np.random.default_rng(seed).normal(0, sigma_b, (depth, width))
        measured = correlations(keras.ops.tanh, kernels, biases, 32, 0.6)
        errors.append(float(np.abs(measured - expected).max()))
    return Measured(
        f"off by {text_of(errors, '.3f')} at most",
        verdict(max(errors) < 0.1),
        f"{depth} layers of {width} tanh, sigma_w {sigma_w:g}, sigma_b {sigma_b:g}",
        {"largest_error": errors},
    )


@claim(
    "maps",
    "activations.fixed_point activations.critical_point schemes.critical",
    "Schoenholz et al. 2017",
    "Correlations converge at a rate chi that mean field theory predicts; at the "
    "critical point this depth scale diverges",
)
def depth_scale_of_correlations(quick):
    """By what factor 1 - c shrinks in a layer, in the ordered phase and at criticality.

    Depth scales: 1 / log(1 / chi).
    """
    depth, width = (12, 256) if quick else (20, 1000)
    critical = critical_point("tanh", q=0.25)
    found = {}
    for name, sigma_w, sigma_b in [
        ("ordered", 1.0, 0.3),
        ("critical", critical.sigma_w, critical.sigma_b),
    ]:
        factors = []
        for seed in SEEDS:
            initializer = FanScaled(
                sigma_w**2, distribution="normal", batch_axes=[0], seed=seed
            )
            kernels = drawn(initializer, (depth, width, width))
            biases = np.random.default_rng(seed).normal(0, sigma_b, (depth, width))
            away = 1 - correlations(keras.ops.tanh, kernels, biases, 32, 0.9)
            layers = depth - 1 - depth // 3
            factors.append(float((away[-1] / away[depth // 3]) ** (1 / layers)))
        found[name] = factors
        found[f"{name}_chi"] = fixed_point("tanh", sigma_w, sigma_b).chi
    off = abs(np.mean(found["ordered"]) - found["ordered_chi"])
    holds = off < 0.1 and np.mean(found["critical"]) > 0.9
    return Measured(
        f"ordered: 1 - c times {text_of(found['ordered'])} a layer, predicted "
        f"{number(found['ordered_chi'])}; critical: {text_of(found['critical'])}",
        verdict(holds, off < 0.1),
        f"{depth} layers of {width} tanh",
        found,
    )


def end_to_end(activation, depth, width, c):
    """The correlation that orthogonal layers of an activation make of c, per seed."""
    found = []
    for seed in SEEDS:
        kernels = orthogonal_kernels(depth + 1, width, seed)
        biases = no_biases(depth + 1, width)
        found.append(correlations(activation, kernels, biases, 16, c)[-1])
    return [float(value) for value in found]


@claim(
    "maps",
    "activations.shaped activations.ShapedActivation",
    "Zhang et al. 2022",
    "TAT: with a slope solved for the depth, inputs of correlation 0 come to 0.9 after "
    "any number of leaky ReLUs",
)
def tailored_rectifiers(quick):
    """The cosine of independent inputs after many layers."""
    depth, width = (20, 256) if quick else (50, 512)
    ours = end_to_end(shaped("leaky_relu", depth), depth, width, 0.0)
    relu = end_to_end(lambda x: math.sqrt(2) * keras.ops.relu(x), depth, width, 0.0)
    return Measured(
        f"cosine {text_of(ours)}; ReLU: {text_of(relu, '.3f')}",
        verdict(all(abs(value - 0.9) < 0.05 for value in ours)),
        f"{depth} layers of {width}",
        {"tat": ours, "relu": relu},
    )


@claim(
    "maps",
    "activations.shaped activations.ShapedActivation",
    "Martens et al. 2021",
    "DKS: independent inputs stay independent at any depth, and the map of "
    "correlations has slope 1.5 at 1",
)
def deep_kernel_shaping(quick):
    """Correlations after many shaped layers of tanh."""
    depth, width = (20, 128) if quick else (50, 512)
    activation = shaped("tanh", depth, method="dks")
    start = 0.98
    of_none = end_to_end(activation, depth, width, 0.0)
    of_near = end_to_end(activation, depth, width, start)
    slopes = [(1 - value) / (1 - start) for value in of_near]
    holds = all(abs(value) < 0.1 for value in of_none)
    is_steep = all(1.2 < value < 1.8 for value in slopes)
    return Measured(
        f"cosine 0 comes to {text_of(of_none)}; slope near 1: {text_of(slopes)}",
        verdict(holds and is_steep, holds or is_steep),
        f"{depth} layers of {width} shaped tanh",
        {"from_0": of_none, "slope": slopes},
    )
