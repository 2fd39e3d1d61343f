"""Claims about single layers."""

import keras
import numpy as np
import scipy.stats

from _claims.claim import SEEDS, Measured, claim, drawn, number, text_of, verdict
from _claims.images import array, noise
from keras_initx import (
    Orthonormal,
    PriorBias,
    Siren,
    Sparse,
)


@claim(
    "kernels",
    "initializers.Siren",
    "Sitzmann et al. 2020",
    "The pre-activations of a network of sines are normal with deviation 1 at any "
    "depth (sec. 3.2)",
)
def siren_distribution(quick):
    """The deviation of the pre-activations by depth, and their law."""
    depth, width = (6, 256) if quick else (30, 1024)
    deviations, distances = [], []
    for seed in SEEDS:
        x = np.random.default_rng(seed).uniform(-1, 1, (256, 2))
        for layer in range(depth):
            kernel = drawn(
                Siren(first=layer == 0, seed=100 * seed + layer), (x.shape[1], width)
            )
            z = 30 * x @ kernel
            x = np.sin(z)
        deviations.append(float(z.std()))
        distances.append(float(scipy.stats.kstest(z.ravel() / z.std(), "norm")[0]))
    is_normal = max(distances) < 0.05
    is_one = all(abs(value - 1) < 0.05 for value in deviations)
    return Measured(
        f"deviation {text_of(deviations)} in the last layer, which is within "
        f"{number(max(distances), '.3f')} of a normal law",
        verdict(is_normal and is_one, is_normal),
        f"{depth} dense layers of {width}",
        {"deviation": deviations, "kolmogorov_distance": distances},
        why="They are normal and the same at any depth. But their variance q solves "
        "q = 1 - exp(-2q), which is 0.89^2 and not 1.",
    )


@claim(
    "kernels",
    "initializers.PriorBias",
    "Lin et al. 2017",
    "With the bias set to the prior, rare classes do not dominate the first loss "
    "(sec. 3.3)",
)
def prior_is_entropy(quick):
    """The first loss of an imbalanced classifier, and its part of the rare class."""
    samples = 2000 if quick else 20000
    share, ours, zeros, entropy = 0.01, [], [], []
    for seed in SEEDS:
        labels = np.random.default_rng(seed).random(samples) < share
        frequency = labels.mean()
        bias = drawn(PriorBias.from_labels(labels.astype("int32")), (2,))
        probabilities = np.exp(bias) / np.exp(bias).sum()
        ours.append(float(-np.mean(np.log(probabilities[labels.astype(int)]))))
        zeros.append(float(np.log(2)))
        entropy.append(
            float(
                -frequency * np.log(frequency) - (1 - frequency) * np.log(1 - frequency)
            )
        )
    off = max(abs(a - b) for a, b in zip(ours, entropy, strict=True))
    return Measured(
        f"loss {text_of(ours, '.3f')}, as the entropy of the labels to "
        f"{number(off, '.0e')}; zero bias: {number(zeros[0], '.3f')}",
        verdict(off < 1e-3),
        f"{samples} labels, 1 % of them rare",
        {"loss": ours, "zero_bias": zeros, "entropy": entropy},
    )


@claim(
    "kernels",
    "initializers.Sparse",
    "Sutskever et al. 2013",
    "With 15 incoming weights a unit's input does not depend on the size of the layer: "
    "units do not saturate (sec. 3.1)",
)
def sparse_does_not_saturate(quick):
    """The share of logistic units beyond 0.01 and 0.99, by the width of the layer."""
    widths = (64, 256) if quick else (64, 512, 4096)

    def shares(make):
        found = []
        for width in widths:
            each = []
            for seed in SEEDS:
                x = np.random.default_rng(seed).uniform(0, 1, (64, width))
                z = x @ drawn(make(seed), (width, 64))
                each.append(float(np.mean(np.abs(z) > np.log(99))))
            found.append(each)
        return found

    ours = shares(lambda seed: Sparse(seed=seed))
    dense = shares(lambda seed: keras.initializers.RandomNormal(stddev=1.0, seed=seed))
    is_flat = max(np.mean(each) for each in ours) < 0.1
    return Measured(
        f"saturated units: {text_of(ours[0], '.1%')} at {widths[0]} inputs, "
        f"{text_of(ours[-1], '.1%')} at {widths[-1]}; all weights drawn: "
        f"{text_of(dense[-1], '.0%')}",
        verdict(is_flat and np.mean(dense[-1]) > 0.4, is_flat),
        f"{' to '.join(str(w) for w in (widths[0], widths[-1]))} inputs from [0, 1]",
        {"sparse": ours, "dense": dense},
    )


@claim(
    "kernels",
    "constraints.Orthonormal",
    "Higham 2008",
    "Of all orthogonal matrices the polar factor is the nearest one (sec. 8.1)",
)
def nearest_orthogonal(quick):
    """The distance to the projection, and to the orthogonal factor of QR."""
    width = 16 if quick else 128
    ours, other, off = [], [], []
    for seed in SEEDS:
        kernel = noise(seed, width, width) / width**0.5
        found = array(Orthonormal()(keras.ops.convert_to_tensor(kernel)))
        left, _, right = np.linalg.svd(kernel.astype("float64"))
        q, r = np.linalg.qr(kernel.astype("float64"))
        off.append(float(np.abs(found - left @ right).max()))
        ours.append(float(np.linalg.norm(found - kernel) / np.linalg.norm(kernel)))
        qr = q * np.sign(np.diag(r))
        other.append(float(np.linalg.norm(qr - kernel) / np.linalg.norm(kernel)))
    return Measured(
        f"it is the polar factor to {number(max(off), '.0e')}; relative distance "
        f"{text_of(ours)}, of the QR factor {text_of(other)}",
        verdict(max(off) < 1e-3 and max(ours) < min(other)),
        f"a matrix of {width} x {width}",
        {"distance": ours, "qr_distance": other, "from_polar_factor": off},
    )
