"""Trains several starts of a network, at the same rates and from the same seeds."""

import _common
import keras
import numpy as np
from _learning import best_run

import keras_initx
from _claims.claim import SEEDS

RATES = (1e-3, 1e-2, 1e-1)


def contest(networks, starts, data, epochs, rates=RATES, seeds=SEEDS):
    """The best run of each contender, by its name.

    Args:
        networks: compiled model, or a dict of them by the names of the contenders.
        starts: dict of functions of a network and a seed, which set its weights.
        data: `(x_train, y_train, x_test, y_test)`.
        epochs: int.
        rates: learning rates.
        seeds: int seeds.
    """
    found = {}
    for name, start in starts.items():
        network = networks[name] if isinstance(networks, dict) else networks
        found[name] = best_run(network, start, data, rates, seeds, epochs, label=name)
    return found


def rules(kernel, bias=None):
    """A start: the kernels, or those of the `hidden` layers, by one initializer."""

    def start(network, seed):
        names = [layer.name for layer in network.layers]
        hidden = "hidden*" if any(n.startswith("hidden") for n in names) else "*"
        found = {f"{hidden}/kernel": kernel}
        if bias is not None:
            found[f"{hidden}/bias"] = bias
        keras_initx.reinitialize(network, found, seed=seed)

    return start


def digits(quick):
    """The data; a few of them if it shall be quick."""
    data = _common.load_data()
    return tuple(part[:100] for part in data) if quick else data


def as_built(network, seed):
    """A start: what the layers of the network say."""
    keras_initx.reinitialize(network, seed=seed)


def numbers_of(runs):
    """What the JSON file holds of each contender."""
    return {
        name: {
            "rate": run.rate,
            "losses": [float(loss) for loss in run.losses[:, -1]],
            "scores": [float(score) for score in run.scores[:, -1]],
        }
        for name, run in runs.items()
    }


def scores(run):
    """Of the last epoch, one for each seed."""
    return [float(score) for score in run.scores[:, -1]]


def plain(depth, width, activation, shape=(8, 8, 1)):
    """A compiled classifier of digits: dense layers one after the other."""
    layers = [keras.Input(shape), keras.layers.Flatten()]
    layers += [keras.layers.Dense(width, activation=activation) for _ in range(depth)]
    network = keras.Sequential([*layers, keras.layers.Dense(10)])
    _common.compile_network(network)
    return network


def plain_convolutions(depth, channels, activation):
    """A compiled classifier of digits: equal convolutions after one that halves."""
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(channels, 2, strides=2, activation=activation),
    ]
    for n in range(depth):
        name = f"hidden{n}"
        layers.append(
            keras.layers.Conv2D(
                channels, 3, padding="same", activation=activation, name=name
            )
        )
    network = keras.Sequential(
        [*layers, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    _common.compile_network(network)
    return network


def mean(run):
    """The mean score at the end."""
    return float(np.mean(run.scores[:, -1]))
