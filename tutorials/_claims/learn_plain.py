"""Claims that deep plain networks learn: without shortcuts and normalization."""

import functools

import _common
import keras
import lsuv

import keras_initx
from _claims.claim import SEEDS, Measured, claim, percent, verdict
from _claims.contest import (
    RATES,
    as_built,
    contest,
    mean,
    numbers_of,
    plain,
    plain_convolutions,
    rules,
    scores,
)
from keras_initx import OrthogonalDelta

LEARNS = 0.9


def told(runs):
    """The accuracies of all contenders."""
    return "; ".join(f"{name} {percent(scores(run))}" for name, run in runs.items())


def measured(runs, comes_out, size, quick, why=""):
    """Of accuracies on digits."""
    return Measured(
        told(runs),
        comes_out,
        size,
        numbers_of(runs),
        seeds=SEEDS[: 1 if quick else None],
        rates=RATES[1 : 2 if quick else None] if quick else RATES,
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
    runs = contest(network, starts, _common.load_data(), **tried(quick))
    return runs, f"{depth} dense layers of 64, digits"


@claim(
    "signal",
    "schemes.looks_linear initializers.LooksLinear",
    "Balduzzi et al. 2017",
    "Very deep networks train without skip connections (abstract)",
    trains=True,
    script="quickstart.py",
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
    script="quickstart.py",
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
    """Test accuracy on digits, with narrow convolutions of 30 layers."""
    depth = 3 if quick else 30
    starts = {"He": rules("he_normal"), "Glorot": rules("glorot_uniform")}
    network = plain(depth, 128, "relu")
    runs = contest(network, starts, _common.load_data(), **tried(quick))
    learns = mean(runs["He"]) > LEARNS
    stalls = mean(runs["Glorot"]) < 0.3
    return measured(
        runs,
        verdict(learns and stalls, mean(runs["He"]) > mean(runs["Glorot"]) + 0.05),
        f"{depth} dense layers of 128, digits",
        quick,
    )


@claim(
    "signal",
    "initializers.OrthogonalDelta activations.critical_point",
    "Xiao et al. 2018",
    'One can "train vanilla CNNs with ten thousand layers or more" (abstract)',
    trains=True,
    script="quickstart.py",
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
    runs = contest(network, starts, _common.load_data(), **tried(quick))
    learns = mean(runs["delta-orthogonal"]) > LEARNS
    is_better = mean(runs["Glorot"]) < mean(runs["delta-orthogonal"]) - 0.05
    return measured(
        runs,
        verdict(learns and is_better, learns),
        f"{depth} convolutions of 8 channels, 4 x 4 pixels, digits",
        quick,
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
    runs = contest(networks, starts, _common.load_data(), **tried(quick))
    learns = mean(runs["SELU, LeCun"]) > LEARNS
    is_better = mean(runs["SELU, LeCun"]) > mean(runs["ReLU, He"]) + 0.05
    return measured(
        runs,
        verdict(learns and is_better, learns or is_better),
        f"{depth} dense layers of 64, digits",
        quick,
    )


@claim(
    "maps",
    "activations.shaped",
    "Zhang et al. 2022",
    "With TAT the accuracy of plain networks does not drop with depth",
    trains=True,
)
def tailored_learns(quick):
    """Test accuracy on digits of few and many layers, beside ReLU."""
    few, many = (2, 4) if quick else (10, 50)
    networks, starts = {}, {}
    for depth in (few, many):
        activation = keras_initx.shaped("leaky_relu", depth)
        networks[f"TAT, {depth} layers"] = plain(depth, 64, activation)
        starts[f"TAT, {depth} layers"] = rules(
            keras_initx.HaarOrthogonal(scale="variance")
        )
    networks[f"ReLU, {many} layers"] = plain(many, 64, "relu")
    starts[f"ReLU, {many} layers"] = rules("he_normal")
    runs = contest(networks, starts, _common.load_data(), **tried(quick))
    shallow, deep, relu = (mean(run) for run in runs.values())
    is_flat = deep > shallow - 0.03
    return measured(
        runs,
        verdict(is_flat and deep > relu + 0.05, deep > relu + 0.05),
        "dense layers of 64, digits",
        quick,
    )


@claim(
    "signal",
    "initializers.Dirac",
    "Zagoruyko and Komodakis 2017",
    "Very deep networks train without skip connections if they start near the identity",
    trains=True,
)
def dirac_learns(quick):
    """Test accuracy on digits after many convolutions of rectifiers."""
    depth = 3 if quick else 50
    starts = {
        "Dirac": rules("dirac"),
        "He": rules("he_normal"),
    }
    network = plain_convolutions(depth, 16, "relu")
    runs = contest(network, starts, _common.load_data(), **tried(quick))
    learns = mean(runs["Dirac"]) > LEARNS
    is_better = mean(runs["Dirac"]) > mean(runs["He"]) + 0.05
    return measured(
        runs,
        verdict(learns and is_better, learns or is_better),
        f"{depth} convolutions of 16 channels, 4 x 4 pixels, digits",
        quick,
        why="The paper also trains a factor of the identity in each layer.",
    )


def lsuv_contest(activation, depth, quick):
    """LSUV and three initializers of convolutions with one activation."""
    network = lsuv.build(activation, "zeros", depth)
    _common.compile_network(network)
    data = _common.load_data()

    def scaled(network, seed):
        keras_initx.reinitialize(network, {"*/kernel": "haar_orthogonal"}, seed=seed)
        keras_initx.lsuv(network, data[0][: _common.BATCH_SIZE], verbose=0)

    starts = {
        "LSUV": scaled,
        "Glorot": rules("glorot_uniform"),
        "He": rules("he_normal"),
        "orthogonal": rules("orthogonal"),
    }
    return contest(network, starts, data, **tried(quick))


@claim(
    "signal",
    "schemes.lsuv callbacks.LSUV",
    "Mishkin and Matas 2016",
    "At least as accurate as standard initializers, whatever the activation (abstract)",
    trains=True,
    script="lsuv.py",
)
def lsuv_learns(quick):
    """Test accuracy on digits for two activations."""
    depth, activations = (3, ["maxout"]) if quick else (20, ["ReLU", "maxout"])
    runs = {
        f"{name}, {activation}": run
        for activation in activations
        for name, run in lsuv_contest(activation, depth, quick).items()
    }
    is_best = [
        mean(runs[f"LSUV, {activation}"])
        >= max(mean(r) for name, r in runs.items() if name.endswith(activation)) - 0.01
        for activation in activations
    ]
    return measured(
        runs,
        verdict(all(is_best), any(is_best)),
        f"{depth} convolutions of 16 channels, 4 x 4 pixels, digits",
        quick,
    )


@claim(
    "maps",
    "schemes.critical activations.critical_point",
    "Hayou et al. 2019",
    "On the edge of chaos deep networks of smooth activations train better",
    trains=True,
    script="critical.py",
)
def critical_learns(quick):
    """Test accuracy on digits after many layers of GELU."""
    depth, data = (4 if quick else 60), _common.load_data()
    starts = {
        "critical": lambda network, seed: keras_initx.critical(
            network, data[0], seed=seed
        ),
        "LSUV": lambda network, seed: (
            keras_initx.reinitialize(network, seed=seed),
            keras_initx.lsuv(network, data[0], verbose=0),
        ),
        "He": rules("he_normal"),
    }
    rates = (1e-4, *RATES[:2])
    arguments = tried(quick) | ({} if quick else {"rates": rates, "epochs": 12})
    runs = contest(plain(depth, 64, "gelu"), starts, data, **arguments)
    others = max(mean(runs["LSUV"]), mean(runs["He"]))
    found = measured(
        runs,
        verdict(mean(runs["critical"]) > others + 0.05),
        f"{depth} dense layers of 64 GELU, digits",
        quick,
    )
    return found
