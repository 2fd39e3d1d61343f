"""Claims that deep plain networks learn: without shortcuts and normalization."""

import functools

import keras

import keras_initx
from _claims.claim import SEEDS, Measured, claim, percent, verdict
from _claims.contest import (
    RATES,
    as_built,
    contest,
    digits,
    mean,
    numbers_of,
    plain,
    plain_convolutions,
    rules,
    scores,
)
from keras_initx import OrthogonalDelta

LEARNS = 0.9
TOO_SLOW = f"It learns, but not to {LEARNS:.0%} in so few epochs."


def told(runs):
    """The accuracies of all contenders."""
    return "; ".join(f"{name} {percent(scores(run))}" for name, run in runs.items())


def measured(runs, comes_out, size, quick, why="", rates=None):
    """Of accuracies on digits."""
    return Measured(
        told(runs),
        comes_out,
        f"{size}, {runs[next(iter(runs))].losses.shape[1]} epochs",
        numbers_of(runs),
        seeds=tried(quick)["seeds"],
        rates=rates or tried(quick)["rates"],
        why=why,
    )


def tried(quick):
    """The epochs, rates and seeds."""
    if quick:
        return {"epochs": 1, "rates": RATES[1:2], "seeds": SEEDS[:1]}
    return {"epochs": 8, "rates": RATES, "seeds": SEEDS}


@functools.cache
def rectifiers(quick):
    """Dense layers of rectifiers from several starts."""
    depth = 4 if quick else 50
    starts = {
        "looks linear": lambda network, seed: keras_initx.looks_linear(
            network, seed=seed
        ),
        "random walk": rules("random_walk"),
        "He": rules("he_normal"),
    }
    network = plain(depth, 64, "relu")
    runs = contest(network, starts, digits(quick), **tried(quick))
    return runs, f"{depth} dense layers of 64, digits"


@claim(
    "signal",
    "schemes.looks_linear initializers.LooksLinear",
    "Balduzzi et al. 2017",
    "Very deep networks train without skip connections (abstract)",
    trains=True,
    script="shattered_gradients.ipynb",
)
def looks_linear_learns(quick):
    """Test accuracy on digits."""
    runs, size = rectifiers(quick)
    runs = {name: runs[name] for name in ("looks linear", "He")}
    learns = mean(runs["looks linear"]) > LEARNS
    is_better = mean(runs["looks linear"]) > mean(runs["He"]) + 0.05
    return measured(runs, verdict(learns and is_better, learns), size, quick)


@claim(
    "signal",
    "initializers.RandomWalk",
    "Sussillo and Abbott 2014",
    "The right scale alone trains very deep plain networks",
    trains=True,
    script="random_walk.ipynb",
)
def random_walk_learns(quick):
    """Test accuracy on digits."""
    runs, size = rectifiers(quick)
    runs = {name: runs[name] for name in ("random walk", "He")}
    learns = mean(runs["random walk"]) > LEARNS
    is_better = min(scores(runs["random walk"])) > max(scores(runs["He"]))
    return measured(
        runs,
        verdict(learns, is_better),
        size,
        quick,
        why="At any scale that many rectifiers make all inputs alike.",
    )


@claim(
    "signal",
    "initializers.FanScaled",
    "He et al. 2015",
    "A network of 30 layers of rectifiers converges with He's kernels and stalls with "
    "Glorot's",
    trains=True,
)
def he_learns(quick):
    """Test accuracy on digits, after many layers."""
    depth = 3 if quick else 30
    starts = {"He": rules("he_normal"), "Glorot": rules("glorot_uniform")}
    network = plain(depth, 128, "relu")
    runs = contest(network, starts, digits(quick), **tried(quick))
    learns = mean(runs["He"]) > LEARNS
    stalls = mean(runs["Glorot"]) < 0.3
    return measured(
        runs,
        verdict(learns and stalls, mean(runs["He"]) > mean(runs["Glorot"]) + 0.05),
        f"{depth} dense layers of 128, digits",
        quick,
        why=TOO_SLOW,
    )


@claim(
    "signal",
    "initializers.OrthogonalDelta activations.critical_point",
    "Xiao et al. 2018",
    'Delta-orthogonal kernels "train vanilla CNNs with ten thousand layers or more" '
    "(abstract)",
    trains=True,
    script="delta_orthogonal.ipynb",
)
def delta_learns(quick):
    """Test accuracy on digits after many convolutions of tanh."""
    depth = 3 if quick else 100
    point = keras_initx.critical_point("tanh", depth=depth)
    bias = keras.initializers.RandomNormal(stddev=point.sigma_b)
    gaussian = keras_initx.FanScaled(point.sigma_w**2, distribution="normal")
    starts = {
        "delta-orthogonal": rules(OrthogonalDelta(gain=point.sigma_w), bias),
        "Gaussian, same scale": rules(gaussian, bias),
        "Glorot": as_built,
    }
    network = plain_convolutions(depth, 8, "tanh")
    runs = contest(network, starts, digits(quick), **tried(quick))
    learns = mean(runs["delta-orthogonal"]) > LEARNS
    learns = learns and mean(runs["Glorot"]) < mean(runs["delta-orthogonal"]) - 0.05
    return measured(
        runs,
        verdict(learns and depth >= 10_000, learns),
        f"{depth} convolutions of 8 channels, 4 x 4 pixels, digits",
        quick,
        why=f"We tried {depth} layers.",
    )


@claim(
    "signal",
    "initializers.FanScaled activations.gain",
    "Klambauer et al. 2017",
    "SELU makes deep plain networks trainable",
    trains=True,
)
def selu_learns(quick):
    """Test accuracy on digits beside ReLU with He's kernels."""
    depth = 3 if quick else 50
    networks = {
        "SELU, LeCun": plain(depth, 64, "selu"),
        "ReLU, He": plain(depth, 64, "relu"),
    }
    lecun = keras_initx.FanScaled(distribution="normal")
    starts = {"SELU, LeCun": rules(lecun), "ReLU, He": rules("he_normal")}
    runs = contest(networks, starts, digits(quick), **tried(quick))
    learns = mean(runs["SELU, LeCun"]) > LEARNS
    is_better = mean(runs["SELU, LeCun"]) > mean(runs["ReLU, He"]) + 0.05
    return measured(
        runs,
        verdict(learns and is_better, learns or is_better),
        f"{depth} dense layers of 64, digits",
        quick,
        why=TOO_SLOW,
    )
