"""Claims that deep plain networks learn where the scheme knows the activation."""

import _common
import lsuv

import keras_initx
from _claims.claim import claim, verdict
from _claims.contest import (
    RATES,
    contest,
    digits,
    mean,
    plain,
    plain_convolutions,
    rules,
)
from _claims.learn_plain import LEARNS, measured, tried


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
    runs = contest(networks, starts, digits(quick), **tried(quick))
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
    depth = 3 if quick else 30
    starts = {
        "Dirac": rules("dirac"),
        "He": rules("he_normal"),
    }
    network = plain_convolutions(depth, 8, "relu")
    runs = contest(network, starts, digits(quick), **tried(quick))
    learns = mean(runs["Dirac"]) > LEARNS
    is_better = mean(runs["Dirac"]) > mean(runs["He"]) + 0.05
    return measured(
        runs,
        verdict(learns and is_better, learns or is_better),
        f"{depth} convolutions of 8 channels, 4 x 4 pixels, digits",
        quick,
        why="The paper also trains a factor of the identity in each layer.",
    )


def lsuv_contest(activation, depth, quick):
    """LSUV and three initializers of convolutions with one activation."""
    network = lsuv.build(activation, "zeros", depth)
    _common.compile_network(network)
    data = digits(quick)

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
    depth, activations = (3, ["maxout"]) if quick else (20, ["tanh", "maxout"])
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
    depth, data = (4 if quick else 60), digits(quick)
    x = data[0][:256]
    starts = {
        "critical": lambda network, seed: keras_initx.critical(network, x, seed=seed),
        "LSUV": lambda network, seed: (
            keras_initx.reinitialize(network, seed=seed),
            keras_initx.lsuv(network, x, verbose=0),
        ),
        "He": rules("he_normal"),
    }
    arguments = tried(quick) | ({} if quick else {"rates": (1e-4, *RATES[:2])})
    runs = contest(plain(depth, 64, "gelu"), starts, data, **arguments)
    is_better = (
        mean(runs["critical"]) > max(mean(runs["LSUV"]), mean(runs["He"])) + 0.05
    )
    return measured(
        runs,
        verdict(is_better and mean(runs["critical"]) > LEARNS, is_better),
        f"{depth} dense layers of 64 GELU, digits",
        quick,
        rates=arguments["rates"],
    )
