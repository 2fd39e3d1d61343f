"""Claims about how small networks learn: deep linear ones, autoencoders, sines."""

import math

import _common
import keras
import numpy as np

import keras_initx
from _claims.claim import SEEDS, Measured, claim, drawn, number, text_of, verdict
from _claims.contest import as_built, contest, digits, mean, numbers_of, scores
from keras_initx import Dirac, FanScaled, HaarOrthogonal, Siren, Sparse, ZerO


def steps_to_learn(initializer, depth, rate, seed, most):
    """Steps of gradient descent of a deep linear network until 2 % of the loss."""
    width, outputs = 32, 5
    random = np.random.default_rng(seed)
    left = np.linalg.qr(random.normal(size=(width, outputs)))[0]
    right = np.linalg.qr(random.normal(size=(outputs, outputs)))[0]
    wanted = left * np.linspace(0.5, 1, outputs) @ right
    kernels = list(drawn(initializer, (depth, width, width)))
    kernels[-1] = kernels[-1][:, :outputs]
    first = math.inf
    for step in range(most):
        products = [np.eye(width)]
        for kernel in kernels:
            products.append(products[-1] @ kernel)
        gradient = products[-1] - wanted
        loss = (gradient**2).sum()
        first = loss if step == 0 else first
        if not loss < 1e6:
            break
        if loss < 0.02 * first:
            return step
        for layer in reversed(range(depth)):
            change = products[layer].T @ gradient
            gradient = gradient @ kernels[layer].T
            kernels[layer] = kernels[layer] - rate * change
    return math.inf


@claim(
    "signal",
    "initializers.HaarOrthogonal",
    "Saxe et al. 2013",
    "The learning time of deep linear networks does not depend on depth from "
    "orthogonal kernels, and grows with it from Gaussian ones (sec. 2, fig. 4)",
    trains=True,
)
def learning_time(quick):
    """Steps at the best of several rates of c / depth, at two depths."""
    depths, most = ((5, 20), 100) if quick else ((10, 40), 300)
    rates = (0.25, 0.5) if quick else (0.05, 0.1, 0.25, 0.5, 1.0)

    def steps(initializer, depth, seed):
        return min(
            steps_to_learn(initializer, depth, c / depth, seed, most) for c in rates
        )

    found = {"orthogonal": [], "Gaussian": []}
    for seed in SEEDS:
        for name, initializer in [
            ("orthogonal", HaarOrthogonal(batch_axes=[0], seed=seed)),
            ("Gaussian", FanScaled(distribution="normal", batch_axes=[0], seed=seed)),
        ]:
            found[name].append([steps(initializer, depth, seed) for depth in depths])
    growth = {name: [many / few for few, many in each] for name, each in found.items()}
    is_flat = max(growth["orthogonal"]) < 2
    grows = min(growth["Gaussian"]) > 2

    def cell(name):
        few, many = zip(*found[name], strict=True)
        ends = [text_of(few, ".0f")]
        ends.append(
            text_of(many, ".0f") if max(many) < math.inf else f"more than {most}"
        )
        return " and ".join(ends)

    return Measured(
        f"steps with {depths[0]} and {depths[1]} layers: {cell('orthogonal')}; "
        f"Gaussian: {cell('Gaussian')}",
        verdict(is_flat and grows, is_flat),
        "linear networks of width 32",
        found | {"depths": depths},
        rates=rates,
    )


@claim(
    "kernels",
    "initializers.ZerO",
    "Zhao et al. 2022",
    "What square layers learn from identities has the rank of the inputs at most; "
    "Hadamard matrices break the bound (theorem 1)",
    trains=True,
)
def rank_bound(quick):
    """The rank of the change of the third kernel after some steps on digits."""
    x, y = digits(quick)[:2]
    pixels = 16
    x, width = x.reshape(len(x), -1)[:, 24 : 24 + pixels], 48 if quick else 128
    layers = [keras.layers.Dense(width, "relu", use_bias=False) for _ in range(3)]
    network = keras.Sequential(
        [keras.Input((pixels,)), *layers, keras.layers.Dense(10)]
    )
    _common.compile_network(network)

    def rank(initializer, seed):
        keras.utils.set_random_seed(seed)
        rules = {layer.kernel.path: initializer for layer in layers}
        keras_initx.reinitialize(network, rules, seed=seed)
        before = keras.ops.convert_to_numpy(layers[2].kernel).astype("float64")
        network.optimizer.learning_rate = 0.01
        network.fit(x, y, 50, 1 if quick else 5, verbose=0)
        change = keras.ops.convert_to_numpy(layers[2].kernel) - before
        return int(np.linalg.matrix_rank(change, tol=1e-5))

    seeds = SEEDS[:1] if quick else SEEDS
    identity = [rank(Dirac(), seed) for seed in seeds]
    ours = [rank(ZerO(), seed) for seed in seeds]
    return Measured(
        f"rank {text_of(ours, '.0f')}; from identities {text_of(identity, '.0f')}",
        verdict(max(identity) <= pixels < min(ours), pixels < min(ours)),
        f"3 layers of {width} rectifiers, {pixels} pixels of digits",
        {"zero": ours, "identity": identity},
        seeds=seeds,
        rates=(0.01,),
    )


