"""Claims about the norm and the noise of gradients."""

import math

import numpy as np

from _claims.claim import SEEDS, Measured, claim, drawn, text_of, verdict
from keras_initx import FanScaled, LooksLinear, RandomWalk


def log_norms(initializer, depth, width, trials, seed):
    """The log-norm of x after each layer of rectifiers: `(depth, trials)`."""
    x = np.random.default_rng(seed).normal(size=(trials, 1, width))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    found = []
    for layer in range(depth):
        kernels = drawn(initializer(1000 * seed + layer), (trials, width, width))
        x = np.maximum(x @ kernels, 0)
        found.append(np.log(np.linalg.norm(x, axis=-1))[:, 0])
    return np.array(found)


@claim(
    "signal",
    "initializers.RandomWalk",
    "Sussillo and Abbott 2014",
    "With the right gain the log-norm does an unbiased random walk; its variance grows "
    "with depth as 1 / width (abstract)",
)
def random_walk_drift(quick):
    """The log-norm after layers of rectifiers, over many networks."""
    depth, width, trials = (10, 16, 100) if quick else (60, 32, 200)
    drifts, others, variances, off = [], [], [], []
    for seed in SEEDS:
        ours = log_norms(
            lambda s: RandomWalk(batch_axes=[0], seed=s), depth, width, trials, seed
        )
        he = log_norms(
            lambda s: FanScaled(2.0, distribution="normal", batch_axes=[0], seed=s),
            *(depth, width, trials, seed),
        )
        drifts.append(float(ours[-1].mean()))
        off.append(abs(drifts[-1]) / (ours[-1].std() / math.sqrt(trials)))
        others.append(float(he[-1].mean()))
        variances.append(float(ours[-1].var() / (depth * 5 / (4 * width))))
    is_unbiased = max(off) < 3.5 and max(others) < min(drifts)
    is_variance = all(0.6 < ratio < 1.6 for ratio in variances)
    return Measured(
        f"drift {text_of(drifts)}, He: {text_of(others)}; variance "
        f"{text_of(variances)} of 5 depth / (4 width)",
        verdict(is_unbiased and is_variance, is_unbiased),
        f"{trials} networks of {depth} layers of {width} rectifiers",
        {"drift": drifts, "he_drift": others, "variance_ratio": variances},
    )


def gradient_autocorrelation(depth, width, seed, is_normalized, kernels=None):
    """Lag 1 autocorrelation of df/dx at 256 places of a line."""
    random = np.random.default_rng(seed)
    h = np.linspace(-2, 2, 256)[:, None]
    slope = np.ones_like(h)
    h, slope = h - h.mean(), slope
    for layer in range(depth):
        kernel = drawn(
            FanScaled(2.0, distribution="normal", seed=1000 * seed + layer),
            (h.shape[1], width),
        )
        bias = random.normal(size=width) if layer == 0 else 0
        h, slope = h @ kernel + bias, slope @ kernel
        if is_normalized:
            mean, deviation = h.mean(axis=0), h.std(axis=0) + 1e-9
            h, slope = (h - mean) / deviation, slope / deviation
        h, slope = np.maximum(h, 0), slope * (h > 0)
    gradient = slope @ random.normal(size=width)
    gradient = gradient - gradient.mean()
    return float(gradient[1:] @ gradient[:-1] / (gradient @ gradient))


@claim(
    "signal",
    "initializers.LooksLinear schemes.looks_linear",
    "Balduzzi et al. 2017",
    "The gradient of a deep feed-forward network of rectifiers over its input is like "
    "white noise",
)
def shattered_gradients(quick):
    """The autocorrelation of the gradient with and without batch normalization."""
    depth, width = (12, 50) if quick else (24, 200)
    found = {
        name: [
            gradient_autocorrelation(layers, width, seed, is_normalized)
            for seed in SEEDS
        ]
        for name, layers, is_normalized in [
            ("shallow", 1, False),
            ("plain", depth, False),
            ("normalized", depth, True),
        ]
    }
    limit = 0.4 if quick else 0.2
    is_white = [np.mean(found[name]) < limit for name in ("plain", "normalized")]
    return Measured(
        f"autocorrelation {text_of(found['plain'])} with He's kernels, "
        f"{text_of(found['normalized'])} with batch normalization too; 1 layer: "
        f"{text_of(found['shallow'])}",
        verdict(all(is_white), any(is_white)),
        f"{depth} layers of {width}, 256 places",
        found,
        why=""
        if all(is_white)
        else "It takes batch normalization: without it the "
        "rectifiers of deep layers switch together.",
    )


@claim(
    "signal",
    "initializers.LooksLinear schemes.looks_linear",
    "Balduzzi et al. 2017",
    "With mirrored kernels a deep network of rectifiers starts as a linear function",
)
def looks_linear_is_linear(quick):
    """How far f(x + y) is from f(x) + f(y)."""
    depth, width = (10, 32) if quick else (50, 64)

    def off(make, seed):
        random = np.random.default_rng(seed)
        kernels = [drawn(make("output", 0), (8, width))]
        kernels += [drawn(make("both", n), (width, width)) for n in range(1, depth)]
        kernels += [drawn(make("input", depth), (width, 1))]

        def f(x):
            for kernel in kernels[:-1]:
                x = np.maximum(x @ kernel, 0)
            return x @ kernels[-1]

        x, y = random.normal(size=(2, 100, 8))
        return float(np.abs(f(x + y) - f(x) - f(y)).max() / np.abs(f(x)).max())

    ours = [
        off(lambda m, n, s=s: LooksLinear(mirror=m, seed=100 * s + n), s) for s in SEEDS
    ]
    he = [off(lambda m, n, s=s: FanScaled(2.0, seed=100 * s + n), s) for s in SEEDS]
    return Measured(
        f"f(x + y) is f(x) + f(y) to {text_of(ours, '.0e')} of the largest f; He: to "
        f"{text_of(he, '.1f')}",
        verdict(max(ours) < 1e-4),
        f"{depth} dense layers of {width} rectifiers",
        {"looks_linear": ours, "he": he},
    )
