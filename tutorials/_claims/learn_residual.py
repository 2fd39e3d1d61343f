"""Claims that deep residual networks and transformers learn without normalization."""

import functools

import _common
import keras
import numpy as np
import t_fixup

import keras_initx
from _claims.claim import SEEDS, Measured, claim, percent, text_of, verdict
from _claims.contest import RATES, as_built, contest, digits, mean, numbers_of, scores
from _claims.residual import dense, encoder, residual_network
from keras_initx.layers import Scale


def tried(quick, epochs, rates=RATES):
    """The epochs, rates and seeds."""
    if quick:
        return {"epochs": 1, "rates": rates[:1], "seeds": SEEDS[:1]}
    return {"epochs": epochs, "rates": rates, "seeds": SEEDS}


def normalized_block(x, width):
    """A branch with batch normalization."""
    h = keras.layers.BatchNormalization()(dense(width)(x))
    return x + keras.layers.BatchNormalization()(dense(width)(keras.layers.ReLU()(h)))


def scaled_block(x, width):
    """A branch with one factor."""
    return x + Scale()(dense(width, "relu")(dense(width, "relu")(x)))


@functools.cache
def residual(quick):
    """All contenders on digits."""
    depth = 3 if quick else 20
    networks = {"Fixup": residual_network(depth, 32)}
    networks["He"] = networks["Fixup"]
    networks["batch norm"] = residual_network(depth, 32, normalized_block)
    networks["ReZero"] = residual_network(depth, 32, scaled_block)
    for network in networks.values():
        _common.compile_network(network)

    def by(scheme):
        def start(network, seed):
            keras_initx.reinitialize(network, seed=seed)
            scheme(network)

        return start

    starts = {
        "Fixup": by(keras_initx.fixup),
        "He": as_built,
        "batch norm": as_built,
        "ReZero": by(lambda network: keras_initx.depth_scale(network, "rezero")),
    }
    arguments = tried(quick, 5)
    runs = contest(networks, starts, digits(quick), **arguments)
    epochs = arguments["epochs"]
    size = f"{depth} blocks of 2 dense layers of 32, digits, {epochs} epochs"
    return runs, arguments, size


def told(quick, names, decide, why=""):
    """Some of the contenders, and how the claim comes out by their accuracies."""
    runs, arguments, size = residual(quick)
    runs = {name: runs[name] for name in names}
    return Measured(
        "; ".join(f"{name} {percent(scores(run))}" for name, run in runs.items()),
        decide({name: mean(run) for name, run in runs.items()}),
        size,
        numbers_of(runs),
        seeds=arguments["seeds"],
        rates=arguments["rates"],
        why=why,
    )


@claim(
    "residual",
    "schemes.fixup initializers.FixupScaled",
    "Zhang et al. 2019",
    'Training is "as stable as training with normalization", at any depth (abstract)',
    trains=True,
    script="fixup.py",
)
def fixup_learns(quick):
    """Test accuracy on digits."""
    return told(
        quick,
        ("Fixup", "batch norm", "He"),
        lambda found: verdict(
            found["Fixup"] > max(0.9, found["batch norm"] - 0.03), found["Fixup"] > 0.8
        ),
    )


@claim(
    "residual",
    "schemes.depth_scale layers.Scale",
    "Bachlechner et al. 2020",
    "With each branch times a factor that starts at 0, very deep networks train",
    trains=True,
)
def rezero_learns(quick):
    """Test accuracy on digits."""
    return told(
        quick,
        ("ReZero", "batch norm", "He"),
        lambda found: verdict(found["ReZero"] > 0.9, found["ReZero"] > found["He"]),
    )


@claim(
    "residual",
    "schemes.t_fixup initializers.TFixupScaled",
    "Huang et al. 2020",
    "A deep transformer trains without normalization and without warm-up (abstract)",
    trains=True,
    script="t_fixup.py",
)
def t_fixup_learns(quick):
    """The cross-entropy on new sequences."""
    depth, steps = (1, 4) if quick else (8, 100)
    network = t_fixup.build(depth)
    network.compile(
        keras.optimizers.Adam(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    network.optimizer.build(network.trainable_variables)
    pairs = t_fixup.batches(steps + 4, 0)
    source, seen, answers = (
        np.concatenate(parts)
        for parts in zip(*((a, b, c) for (a, b), c in pairs), strict=True)
    )
    cut = steps * t_fixup.BATCH_SIZE
    data = (
        [source[:cut], seen[:cut]],
        answers[:cut],
        [source[cut:], seen[cut:]],
        answers[cut:],
    )

    def scaled(network, seed):
        keras_initx.reinitialize(network, seed=seed)
        keras_initx.t_fixup(network)

    rates = (3e-4, 1e-3)
    arguments = tried(quick, 1, rates)
    runs = contest(network, {"T-Fixup": scaled, "Glorot": as_built}, data, **arguments)
    ours, glorot = (mean(run) for run in runs.values())
    learns = ours < 0.5 * t_fixup.UNIFORM
    fails = not glorot < 0.9 * t_fixup.UNIFORM
    cells = [f"{name} {text_of(scores(run), '.2g')}" for name, run in runs.items()]
    return Measured(
        "; ".join(cells),
        verdict(learns and fails, ours < glorot or not np.isfinite(glorot)),
        f"{depth} + {depth} layers of width {t_fixup.WIDTH}, {steps} steps; a guess "
        f"has {t_fixup.UNIFORM:.1f}",
        numbers_of(runs),
        seeds=arguments["seeds"],
        rates=rates,
    )


@claim(
    "residual",
    "schemes.depth_scale initializers.DepthScaled",
    "Wang et al. 2022",
    "DeepNorm trains post-normalized transformers that do not train otherwise",
    trains=True,
)
def deepnorm_learns(quick):
    """Accuracy of telling, at each place, the class of the vector before it."""
    depth, steps = (1, 4) if quick else (24, 150)
    network = encoder(depth)
    network.compile(
        keras.optimizers.Adam(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    network.optimizer.build(network.trainable_variables)
    random = np.random.default_rng(0)
    words = random.normal(size=(10, 16))
    labels = random.integers(0, 10, (32 * (steps + 4), 8))
    # Each place has its own offset.
    x = (words[labels] + random.normal(size=(8, 16))).astype("float32")
    y, cut = labels[:, ::-1], 32 * steps
    data = (x[:cut], y[:cut], x[cut:], y[cut:])

    def scaled(network, seed):
        keras_initx.reinitialize(network, seed=seed)
        keras_initx.depth_scale(network, "deepnorm")

    rates = (1e-3, 3e-3)
    arguments = tried(quick, 1, rates)
    starts = {"DeepNorm": scaled, "post-norm": as_built}
    runs = contest(network, starts, data, **arguments)
    ours, other = (mean(run) for run in runs.values())
    return Measured(
        "; ".join(f"{name} {percent(scores(run))}" for name, run in runs.items()),
        verdict(ours > 0.8 and other < 0.5, ours > other + 0.05),
        f"encoder of {depth} layers, width 16: reversing 8 words, {steps} steps",
        numbers_of(runs),
        seeds=arguments["seeds"],
        rates=rates,
    )