def autoencoder():
    """A deep autoencoder of digits, of logistic units."""
    layers = [keras.layers.Dense(n, "sigmoid") for n in (50, 25, 6, 25, 50)]
    network = keras.Sequential(
        [keras.Input((64,)), *layers, keras.layers.Dense(64, "sigmoid")]
    )
    network.compile(keras.optimizers.SGD(momentum=0.95, nesterov=True), "mse")
    network.optimizer.build(network.trainable_variables)
    return network


@claim(
    "kernels",
    "initializers.Sparse",
    "Sutskever et al. 2013",
    "Deep autoencoders learn from sparse kernels of deviation 1 or 2, not from 0.25 or "
    "0.5 (table 3)",
    trains=True,
)
def sparse_scale(quick):
    """The squared error by the scale, over that of the mean image."""
    images = digits(quick)
    x, x_test = (part.reshape(len(part), 64) for part in images[::2])
    low, high = x.min(), x.max()
    x, x_test = (x - low) / (high - low), (x_test - low) / (high - low)
    guess = float(np.mean((x_test - x.mean(axis=0)) ** 2))
    rates = (1.0,) if quick else (1.0, 5.0, 20.0)
    seeds = SEEDS[:1] if quick else SEEDS

    def start(scale):
        def at(network, seed):
            rule = {"*/kernel": Sparse(stddev=scale)}
            keras_initx.reinitialize(network, rule, seed=seed)

        return at

    starts = {f"{s:g}": start(s) for s in (0.25, 0.5, 1.0, 2.0)}
    runs = contest(
        autoencoder(), starts, (x, x, x_test, x_test), 1 if quick else 60, rates, seeds
    )
    learned = {name: mean(run) / guess for name, run in runs.items()}
    best = min(learned["1"], learned["2"])
    small = min(learned["0.25"], learned["0.5"])
    cells = [
        f"{name}: {text_of([score / guess for score in scores(run)])}"
        for name, run in runs.items()
    ]
    return Measured(
        f"error over that of the mean image, by deviation: {'; '.join(cells)}",
        verdict(best < 0.6 and small > 0.9, best < 0.8 * small),
        "64-50-25-6-25-50-64 logistic units, digits",
        numbers_of(runs) | {"mean_image": guess},
        seeds=seeds,
        rates=rates,
        why="At its own best rate a small kernel learns too. The paper's autoencoders "
        "are deeper, with up to 11 layers.",
    )


def sine(x):
    """The unit of the paper, with omega = 30."""
    return keras.ops.sin(30 * x)


@claim(
    "kernels",
    "initializers.Siren",
    "Sitzmann et al. 2020",
    "Networks of sines fit signals with fine detail that rectifiers miss",
    trains=True,
)
def siren_fits(quick):
    """The peak signal to noise ratio of a fitted picture of 40 x 25 pixels."""
    grid = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 25))
    places = np.stack(grid, axis=-1).reshape(-1, 2)
    picture = np.sin(40 * places[:, :1] * places[:, 1:]) * np.cos(9 * places[:, :1])
    places, picture = places.astype("float32"), picture.astype("float32")

    def network(activation):
        layers = [keras.layers.Dense(64, activation) for _ in range(3)]
        found = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
        found.compile(keras.optimizers.Adam(), "mse")
        found.optimizer.build(found.trainable_variables)
        return found

    networks = {"sines": network(sine)}
    networks["ReLU"] = network("relu")

    def sines(network, seed):
        first, *others = (layer.kernel.path for layer in network.layers)
        rules = {first: Siren(first=True)} | {path: Siren() for path in others}
        keras_initx.reinitialize(network, rules, seed=seed)

    rates, seeds = ((1e-3,), SEEDS[:1]) if quick else ((1e-4, 3e-4, 1e-3, 3e-3), SEEDS)
    runs = contest(
        networks,
        {"sines": sines, "ReLU": as_built},
        (places, picture, places, picture),
        2 if quick else 60,
        rates,
        seeds,
    )
    # The picture goes from -1 to 1.
    ratios = {
        name: [10 * math.log10(4 / score) for score in scores(run)]
        for name, run in runs.items()
    }
    gap = np.mean(ratios["sines"]) - np.mean(ratios["ReLU"])
    return Measured(
        f"{text_of(ratios['sines'], '.0f')} dB; ReLU: {text_of(ratios['ReLU'], '.0f')} "
        f"dB, {number(gap, '.0f')} less",
        verdict(gap > 10, gap > 3),
        "3 layers of 64, a picture of 40 x 25 pixels",
        numbers_of(runs) | {"decibels": ratios},
        seeds=seeds,
        rates=rates,
    )
